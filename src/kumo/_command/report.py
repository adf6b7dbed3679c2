"""The verb ``kumo report``: one HTML page about a process, to look at and to send."""

from __future__ import annotations

import os

from kumo._command.options import add_pid, positive_seconds
from kumo._command.output import Progress, say, stderr_is_terminal, write, write_exact
from kumo._errors import InputError
from kumo._text import repr_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from kumo._command.options import Parser
    from kumo._report.facts import Facts

FILE = "kumo-report.html"
SILENT = 1.0  # seconds; what takes longer says so
DESCRIPTION = "Watch a process, and write one HTML page about it: limits, throttling, threads."
DETAILS = """\
It needs jinja2, which the extra "report" brings.
The page has no script and asks for nothing. kumo explain --machine FILE gives
the same answer from it on any machine. The output is the name of the file.
"""


def add_arguments(parser: Parser) -> None:
    """Add the options."""
    add_pid(parser, "report on process N, else on the cgroup of this command")
    parser.add_argument("--seconds", type=positive_seconds, default=10.0, metavar="S",
                        help="how long to watch, by default 10")  # fmt: skip
    parser.add_argument("-o", dest="output", default=FILE, metavar="FILE",
                        help=f"write to FILE, by default {FILE}; - is stdout")  # fmt: skip


def run(options: argparse.Namespace) -> int:
    """Write the report; return the exit code. Raise `InputError` and `ProcessLookupError`."""
    path = options.output
    if path != "-":
        _check_writable(path)
    try:
        import jinja2  # noqa: F401 - so that it is missed before the watching

        from kumo._report.page import page
    except ImportError:
        raise InputError("kumo report needs jinja2: pip install jinja2") from None
    text = page(_watch(options.pid, options.seconds))
    if path == "-":
        write_exact(text)
        return 0
    try:
        with open(path, "w", encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            file.write(text)
    except OSError as error:
        raise InputError(f"-o {repr_path(path)}: {error.strerror}") from None
    write(f"{path}\n")
    return 0


def _watch(pid: int | None, seconds: float) -> Facts:
    from kumo._report.facts import gather

    whom = "this cgroup" if pid is None else f"process {pid}"
    quiet = seconds <= SILENT or stderr_is_terminal()
    with Progress() as progress:

        def show(passed: float) -> None:
            nonlocal quiet
            if not quiet:  # now there is such a process
                say(f"watching {whom} for {seconds:g} s")
                quiet = True
            progress.show(f"watching {whom}: {passed:.0f} of {seconds:g} s")

        return gather(pid, seconds, show)


def _check_writable(path: str) -> None:
    """Raise `InputError` if it can be seen before the watching that *path* cannot be written."""
    folder = os.path.dirname(path) or "."
    if os.path.isdir(path) or not path:
        raise InputError(f"-o {repr_path(path)}: it is a directory" if path else "-o '': no name")
    if not os.path.isdir(folder):
        raise InputError(f"-o {repr_path(path)}: there is no directory {repr_path(folder)}")
    try:
        os.stat(path)
        present = path
    except FileNotFoundError:
        present = folder
    except OSError as error:  # such as a name that is too long
        raise InputError(f"-o {repr_path(path)}: {error.strerror}") from None
    if not os.access(present, os.W_OK):
        what = "the file" if present == path else f"the directory {repr_path(folder)}"
        raise InputError(f"-o {repr_path(path)}: you may not write to {what}")
