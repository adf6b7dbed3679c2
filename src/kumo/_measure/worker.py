"""A worker of the probe: a program that spins on the clock and prints its gaps.

    python worker.py PARENT [CPULIST]

It prints ``ready``, reads ``START END`` (nanoseconds of the monotonic clock, in 64 bytes of a pipe
that all workers share), spins from one to the other, and prints what
`kumo._measure.gaps.parse_worker` reads. It is run by its path, needs
the standard library alone, and ends with its parent.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GAP_NS = 1_000_000  # ns between two readings of the clock that are more than an interrupt
PARENT_CHECK_NS = 20_000_000  # ns after which it looks whether its parent is there
ORDER_BYTES = 64  # bytes that say the window
SPIN_SECONDS = 0.005  # s before the start in which it no longer sleeps, since a sleep ends late


def main(parent: int, cpus: str = "") -> None:
    """Spin in the window that stdin says, and print the gaps."""
    if cpus and sys.platform == "linux":
        with suppress(OSError):  # a sandbox may forbid it; the parent's CPUs are inherited
            os.sched_setaffinity(0, [int(cpu) for cpu in cpus.split(",")])
    print("ready", flush=True)
    window = os.read(0, ORDER_BYTES).split()
    if len(window) != 2:
        return  # the parent has ended
    start, end = map(int, window)
    gc.disable()
    waited = waiting_time()
    time.sleep(max(0.0, (start - time.monotonic_ns()) / 1e9 - SPIN_SECONDS))
    while time.monotonic_ns() < start:
        pass
    before = waited()
    gaps = [(first, last, now - before) for first, last, now in _spin(start, end, parent, waited)]
    for first, last, so_far in gaps:
        print(first - start, last - start, so_far)
    print("end", waited() - before)


def _spin(
    start: int, end: int, parent: int, waited: Callable[[], int]
) -> Iterator[tuple[int, int, int]]:
    """Yield each gap, its start and end, and the time waited so far: all in nanoseconds."""
    clock = time.monotonic_ns
    last = start
    while last < end and os.getppid() == parent:
        look = min(end, last + PARENT_CHECK_NS)
        while last < look:
            now = clock()
            if now - last > GAP_NS:
                yield last, now, waited()
                now = clock()
            last = now


def waiting_time() -> Callable[[], int]:
    """Return a function for how long this process has waited for a CPU while it could run, in ns.

    Format: ``1234567 890 12``, time run and time waited in nanoseconds, and timeslices; zeros
    if the kernel does not count them.
    https://docs.kernel.org/scheduler/sched-stats.html#proc-pid-schedstat
    Elsewhere it is the time that was not CPU time.
    """
    if sys.platform == "linux":
        try:
            file = os.open("/proc/self/schedstat", os.O_RDONLY)
            if int(os.pread(file, 100, 0).split()[0]) > 0:
                return lambda: int(os.pread(file, 100, 0).split()[1])
        except (OSError, ValueError, IndexError):
            pass  # no such file, or not in that form
    return lambda: time.monotonic_ns() - time.thread_time_ns()


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
