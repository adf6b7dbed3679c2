"""The watcher goes on whatever goes wrong in it, and dropped watches and pools cost nothing."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import threading
import time
from collections.abc import Callable, Iterator

import pytest

import kumo
from kumo._pools.queue import Crew
from kumo._watch import change, thread

MOMENT = 60
NAME = "KUMO_AVAILABLE_PARALLELISM"


def eventually(true: Callable[[], object]) -> bool:
    end = time.monotonic() + MOMENT
    while not true() and time.monotonic() < end:
        time.sleep(0.005)
    return bool(true())


def watchers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "kumo-watch"]


@pytest.fixture(autouse=True)
def _anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test begins with 4 CPUs and nothing logged, and leaves no thread."""
    monkeypatch.setattr(thread, "_said", set())
    monkeypatch.setattr(thread, "PAUSE", 0.01)
    monkeypatch.setenv(NAME, "4")
    yield
    gc.collect()
    assert eventually(lambda: not watchers())


@pytest.fixture
def parallelism(monkeypatch: pytest.MonkeyPatch) -> Callable[[object], None]:
    return lambda count: monkeypatch.setenv(NAME, str(count))


class Raising(logging.Handler):
    """A handler that is broken in the way that `logging` does not catch."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def handle(self, record: logging.LogRecord) -> bool:
        self.texts.append(record.getMessage())
        raise RuntimeError("of the handler")


@pytest.fixture
def handler() -> Iterator[Raising]:
    raising = Raising()
    logger = logging.getLogger("kumo")
    logger.addHandler(raising)
    yield raising
    logger.removeHandler(raising)


Parallelism = Callable[[object], None]


def test_a_hook_that_raises(
    parallelism: Parallelism, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def hook(report: object) -> None:
        raise RuntimeError("of the hook")

    monkeypatch.setattr(threading, "excepthook", hook)
    with kumo.watch(lambda _: 1 / 0, interval=0.01), kumo.ThreadPool("web") as pool:
        for count in (3, 2, 1):
            parallelism(count)
            assert eventually(lambda count=count: pool.size == count)  # type: ignore[misc]  # default

    assert caplog.messages == [
        "reporting a change to a watch went wrong: RuntimeError: of the hook; kumo goes on"
    ]


def test_a_handler_that_raises(
    parallelism: Parallelism, handler: Raising, capfd: pytest.CaptureFixture[str]
) -> None:
    with kumo.watch(interval=0.01), kumo.ThreadPool("web") as pool:
        parallelism("x")
        assert eventually(lambda: handler.texts)
        time.sleep(0.1)
        parallelism(2)
        assert eventually(lambda: pool.size == 2)
        assert pool.submit(int).result(MOMENT) == 0

    assert sum("the estimate before it remains" in text for text in handler.texts) == 1
    assert "RuntimeError: of the handler" in capfd.readouterr().err


@pytest.mark.parametrize("error", [MemoryError(), ImportError("half a module"), SystemExit(1)])
def test_a_reading_that_fails(
    error: BaseException,
    parallelism: Parallelism,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    failed: list[None] = []

    def fail() -> float:
        failed.append(None)
        raise error

    with kumo.watch(interval=0.01), kumo.ThreadPool("web") as pool:
        with monkeypatch.context() as patched:
            patched.setattr(change, "available_cpus", fail)
            assert eventually(lambda: len(failed) > 3)
        parallelism(2)
        assert eventually(lambda: pool.size == 2)

    assert len(caplog.messages) == 1
    assert caplog.messages[0].endswith("; the estimate before it remains")


def test_anything_else_in_the_loop_that_fails(
    parallelism: Parallelism, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failed: list[None] = []

    def fail(_: object) -> None:
        failed.append(None)
        raise MemoryError

    with kumo.watch(interval=0.01), kumo.ThreadPool("web") as pool:
        with monkeypatch.context() as patched:
            patched.setattr(thread, "_share_affinity", fail)
            assert eventually(lambda: len(failed) > 3)
        parallelism(2)
        assert eventually(lambda: pool.size == 2)

    assert caplog.messages == ["watching the limits went wrong: MemoryError: ; kumo goes on"]


def test_an_exception_from_another_thread(parallelism: Parallelism) -> None:
    """As debuggers and time limits send them; it comes at any bytecode of the loop."""
    with kumo.watch(interval=0.001), kumo.ThreadPool("web") as pool:
        for count in (3, 2, 1):
            (watching,) = watchers()
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(watching.ident or 0), ctypes.py_object(SystemExit)
            )
            parallelism(count)
            assert eventually(lambda count=count: pool.size == count)  # type: ignore[misc]  # default


def test_a_thread_that_ends_is_followed_by_another(
    parallelism: Parallelism, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported: list[BaseException | None] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: reported.append(args.exc_value))

    def fail(*_: object) -> None:
        raise MemoryError

    with kumo.watch(interval=0.01), kumo.ThreadPool("web") as pool:
        (first,) = watchers()
        with monkeypatch.context() as patched:
            patched.setattr(thread, "_poll", fail)
            patched.setattr(thread, "complain", fail)
            assert eventually(lambda: first not in watchers())
        parallelism(2)
        assert eventually(lambda: pool.size == 2)

    assert all(isinstance(error, MemoryError) for error in reported)


def test_a_thread_that_is_dead_is_replaced_when_a_watch_is_used(
    parallelism: Parallelism, monkeypatch: pytest.MonkeyPatch
) -> None:
    with kumo.watch(interval=0.01) as watch:
        dead = threading.Thread(target=int)
        dead.start()
        dead.join()
        with thread.lock:
            (alive,) = watchers()
            monkeypatch.setattr(thread, "_thread", dead)
        assert eventually(lambda: not alive.is_alive())
        parallelism(2)
        assert eventually(lambda: watch.estimate.parallelism == 2)


def test_a_change_that_could_not_be_made_is_told_with_the_next_reading(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    settling = change.Settling(kumo.estimate(), 0)
    reading = kumo.Estimate([kumo.Limit("quota", "rate", 0.5, "/a", "1")], [])
    with monkeypatch.context() as patched:
        patched.setattr(change, "Change", fail)
        with pytest.raises(MemoryError):
            settling.tell(reading, 0)
    assert settling.tell(reading, 1) is not None


# --- what is dropped


def test_dropped_pools_cost_nothing() -> None:
    with kumo.watch() as watch:
        for _ in range(1000):
            kumo.ThreadPool("web")
        for _ in range(100):
            kumo.watch()
        gc.collect()
        assert eventually(lambda: len(thread._watches) == 1)
        assert not thread._dropped
        assert [crew for crew in Crew.all if crew.name == "web"] == []
        assert watch.estimate.parallelism == 4


def test_a_dropped_pool_that_has_run_tasks_leaves_nothing() -> None:
    for _ in range(20):
        kumo.ThreadPool("web").submit(int).result(MOMENT)
    gc.collect()
    assert eventually(lambda: [crew for crew in Crew.all if crew.name == "web"] == [])
    assert eventually(lambda: not thread._watches)


# --- locks


def is_free(*locks: object) -> bool:
    """Whether another thread could take each of *locks* now."""
    taken: list[bool] = []

    def take() -> None:
        for lock in locks:
            got = lock.acquire(timeout=0)  # type: ignore[attr-defined]  # a lock of any kind
            taken.append(got)
            if got:
                lock.release()  # type: ignore[attr-defined]  # the same

    other = threading.Thread(target=take)
    other.start()
    other.join()
    return all(taken)


def test_foreign_code_is_called_without_a_lock(
    parallelism: Parallelism, monkeypatch: pytest.MonkeyPatch
) -> None:
    free: dict[str, bool] = {}

    def note(what: str) -> None:
        free[what] = is_free(thread.lock)

    class Noting(logging.Handler):
        def handle(self, record: logging.LogRecord) -> bool:
            note("handler")
            return True

    def callback(_: object) -> None:
        note("callback")
        raise ValueError

    async def iterate(watch: kumo.Watch) -> None:
        loop = asyncio.get_running_loop()
        post = loop.call_soon_threadsafe

        def noted(*arguments: object) -> object:
            note("loop")
            return post(*arguments)  # type: ignore[arg-type]  # those of the caller

        loop.call_soon_threadsafe = noted  # type: ignore[assignment, method-assign]  # a method is replaced
        parallelism(2)
        await anext(watch)
        loop.call_later(0.05, parallelism, "x")
        while "handler" not in free:
            await asyncio.sleep(0.01)

    monkeypatch.setattr(threading, "excepthook", lambda _: note("hook"))
    noting = Noting()
    logging.getLogger("kumo").addHandler(noting)
    try:
        with kumo.watch(callback, interval=0.01), kumo.watch(interval=0.01) as watch:
            asyncio.run(iterate(watch))
            assert eventually(lambda: len(free) == 4)
    finally:
        logging.getLogger("kumo").removeHandler(noting)

    assert free == {"handler": True, "callback": True, "hook": True, "loop": True}
