"""The verb ``kumo snapshot``: a machine file of what one estimate reads."""

from __future__ import annotations

from kumo._command.options import add_subject, asked_system
from kumo._command.output import write, write_exact
from kumo._errors import UsageError
from kumo._snapshot import script, snapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

    from kumo._command.options import Parser

DESCRIPTION = "Print a machine file: everything that an estimate reads from this machine."
DETAILS = """\
kumo explain --machine FILE gives the same answer from it on any machine.
"""


def add_arguments(parser: Parser) -> None:
    """Add the options."""
    parser.add_argument("--topology", action="store_true", help="include what kumo topology reads")
    parser.add_argument(
        "--sh", action="store_true",
        help="print a shell script that writes one on a Linux machine without Python",
    )  # fmt: skip
    add_subject(parser)


def run(options: Namespace) -> int:
    """Print the machine file in UTF-8, as machine files are; return the exit code."""
    if options.sh:
        if options.topology or options.pid is not None or options.machine is not None:
            raise UsageError("--sh takes no other option: the script is for the machine it runs on")
        write(script())
        return 0
    text = snapshot(asked_system(options), options.topology)
    write_exact(text.removesuffix("\n") + "\n")
    return 0
