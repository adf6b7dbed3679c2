"""Work that waits, in a pool of the parallelism whose workers say when they wait.

    python benchmarks/waiting.py [--seconds S] [--rounds N] [--max-waiting N]

Each task computes for a part of its time and waits for the rest, in Python, as `time.sleep`. Tasks
a second of `kumo.ThreadPool(max_waiting=64)` with `pool.waiting()` around the wait, of
the same pool without it, of the standard executor with its default size, and of the best of fixed
sizes from 1 to 128. All take turns in each round; the medians are shown.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext

import kumo

QUEUED = 512  # tasks that have not ended, at any moment
WHOLE = 0.01  # seconds of one task, waiting and computing
WAITING = (1.0, 0.9, 0.5, 0.1, 0.0)
FIXED = (1, 2, 4, 8, 16, 32, 64, 128)
Wait = Callable[[], AbstractContextManager[None]]


def burn(seconds: float) -> None:
    """Use that much CPU time of this thread, in Python."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        sum(range(200))


def rate(pool: Executor, waits: float, wait: Wait, seconds: float) -> float:
    """Return the tasks a second that ended within *seconds*, with a queue that is never empty."""
    done: list[None] = []

    def task() -> None:
        if waits:
            with wait():
                time.sleep(WHOLE * waits)
        if waits < 1:
            burn(WHOLE * (1 - waits))
        done.append(None)

    futures: list[Future[None]] = []
    begun = time.monotonic()
    while (now := time.monotonic()) < begun + seconds:
        for _ in range(QUEUED - (len(futures) - len(done))):
            futures.append(pool.submit(task))
        time.sleep(0.005)
    ended = len(done)
    for future in futures[ended:]:
        future.cancel()
    return ended / (now - begun)


def one_round(waits: float, seconds: float, most: int) -> dict[str, float]:
    found = {}
    with kumo.ThreadPool("waiting", max_waiting=most) as pool:
        found["waiting"] = rate(pool, waits, pool.waiting, seconds)
    with kumo.ThreadPool("plain") as plain:
        found["plain"] = rate(plain, waits, nullcontext, seconds)
    with ThreadPoolExecutor() as standard:
        found["standard"] = rate(standard, waits, nullcontext, seconds)
    for size in FIXED:
        with ThreadPoolExecutor(size) as fixed:
            found[f"{size}"] = rate(fixed, waits, nullcontext, seconds)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--max-waiting", type=int, default=64)
    options = parser.parse_args()
    count = kumo.available_parallelism()
    load = "" if not hasattr(os, "getloadavg") else f", load average {os.getloadavg()[0]:.0f}"
    print(f"{count} CPUs{load}; tasks a second, medians of {options.rounds} rounds\n")
    print("| waiting | declared | plain | standard | best fixed | of the best |")
    print("| --: | --: | --: | --: | --: | --: |")
    for waits in WAITING:
        rounds = [
            one_round(waits, options.seconds, options.max_waiting) for _ in range(options.rounds)
        ]
        middle = {name: statistics.median(r[name] for r in rounds) for name in rounds[0]}
        # What only computes is compared with sizes that are no more than the count.
        sizes = [size for size in FIXED if waits or size <= count]
        best = max(sizes, key=lambda size: middle[f"{size}"])
        top = middle[f"{best}"]
        cells = [f"{middle[name]:,.0f}" for name in ("waiting", "plain", "standard")]
        row = [f"{waits:.0%}", *cells, f"{top:,.0f} ({best})", f"{middle['waiting'] / top:.2f}"]
        print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
