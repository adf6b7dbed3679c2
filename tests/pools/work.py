"""What the tests' processes run: without pytest, whose import each of them would wait for."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

MOMENT = 60  # seconds; more than anything here takes


def until(condition: Callable[[], Any]) -> None:
    """Wait until *condition* holds."""
    end = time.monotonic() + MOMENT
    while not condition():
        assert time.monotonic() < end, "it has not come about"
        time.sleep(0.005)


def hold(gate: Path, number: int) -> int:
    """Say that it runs; end when the gate is there."""
    gate.with_name(f"running-{number}").touch()
    until(gate.exists)
    return os.getpid()


def hold_number(gate: Path, number: int) -> int:
    hold(gate, number)
    return number


def note(book: Path, number: int) -> int:
    """Write the number down, in one write."""
    with book.open("ab", buffering=0) as file:
        file.write(b"%d\n" % number)
    time.sleep(random.random() * 0.004)
    return number


def note_or_die(book: Path, number: int) -> int:
    """Write the number down, in one write, and die of some."""
    with book.open("ab", buffering=0) as file:
        file.write(b"%d\n" % number)
    if number % 50 == 7:
        die()
    return number


def fail(text: str) -> NoReturn:
    raise LookupError(text)


def die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("it is still there")


def leave_a_child_and_die(book: Path) -> None:
    """Leave a child that holds what this process had open, and note its number."""
    child = os.fork()
    if child == 0:
        time.sleep(1000)
        os._exit(0)
    book.write_text(str(child))
    die()


def greet(word: str) -> object:
    os.environ["KUMO_TEST"] = word
    return threading.Lock()  # which cannot be pickled, and need not be


def blas_threads() -> list[int]:
    """The threads of each library of BLAS or OpenMP in this process."""
    import numpy  # noqa: F401 - brings OpenBLAS
    import threadpoolctl

    return [library["num_threads"] for library in threadpoolctl.threadpool_info()]


class UnsendableError(Exception):
    def __reduce__(self) -> NoReturn:
        raise TypeError("not to be pickled")


class UnreceivableError(Exception):
    def __init__(self, one: int, two: int) -> None:
        super().__init__(one)


def own_cpus(_: int) -> list[int]:
    """Return where this process may run; stay long enough for others to start."""
    time.sleep(0.05)
    return sorted(os.sched_getaffinity(0))
