"""A program whose quota changes at random while tasks flow through a pool of it.

    python flow.py GROUP SECONDS SEED

in the cgroup v1 directory GROUP, whose quota it writes itself. It prints a JSON object.
"""

from __future__ import annotations

import collections
import json
import os
import random
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import kumo

PERIOD = 100_000
FULL, HALF = 8, 4  # the sizes with two CPUs and with one
MOMENT = 60


class Flow:
    """Tasks of every kind, each with a number of its own that it writes down when it runs."""

    def __init__(self, pool: kumo.ThreadPool, seed: int) -> None:
        self.pool = pool
        self.random = random.Random(seed)
        self.submitted = 0
        self.lock = threading.Lock()
        self.done: list[int] = []
        self.wrong: list[str] = []
        self.end = threading.Event()
        self.thread = threading.Thread(target=self.submit_all, daemon=True)
        self.thread.start()

    def submit(self, task: Callable[[int], object]) -> Future[object]:
        with self.lock:
            number, self.submitted = self.submitted, self.submitted + 1
        return self.pool.submit(task, number)

    def sleep(self, number: int) -> int:
        self.done.append(number)
        time.sleep(0.001)
        return number

    def fail(self, number: int) -> None:
        self.done.append(number)
        raise LookupError(number)

    def submit_more(self, number: int) -> None:
        self.done.append(number)
        self.submit(self.sleep)

    def submit_all(self) -> None:
        kinds = (self.sleep, self.sleep, self.fail, self.submit_more)
        while not self.end.is_set():
            tasks = [self.random.choice(kinds) for _ in range(self.random.randint(1, 40))]
            for task, future in [(task, self.submit(task)) for task in tasks]:
                error = future.exception(MOMENT)
                if isinstance(error, LookupError) != (task == self.fail):
                    self.wrong.append(repr(error))
            time.sleep(self.random.choice((0, 0, 0.005)))


def set_quota(group: Path, cpus: float | None) -> None:
    quota = -1 if cpus is None else round(cpus * PERIOD)
    (group / "cpu.cfs_quota_us").write_text(str(quota))


def alive(pool: kumo.ThreadPool) -> int:
    return sum(t.name.startswith(f"{pool.name}-") for t in threading.enumerate())


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + MOMENT
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("the size has not been reached")
        time.sleep(0.001)


def shrink(group: Path, pool: kumo.ThreadPool, chance: random.Random) -> None:
    """Let it grow, and shrink it: first the size changes, then the workers leave."""
    set_quota(group, chance.choice((None, 2, 3.5)))
    wait_until(lambda: pool.size == FULL)
    time.sleep(chance.random() * 0.2)
    set_quota(group, chance.choice((1, 1.2, 1.9)))
    wait_until(lambda: pool.size == HALF)
    wait_until(lambda: alive(pool) <= HALF)


def fork_one(group: Path, pool: kumo.ThreadPool, chance: random.Random) -> bool:
    """Fork a child that uses the pool and has it shrink too; whether it went well there."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            futures = [pool.submit(int) for _ in range(50)]
            status = sum(future.result(MOMENT) for future in futures)
            shrink(group, pool, chance)
        finally:
            os._exit(status)
    return os.waitpid(pid, 0)[1] == 0


def shut_one_down(chance: random.Random) -> bool:
    """Shut another pool down with tasks under way; whether each of them ran or was cancelled."""
    ran: list[int] = []
    other = kumo.ThreadPool("other", share=2)
    futures = [other.submit(ran.append, number) for number in range(200)]
    other.shutdown(cancel_futures=chance.random() < 0.5)
    cancelled = sum(future.cancelled() for future in futures)
    return len(ran) + cancelled == 200 and all(future.done() for future in futures)


def one_round(group: Path, pool: kumo.ThreadPool, chance: random.Random) -> None:
    """Let it grow, shrink it and change it at random."""
    shrink(group, pool, chance)
    for _ in range(chance.randrange(6)):
        set_quota(group, chance.choice((None, 1, 1.5, 2, 3)))
        time.sleep(chance.random() * 0.3)


def main(group: Path, seconds: float, seed: int) -> dict[str, Any]:
    chance = random.Random(seed)
    pool = kumo.ThreadPool("flow", share=4)
    flow = Flow(pool, seed)
    rounds, healthy, end = 0, [], time.monotonic() + seconds
    while time.monotonic() < end:
        one_round(group, pool, chance)
        healthy += [fork_one(group, pool, chance), shut_one_down(chance)]
        rounds += 1
    flow.end.set()
    flow.thread.join()
    pool.shutdown()
    wait_until(lambda: threading.active_count() == 1)
    counts = collections.Counter(flow.done)
    return {
        "tasks": flow.submitted,
        "once": sum(count == 1 for count in counts.values()),
        "ran": len(flow.done),
        "wrong": flow.wrong,
        "healthy": all(healthy),
        "rounds": rounds,
    }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))))
