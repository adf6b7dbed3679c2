"""`kumo.watch` in one process: affinity that changes under it, its thread, forks and the end."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
import trio
from real.conftest import MakeGroup, make_group  # noqa: F401 - a fixture
from real.host import TIMEOUT, environment, in_groups, needs_two_cpus

import kumo
from kumo import Change

Pin = Callable[[int], None]


@pytest.fixture
def pin() -> Iterator[Pin]:
    """Let the process have the first so many of its CPUs; a fixture so that it gets them back."""
    cpus = needs_two_cpus()

    def set_affinity(count: int) -> None:
        # A process has the CPUs of all its threads, those of pytest-xdist too. kumo's own thread
        # is to follow by itself.
        own = {str(thread.native_id) for thread in watchers()}
        for number in set(os.listdir("/proc/self/task")) - own:
            with suppress(ProcessLookupError):  # it has ended since
                os.sched_setaffinity(int(number), cpus[:count])

    yield set_affinity
    set_affinity(len(cpus))


def watchers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "kumo-watch"]


def eventually(true: Callable[[], object]) -> bool:
    deadline = time.monotonic() + TIMEOUT
    while not true() and time.monotonic() < deadline:
        time.sleep(0.01)
    return bool(true())


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    assert watchers() == []
    yield
    assert eventually(lambda: not watchers())


def run(program: str, *options: str) -> str:
    """What *program* prints; it has to end well and without a word on stderr."""
    ran = subprocess.run(
        [sys.executable, *options, "-c", program],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
        env=environment(),
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


def counts(change: Change) -> tuple[int, int]:
    return change.old.parallelism, change.new.parallelism


# --- iteration


def test_an_iteration_yields_each_change(pin: Pin) -> None:
    pin(2)
    changes = []
    with kumo.watch(interval=0.01, settle=0) as watch:
        pin(1)
        for change in watch:
            changes.append(counts(change))
            assert watch.estimate == change.new
            if len(changes) == 3:
                break
            pin(2 if len(changes) == 1 else 1)

    assert changes == [(2, 1), (1, 2), (2, 1)]


def test_a_late_iteration_is_told_one_change(pin: Pin) -> None:
    pin(2)
    with kumo.watch(interval=0.01, settle=0) as watch, kumo.watch(interval=0.01, settle=0) as other:
        for count in (1, 2, 1):
            pin(count)
            next(other)

        assert eventually(lambda: watch.estimate.parallelism == 1)
        assert counts(next(watch)) == (2, 1)
        pin(2)
        assert counts(next(watch)) == (1, 2)


def test_a_change_that_was_undone_is_not_told_late(pin: Pin) -> None:
    pin(2)
    with kumo.watch(interval=0.01, settle=0) as watch, kumo.watch(interval=0.01, settle=0) as other:
        pin(1)
        next(other)
        pin(2)
        next(other)
        assert eventually(lambda: watch.estimate.parallelism == 2)
        threading.Timer(0.1, watch.close).start()

        assert list(watch) == []


def test_closing_ends_an_iteration_elsewhere() -> None:
    watch = kumo.watch()
    threading.Timer(0.1, watch.close).start()

    assert list(watch) == []
    assert list(watch) == []
    watch.close()


def test_a_growth_has_to_hold(pin: Pin) -> None:
    pin(1)
    with kumo.watch(interval=0.01, settle=60) as slow, kumo.watch(interval=0.01, settle=0) as quick:
        pin(2)
        assert counts(next(quick)) == (1, 2)
        assert slow.estimate.parallelism == 1


@pytest.mark.parametrize("run_loop", [asyncio.run, lambda main: trio.run(lambda: main)])
def test_an_async_iteration_yields_each_change(
    pin: Pin, run_loop: Callable[[object], object]
) -> None:
    pin(2)
    changes = []

    async def main() -> None:
        with kumo.watch(interval=0.01, settle=0) as watch:
            pin(1)
            async for change in watch:
                changes.append(counts(change))
                if len(changes) == 3:
                    watch.close()
                pin(2 if len(changes) == 1 else 1)

    run_loop(main())

    assert changes == [(2, 1), (1, 2), (2, 1)]


def test_asyncio_cancels_an_iteration() -> None:
    async def main(watch: kumo.Watch) -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(anext(watch), 0.05)
        assert watch._wakes == set()

    with kumo.watch() as watch:
        asyncio.run(main(watch))


def test_trio_cancels_an_iteration() -> None:
    async def main(watch: kumo.Watch) -> None:
        with trio.move_on_after(0.05) as scope:
            await anext(watch)
        assert scope.cancelled_caught
        assert watch._wakes == set()

    with kumo.watch() as watch:
        trio.run(main, watch)


def test_closing_ends_an_async_iteration_elsewhere() -> None:
    async def main() -> list[Change]:
        watch = kumo.watch()
        threading.Timer(0.1, watch.close).start()
        return [change async for change in watch]

    assert asyncio.run(main()) == []
    assert trio.run(main) == []


def test_an_async_iteration_needs_a_loop() -> None:
    with kumo.watch() as watch, pytest.raises(RuntimeError, match="no event loop of asyncio or"):
        anext(watch).send(None)


# --- callbacks


def test_a_callback_is_called_in_the_thread_that_watches(pin: Pin) -> None:
    pin(2)
    calls: list[tuple[tuple[int, int], str]] = []
    with kumo.watch(
        lambda change: calls.append((counts(change), threading.current_thread().name)),
        interval=0.01,
    ):
        pin(1)
        assert eventually(lambda: calls)

    assert calls == [((2, 1), "kumo-watch")]


@pytest.mark.parametrize("error", [ValueError("of the callback"), SystemExit(3)])
def test_an_error_in_a_callback_is_reported_and_stops_nobody_else(
    pin: Pin, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    pin(2)
    reported: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", reported.append)

    def fail(change: Change) -> None:
        raise error

    with kumo.watch(fail, interval=0.01), kumo.watch(interval=0.01) as other:
        pin(1)
        assert counts(next(other)) == (2, 1)
        assert eventually(lambda: reported)
        (thread,) = watchers()

    assert [(args.exc_value, args.thread) for args in reported] == [(error, thread)]


def test_a_callback_may_close_its_watch(pin: Pin) -> None:
    pin(2)
    changes: list[Change] = []

    def once(change: Change) -> None:
        changes.append(change)
        watch.close()

    watch = kumo.watch(once, interval=0.01, settle=0)
    pin(1)
    assert eventually(lambda: changes and not watchers())
    pin(2)
    time.sleep(0.1)
    assert len(changes) == 1


# --- the thread


def test_one_thread_watches_however_many_there_are() -> None:
    assert watchers() == []
    watches = [kumo.watch(print) for _ in range(50)] + [kumo.watch() for _ in range(50)]
    assert len(watchers()) == 1
    for watch in watches[1:]:
        watch.close()
    assert len(watchers()) == 1
    watches[0].close()
    assert eventually(lambda: not watchers())
    with kumo.watch():
        assert len(watchers()) == 1


def test_a_watch_that_nobody_refers_to_ends() -> None:
    kumo.watch(interval=0.01)
    gc.collect()

    assert eventually(lambda: not watchers())


def test_the_least_interval_counts(pin: Pin) -> None:
    pin(2)
    with kumo.watch(interval=1000) as slow, kumo.watch(interval=0.01) as quick:
        pin(1)
        next(quick)

        assert eventually(lambda: slow.estimate.parallelism == 1)


def test_threads_watch_at_once(pin: Pin) -> None:
    pin(2)
    readings: list[tuple[int, int]] = []
    started = threading.Barrier(9)

    def iterate() -> None:
        with kumo.watch(interval=0.01) as watch:
            started.wait(TIMEOUT)
            readings.append(counts(next(watch)))

    threads = [threading.Thread(target=iterate) for _ in range(8)]
    for thread in threads:
        thread.start()
    started.wait(TIMEOUT)
    one = needs_two_cpus()[:1]
    for thread in threads:
        os.sched_setaffinity(thread.native_id or 0, one)
    pin(1)
    for thread in threads:
        thread.join(TIMEOUT)

    assert readings == [(2, 1)] * 8


def test_the_thread_adds_no_cpus_to_the_process(pin: Pin) -> None:
    pin(2)
    with kumo.watch(interval=0.01):
        pin(1)
        assert eventually(lambda: kumo.available_parallelism() == 1)
        pin(2)
        assert eventually(lambda: kumo.available_parallelism() == 2)
        (thread,) = watchers()
        assert eventually(lambda: len(os.sched_getaffinity(thread.native_id or 0)) == 2)


def test_a_wrong_override_meanwhile_is_told_once_and_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    name = "KUMO_AVAILABLE_PARALLELISM"
    with caplog.at_level(logging.WARNING, "kumo"), kumo.watch(interval=0.01) as watch:
        before = watch.estimate
        monkeypatch.setenv(name, "many")
        assert eventually(lambda: caplog.records)
        time.sleep(0.1)
        assert watch.estimate == before
        monkeypatch.setenv(name, "1")
        assert next(watch).new.binding.source == "override"

    assert [record.getMessage() for record in caplog.records] == [
        f"{name}='many' is not a positive decimal integer, such as 4"
        "; the estimate before it remains"
    ]


def test_a_wrong_override_at_the_start_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUMO_AVAILABLE_PARALLELISM", "many")

    with pytest.raises(kumo.OverrideError):
        kumo.watch()


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ({"interval": 0}, "interval must be a positive number of seconds, not 0"),
        ({"interval": float("nan")}, "interval must be a positive number of seconds, not nan"),
        ({"interval": float("inf")}, "interval must be a positive number of seconds, not inf"),
        ({"settle": -1}, "settle must be a number of seconds, at least 0, not -1"),
        ({"settle": float("nan")}, "settle must be a number of seconds, at least 0, not nan"),
    ],
)
def test_wrong_times_are_errors(times: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kumo.watch(**times)


def test_a_callback_has_to_be_callable() -> None:
    with pytest.raises(TypeError, match="callback must be a callable, not 3"):
        kumo.watch(3)  # type: ignore[arg-type]  # it is wrong


def test_a_thread_that_cannot_be_started_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            kumo.watch(print)
    with kumo.watch():
        assert len(watchers()) == 1


# --- a survey that cannot read

BLIND = """
import os, resource, sys, time
quota = os.open(sys.argv[1] + "/cpu.cfs_quota_us", os.O_WRONLY)
watch = kumo.watch(interval=0.01, settle=0.05)
before = watch.estimate
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))  # nothing more can be opened
failed, settled = [], watch._settling.settled
watch._settling.settled = lambda reading: failed.append(reading) or settled(reading)
os.write(quota, b"120000")
while len(failed) < 10: time.sleep(0.01)  # readings
assert watch.estimate == before, watch.estimate
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
change = next(watch)
print(change.old.cpus, change.new.cpus)
os.lseek(quota, 0, 0)
os.write(quota, b"-1")
print(next(watch).new.parallelism)
"""


@pytest.mark.real
@pytest.mark.parametrize(
    "before",
    [
        pytest.param("kumo.available_parallelism()", id="after a call"),
        pytest.param("", id="at once"),
    ],
)
def test_out_of_descriptors_nothing_grows(
    make_group: MakeGroup,  # noqa: F811 - the fixture
    before: str,
) -> None:
    needs_two_cpus()
    group = make_group(cpus=1.9)
    program = f"import kumo; {before}\n{BLIND}"
    ran = subprocess.run(
        in_groups([group], [sys.executable, "-c", program, str(group.path)]),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
        env=environment(),
    )

    assert (ran.returncode, ran.stdout) == (0, "1.9 1.2\n2\n"), ran.stderr
    assert ran.stderr == ""


# --- forks and the end

FORK = """
import os, time, threading, kumo
cpus = sorted(os.sched_getaffinity(0))[:2]
os.sched_setaffinity(0, cpus)
changes = []
{watch}
pid = os.fork()
if pid == 0:
    threads = threading.active_count()
    os.sched_setaffinity(0, cpus[:1])
    {child}
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
os.sched_setaffinity(0, cpus[:1])
{child}
"""


@pytest.mark.parametrize(
    ("watch", "child"),
    [
        pytest.param(
            "watch = kumo.watch(changes.append, interval=0.01)",
            "while not changes: time.sleep(0.01)",
            id="callback",
        ),
        pytest.param("watch = kumo.watch(interval=0.01)", "next(watch)", id="iteration"),
        pytest.param(
            "watch = kumo.watch(interval=0.01)",
            "while watch.estimate.parallelism != 1: time.sleep(0.01)",
            id="estimate",
        ),
    ],
)
def test_a_forked_child_watches_on(watch: str, child: str) -> None:
    needs_two_cpus()
    run(FORK.format(watch=watch, child=child), "-W", "ignore::DeprecationWarning")


def test_a_forked_child_has_no_thread_that_nobody_needs() -> None:
    program = """
import os, threading, kumo
watch = kumo.watch()
pid = os.fork()
if pid == 0:
    os._exit(threading.active_count())
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
    assert run(program, "-W", "ignore::DeprecationWarning") == "1\n"


@pytest.mark.parametrize(
    "program",
    [
        pytest.param("import kumo; kumo.watch(print)", id="callback"),
        pytest.param("import kumo; watch = kumo.watch()", id="iteration"),
        pytest.param("import kumo; kumo.watch(print, interval=0.0001)", id="while polling"),
        pytest.param(
            "import kumo, threading; watch = kumo.watch()\n"
            "threading.Thread(target=next, args=(watch,), daemon=True).start()",
            id="while waiting",
        ),
        pytest.param(
            "import atexit, kumo; watch = kumo.watch(print); atexit.register(watch.close)",
            id="closed at the end",
        ),
        pytest.param(
            "import os, time, kumo; cpus = sorted(os.sched_getaffinity(0))\n"
            "kumo.watch(lambda change: time.sleep(1000), interval=0.01)\n"
            "os.sched_setaffinity(0, cpus[:1]); time.sleep(0.1)",
            id="while a callback runs for ever",
        ),
    ],
)
def test_the_interpreter_ends_without_a_word(program: str) -> None:
    """`run` waits for a minute; what sleeps here would last for longer."""
    needs_two_cpus()

    assert run(program) == ""


def test_the_thread_ends_before_what_the_program_began_with() -> None:
    """Handlers run the last first; one that was there before kumo finds no thread of it."""
    program = """
import atexit, threading
def show():
    assert watch.estimate.parallelism >= 1
    print(*sorted(thread.name for thread in threading.enumerate()))
atexit.register(show)
import kumo
watch = kumo.watch(print)
threading.Thread(target=next, args=(watch,), name="a", daemon=True).start()
"""
    assert run(program) == "MainThread a\n"


@pytest.mark.parametrize(
    ("marker", "said"), [("3:KUMO_AVAILABLE_PARALLELISM=3", 1), ("3", 0), ("", 0), ("junk", 0)]
)
def test_that_kumo_run_fixes_the_count_is_logged_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, marker: str, said: int
) -> None:
    monkeypatch.setattr("kumo._watch.watch._said", False)
    monkeypatch.setenv("KUMO_AVAILABLE_PARALLELISM", "3")
    monkeypatch.setenv("KUMO_RUN_SET", marker)

    for _ in range(2):
        kumo.watch().close()

    assert [r.message.count("kumo run --follow") for r in caplog.records] == [1] * said
