"""The verb ``kumo explain``: the count, and every limit and note that it follows from."""

from __future__ import annotations

from kumo._command.options import add_json, add_subject, asked_system
from kumo._command.output import write, write_json
from kumo._explain import as_dict, explain
from kumo._survey import survey

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

    from kumo._command.options import Parser

DESCRIPTION = "Print the count, the limit that decides, every other limit and the notes."


def add_arguments(parser: Parser) -> None:
    """Add the options."""
    add_json(parser)
    add_subject(parser)


def run(options: Namespace) -> int:
    """Print the explanation; return the exit code."""
    estimate = survey(asked_system(options))
    if options.json:
        write_json(as_dict(estimate))
    else:
        write(f"{explain(estimate)}\n")
    return 0
