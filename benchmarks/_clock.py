"""The timing loop of the Python programs: some batches of calls, each of a millisecond or more.

Printing every batch lets the reader take the median: a batch in which another program had the
CPU then does not count.
"""

from __future__ import annotations

import statistics
from time import perf_counter_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

BATCHES = 40
BATCH = 1_000_000  # ns


def batches(loop: Callable[[int], None], count: int = BATCHES) -> list[float]:
    """Nanoseconds per call, for each batch."""
    times = 1
    while min(_batch(loop, times) for _ in range(3)) < BATCH:
        times *= 2
    return [_batch(loop, times) / times for _ in range(count)]


def _batch(loop: Callable[[int], None], times: int) -> int:
    started = perf_counter_ns()
    loop(times)
    return perf_counter_ns() - started


def typical(call: Callable[[], object], count: int = BATCHES) -> float:
    """Nanoseconds per call, the median batch."""

    def loop(times: int) -> None:
        for _ in range(times):
            call()

    return statistics.median(batches(loop, count))
