"""Threads that cannot be started, and what is done without a lock."""

from __future__ import annotations

import gc
import inspect
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import FrameType
from typing import Any

import pytest

import kumo
from kumo._pools.queue import Crew

MOMENT = 60
START = threading.Thread.start


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + MOMENT
    while not condition():
        assert time.monotonic() < end, "it has not come about"
        time.sleep(0.002)


class Starts:
    """Stands for the system's refusal to start threads, as by RLIMIT_NPROC or pids.max."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.refused = 0
        self.refuse: type[BaseException] | None = RuntimeError
        self.before: Callable[[], object] = lambda: None
        self.after_start = False

        def start(thread: threading.Thread) -> None:
            if not thread.name.startswith("web") or self.refuse is None:
                START(thread)
                return
            self.before()
            if self.after_start:
                START(thread)
            self.refused += 1
            raise self.refuse("can't start new thread")

        monkeypatch.setattr(threading.Thread, "start", start)


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> Starts:
    return Starts(monkeypatch)


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    yield
    until(lambda: not [t for t in threading.enumerate() if t.name.startswith("web")])


def one_busy(pool: kumo.ThreadPool, starts: Starts) -> threading.Event:
    """Start the first worker and keep it busy until the event is set."""
    refuse, starts.refuse = starts.refuse, None
    gate, begun = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        gate.wait(MOMENT)

    pool.submit(work)
    assert begun.wait(MOMENT)
    starts.refuse = refuse
    return gate


def test_it_is_logged_once_until_one_starts_again(
    starts: Starts, caplog: pytest.LogCaptureFixture
) -> None:
    with kumo.ThreadPool("web", threads=4) as pool:
        for _ in range(2):
            gate = one_busy(pool, starts)
            futures = [pool.submit(int) for _ in range(20)]
            gate.set()
            assert [future.result(MOMENT) for future in futures] == [0] * 20
            pool.resize(1)
            pool.resize(4)
            until(lambda: pool.parked == 1)
            starts.refuse = None
            gates = [threading.Event() for _ in range(2)]
            held = [pool.submit(gate.wait, MOMENT) for gate in gates]
            until(lambda: pool.busy == 2)
            for gate in gates:
                gate.set()
            assert all(future.result(MOMENT) for future in held)
            pool.resize(1)
            until(lambda: len(pool._threads) == pool.parked == 1)
            pool.resize(4)
            starts.refuse = RuntimeError

    assert caplog.messages == ["thread pool web: 1 of 4 threads: can't start new thread"] * 2


def test_a_handler_may_look_at_the_pool_and_at_all_pools(
    starts: Starts, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[tuple[int, int, int]] = []

    class Metrics(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            for other in kumo.pools().values():
                other.submit(int)
                looks.append((other.busy, other.parked, other.size))

    handler = Metrics()
    with kumo.ThreadPool("web", threads=2) as pool:
        gate = one_busy(pool, starts)
        logging.getLogger("kumo").addHandler(handler)
        try:
            last = pool.submit(int)
        finally:
            logging.getLogger("kumo").removeHandler(handler)
            gate.set()
        assert last.result(MOMENT) == 0

    assert looks == [(1, 0, 2)]


def test_a_handler_that_raises_loses_no_task(starts: Starts) -> None:
    class Raising(logging.Handler):
        def handle(self, record: logging.LogRecord) -> bool:
            raise LookupError("of the handler")

    handler = Raising()
    with kumo.ThreadPool("web", threads=2) as pool:
        gate = one_busy(pool, starts)
        logging.getLogger("kumo").addHandler(handler)
        try:
            last = pool.submit(int)
        finally:
            logging.getLogger("kumo").removeHandler(handler)
            gate.set()
        assert last.result(MOMENT) == 0


@pytest.mark.parametrize("error", [RuntimeError, MemoryError])
def test_the_first_worker_that_cannot_start_is_an_error(
    starts: Starts, error: type[BaseException]
) -> None:
    starts.refuse = error
    with kumo.ThreadPool("web", threads=2) as pool:
        for _ in range(3):
            with pytest.raises(error, match="can't start new thread"):
                pool.submit(int)
            assert (pool.queued, pool.busy) == (0, 0)
        starts.refuse = None
        assert pool.submit(int).result(MOMENT) == 0


def test_a_task_that_relied_on_a_worker_which_could_not_start_fails(starts: Starts) -> None:
    """While one thread starts the only worker, another queues a task for it."""
    second = []
    with kumo.ThreadPool("web", threads=1) as pool:
        starts.before = lambda: second.append(pool.submit(int))
        with pytest.raises(RuntimeError, match="can't start new thread"):
            pool.submit(int)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            second[0].result(MOMENT)
        assert (pool.queued, pool.busy) == (0, 0)


def test_a_pool_that_is_shut_down_while_a_worker_cannot_start(starts: Starts) -> None:
    pool = kumo.ThreadPool("web", threads=1)
    starts.before = lambda: pool.shutdown(wait=False)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        pool.submit(int)
    pool.shutdown()
    assert pool._crew not in pool._crew.all


@pytest.mark.parametrize("begun", [True, False])
def test_an_interrupt_while_a_worker_starts(starts: Starts, begun: bool) -> None:
    """`Thread.start` waits for the new thread, where Ctrl-C may come, before or after it runs."""
    starts.refuse, starts.after_start = KeyboardInterrupt, begun
    with kumo.ThreadPool("web", threads=1) as pool:
        with pytest.raises(KeyboardInterrupt):
            pool.submit(int)
        starts.refuse = None
        assert pool.submit(int).result(MOMENT) == 0
        until(lambda: pool.parked == 1)
        assert pool.busy == 0


def test_a_larger_size_without_threads(starts: Starts, caplog: pytest.LogCaptureFixture) -> None:
    with kumo.ThreadPool("web", threads=1) as pool:
        gate = one_busy(pool, starts)
        futures = [pool.submit(int) for _ in range(100)]
        pool.resize(50)
        assert starts.refused == 1  # the others were not tried
        assert pool.busy == 1
        gate.set()
        assert [future.result(MOMENT) for future in futures] == [0] * 100

    assert caplog.messages == ["thread pool web: 1 of 50 threads: can't start new thread"]


def test_shutdown_waits_for_a_worker_that_another_thread_is_starting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    on_the_way, go = threading.Event(), threading.Event()

    def start(thread: threading.Thread) -> None:
        if thread.name.startswith("web"):
            on_the_way.set()
            assert go.wait(MOMENT)
        START(thread)

    pool = kumo.ThreadPool("web", threads=1)
    futures = []
    submitting = threading.Thread(target=lambda: futures.append(pool.submit(int)))
    monkeypatch.setattr(threading.Thread, "start", start)
    submitting.start()
    assert on_the_way.wait(MOMENT)
    threading.Timer(0.1, go.set).start()
    pool.shutdown()
    submitting.join()
    assert futures[0].result(0) == 0


def test_a_finalizer_that_is_cut_short_is_made_good_by_the_next_pool(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A signal handler may raise in the middle of it, where nobody can catch the exception."""
    monkeypatch.setattr("sys.unraisablehook", lambda _: None)

    def fail(_: Crew) -> None:
        raise InterruptedError

    pool = kumo.ThreadPool("web", threads=1)
    pool.submit(int).result(MOMENT)
    crew = pool._crew
    with monkeypatch.context() as patched:
        patched.setattr(Crew, "abandon", fail)
        del pool
        gc.collect()
        assert crew in Crew.all
    with kumo.ThreadPool("web other", threads=1):
        until(lambda: crew not in Crew.all)


# --- what a signal handler raises at any moment


class InterruptError(Exception):
    """What a handler raises."""


def test_an_exception_while_a_thread_is_made_takes_no_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Cut(threading.Thread):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            raise InterruptError

    pool = kumo.ThreadPool("web", threads=1)
    with monkeypatch.context() as patch:
        patch.setattr(threading, "Thread", Cut)
        with pytest.raises(InterruptError):
            pool.submit(int)

    assert pool.submit(int).result(MOMENT) == 0
    pool.shutdown()


class Opcodes:
    """Raises at opcode number *at* of the function *name*, and counts them."""

    def __init__(self, name: str, at: int) -> None:
        self.name, self.at, self.seen = name, at, 0

    def __call__(self, frame: FrameType, event: str, _: object) -> Any:
        if frame.f_code.co_name != self.name:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            self.seen += 1
            if self.seen == self.at:
                raise InterruptError
        return self


@pytest.mark.skipif(
    sys.version_info[:2] == (3, 12),
    reason="Python 3.12 takes no notice of f_trace_opcodes that is set while it traces",
)
@pytest.mark.parametrize("max_waiting", [0, 1])
def test_an_exception_while_a_worker_is_woken_leaves_none_parked(max_waiting: int) -> None:
    before = sys.gettrace()
    at, raised = 0, True
    pool = kumo.ThreadPool("web", threads=1, max_waiting=max_waiting)
    while raised:
        at += 1
        pool.submit(int).result(MOMENT)
        until(lambda: pool._crew.parked)
        opcodes = Opcodes("wake", at)
        sys.settrace(opcodes)
        try:
            with suppress(InterruptError):
                pool.submit(int)
        finally:
            sys.settrace(before)
        raised = opcodes.seen == at

    assert at > 10
    pool.shutdown()


def test_a_pool_that_outlives_the_modules_can_wake_its_workers() -> None:
    """Its finalizer runs when their globals are `None`."""
    assert inspect.getclosurevars(Crew.wake).globals == {}
