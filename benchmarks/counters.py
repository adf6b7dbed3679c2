"""What do counters cost? `kumo.counters()`, and one scrape of a host, against bare reads.

    python benchmarks/counters.py

Caveats first:

- Bare reads open, read and close the files that kumo reads, and do nothing else.
- All take turns in one process; the figures are its CPU time, so that other programs hardly count.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import _groups
import harness

import kumo
from kumo._pressure import counters
from kumo._survey import open_system

DEPTHS = (1, 5)
GROUPS = (200, 2000)
FILES = ("cpu.cfs_quota_us", "cpu.cfs_period_us", "cpu.cfs_burst_us", "cpu.stat")
Calls = dict[str, Callable[[], object]]


def main() -> int:
    parser = harness.parser(
        __doc__,
        takes="some seconds",
        needs="root, a writable cgroup v1 hierarchy of the cpu controller and prometheus_client",
        rounds=300,
    )
    parser.add_argument(
        "--scrapes", type=harness.count, default=9, help="rounds of a scrape; default: 9"
    )
    options = parser.parse_args()
    _groups.needed_mount_point()
    run = harness.begin("counters", options, unit="ms of CPU time, one figure a round")
    times = {}
    for depth in DEPTHS:
        with _groups.returning(), _groups.nested("counters", depth, 1, "each") as leaf:
            _groups.join(leaf)
            times |= _turns(_of_a_process(depth), options.rounds)
    for number in GROUPS:
        with contextlib.ExitStack() as stack:
            beside = (_groups.nested(str(at), 1, 1, "each") for at in range(number))
            groups = [stack.enter_context(group) for group in beside]
            times |= _turns(_of_a_host(groups), options.scrapes)
    return run.end(_as_markdown, times=times)


def _turns(what: tuple[str, Calls], rounds: int) -> dict[str, dict[str, list[float]]]:
    name, calls = what
    arms = {arm: lambda call=call: _cpu_milliseconds(call) for arm, call in calls.items()}
    return {name: harness.take_turns(arms, rounds, warm=1)}


def _cpu_milliseconds(call: Callable[[], object]) -> float:
    begun = time.process_time_ns()
    call()
    return (time.process_time_ns() - begun) / 1e6


def _of_a_process(depth: int) -> tuple[str, Calls]:
    system = open_system("process", None, None)
    counters.read_levels(system, system.read)
    files = [name for name in system.asked if name.startswith("/")]
    name = f"counters(), {depth + 1} levels, {len(files)} files"
    return name, {"kumo": kumo.counters, "bare reads": lambda: _bare(files)}


def _of_a_host(groups: list[Path]) -> tuple[str, Calls]:
    from prometheus_client import CollectorRegistry, generate_latest

    from kumo.prometheus import HostCollector

    registry = CollectorRegistry()
    registry.register(HostCollector())
    files = [f"{group}/{name}" for group in groups for name in FILES]
    size = len(generate_latest(registry)) / 1000
    name = f"a scrape of {len(groups)} cgroups, {size:.0f} kB"
    return name, {"kumo": lambda: generate_latest(registry), "bare reads": lambda: _bare(files)}


def _bare(files: list[str]) -> None:
    for name in files:
        try:
            descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            continue
        while os.read(descriptor, 65536):
            pass
        os.close(descriptor)


def _as_markdown(results: dict[str, Any]) -> str:
    rows = []
    for name, by in results["times"].items():
        medians = [harness.number(statistics.median(by[arm])) for arm in ("kumo", "bare reads")]
        ratios = harness.ratios(by["bare reads"], by["kumo"])
        rows.append(
            harness.marked(
                [name, *medians, harness.number(statistics.median(ratios))], by["kumo"], ratios
            )
        )
    header = ("what", "kumo, CPU ms", "bare reads, CPU ms", "times bare reads")
    return f"{harness.table(header, rows)}\n\n{harness.signature(results)}"


if __name__ == "__main__":
    sys.exit(main())
