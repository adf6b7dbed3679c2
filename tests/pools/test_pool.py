"""Thread pools: their size, their workers, and what they share with the standard executor."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import itertools
import logging
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from concurrent.futures.thread import BrokenThreadPool
from typing import Any

import pytest

import kumo
from kumo._pools.queue import Crew

MOMENT = 60  # seconds; more than anything here takes


def until(condition: Callable[[], Any]) -> None:
    """Wait until *condition* holds."""
    end = time.monotonic() + MOMENT
    while not condition():
        assert time.monotonic() < end, "it has not come about"
        time.sleep(0.002)


def workers(name: str) -> list[str]:
    return sorted(t.name for t in threading.enumerate() if t.name.startswith(f"{name}-"))


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    """Each test shuts its pools down; no worker is left, and no watcher."""
    yield
    gc.collect()
    assert kumo.pools() == {}
    until(lambda: not [t for t in threading.enumerate() if t.name.startswith(("web", "kumo-"))])


@pytest.fixture
def parallelism(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    def be(count: int) -> None:
        monkeypatch.setenv("KUMO_AVAILABLE_PARALLELISM", str(count))

    be(8)
    return be


def pause() -> str:
    time.sleep(0.002)
    return threading.current_thread().name


class Held:
    """Tasks that last until they are let go."""

    def __init__(self, pool: ThreadPoolExecutor, count: int) -> None:
        self.gate = threading.Event()
        self.running = threading.Semaphore(0)
        self.futures = [pool.submit(self.task) for _ in range(count)]

    def task(self) -> str:
        self.running.release()
        assert self.gate.wait(MOMENT)
        return threading.current_thread().name

    def wait_for(self, count: int) -> None:
        for _ in range(count):
            assert self.running.acquire(timeout=MOMENT)


# --- size


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({}, 8),
        ({"share": 0.5}, 4),
        ({"share": 0.01}, 1),
        ({"share": 2}, 16),
        ({"threads": 3}, 3),
        ({"threads": 3, "share": 0.5}, 3),
        ({"minimum": 12}, 12),
        ({"maximum": 5}, 5),
        ({"threads": 3, "minimum": 4}, 4),
        ({"threads": 9, "maximum": 6}, 6),
    ],
)
@pytest.mark.usefixtures("parallelism")
def test_the_size(options: dict[str, Any], size: int) -> None:
    with kumo.ThreadPool("web", **options) as pool:
        assert pool.size == size
        assert workers("web") == []  # they are started on demand


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("web", "KUMO_WEB_THREADS"),
        ("my pool-2", "KUMO_MY_POOL_2_THREADS"),
        ("wé", "KUMO_W__THREADS"),
    ],
)
def test_the_variable_comes_first(
    name: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "5")
    with kumo.ThreadPool(name, threads=2) as pool:
        assert pool.size == 5

    monkeypatch.setenv(variable, "")
    with kumo.ThreadPool(name, threads=2) as pool:
        assert pool.size == 2


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5", " 2"])
def test_a_variable_that_is_no_count(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUMO_WEB_THREADS", value)
    with pytest.raises(kumo.OverrideError) as raised:
        kumo.ThreadPool("web")

    assert str(raised.value) == (
        f"KUMO_WEB_THREADS={value!r} is not a positive decimal integer, such as 4"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threads": 0}, "threads must be a whole number, 1 or more, not 0"),
        ({"threads": 1.5}, "threads must be a whole number, 1 or more, not 1.5"),
        ({"threads": "2"}, "threads must be a whole number, 1 or more, not '2'"),
        ({"minimum": 0}, "minimum must be a whole number, 1 or more, not 0"),
        ({"maximum": 0}, "maximum must be a whole number, 1 or more, not 0"),
        ({"minimum": 3, "maximum": 2}, "maximum must be at least minimum, 3, not 2"),
        (
            {"share": 0},
            "share must be a positive number, such as 0.5, or a part of a budget, not 0",
        ),
        ({"share": float("inf")}, "or a part of a budget, not inf"),
        ({"share": "half"}, "or a part of a budget, not 'half'"),
        ({"share": kumo.Budget(web=1)}, r"or a part of a budget, not Budget\({'web': 1}\)"),
    ],
)
def test_numbers_out_of_range(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kumo.ThreadPool("web", **options)
    with pytest.raises(ValueError, match="a thread pool needs a name"):
        kumo.ThreadPool("")


class Whole:
    """A whole number that is no `int`, as numpy's are."""

    def __index__(self) -> int:
        return 3


def test_a_whole_number_of_another_type() -> None:
    whole: Any = Whole()  # the annotations say int
    with kumo.ThreadPool("web", threads=whole, minimum=whole, maximum=whole) as pool:
        assert (pool.size, type(pool.size)) == (3, int)
        pool.resize(whole)
        assert (pool.size, type(pool.size)) == (3, int)


@pytest.mark.usefixtures("parallelism")
def test_a_share_beyond_every_number_is_as_many_as_there_are_tasks() -> None:
    with kumo.ThreadPool("web", share=1e308) as pool:
        assert pool.size == sys.maxsize
        assert pool.submit(int).result(MOMENT) == 0


def test_a_pool_follows_its_share(
    parallelism: Callable[[int], None], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "kumo")
    with kumo.ThreadPool("web", share=0.5) as pool:
        parallelism(4)
        until(lambda: pool.size == 2)
        parallelism(6)
        until(lambda: len(caplog.messages) == 3)  # the size has changed by then
        assert pool.size == 3

    start, shrink, growth = caplog.messages
    fixed = "fixed by KUMO_AVAILABLE_PARALLELISM"  # by which these tests change the count
    assert start == f"thread pool web: 4 threads, share 0.5 of 8 CPUs, {fixed}"
    assert shrink.startswith("thread pool web: 4 -> 2 threads, share 0.5 of 4 CPUs; ")
    assert growth.startswith("thread pool web: 2 -> 3 threads, share 0.5 of 6 CPUs; ")


def test_pools_of_a_budget_follow(parallelism: Callable[[int], None]) -> None:
    budget = kumo.Budget(web=2, batch=1)
    with (
        kumo.ThreadPool("web", share=budget.part("web")) as web,
        kumo.ThreadPool("web batch", share=budget.part("batch")) as batch,
    ):
        assert (web.size, batch.size) == (5, 3)
        parallelism(3)
        until(lambda: (web.size, batch.size) == (2, 1))


@pytest.mark.parametrize("options", [{"threads": 6}, {}])
def test_a_fixed_size_does_not_follow(
    options: dict[str, Any], parallelism: Callable[[int], None]
) -> None:
    told = threading.Event()
    with kumo.ThreadPool("web", **options) as pool, kumo.watch(lambda change: told.set()):
        pool.resize(6)
        parallelism(2)
        assert told.wait(MOMENT)
        time.sleep(0.05)
        assert pool.size == 6


# --- workers


def test_a_smaller_pool_lets_go_of_idle_workers_at_once() -> None:
    with kumo.ThreadPool("web", threads=5) as pool:
        held = Held(pool, 5)
        held.wait_for(5)
        assert (pool.busy, pool.parked, pool.queued) == (5, 0, 0)
        held.gate.set()
        until(lambda: pool.parked == 5)
        pool.resize(2)
        until(lambda: len(workers("web")) == 2)
        assert (pool.size, pool.busy, pool.parked) == (2, 0, 2)


def test_surplus_workers_leave_after_their_task() -> None:
    with kumo.ThreadPool("web", threads=4) as pool:
        held = Held(pool, 4)
        held.wait_for(4)
        more = [pool.submit(pause) for _ in range(50)]
        pool.resize(1)
        assert len(workers("web")) == 4
        assert pool.queued == 50
        held.gate.set()
        assert len({future.result(MOMENT) for future in more}) == 1
        assert sorted(f.result(MOMENT) for f in held.futures) == [
            "web-0",
            "web-1",
            "web-2",
            "web-3",
        ]
        until(lambda: len(workers("web")) == 1)


def test_a_larger_pool_starts_workers_for_what_is_queued() -> None:
    with kumo.ThreadPool("web", threads=1) as pool:
        held = Held(pool, 3)
        held.wait_for(1)
        assert (pool.busy, pool.queued) == (1, 2)
        pool.resize(5)
        held.wait_for(2)
        assert len(workers("web")) == 3
        held.gate.set()


def test_the_numbers_of_those_that_left_are_given_again() -> None:
    with kumo.ThreadPool("web", threads=3) as pool:
        held = Held(pool, 3)
        held.wait_for(3)
        held.gate.set()
        until(lambda: pool.parked == 3)
        pool.resize(1)
        until(lambda: len(workers("web")) == 1)
        pool.resize(3)
        again = Held(pool, 3)
        again.wait_for(3)
        assert workers("web") == ["web-0", "web-1", "web-2"]
        again.gate.set()


def test_a_shutdown_waits_for_a_surplus_worker_that_is_leaving(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    leave, leaving, joined = Crew.leave, list[threading.Thread](), threading.Event()

    def leave_slowly(crew: Crew, number: int, gate: threading.Lock) -> bool:
        leaves = leave(crew, number, gate)
        if leaves and not leaving:
            worker = threading.current_thread()
            join = worker.join

            def join_at_last(timeout: float | None = None) -> None:
                joined.set()
                join(timeout)

            worker.join = join_at_last  # type: ignore[method-assign]  # a method is replaced
            leaving.append(worker)
            joined.wait(MOMENT)
        return leaves

    monkeypatch.setattr(Crew, "leave", leave_slowly)
    pool = kumo.ThreadPool("web", threads=2)
    held = Held(pool, 2)
    held.wait_for(2)
    held.gate.set()
    pool.resize(1)
    until(lambda: leaving)
    pool.shutdown(wait=True)

    try:
        assert not leaving[0].is_alive()
    finally:
        joined.set()


def test_every_task_of_a_long_queue_runs_once_while_the_size_changes() -> None:
    done: list[int] = []
    count = 30_000
    sizes = itertools.cycle([1, 4, 2, 6, 1, 3])
    with kumo.ThreadPool("web", threads=2) as pool:
        held = Held(pool, 2)
        futures = [pool.submit(done.append, number) for number in range(count)]
        assert pool.queued >= count
        held.gate.set()
        while pool.queued:
            pool.resize(next(sizes))
            time.sleep(0.001)
        assert not wait(futures, MOMENT).not_done

    assert Counter(done) == Counter(range(count))


def test_tasks_submit_tasks_while_the_size_changes() -> None:
    done: list[int] = []
    everything = threading.Semaphore(0)

    def task(depth: int) -> None:
        done.append(depth)
        everything.release()
        if depth:
            pool.submit(task, depth - 1)
            pool.submit(task, depth - 1)

    with kumo.ThreadPool("web", threads=2) as pool:
        pool.submit(task, 10)
        for number in range(2**11 - 1):
            assert everything.acquire(timeout=MOMENT)
            if number % 7 == 0:
                pool.resize(1 + number % 4)

    assert len(done) == 2**11 - 1


def test_a_worker_survives_what_tasks_and_callbacks_raise(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def leave(*_: object) -> None:
        raise SystemExit(1)

    with kumo.ThreadPool("web", threads=1) as pool:
        future = pool.submit(leave)
        assert isinstance(future.exception(MOMENT), SystemExit)
        held = Held(pool, 1)
        held.futures[0].add_done_callback(leave)
        held.gate.set()
        assert pool.submit(int).result(MOMENT) == 0
        assert workers("web") == ["web-0"]

    assert "Exception in worker" in caplog.text


def test_a_failing_initializer_breaks_the_pool(caplog: pytest.LogCaptureFixture) -> None:
    gate = threading.Event()

    def fail() -> None:
        gate.wait(MOMENT)
        raise ValueError("in the initializer")

    with kumo.ThreadPool("web", threads=2, initializer=fail) as pool:
        futures = [pool.submit(int) for _ in range(10)]
        gate.set()
        for future in futures:
            assert isinstance(future.exception(MOMENT), BrokenThreadPool)
        with pytest.raises(BrokenThreadPool, match="A thread initializer failed"):
            pool.submit(int)

    assert "in the initializer" in caplog.text


@pytest.mark.parametrize(
    ("error", "messages"),
    [
        ("can't start new thread", ["thread pool web: 1 of 2 threads: can't start new thread"]),
        ("can't create new thread at interpreter shutdown", []),
    ],
)
def test_where_a_thread_cannot_be_started(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: str,
    messages: list[str],
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError(error)

    with kumo.ThreadPool("web", threads=2) as pool:
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", refuse)
            with pytest.raises(RuntimeError, match=error):
                pool.submit(int)
            assert pool.queued == 0
        held = Held(pool, 1)
        held.wait_for(1)
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", refuse)
            second = pool.submit(int)  # the other worker will run it
        held.gate.set()
        assert second.result(MOMENT) == 0

    assert caplog.messages == messages


def test_a_thread_has_no_context_of_the_submitter() -> None:
    """As in the standard executor, where ``asyncio.to_thread`` is what hands it on."""
    variable = contextvars.ContextVar("variable", default="default")
    variable.set("set")
    with kumo.ThreadPool("web", threads=1) as pool, ThreadPoolExecutor(1) as standard:
        here, there = pool.submit(variable.get), standard.submit(variable.get)
        assert here.result(MOMENT) == there.result(MOMENT)

    async def ask() -> str:
        asyncio.get_running_loop().set_default_executor(kumo.ThreadPool("web", threads=1))
        return await asyncio.to_thread(variable.get)

    assert asyncio.run(ask()) == "set"


# --- the end


def test_shutdown_in_the_middle_runs_what_is_queued() -> None:
    done: list[int] = []
    pool = kumo.ThreadPool("web", threads=2)
    futures = [pool.submit(done.append, number) for number in range(5000)]

    def resize() -> None:
        for n in range(300):
            pool.resize(1 + n % 5)

    resizing = threading.Thread(target=resize)
    resizing.start()
    pool.shutdown()
    resizing.join()

    assert all(future.done() for future in futures)
    assert sorted(done) == list(range(5000))
    assert workers("web") == []
    with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
        pool.submit(int)


def test_shutdown_drops_what_is_queued_where_it_is_told_to() -> None:
    pool = kumo.ThreadPool("web", threads=2)
    held = Held(pool, 2)
    held.wait_for(2)
    queued = [pool.submit(int) for _ in range(100)]
    pool.shutdown(wait=False, cancel_futures=True)
    assert all(future.cancelled() for future in queued)
    assert kumo.pools() == {}
    held.gate.set()
    assert all(future.result(MOMENT) for future in held.futures)


def test_shutdown_drops_what_no_worker_has_taken_meanwhile() -> None:
    for _ in range(5):
        ran: list[int] = []
        pool = kumo.ThreadPool("web", threads=2)
        held = Held(pool, 2)
        held.wait_for(2)
        futures = [pool.submit(ran.append, number) for number in range(5000)]
        held.gate.set()
        pool.shutdown(cancel_futures=True)
        assert len(ran) + sum(future.cancelled() for future in futures) == 5000


def test_a_pool_that_nobody_has_any_more_ends_after_its_tasks(
    parallelism: Callable[[int], None],
) -> None:
    pool = kumo.ThreadPool("web")
    held = Held(pool, 10)
    held.wait_for(8)
    del pool
    gc.collect()
    assert kumo.pools() == {}
    parallelism(2)
    held.gate.set()
    assert all(future.result(MOMENT) for future in held.futures)


def test_idle_workers_of_a_pool_that_nobody_has_any_more_end() -> None:
    pool = kumo.ThreadPool("web", threads=2)
    pool.submit(int).result(MOMENT)
    until(lambda: kumo.pools()["web"].parked == 1)
    del pool
    until(lambda: workers("web") == [])


def test_the_last_workers_stay_for_what_is_queued_at_shutdown() -> None:
    pool = kumo.ThreadPool("web", threads=1)
    held = Held(pool, 1)
    held.wait_for(1)
    may_leave = pool.submit(lambda: pool._crew.leave(0, threading.Lock()))
    last = pool.submit(int)
    pool.shutdown(wait=False)
    held.gate.set()
    assert (may_leave.result(MOMENT), last.result(MOMENT)) == (False, 0)


def test_a_name_in_use_is_an_error() -> None:
    with kumo.ThreadPool("web", threads=1) as pool:
        assert kumo.pools() == {"web": pool}
        with pytest.raises(ValueError, match="a thread pool with the name 'web' is in use"):
            kumo.ThreadPool("web", threads=1)
        assert kumo.pools() == {"web": pool}
        assert pool.submit(int).result(MOMENT) == 0
    with kumo.ThreadPool("web", threads=1) as other:
        pool.shutdown()  # again: the name is another's now
        assert kumo.pools() == {"web": other}


def run_program(program: str) -> str:
    command = [sys.executable, "-W", "ignore", "-c", program]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stderr
    return ran.stdout


def test_the_interpreter_exits_after_what_is_queued() -> None:
    program = """
import kumo, os, time
pool = kumo.ThreadPool("web")
for number in range(20):
    pool.submit(lambda: (time.sleep(0.01), os.write(1, b"done\\n")))
other = kumo.ThreadPool("other")
other.submit(int).result()
"""
    assert run_program(program) == "done\n" * 20


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


@needs_fork
def test_a_forked_child_begins_anew_and_repeats_nothing() -> None:
    program = """
import os, threading, time, kumo
pool = kumo.ThreadPool("web", share=2)
read, write = os.pipe()
gate = threading.Event()
held = [pool.submit(gate.wait) for _ in range(pool.size)]
queued = [pool.submit(os.write, write, b"q") for _ in range(100)]
children = []
for _ in range(5):
    pid = os.fork()
    if pid == 0:
        assert (pool.queued, pool.parked, pool.busy) == (0, 0, 0)
        futures = [pool.submit(os.write, write, b"c") for _ in range(100)]
        for future in futures:
            future.result(60)
        pool.resize(1)
        pool.shutdown()
        os._exit(0)
    children.append(pid)
for pid in children:
    assert os.waitpid(pid, 0)[1] == 0
gate.set()
pool.shutdown()
os.close(write)
text = b""
while more := os.read(read, 65536):
    text += more
print(text.count(b"q"), text.count(b"c"))
"""
    assert run_program(program) == "100 500\n"


@needs_fork
def test_a_child_forked_by_a_task_does_not_go_on_with_the_queue() -> None:
    program = """
import os, threading, kumo
pool = kumo.ThreadPool("web", threads=1)
read, write = os.pipe()
gate = threading.Event()
forked = pool.submit(lambda: gate.wait() and os.fork())
queued = [pool.submit(os.write, write, b"q") for _ in range(100)]
gate.set()
pool.shutdown()
if forked.result():
    os.waitpid(forked.result(), 0)
os.close(write)
print(os.read(read, 65536).count(b"q"))
"""
    assert run_program(program) == "100\n"


@pytest.mark.parametrize("forks", [10, pytest.param(100, marks=pytest.mark.slow)])
@needs_fork
def test_a_fork_while_others_submit_and_resize(forks: int) -> None:
    program = """
import os, threading, kumo
pool = kumo.ThreadPool("web", threads=3)
end = threading.Event()
def submit():
    while not end.is_set():
        pool.submit(int).result()
def resize():
    while not end.is_set():
        pool.resize(1), pool.resize(4)
threads = [threading.Thread(target=target) for target in (submit, submit, resize)]
for thread in threads:
    thread.start()
for _ in range(FORKS):
    pid = os.fork()
    if pid == 0:
        os._exit(0 if pool.submit(int).result(60) == 0 else 1)
    assert os.waitpid(pid, 0)[1] == 0
end.set()
for thread in threads:
    thread.join()
pool.shutdown()
print("done")
"""
    assert run_program(program.replace("FORKS", str(forks))) == "done\n"


@pytest.mark.parametrize("forks", [20, pytest.param(200, marks=pytest.mark.slow)])
@needs_fork
def test_a_fork_while_others_make_pools(forks: int) -> None:
    program = """
import os, signal, threading, kumo
kumo.ThreadPool, kumo.pools  # a fork while a module is imported is not what this is about
end = threading.Event()
def make(name):
    while not end.is_set():
        kumo.ThreadPool(name, threads=1).shutdown()
threads = [threading.Thread(target=make, args=(name,), daemon=True) for name in "abc"]
for thread in threads:
    thread.start()
for _ in range(FORKS):
    pid = os.fork()
    if pid == 0:
        signal.alarm(60)
        with kumo.ThreadPool("child", threads=1) as pool:
            assert kumo.pools()["child"] is pool
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0, "the child has waited for ever"
end.set()
for thread in threads:
    thread.join()
print("done")
"""
    assert run_program(program.replace("FORKS", str(forks))) == "done\n"


def test_a_worker_that_goes_on_by_itself_is_not_woken_too() -> None:
    """Where it was seen parked and is gone when it is to be woken, `add` and `resize` go on."""

    class Deceptive(list[threading.Lock]):
        def __bool__(self) -> bool:
            return True

        def __len__(self) -> int:
            return 5

    with kumo.ThreadPool("web", threads=2) as pool:
        pool.submit(int).result(MOMENT)
        crew = pool._crew
        until(lambda: pool.parked == 1)
        held = Held(pool, 1)
        held.wait_for(1)
        crew.parked = Deceptive()
        followed = crew.watch = kumo.watch()
        second = pool.submit(int)
        assert second.result(MOMENT) == 0
        pool.resize(1)
        # mypy does not see that resize() has changed it.
        assert (crew.watch, followed._closed) == (None, True)  # type: ignore[comparison-overlap]
        crew.parked = []
        held.gate.set()


def test_what_programs_read_of_the_standard_executor() -> None:
    pool = kumo.ThreadPool("web", threads=1)
    held = Held(pool, 3)
    held.wait_for(1)
    assert (pool._max_workers, len(pool._threads), pool._work_queue.qsize()) == (1, 1, 2)
    assert (pool._shutdown, pool._broken) == (False, False)
    held.gate.set()
    pool.shutdown()
    assert pool._shutdown


def test_asyncio_takes_it_as_default_executor() -> None:
    async def program() -> list[str]:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(kumo.ThreadPool("web", threads=2))
        calls = (asyncio.to_thread(lambda: threading.current_thread().name) for _ in range(10))
        return await asyncio.gather(*calls)

    assert set(asyncio.run(program())) <= {"web-0", "web-1"}


def test_futures_are_the_standard_ones() -> None:
    with kumo.ThreadPool("web", threads=1) as pool:
        future: Future[int] = pool.submit(int)
        assert type(future) is Future
        assert list(pool.map(pow, [2, 3], [3, 2])) == [8, 9]


def test_a_pool_that_the_override_fixes_says_so(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under ``kumo run`` the variable is set, and changes of the limits are not followed."""
    caplog.set_level(logging.INFO, "kumo")
    monkeypatch.setenv("KUMO_AVAILABLE_PARALLELISM", "2")

    with kumo.ThreadPool("fixed"):
        pass

    line = "thread pool fixed: 2 threads, share 1 of 2 CPUs, fixed by KUMO_AVAILABLE_PARALLELISM"
    assert caplog.messages[0] == line
