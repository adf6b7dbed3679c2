"""The verb ``kumo count``, which ``kumo`` with options alone is too: the count."""

from __future__ import annotations

from kumo._command.options import add_json, add_memory, add_subject, asked_estimate
from kumo._command.output import write, write_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

    from kumo._command.options import Parser

DESCRIPTION = "Print the count and nothing else, as in make -j$(kumo)."


def add_arguments(parser: Parser) -> None:
    """Add the options."""
    add_json(parser, "print the JSON object of kumo explain instead")
    add_subject(parser)
    add_memory(parser)


def run(options: Namespace) -> int:
    """Print the count; return the exit code."""
    estimate = asked_estimate(options)
    if options.json:
        from kumo._explain import as_dict

        write_json(as_dict(estimate))
    else:
        write(f"{estimate.parallelism}\n")
    return 0
