"""`pool.waiting()`: another worker works while one waits, and no more than that."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

import anyio
import anyio.to_thread
import pytest
from real.host import environment

import kumo
from kumo._pools.task import SHUT_DOWN
from kumo._pools.waiting import WaitingCrew

MOMENT = 60


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + MOMENT
    while not condition():
        assert time.monotonic() < end, "it has not come about"
        time.sleep(0.002)


class Waiting:
    """Tasks that wait within `waiting` until they are let go, and then compute until let go."""

    def __init__(self, pool: kumo.ThreadPool, count: int) -> None:
        self.pool = pool
        self.go, self.end = threading.Event(), threading.Event()
        self.futures = [pool.submit(self.task) for _ in range(count)]

    def task(self) -> None:
        with self.pool.waiting():
            assert self.go.wait(MOMENT)
        assert self.end.wait(MOMENT)


def test_others_work_while_workers_wait() -> None:
    with kumo.ThreadPool("web", threads=2, max_waiting=3) as pool:
        waiting = Waiting(pool, 9)
        until(lambda: pool.blocked == 5)
        assert (pool.size, pool.busy, pool.running, pool.queued) == (2, 5, 0, 4)
        waiting.go.set()
        until(lambda: pool.blocked == 0)
        assert pool.queued == 4  # five compute, and no more than two may begin
        waiting.end.set()
        for future in waiting.futures:
            future.result(MOMENT)
        until(lambda: pool.busy == 0)
        assert pool.parked <= 2


def test_not_more_work_than_the_size_when_the_wait_is_over() -> None:
    computing, most = [0], [0]
    lock = threading.Lock()
    with kumo.ThreadPool("web", threads=2, max_waiting=20) as pool:

        def task() -> None:
            with lock:
                computing[0] += 1
                most[0] = max(most[0], pool.running)
            with pool.waiting():
                time.sleep(0.005)
            with lock:
                computing[0] -= 1

        for future in [pool.submit(task) for _ in range(300)]:
            future.result(MOMENT)
        assert computing == [0]
        until(lambda: pool.busy == 0)
        # Those that stood in stay for a moment, to do so again, and then end.
        until(lambda: len(pool._threads) <= 2)
        # Many of them in turn: nothing is left of those that ended.
        assert pool._crew.limit == 2
        assert not pool._crew.spare  # type: ignore[attr-defined]  # with max_waiting= it has this


def test_work_that_turns_from_waiting_to_computing() -> None:
    """No more than the size compute that have not waited, from the first one on."""
    active, most, go = [0], [0], threading.Event()
    lock = threading.Lock()
    with kumo.ThreadPool("web", threads=2, max_waiting=30) as pool:

        def waits() -> None:
            with pool.waiting():
                time.sleep(0.001)

        def computes() -> None:
            with lock:
                active[0] += 1
                most[0] = max(most[0], active[0])
            assert go.wait(MOMENT)
            with lock:
                active[0] -= 1

        futures = [pool.submit(waits) for _ in range(200)]
        futures += [pool.submit(computes) for _ in range(50)]
        until(lambda: pool.blocked == 0 and active[0] == 2)
        go.set()
        for future in futures:
            future.result(MOMENT)
        assert most == [2]


def test_tasks_that_wait_for_tasks_in_the_queue() -> None:
    """Each needs another worker, beyond those that seem to be enough."""
    with kumo.ThreadPool("web", threads=1, max_waiting=20) as pool:

        def task(depth: int) -> int:
            if not depth:
                return 0
            inner = pool.submit(task, depth - 1)
            with pool.waiting():
                return inner.result(MOMENT) + 1

        assert pool.submit(task, 20).result(MOMENT) == 20
        assert pool.submit(task, 20).result(MOMENT) == 20  # when the pool has an estimate


@pytest.mark.parametrize(
    ("waited", "computed", "extra"),
    [(0.01, 0.1, 3), (0.005, 0.005, 7), (0.08, 0.01, 42), (0.01, 0.00001, 128)],
)
def test_how_many_more_are_enough(waited: float, computed: float, extra: int) -> None:
    crew = WaitingCrew("web", 2, None, (), 128)
    crew.waited, crew.computed = waited, computed
    crew.set_extra()
    assert crew.extra == extra
    crew.close(SHUT_DOWN)


def test_a_pacer_that_could_not_be_started_has_a_successor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refused: list[str] = []

    def start(thread: threading.Thread) -> None:
        if pool._crew.slow and not refused:  # type: ignore[attr-defined]  # with max_waiting= it has this
            refused.append(thread.name)
            raise RuntimeError("can't start new thread")
        begin(thread)

    begin = threading.Thread.start
    with kumo.ThreadPool("web", threads=1, max_waiting=8) as pool:
        monkeypatch.setattr(threading.Thread, "start", start)
        waiting = Waiting(pool, 9)
        until(lambda: pool.blocked == 9 or refused)
        more = Waiting(pool, 9)
        until(lambda: pool.blocked == 9)
        assert refused
        for each in (waiting, more):
            each.go.set()
            each.end.set()


def test_without_max_waiting_and_elsewhere_it_does_nothing() -> None:
    with kumo.ThreadPool("web", threads=1) as pool, kumo.ThreadPool("io", max_waiting=2) as other:
        with pool.waiting(), other.waiting():
            assert (pool.blocked, other.blocked) == (0, 0)

        def task() -> tuple[int, int]:
            with other.waiting(), pool.waiting():
                return pool.blocked, other.blocked

        assert pool.submit(task).result(MOMENT) == (0, 0)


def test_within_itself_it_counts_once_and_after_an_error_not_at_all() -> None:
    with kumo.ThreadPool("web", threads=1, max_waiting=4) as pool:

        def task() -> int:
            with pool.waiting(), pool.waiting():
                return pool.blocked

        def fail() -> None:
            with pool.waiting():
                raise LookupError

        assert pool.submit(task).result(MOMENT) == 1
        assert isinstance(pool.submit(fail).exception(MOMENT), LookupError)
        assert pool.submit(lambda: (pool.blocked, pool._crew.limit)).result(MOMENT) == (0, 1)


def test_a_worker_that_waits_for_the_pool_it_is_in() -> None:
    """Which would wait for ever in a pool of one."""
    with kumo.ThreadPool("web", threads=1, max_waiting=1) as pool:

        def outer() -> int:
            inner = pool.submit(int)
            with pool.waiting():
                return inner.result(MOMENT)

        assert pool.submit(outer).result(MOMENT) == 0


def test_every_task_runs_once_while_sizes_change_and_workers_wait() -> None:
    done: list[int] = []
    with kumo.ThreadPool("web", threads=2, max_waiting=8) as pool:

        def task(number: int) -> None:
            if number % 3:
                with pool.waiting():
                    time.sleep(0.0005)
            done.append(number)

        futures = [pool.submit(task, number) for number in range(5000)]
        size = 0
        while pool.queued:
            size = size % 5 + 1
            pool.resize(size)
            time.sleep(0.002)
        for future in futures:
            future.result(MOMENT)
    assert Counter(done) == Counter(range(5000))
    assert not [t for t in threading.enumerate() if t.name.startswith("web")]


@pytest.mark.parametrize("drop", ["pool.shutdown()", "del pool", ""])
def test_the_end_with_workers_that_stand_by(drop: str) -> None:
    program = f"""
import kumo, time
pool = kumo.ThreadPool("web", threads=1, max_waiting=8)
def task(pool=pool):
    with pool.waiting():
        time.sleep(0.02)
for future in [pool.submit(task) for _ in range(20)]:
    future.result()
del task, future
{drop}
"""
    ran = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=MOMENT,
        check=False,
        env=environment(),
    )
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_fork_within_it() -> None:
    with kumo.ThreadPool("web", threads=1, max_waiting=2) as pool:

        def task() -> int:
            with pool.waiting():
                pid = os.fork()
                if pid == 0:
                    status = 1
                    try:
                        status = pool.blocked + pool.submit(int).result(MOMENT)
                    finally:
                        os._exit(status)
                return os.waitpid(pid, 0)[1]

        assert pool.submit(task).result(MOMENT) == 0


@pytest.mark.parametrize("bad", [-1, 1.5, "2"])
def test_what_is_no_number_that_may_wait(bad: object) -> None:
    with pytest.raises(ValueError, match="max_waiting must be a whole number, 1 or more"):
        kumo.ThreadPool("web", max_waiting=bad)  # type: ignore[arg-type]  # it is wrong
    assert kumo.pools() == {}


# --- limiters and executors of event loops


def wait_for(wait: Callable[[], AbstractContextManager[None]], gate: threading.Event) -> None:
    with wait():
        assert gate.wait(MOMENT)


def test_asyncios_executor_lets_others_work_while_some_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KUMO_AVAILABLE_PARALLELISM", "2")

    async def main() -> None:
        gate = threading.Event()
        with kumo.follow("asyncio", max_waiting=3) as following:
            calls = [asyncio.to_thread(wait_for, following.waiting, gate) for _ in range(9)]
            together = asyncio.gather(*calls)
            pool = kumo.pools()["asyncio"]
            while pool.blocked < 5:  # type: ignore[attr-defined]  # a thread pool
                await asyncio.sleep(0.005)
            assert (pool.busy, pool.queued) == (5, 4)
            gate.set()
            await together

    asyncio.run(main())


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_limiter_lets_others_work_while_some_wait(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUMO_AVAILABLE_PARALLELISM", "2")

    async def main() -> None:
        gate = threading.Event()
        limiter = anyio.to_thread.current_default_thread_limiter()
        before = limiter.total_tokens
        with kumo.follow("anyio", max_waiting=3) as following:
            assert limiter.total_tokens == 2
            async with anyio.create_task_group() as group:
                for _ in range(9):
                    group.start_soon(
                        partial(anyio.to_thread.run_sync, wait_for, following.waiting, gate)
                    )
                while limiter.borrowed_tokens < 5:
                    await anyio.sleep(0.005)
                assert limiter.total_tokens == 5
                gate.set()
            while limiter.total_tokens > 2:
                await anyio.sleep(0.005)
        assert limiter.total_tokens == before

    anyio.run(main, backend=backend)


def test_without_max_waiting_a_limiter_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUMO_AVAILABLE_PARALLELISM", "2")

    async def main() -> None:
        limiter = anyio.CapacityLimiter(7)
        with kumo.follow(limiter) as following, following.waiting():
            await anyio.sleep(0)
            assert limiter.total_tokens == 2
        with pytest.raises(ValueError, match="max_waiting must be a whole number"):
            kumo.follow(limiter, max_waiting=-1)

    anyio.run(main)
