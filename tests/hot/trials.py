"""More that happens to a process: threads, signals, children, other interpreters, its end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

from events import CPUS
from v1 import Group

import kumo
from kumo._hot import count as _hot_count


def open_descriptors() -> set[int]:
    return {int(name) for name in os.listdir("/proc/self/fd")}


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
    assert (
        interpreters.run_string(other, f"import sys; sys.path[:0] = {sys.path!r}\n{asked}") is None
    )
    interpreters.destroy(other)
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
