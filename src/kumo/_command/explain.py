"""The verb ``kumo explain``: the count, and every limit and note that it follows from."""

from __future__ import annotations

from kumo._command.options import (
    add_json,
    add_memory,
    add_subject,
    add_svg,
    asked_estimate,
    whole_count,
)
from kumo._command.output import paint, paragraph, say, table, write, write_exact, write_json
from kumo._explain import NUMBERS, as_dict, headline, rows, show_notes
from kumo._text import quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

    from kumo._command.options import Parser
    from kumo._records import Estimate

DESCRIPTION = "Print the count, the limit that decides, every other limit and the notes."
TOO_FEW = 1
EXITS = {TOO_FEW: "with --at-least: there are fewer CPUs"}


def add_arguments(parser: Parser) -> None:
    """Add the options."""
    form = parser.add_mutually_exclusive_group()
    add_json(form)
    add_svg(form)
    add_subject(parser)
    add_memory(parser)
    parser.add_argument(
        "--at-least", type=whole_count, metavar="N",
        help="if the count is below N, print one line to stderr and exit with 1",
    )  # fmt: skip


def run(options: Namespace) -> int:
    """Print the explanation; return the exit code."""
    estimate = asked_estimate(options)
    if options.at_least is not None and estimate.parallelism < options.at_least:
        limit = estimate.binding
        why = f"{limit.source} {limit.where} {limit.text}"
        count = f"{estimate.parallelism}, which is less than {options.at_least}"
        say(f"the count is {count}: {quoted(why, 300)}")
        return TOO_FEW
    if options.json:
        write_json(as_dict(estimate))
    elif options.svg:
        from kumo._report.drawing import limits

        write_exact(limits(estimate, alone=True))
    else:
        write("".join(f"{line}\n" for line in _lines(estimate)))
    return 0


def _lines(estimate: Estimate) -> Iterator[str]:
    """Yield `kumo._explain.explain`, folded for a terminal, with the binding limit in bold."""
    yield from paragraph(headline(estimate))
    yield ""
    binding, *others = table(None, rows(estimate), NUMBERS)
    yield from (paint(line, "bold") for line in binding)
    yield from (line for lines in others for line in lines)
    for note in show_notes(estimate):
        yield ""
        yield from paragraph(note)
