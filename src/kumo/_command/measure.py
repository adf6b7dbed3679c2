"""The verb ``kumo measure``."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from math import ceil

from kumo._command.options import seconds, verb_parser
from kumo._errors import InputError, UsageError
from kumo._measure.measure import LEAST, MOST, SECONDS, allowed_by, check_seconds, measured
from kumo._measure.verdict import as_dict
from kumo._override import VARIABLE
from kumo._survey import estimate
from kumo._text import quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Sequence

    from kumo._measure.verdict import Measurement

USAGE = "[--seconds S] [--json | --write]"
BUSY = 0.15  # of the workers: a hidden limit may be nearer than others let them come
DESCRIPTION = "Spin on every CPU that the visible limits allow, and tell what is really delivered."
EPILOG = """\
It costs CPU time, the seconds times the CPUs, and may spend the burst credits of a machine.
"""


def main(arguments: Sequence[str]) -> int:
    """Say what it costs, measure, print the result. Raise as `kumo.measure` does."""
    options = _parse(arguments)
    _say(_cost(allowed_by(estimate()), options.seconds))
    try:
        with _shown() as progress:
            found = measured(options.seconds, progress)
    except RuntimeError as error:
        raise InputError(str(error)) from None
    if options.json:
        import json

        print(json.dumps(as_dict(found)))
    elif options.write:
        _write(found)
    else:
        print(as_text(found))
    return 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = verb_parser("measure", USAGE, DESCRIPTION, EPILOG)
    text = f"how long, from {LEAST:g} to {MOST:g}; by default {SECONDS:g}"
    parser.add_argument("--seconds", type=seconds, default=SECONDS, metavar="S", help=text)
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="print one JSON object instead")
    output.add_argument(
        "--write", action="store_true", help=f"print the line {VARIABLE}=N that would be right"
    )
    options = parser.parse_args(arguments)
    try:
        check_seconds(options.seconds)
    except ValueError as error:
        raise UsageError(f"--{error}") from None
    return options


def _cost(allowed: float, seconds: float) -> str:
    number = ceil(allowed)
    cpus = "1 CPU" if number == 1 else f"{number} CPUs"
    return (
        f"kumo: spins on {cpus} for {seconds:g} s: up to {number * seconds:g} s of CPU time, "
        "which may spend burst credits"
    )


def _say(text: str, end: str = "\n") -> None:
    if sys.stderr is not None:
        print(text, end=end, file=sys.stderr, flush=True)


@contextmanager
def _shown() -> Iterator[Callable[[float], None]]:
    """Give what shows the part that is done: on a terminal alone."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda part: None
        return
    try:
        yield lambda part: _say(f"\r\x1b[Kmeasuring: {part:.0%}", end="")
    finally:
        _say("\r\x1b[K", end="")


def _write(found: Measurement) -> None:
    if found.hidden:
        print(f"{VARIABLE}={found.parallelism}")
    else:
        _say(f"kumo: no {VARIABLE} is needed: {found.cpus:.2f} of {found.allowed:.2f} CPUs came")


def _verdict(found: Measurement) -> str:
    if found.hidden:
        return "something that cannot be seen from here binds"
    if found.shared is not None:
        return f"other programs use the quota of {quoted(found.shared, 200)} too"
    if found.contention > BUSY * found.workers:
        return "nothing hidden was met, but other programs were in the way; measure again without"
    return "nothing hidden binds"


def as_text(found: Measurement) -> str:
    """Return the result for people."""
    lines = [f"{found.cpus:.2f} of {found.allowed:.2f} CPUs: {_verdict(found)}", ""]
    if found.period_ms is not None:
        lines.append(f"period      {found.period_ms:.1f} ms: all stopped {found.stops} times")
    lines.append(f"stopped     {found.stopped:.2f} CPUs, with no other program here running")
    lines.append(f"contention  {found.contention:.2f} CPUs, taken by other programs here")
    if found.steal is not None:
        lines.append(f"steal       {found.steal:.2f} CPUs, as the hypervisor tells")
    return "\n".join(lines)
