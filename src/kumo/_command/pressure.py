"""The verb ``kumo pressure``: the verdict on a process, and what it goes by."""

from __future__ import annotations

from math import inf

from kumo._command.options import add_json, add_pid, positive_seconds
from kumo._command.output import (
    Progress,
    paragraph,
    say,
    stderr_is_terminal,
    table,
    write,
    write_json,
)
from kumo._errors import InputError
from kumo._pressure.pressure import watched
from kumo._pressure.rules import watched_itself
from kumo._records import fields_of
from kumo._text import quoted, show_decimal, show_rate, show_share

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from typing import Any

    from kumo._command.options import Parser
    from kumo._pressure.records import Level, Pressure, Verdict

SCHEMA = 1
SILENT = 1.0  # seconds; what takes longer says so
DESCRIPTION = "Find out what slows a process down: a quota, neighbours or its own threads."
DETAILS = """\
Without --pid the command watches itself: its cgroups, and how late it wakes up.
With --watch a verdict is replaced when another has come up twice in a row.
"""
PLAIN = ("seconds", "cpus", "threads", "used", "waiting", "idle", "elsewhere", "steal", "host")
COLUMNS = ("cgroup", "quota", "used", "periods", "throttled", "for", "burst", "some", "full")


def add_arguments(parser: Parser) -> None:
    """Add the options."""
    add_json(parser)
    parser.add_argument("--watch", action="store_true", help="a line for each window, until ended")
    parser.add_argument("--seconds", type=positive_seconds, default=1.0, metavar="S",
                        help="how long to watch, by default 1")  # fmt: skip
    add_pid(parser, "watch process N")


def run(options: argparse.Namespace) -> int:
    """Print the pressure; return the exit code. Raise as `kumo.pressure` does."""
    pressure = _window(options)
    while True:
        _show(pressure, _held(pressure, options), options)
        if not options.watch:
            return 0
        try:
            pressure = _window(options, pressure)
        except InputError:
            return 0  # the process has ended


def _held(pressure: Pressure, options: argparse.Namespace) -> Verdict:
    """The steady verdict. That the command itself idles is not worth saying."""
    if options.pid is not None or pressure.steady.code != "idle":
        return pressure.steady
    return watched_itself("pressure")


def _window(options: argparse.Namespace, before: Pressure | None = None) -> Pressure:
    seconds = options.seconds
    shown = seconds > SILENT and stderr_is_terminal()
    if seconds > SILENT and not shown:
        say(f"watching for {seconds:g} s")
    try:
        with Progress() as progress:
            progress.show(f"watching: 0 of {seconds:g} s" if shown else "")
            return watched(
                options.pid,
                seconds,
                before,
                (lambda passed: progress.show(f"watching: {passed:.0f} of {seconds:g} s"))
                if shown
                else None,
            )
    except ProcessLookupError as error:
        raise InputError(f"--pid {options.pid}: {error.strerror}") from None


def _show(pressure: Pressure, held: Verdict, options: argparse.Namespace) -> None:
    if options.json:
        write_json(as_dict(pressure, held))
    elif options.watch:
        write(f"{held.code}  {held.evidence}\n")
    else:
        write("".join(f"{line}\n" for line in _lines(pressure, held, itself=options.pid is None)))


def as_dict(pressure: Pressure, held: Verdict) -> dict[str, Any]:
    """Return what ``--json`` prints, by docs/reference/pressure.md: schema 1."""
    return {
        "schema": SCHEMA,
        "verdict": held.code,
        "evidence": held.evidence,
        "advice": held.advice,
        "parallelism": pressure.estimate.parallelism,
        "headroom": pressure.headroom,
        **{name: getattr(pressure, name) for name in PLAIN},
        "lateness": None if pressure.lateness is None else fields_of(pressure.lateness),
        "gil": None if pressure.gil is None else fields_of(pressure.gil),
        "levels": [_level(level) for level in pressure.levels],
        "missing": list(pressure.missing),
    }


def _level(level: Level) -> dict[str, Any]:
    throttling = level.throttling
    return {
        **fields_of(level),
        "quota": None if level.quota == inf else level.quota,
        "throttling": None if throttling is None else throttling._asdict(),
    }


def _lines(pressure: Pressure, held: Verdict, *, itself: bool) -> Iterator[str]:
    yield from paragraph(f"{held.code}  {held.evidence}")
    yield from paragraph(held.advice)
    if pressure.levels:
        yield ""
        for lines in table(COLUMNS, [_cells(level) for level in pressure.levels]):
            yield from lines
    yield ""
    for lines in table(None, list(_facts(pressure, itself=itself))):
        yield from lines
    for reason in pressure.missing:
        yield from paragraph(quoted(reason, 300))


def _facts(pressure: Pressure, *, itself: bool) -> Iterator[tuple[str, str]]:
    used, waiting, idle = map(show_decimal, (pressure.used, pressure.waiting, pressure.idle))
    elsewhere, steal = show_decimal(pressure.elsewhere), show_share(pressure.steal)
    if not itself:  # of the command alone it is not worth saying
        threads = pressure.threads
        yield "process", f"{used} CPUs used and {waiting} waited for; threads: {threads}"
    yield (
        "CPUs",
        f"{idle} of {pressure.cpus} idle, elsewhere {elsewhere}, "
        f"steal {steal}; some thread of the host waited {show_share(pressure.host)}",
    )
    late = pressure.lateness
    if late is not None:
        p50, p99, most = (f"{value * 1000:.1f}" for value in (late.p50, late.p99, late.max))
        yield "wake-ups", f"late by {p50} ms (p50), {p99} ms (p99), {most} ms (max)"
    yield "headroom", f"{pressure.headroom:.2f} CPUs"


def _cells(level: Level) -> tuple[str, ...]:
    throttling = level.throttling
    counts = ("-",) * 4
    if throttling is not None:
        counts = (
            str(throttling.periods),
            str(throttling.throttled),
            f"{throttling.seconds:.3f} s",
            f"{throttling.burst:.3f} s",
        )
    return (
        quoted(level.where, 200),
        "-" if level.quota == inf else show_rate(level.quota),
        show_decimal(level.used),
        *counts,
        show_share(level.some),
        show_share(level.full),
    )
