"""The probe: starts the workers, waits for them, and ends them whatever happens.

Its guarantees, with what each rests on:

- **No worker is left.** Each is put on an `ExitStack` as soon as it is started: whether the probe
  returns, raises or is interrupted, it is killed and waited for. If this process is itself killed,
  a worker sees that its parent has changed, and ends.
- **All workers spin in the same window.** They report that they are ready first. Then one order
  with the start and the end, on the clock that all processes of a machine share, goes to each.
- **One descriptor for the orders of all workers.** They read from one pipe, `ORDER_BYTES` each: a
  write that short is never split, and a page of the pipe has room for a whole number of
  them, so neither is a read.
- **A stop of this process does not spoil what is read beside.** The second reading may come late,
  so what the CPUs and quotas did is cut to the window's share of the time between the readings.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import NamedTuple

from kumo._measure.gaps import parse_worker
from kumo._measure.quotas import between, read_quotas
from kumo._measure.ticks import during, parse_ticks
from kumo._system.live import read_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from typing import IO

    from kumo._measure.gaps import Observed
    from kumo._measure.quotas import Quota
    from kumo._measure.ticks import Ticks
    from kumo._records import Limit

    Progress = Callable[[float], None]

WORKER = Path(__file__).with_name("worker.py")
LEAD = 0.05  # s between the workers' order and their start
LEAD_EACH = 0.002  # s more for each worker
ORDER_BYTES = 64  # bytes of a worker's order: a pipe's page has room for a whole number of them
PROGRESS_SECONDS = 0.1  # s between two calls that report the progress


class Readings(NamedTuple):
    """The readings beside the workers: the time of the CPUs, and the visible quotas."""

    ticks: Ticks | None
    quotas: list[Quota]


def probe(
    number: int, cpus: Collection[int], quotas: Sequence[Limit], seconds: float, progress: Progress
) -> tuple[list[Observed], Readings]:
    """Have *number* workers spin on *cpus* for *seconds*; return what they and the CPUs saw.

    *quotas* are the visible ones. *progress* is called with the part that is done. Raise
    `RuntimeError` if a worker cannot be started or fails. None is left, interrupted or not.
    """
    with ExitStack() as stack:
        theirs, ours = _pipe()
        order = stack.enter_context(open(ours, "wb", buffering=0))
        workers = []
        with open(theirs, "rb", buffering=0) as orders:
            for _ in range(number):
                workers.append(_start(cpus, orders))
                stack.callback(_end, workers[-1])
        for worker in workers:
            _expect_ready(worker)
        readings = _spin(
            number, order, lambda: (_ticks(cpus), read_quotas(quotas)), seconds, progress
        )
        return [_collect(worker, seconds) for worker in workers], readings


def _pipe() -> tuple[int, int]:
    """One for the orders of all workers, so that a worker costs one descriptor."""
    try:
        return os.pipe()
    except OSError as error:
        raise _not_started(error) from None


def _not_started(error: OSError) -> RuntimeError:
    return RuntimeError(f"a worker cannot be started: {error.strerror}")


def _start(cpus: Collection[int], orders: IO[bytes]) -> subprocess.Popen[str]:
    if not sys.executable or getattr(sys, "frozen", False):
        raise RuntimeError("there is no Python interpreter here to start the workers with")
    listed = ",".join(map(str, sorted(cpus)))
    try:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", *_program(), str(os.getpid()), listed],
            stdin=orders,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    except OSError as error:
        raise _not_started(error) from None


def _program() -> list[str]:
    """Return what Python is given to run the worker: its path, or its text out of an archive."""
    if WORKER.is_file():
        return [str(WORKER)]
    from importlib.util import find_spec

    spec = find_spec("kumo._measure.worker")
    source = getattr(spec and spec.loader, "get_source", lambda name: None)("kumo._measure.worker")
    if source is None:
        raise RuntimeError("the program of the workers is not there to be started")
    return ["-c", source]


def _end(worker: subprocess.Popen[str]) -> None:
    worker.kill()
    with worker:  # closes the pipes and waits
        pass


def _expect_ready(worker: subprocess.Popen[str]) -> None:
    assert worker.stdout is not None
    output = ""
    while line := worker.stdout.readline():
        if line == "ready\n":
            return
        output += line  # a loader may complain first
    raise _failed(output)


def _spin(
    number: int,
    order: IO[bytes],
    beside: Callable[[], tuple[Ticks | None, list[Quota]]],
    seconds: float,
    progress: Progress,
) -> Readings:
    """Order the workers to spin, and return what is read *beside* them meanwhile."""
    start = time.monotonic() + LEAD + LEAD_EACH * number
    end = start + seconds
    window = f"{int(start * 1e9)} {int(end * 1e9)}".ljust(ORDER_BYTES - 1) + "\n"
    with suppress(BrokenPipeError):  # all workers have ended, which shows when they are collected
        for _ in range(number):
            order.write(window.encode())
    time.sleep(max(0.0, start - time.monotonic()))
    began, (ticks, quotas) = time.monotonic(), beside()
    while (left := end - time.monotonic()) > 0:
        progress(1 - left / seconds)
        time.sleep(min(left, PROGRESS_SECONDS))
    later, quotas_later = beside()
    part = seconds / (time.monotonic() - began)  # it may itself have been stopped
    return Readings(during(ticks, later, part), between(quotas, quotas_later))


def _ticks(cpus: Collection[int]) -> Ticks | None:
    if sys.platform != "linux":
        return None
    try:
        text = read_file("/proc/stat")
    except OSError:
        return None  # a sandbox may forbid it; then only the workers show it
    return None if text is None else parse_ticks(text, cpus, os.sysconf("SC_CLK_TCK"))


def _collect(worker: subprocess.Popen[str], seconds: float) -> Observed:
    output, _ = worker.communicate()
    try:
        return parse_worker(output, seconds)
    except ValueError:
        raise _failed(output) from None


def _failed(output: str) -> RuntimeError:
    said = [line for line in output.splitlines() if line[:1].isalpha()]  # its gaps are numbers
    return RuntimeError(f"a worker failed: {said[-1] if said else 'it was ended'}")
