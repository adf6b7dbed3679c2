"""The verb ``kumo snapshot``: a machine file of what one estimate reads."""

from __future__ import annotations

from kumo._command.options import add_subject, asked_system
from kumo._command.output import write_exact
from kumo._snapshot import snapshot

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
    add_subject(parser)


def run(options: Namespace) -> int:
    """Print the machine file in UTF-8, as machine files are; return the exit code."""
    text = snapshot(asked_system(options), options.topology)
    write_exact(text.removesuffix("\n") + "\n")
    return 0
