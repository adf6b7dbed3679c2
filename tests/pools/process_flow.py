"""A program whose quota changes while tasks with BLAS flow through a process pool of it.

    python process_flow.py GROUP MAXIMUM

in the cgroup v1 directory GROUP, whose quota it writes itself. It prints a JSON object.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import kumo

PERIOD = 100_000
MOMENT = 60


def work(number: int) -> tuple[int, int, int, float, float]:
    """Multiply matrices; the number, the process, its threads, when it began and ended."""
    import numpy as np
    import threadpoolctl

    begun = time.monotonic()
    threads = max(library["num_threads"] for library in threadpoolctl.threadpool_info())
    matrix = np.ones((200, 200))
    while time.monotonic() < begun + 0.02:
        matrix = matrix @ matrix / 200
    return number, os.getpid(), threads, begun, time.monotonic()


def most_at_once(done: list[tuple[int, int, int, float, float]]) -> int:
    """The most threads of all tasks that ran at one moment."""
    return max(
        sum(threads for _, _, threads, begun, ended in done if begun <= moment < ended)
        for _, _, _, moment, _ in done
    )


class Flow(threading.Thread):
    """Submits tasks all the time."""

    def __init__(self, pool: kumo.ProcessPool) -> None:
        super().__init__()
        self.pool = pool
        self.futures: list[Any] = []
        self.end = threading.Event()

    def run(self) -> None:
        while not self.end.wait(0.01):
            if self.pool.queued < 10:
                self.futures.append(self.pool.submit(work, len(self.futures)))


def main(group: Path, maximum: int) -> dict[str, Any]:
    settled = []
    with kumo.ProcessPool("flow", maximum=maximum) as pool:
        flow = Flow(pool)
        flow.start()
        for cpus in (1, 2, 1.5):
            begun = time.monotonic()
            (group / "cpu.cfs_quota_us").write_text(str(round(cpus * PERIOD)))
            count = int(cpus)
            while pool.size * pool.threads != count:
                assert time.monotonic() < begun + MOMENT
                time.sleep(0.001)
            while pool.busy > pool.size or time.monotonic() < begun + 1.5:
                assert time.monotonic() < begun + MOMENT
                time.sleep(0.001)
            since = len(flow.futures)
            while len(flow.futures) < since + 30:
                assert time.monotonic() < begun + MOMENT
                time.sleep(0.01)
            late = [future.result(MOMENT) for future in flow.futures[since:]]
            settled.append((count, most_at_once(late)))
        flow.end.set()
        flow.join()
        done = [future.result(MOMENT) for future in flow.futures]
    numbers = Counter(number for number, *_ in done)
    return {
        "once": numbers == Counter(range(len(flow.futures))),
        "tasks": len(done),
        "settled": settled,
    }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]))))
