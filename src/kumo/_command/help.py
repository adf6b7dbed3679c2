"""The verb ``kumo help``: the help of the command, or of one verb."""

from __future__ import annotations

from kumo._command.options import make_parser, not_a_verb
from kumo._command.output import write
from kumo._command.verbs import VERBS
from kumo._errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

    from kumo._command.options import Parser

DESCRIPTION = "Print the help of the command or of a verb."


def add_arguments(parser: Parser) -> None:
    """Add the verb to explain."""
    parser.add_argument("verb", nargs="?", metavar="VERB", help="such as explain")


def run(options: Namespace) -> int:
    """Print the help; return the exit code."""
    if options.verb is not None and options.verb not in VERBS:
        raise UsageError(not_a_verb(options.verb))
    write(make_parser(options.verb).format_help())
    return 0
