"""Write the man page and the completions in share/ from the parsers of the command.

With ``--check`` write nothing, and exit 1 if a file differs from what would be written.
Without argparse-manpage and shtab, which the extra ``lint`` brings, nothing is compared.
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).resolve().parent
SHARE = HERE.parent / "share"
sys.path.insert(0, str(HERE.parent / "src"))  # this checkout's parsers, whatever is installed

from kumo import __version__  # noqa: E402
from kumo._command.options import DESCRIPTION, Parser, make_whole_parser  # noqa: E402
from kumo._command.verbs import EXITS, VERBS  # noqa: E402
from kumo._runtimes.knobs import GROUPS  # noqa: E402

NEEDS = ("argparse_manpage", "shtab")
COMPLETIONS = {
    "bash": "bash-completion/completions/kumo",
    "zsh": "zsh/site-functions/_kumo",
    "fish": "fish/vendor_completions.d/kumo.fish",
}
# Another command with its arguments, as each shell completes one.
SIGNALS = ["HUP", "INT", "QUIT", "TERM", "USR1", "USR2"]
COMMAND = {
    "preamble": {"bash": '_kumo_commands() {\n  compgen -c -- "$1"\n}\n'},
    "bash": "_kumo_commands",
    "zsh": "_normal",
    "fish": "(__fish_complete_command)",
}
END = r"""
.SH ENVIRONMENT
.TP
\fBKUMO_AVAILABLE_PARALLELISM\fR
overrides the count
.SH EXIT STATUS
{exits}.PP
\fBkumo\fR \fIVERB\fR \fB\-\-help\fR has the exit codes of each verb.
"""


def man_page(parser: Parser) -> str:
    """Return the man page."""
    from argparse_manpage.manpage import Manpage

    parser.epilog = None
    data = {
        "description": re.sub(r"^F", "f", DESCRIPTION).rstrip("."),
        "project_name": "kumo",
        "version": __version__,
        "manual_title": "User commands",
    }
    manual = Manpage(parser, _data=data)
    manual.date = ""  # so that the page depends on the parsers alone
    page = str(manual).replace("usage: ", "")
    exits = "".join(f".TP\n\\fB{code}\\fR\n{text}\n" for code, text in EXITS.items())
    return page.rstrip("\n") + END.format(exits=exits)


def completion(parser: Parser, shell: str) -> str:
    """Return the completions of a shell."""
    import shtab

    for each in actions(parser):
        if each.metavar == "FILE":
            each.complete = shtab.FILE
        elif "COMMAND ..." in str(each.metavar):
            each.complete = COMMAND
        elif "--signal" in each.option_strings:
            each.choices = SIGNALS
        elif each.metavar == "NAME":
            each.choices = sorted(GROUPS)
        elif each.metavar == "VERB" and not each.choices:
            each.choices = list(VERBS)
    return shtab.complete(parser, shell=shell)


def actions(parser: Any) -> Iterator[Any]:
    """Yield every option and argument of *parser* and its verbs."""
    for action in parser._actions:
        yield action
        if isinstance(action.choices, dict):
            for verb in action.choices.values():
                yield from actions(verb)


def texts() -> Iterator[tuple[Path, str]]:
    """Yield each file with what it should contain."""
    yield SHARE / "man" / "man1" / "kumo.1", man_page(make_whole_parser())
    for shell, name in COMPLETIONS.items():
        yield SHARE / name, completion(make_whole_parser(), shell)


def main(arguments: list[str]) -> int:
    """Write or compare the files; return the exit code."""
    if arguments not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    absent = [name for name in NEEDS if importlib.util.find_spec(name) is None]
    if absent:
        print(f"generate_shells.py needs {' and '.join(absent)}, from the extra lint")
        return 0 if arguments else 1
    wrong = []
    for path, text in texts():
        if not arguments:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        elif not path.exists() or path.read_text("utf-8") != text:
            wrong.append(os.fspath(path.relative_to(SHARE)))
    if wrong:
        print(f"{', '.join(wrong)}: run python docs/generate_shells.py", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
