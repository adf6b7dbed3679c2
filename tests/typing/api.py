"""Every public name used as a user would, with the types that a checker has to see.

Nothing runs this file: mypy and pyright read it, and a test looks for each public name in it.
"""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING

from typing_extensions import assert_type

import kumo

if TYPE_CHECKING:
    from collections.abc import Iterator


def count() -> None:
    assert_type(kumo.available_parallelism(), int)
    assert_type(kumo.available_parallelism("thread"), int)
    kumo.available_parallelism("core")  # type: ignore[arg-type]  # it is wrong, and has to be an error
    assert_type(kumo.available_cpus(), float)
    assert_type(kumo.round_cpus(2.5), int)
    assert_type(kumo.round_cpus(2.5, "ceil"), int)
    kumo.round_cpus(2.5, "up")  # type: ignore[arg-type]  # it is wrong, and has to be an error


def explanation() -> None:
    try:
        estimate = kumo.estimate(pid=1)
    except (kumo.OverrideError, kumo.MachineError):
        return
    assert_type(estimate, kumo.Estimate)
    assert_type(kumo.estimate("thread", machine="machine.txt").binding, kumo.Limit)
    assert_type(estimate.parallelism, int)
    assert_type(estimate.cpus, float)
    assert_type(estimate.quota, float | None)
    assert_type(estimate.burst, float)
    assert_type(estimate.limits, tuple[kumo.Limit, ...])
    assert_type(estimate.notes, tuple[kumo.Note, ...])
    assert_type(estimate.workers("lockstep", memory="2G"), int)
    estimate.workers("fast")  # type: ignore[arg-type]  # it is wrong, and has to be an error
    for limit in estimate.limits:
        assert_type(limit.cpus, float)
        assert_type(limit.period, float | None)
        limit.cpus = 2  # type: ignore[misc]  # it is wrong, and has to be an error
    for note in estimate.notes:
        assert_type(note.code, str)


def machine() -> None:
    topology = kumo.topology()
    assert_type(topology, kumo.Topology)
    assert_type(topology.nodes, dict[int, tuple[int, ...]])
    assert_type(topology.split(2), tuple[tuple[int, ...], ...])
    assert_type(kumo.measure(0.5), kumo.Measurement)
    assert_type(kumo.measure().period_ms, float | None)


def pressure() -> None:
    before = kumo.pressure(seconds=0.1)
    assert_type(before, kumo.Pressure)
    assert_type(kumo.pressure(after=before).headroom, float)
    assert_type(kumo.headroom(), float)
    for level in kumo.counters(pid=1):
        assert_type(level, kumo.Counters)
        assert_type(level.throttled_seconds, float | None)


def live() -> None:
    def resize(change: kumo.Change) -> None:
        assert_type(change.old, kumo.Estimate)
        assert_type(change.what, str)

    with kumo.watch(resize, interval=1) as watch:
        assert_type(watch, kumo.Watch)
        assert_type(watch.estimate, kumo.Estimate)
    with kumo.follow("numpy", lambda count: None, share="1/2") as follow:
        assert_type(follow, kumo.Follow)
        assert_type(follow.parallelism, int)


def pools() -> None:
    def length(text: str) -> int:
        return len(text)

    web = kumo.Budget(web=2, batch=1).part("web")
    assert_type(web, kumo.Part)
    with kumo.ThreadPool("web", share=web) as threads:
        assert_type(threads, kumo.ThreadPool)
        assert_type(threads.submit(length, "text"), Future[int])
        threads.submit(length, 1)  # type: ignore[arg-type]  # it is wrong, and has to be an error
        assert_type(threads.running, int)
        with threads.waiting():
            pass
    with kumo.ProcessPool(max_workers=2) as processes:
        assert_type(processes, kumo.ProcessPool)
        sizes: Iterator[int] = processes.map(length, ["a", "b"])
        print(*sizes)
    assert_type(kumo.pools(), dict[str, kumo.Pool])
