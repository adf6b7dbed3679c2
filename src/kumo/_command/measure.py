"""The verb ``kumo measure``."""

from __future__ import annotations

from math import ceil

from kumo._command.options import add_json, seconds
from kumo._command.output import Progress, paragraph, say, table, write, write_json
from kumo._errors import InputError
from kumo._measure.measure import (
    DEFAULT_SECONDS,
    MAX_SECONDS,
    MIN_SECONDS,
    allowed_by,
    measured,
)
from kumo._measure.verdict import as_dict
from kumo._override import VARIABLE
from kumo._survey import estimate
from kumo._text import plural, quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from kumo._command.options import Parser
    from kumo._measure.verdict import Measurement

MUCH_CONTENTION = 0.15  # of the workers: a hidden limit may be nearer than others let them come
DESCRIPTION = "Keep every allowed CPU busy, and report what is really delivered."
DETAILS = """\
It costs CPU time, the seconds times the CPUs, and may spend the burst credits
of a machine.
"""


def add_arguments(parser: Parser) -> None:
    """Add the options."""
    text = f"how long, from {MIN_SECONDS:g} to {MAX_SECONDS:g}; by default {DEFAULT_SECONDS:g}"
    parser.add_argument("--seconds", type=_seconds, default=DEFAULT_SECONDS, metavar="S", help=text)
    output = parser.add_mutually_exclusive_group()
    add_json(output)
    output.add_argument(
        "--write", action="store_true", help=f"print the line {VARIABLE}=N that would be right"
    )


def _seconds(text: str) -> float:
    which = f"from {MIN_SECONDS:g} to {MAX_SECONDS:g}, such as {DEFAULT_SECONDS:g}"
    return seconds(text, lambda number: MIN_SECONDS <= number <= MAX_SECONDS, which)


def run(options: argparse.Namespace) -> int:
    """Say what it costs, measure, print the result. Raise as `kumo.measure` does."""
    say(_cost(allowed_by(estimate()), options.seconds))
    try:
        with Progress() as progress:
            measurement = measured(
                options.seconds, lambda part: progress.show(f"measuring: {part:.0%}")
            )
    except RuntimeError as error:
        raise InputError(str(error)) from None
    if options.json:
        write_json(as_dict(measurement))
    elif options.write:
        _write(measurement)
    else:
        write(f"{as_text(measurement)}\n")
    return 0


def _cost(allowed: float, seconds: float) -> str:
    number = ceil(allowed)
    return (
        f"spins on {plural(number, 'CPU')} for {seconds:g} s: "
        f"up to {number * seconds:g} s of CPU time, which may spend burst credits"
    )


def _write(measurement: Measurement) -> None:
    if measurement.hidden:
        write(f"{VARIABLE}={measurement.parallelism}\n")
    else:
        came = f"{measurement.cpus:.2f} of {measurement.allowed:.2f} CPUs came"
        say(f"no {VARIABLE} is needed: {came}")


def _verdict(measurement: Measurement) -> str:
    if measurement.hidden:
        return "a limit that cannot be seen from here decides"
    if measurement.shared is not None:
        return f"other programs use the quota of {quoted(measurement.shared, 200)} too"
    if measurement.contention > MUCH_CONTENTION * measurement.workers:
        return "no hidden limit was found, but other programs were busy: measure again without them"
    return "no hidden limit"


def as_text(measurement: Measurement) -> str:
    """Return the result for people."""
    first = f"{measurement.cpus:.2f} of {measurement.allowed:.2f} CPUs: {_verdict(measurement)}"
    facts = [line for lines in table(None, list(_facts(measurement))) for line in lines]
    return "\n".join([*paragraph(first), "", *facts])


def _facts(measurement: Measurement) -> Iterator[tuple[str, str]]:
    if measurement.period_ms is not None:
        times = plural(measurement.stops or 0, "time")
        yield "period", f"{measurement.period_ms:.1f} ms: all stopped {times}"
    yield "stopped", f"{measurement.stopped:.2f} CPUs, with no other program here running"
    yield "contention", f"{measurement.contention:.2f} CPUs, taken by other programs here"
    if measurement.steal is not None:
        yield "steal", f"{measurement.steal:.2f} CPUs, as the hypervisor reports"
