"""What do counters cost? `kumo.counters()`, and one scrape of a host, against bare reads.

    python benchmarks/counters.py

Bare reads open, read and close the files that kumo reads, and do nothing else. Both take turns
in one run; times are CPU times, so that other programs hardly count.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import _groups
from prometheus_client import CollectorRegistry, generate_latest

import kumo
from kumo._pressure import counters
from kumo._survey import open_system
from kumo.prometheus import HostCollector

ROUNDS = 300
FILES = ("cpu.cfs_quota_us", "cpu.cfs_period_us", "cpu.cfs_burst_us", "cpu.stat")


def main() -> int:
    top = _groups.mount_point()
    if top is None or (reason := _groups.why_not()):
        print(f"nothing can be staged: {reason if top else 'no cgroup v1'}", file=sys.stderr)
        return 1
    print(f"load {os.getloadavg()[0]:.1f}", flush=True)
    for depth in (1, 5):
        with _chain(top, depth) as leaf:
            child = os.fork()
            if child == 0:
                _groups.join(leaf)
                print(_counters(depth), flush=True)
                os._exit(0)
            os.waitpid(child, 0)
    for number in (200, 2000):
        with _flat(top, number) as groups:
            print(_scrape(groups))
    return 0


def _counters(depth: int) -> str:
    system = open_system("process", None, None)
    for limit in counters._limits(system):
        counters.read_counters(limit, lambda path: _text(system.read, path))
    files = [name for name in system.asked if name.startswith("/")]
    kumo.counters()
    ours, theirs = _in_turn(kumo.counters, lambda: _bare(files), ROUNDS)
    return (
        f"{depth + 1} levels, {len(files)} files: counters() {ours * 1e6:.0f} us, "
        f"bare reads {theirs * 1e6:.0f} us, ratio {ours / theirs:.2f}"
    )


def _text(read: Callable[[str], str | None], path: str) -> str:
    try:
        return read(path) or ""
    except OSError:
        return ""


def _scrape(groups: list[Path]) -> str:
    registry = CollectorRegistry()
    registry.register(HostCollector())
    files = [f"{group}/{name}" for group in groups for name in FILES]
    ours, theirs = _in_turn(lambda: generate_latest(registry), lambda: _bare(files), 7)
    return (
        f"a scrape of {len(groups)} cgroups {ours * 1e3:.0f} ms, bare reads {theirs * 1e3:.0f} ms, "
        f"{len(generate_latest(registry)) / 1000:.0f} kB"
    )


def _in_turn(
    ours: Callable[[], object], theirs: Callable[[], object], rounds: int
) -> tuple[float, float]:
    """The median CPU seconds of each."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for run, taken in zip((ours, theirs), times, strict=True):
            start = time.process_time_ns()
            run()
            taken.append((time.process_time_ns() - start) / 1e9)
    return statistics.median(times[0]), statistics.median(times[1])


def _bare(files: list[str]) -> None:
    for name in files:
        try:
            descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            continue
        while os.read(descriptor, 65536):
            pass
        os.close(descriptor)


@contextlib.contextmanager
def _chain(top: Path, depth: int) -> Iterator[Path]:
    """Give the innermost of so many nested groups, each with a quota."""
    groups = [top / "/".join(["kumo-counters"] + ["a"] * more) for more in range(depth)]
    with _made(groups):
        yield groups[-1]


@contextlib.contextmanager
def _flat(top: Path, number: int) -> Iterator[list[Path]]:
    """Give so many groups beside each other, each with a quota."""
    groups = [top / f"kumo-counters-{at}" for at in range(number)]
    with _made(groups):
        yield groups


@contextlib.contextmanager
def _made(groups: list[Path]) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for group in groups:
            group.mkdir()
            stack.callback(group.rmdir)
            (group / "cpu.cfs_quota_us").write_text("100000")
        yield


if __name__ == "__main__":
    sys.exit(main())
