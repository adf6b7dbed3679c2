"""More that happens to a process: threads, signals, children, other interpreters, its end."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

from events import CPUS, call, libc, mount, private_mounts
from v1 import Group, mount_point

import kumo
from kumo._hot import count as _hot_count


def open_descriptors() -> set[int]:
    return {int(name) for name in os.listdir("/proc/self/fd")}


def names_of_descriptors() -> list[str]:
    return sorted(
        os.readlink(f"/proc/self/fd/{number}")
        for number in open_descriptors()
        if os.path.lexists(f"/proc/self/fd/{number}")
    )


def surveyed_ten_thousand_times(groups: list[Group]) -> Iterator[int]:
    """No descriptor is left over."""
    before = open_descriptors()
    for _ in range(10_000):
        _hot_count._survey("process")
    assert open_descriptors() == before
    yield len(CPUS)


def executed(groups: list[Group]) -> Iterator[int]:
    """A program that the process starts inherits none of the kept descriptors."""
    assert open_descriptors() - {0, 1, 2}
    listing = "import os; print(*os.listdir('/proc/self/fd'))"
    program = [sys.executable, "-I", "-S", "-c", listing]
    shown = subprocess.run(program, capture_output=True, text=True, close_fds=False, check=True)
    clean = subprocess.run(program, capture_output=True, text=True, close_fds=True, check=True)
    assert shown.stdout.split() == clean.stdout.split()
    yield len(CPUS)


def threads_ask_at_once(groups: list[Group]) -> Iterator[int]:
    """No answer but one of the two that were right during the call, and then the last."""
    answers: set[int] = set()
    done = threading.Event()

    failures: list[BaseException] = []

    def ask() -> None:
        try:
            while not done.is_set():
                answers.add(kumo.available_parallelism())
        except BaseException as failure:
            failures.append(failure)
            raise

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    try:
        for turn in range(400):
            groups[2].set(100_000 if turn % 2 else -1)
            if turn % 20 == 0:  # whoever finds it stale exchanges what is kept
                groups[(turn // 20) % 2 + 1].join()
        groups[2].join()
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert not failures
    assert answers <= {1, len(CPUS)}
    yield 1


def asked_in_a_signal_handler(groups: list[Group]) -> Iterator[int]:
    """The handler interrupts a call of its own thread, and neither waits for the other."""
    answers: list[int] = []

    def handle(*_: object) -> None:
        answers.append(kumo.available_parallelism())
        signal.setitimer(signal.ITIMER_REAL, 0.0005)  # the next one, once this one is done

    signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.0005)
    while len(answers) < 200:
        assert kumo.available_parallelism() == len(CPUS)
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    assert set(answers) == {len(CPUS)}
    yield len(CPUS)


class TimeLimitError(Exception):
    """What a program's signal handler raises."""


def interrupted(
    seconds: float,
    work: Callable[[], object],
    last: list[BaseException] | None = None,
    most: float = 2e-3,
    least: int = 0,
) -> int:
    """Let signals interrupt *work*, again and again; return how often they did.

    They come after *most* seconds at most, *least* times or more, however slow the machine is.
    *last* stores the last exception.
    """

    def handle(*_: object) -> None:
        raise TimeLimitError

    choose = random.Random(20260101)
    signal.signal(signal.SIGALRM, handle)
    ends, times = time.monotonic() + seconds, 0
    while times < least or time.monotonic() < ends:
        try:
            signal.setitimer(signal.ITIMER_REAL, choose.uniform(1e-6, most))
            while True:
                work()
        except TimeLimitError as error:
            times += 1
            if last is not None:
                last[:] = [error]
    signal.setitimer(signal.ITIMER_REAL, 0)
    return times


def interrupted_while_it_reads(groups: list[Group]) -> Iterator[int]:
    """A time limit at any bytecode reaches the program; what is kept goes on being read."""
    before = open_descriptors()
    kept = id(_hot_count._kept)
    interrupted(2, kumo.available_parallelism, least=20)
    yield len(CPUS)
    assert id(_hot_count._kept) == kept
    _hot_count._survey("process")
    yield len(CPUS)
    assert len(open_descriptors()) == len(before), names_of_descriptors()


def interrupted_while_it_surveys(groups: list[Group]) -> Iterator[int]:
    """No descriptor is left over, and the next call keeps some."""
    before = open_descriptors()
    interrupted(4, lambda: _hot_count._survey("process"), least=20)
    yield len(CPUS)
    assert _hot_count._kept is not None
    assert len(open_descriptors()) == len(before), names_of_descriptors()


def interrupted_with_its_traceback_stored(groups: list[Group]) -> Iterator[int]:
    """As in a notebook: the last exception refers to every frame that it has left."""
    before = open_descriptors()
    stored: list[BaseException] = []

    def survey() -> None:
        _hot_count._survey("process")

    interrupted(3, survey, stored, least=20)
    yield len(CPUS)
    kept = _hot_count._kept
    assert kept is not None
    yield len(CPUS)
    assert _hot_count._kept is kept
    # What the last exception refers to may be a reader, which has one set of descriptors.
    assert len(open_descriptors()) <= 2 * len(before)
    stored.clear()
    del kept
    survey()
    assert len(open_descriptors()) == len(before), names_of_descriptors()


def threads_stay_on_the_fast_path(groups: list[Group]) -> Iterator[int]:
    """Nobody who calls at once with others surveys, and what is kept stays."""
    from kumo._hot import kept as _hot_kept
    from kumo._records import Estimate
    from kumo._system.live import System

    surveys: list[object] = []
    real = _hot_kept.survey  # type: ignore[attr-defined]  # replaced where it is used

    def counted(system: System, *, notes: bool = True) -> Estimate:
        surveys.append(system)
        return real(system, notes=notes)

    _hot_kept.survey = counted  # type: ignore[attr-defined]  # replaced where it is used
    kept = _hot_count._kept
    failures: list[BaseException] = []

    def ask() -> None:
        try:
            for _ in range(300):
                assert kumo.available_parallelism() == len(CPUS)
        except BaseException as failure:
            failures.append(failure)
            raise

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert not surveys
    assert _hot_count._kept is kept
    yield len(CPUS)
    _hot_kept.survey = real  # type: ignore[attr-defined]  # replaced where it is used


def mounts_change_while_threads_ask(groups: list[Group]) -> Iterator[int]:
    """Each thread sees each change, whichever descriptor reports it to whom."""
    private_mounts()
    groups[2].set(100_000)
    point = str(mount_point("cpu"))
    done = threading.Event()
    failures: list[BaseException] = []

    def ask() -> None:
        try:
            while not done.is_set():
                assert kumo.available_parallelism() in (1, len(CPUS))
        except BaseException as failure:
            failures.append(failure)
            raise

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(60):
            mount("none", point, "tmpfs")
            assert kumo.available_parallelism() == len(CPUS)
            call(libc.umount2, point.encode(), 2)
            assert kumo.available_parallelism() == 1
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert not failures
    yield 1


def anything_fails_in_what_is_kept(groups: list[Group]) -> Iterator[int]:
    """Whatever is raised there, of whatever kind, a survey follows."""
    groups[2].set(100_000)
    yield 1
    for name, nonsense in (("size", "x"), ("spaces", None), ("levels", 3), ("first", None)):
        assert _hot_count._kept is not None
        setattr(_hot_count._kept, name, nonsense)
        yield 1


def asked_in_another_interpreter(groups: list[Group]) -> Iterator[int]:
    """A sub-interpreter keeps descriptors of its own, and its end leaves ours alone."""
    if sys.version_info >= (3, 13):
        import _interpreters as interpreters
    else:
        import _xxsubinterpreters as interpreters
    groups[2].set(100_000)
    yield 1
    other = interpreters.create()
    asked = "import kumo; assert {kumo.available_parallelism() for _ in range(3)} == {1}"
    before = open_descriptors()
    assert (
        interpreters.run_string(other, f"import sys; sys.path[:0] = {sys.path!r}\n{asked}") is None
    )
    interpreters.destroy(other)
    assert open_descriptors() == before
    groups[2].set(-1)
    yield len(CPUS)


def asked_while_the_interpreter_ends(groups: list[Group]) -> Iterator[int]:
    """At exit and in the last finalisers there is an answer, or the interpreter's own error."""
    program = (
        "import atexit, kumo\n"
        "class Last:\n"
        "    def __del__(self, ask=kumo.available_parallelism): print(ask(), flush=True)\n"
        "kumo.available_parallelism()\n"
        "kumo.last = Last()\n"
        "atexit.register(lambda: print(kumo.available_parallelism()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{len(CPUS)}\n{len(CPUS)}\n", "")
    yield len(CPUS)
