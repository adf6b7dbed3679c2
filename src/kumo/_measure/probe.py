"""The probe: starts the workers, waits for them, and ends them whatever happens."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from kumo._measure.gaps import parse_worker
from kumo._measure.ticks import Ticks, parse_ticks
from kumo._system import read_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from kumo._measure.gaps import Worker

    Told = Callable[[float], None]

WORKER = Path(__file__).with_name("worker.py")
AHEAD = 0.05  # s between the workers' order and their start
AHEAD_EACH = 0.002  # s more for each worker
SHOW = 0.1  # s between two calls that tell the progress


def probe(
    number: int, cpus: Collection[int], seconds: float, told: Told
) -> tuple[list[Worker], Ticks | None]:
    """Have *number* workers spin on *cpus* for *seconds*; return what they and the CPUs saw.

    *told* is called with the part that is done. Raise `RuntimeError` where a worker cannot be
    started or fails. None is left, interrupted or not.
    """
    with ExitStack() as stack:
        workers = []
        for _ in range(number):
            workers.append(_start(cpus))
            stack.callback(_end, workers[-1])
        for worker in workers:
            _expect_ready(worker)
        ticks = _spin(workers, cpus, seconds, told)
        return [_collect(worker, seconds) for worker in workers], ticks


def _start(cpus: Collection[int]) -> subprocess.Popen[str]:
    if not sys.executable or getattr(sys, "frozen", False):
        raise RuntimeError("there is no Python interpreter here to start the workers with")
    listed = ",".join(map(str, sorted(cpus)))
    try:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", str(WORKER), str(os.getpid()), listed],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    except OSError as error:
        raise RuntimeError(f"a worker cannot be started: {error.strerror}") from None


def _end(worker: subprocess.Popen[str]) -> None:
    worker.kill()
    with worker:  # closes the pipes and waits
        pass


def _expect_ready(worker: subprocess.Popen[str]) -> None:
    assert worker.stdout is not None
    if worker.stdout.readline() != "ready\n":
        raise _failed(worker)


def _spin(
    workers: Sequence[subprocess.Popen[str]], cpus: Collection[int], seconds: float, told: Told
) -> Ticks | None:
    """Order the workers to spin, and return the CPUs' ticks while they do."""
    start = time.monotonic() + AHEAD + AHEAD_EACH * len(workers)
    end = start + seconds
    for worker in workers:
        assert worker.stdin is not None
        try:
            print(int(start * 1e9), int(end * 1e9), file=worker.stdin, flush=True)
        except BrokenPipeError:
            raise _failed(worker) from None
    time.sleep(max(0.0, start - time.monotonic()))
    began, before = time.monotonic(), _ticks(cpus)
    while (left := end - time.monotonic()) > 0:
        told(1 - left / seconds)
        time.sleep(min(left, SHOW))
    after = _ticks(cpus)
    if before is None or after is None:
        return None
    part = seconds / (time.monotonic() - began)  # it may itself have been stopped
    return Ticks((after.idle - before.idle) * part, (after.steal - before.steal) * part)


def _ticks(cpus: Collection[int]) -> Ticks | None:
    if sys.platform != "linux":
        return None
    try:
        text = read_file("/proc/stat")
    except OSError:
        return None  # a sandbox may forbid it; then only the workers tell
    return None if text is None else parse_ticks(text, cpus, os.sysconf("SC_CLK_TCK"))


def _collect(worker: subprocess.Popen[str], seconds: float) -> Worker:
    out, error = worker.communicate()
    try:
        return parse_worker(out, seconds)
    except ValueError:
        raise _failed(worker, error) from None


def _failed(worker: subprocess.Popen[str], error: str | None = None) -> RuntimeError:
    worker.kill()
    said = (worker.communicate()[1] if error is None else error).strip().splitlines()
    return RuntimeError(f"a worker failed: {said[-1] if said else 'it was ended'}")
