"""One arm of follow.py: a program that works, sized in one way, and says what it has done.

    python _follow_arm.py batch|waits|svd|matmul ARM
    python _follow_arm.py beat

ARM is default, os.cpu_count, loky.cpu_count, kumo, unmarked or a number. It prints its size and is
ready; for each line that it reads it prints a JSON object: the moment, the units done, the seconds
of CPU used. At the end of the input it prints how many units ended in each tenth of a second, and
ends.

The beat says that it begins, and wakes every 5 ms. At the end of the input it prints a JSON list
of pairs: the moment that it should have woken at, and how much later it was, in ms.
"""

from __future__ import annotations

import collections
import hashlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

BEAT = 0.005
WAIT = 0.010
FED = 256  # tasks in a pool's queue and its workers together

ends: list[float] = []


def hash_once() -> None:
    hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 4000)  # lets the interpreter's lock go


def count(arm: str) -> int | None:
    """The arm's number of workers; `None` where the library's default is left alone."""
    if arm == "default":
        return None
    if arm == "os.cpu_count":
        return os.cpu_count()
    if arm == "loky.cpu_count":
        import loky

        return int(loky.cpu_count())
    return int(arm)


def start_pool(unit: Callable[[], object], arm: str) -> int:
    """Keep a pool busy with units; its number of workers."""
    if arm in ("kumo", "unmarked"):
        import kumo

        pool: ThreadPoolExecutor = kumo.ThreadPool("work")
    else:
        pool = ThreadPoolExecutor(count(arm))

    def task() -> None:
        unit()
        ends.append(time.monotonic())
        pool.submit(task)

    for _ in range(FED):
        pool.submit(task)
    return pool._max_workers


def start_marked() -> int:
    """As `start_pool`, with tasks that say that they wait."""
    import kumo

    pool = kumo.ThreadPool("work", max_waiting=128)

    def task() -> None:
        with pool.waiting():
            time.sleep(WAIT)
        ends.append(time.monotonic())
        pool.submit(task)

    for _ in range(FED):
        pool.submit(task)
    return pool.size


def start_blas(what: str, arm: str) -> int:
    """Call BLAS all the time in one thread; how many threads its library uses."""
    import numpy as np
    import threadpoolctl

    if arm == "kumo":
        import kumo

        kumo.follow("threadpoolctl")
    elif arm != "default":
        threadpoolctl.threadpool_limits(count(arm))
    chance = np.random.default_rng(1)
    matrix = chance.random((200, 200) if what == "svd" else (600, 600))
    call: Callable[[], Any] = {
        "svd": lambda: np.linalg.svd(matrix),
        "matmul": lambda: matrix @ matrix,
    }[what]

    def loop() -> None:
        while True:
            call()
            ends.append(time.monotonic())

    threading.Thread(target=loop, daemon=True).start()
    return int(threadpoolctl.threadpool_info()[0]["num_threads"])


def beat() -> list[tuple[float, float]]:
    """Wake at each scheduled moment; one that has passed already counts with its lateness."""
    done = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), done.set()), daemon=True).start()
    beats = []
    print("begins", flush=True)
    scheduled = time.monotonic()
    while not done.is_set():
        scheduled += BEAT
        time.sleep(max(0.0, scheduled - time.monotonic()))
        beats.append((round(scheduled, 4), round(1000 * (time.monotonic() - scheduled), 2)))
    return beats


def main(what: str, arm: str = "") -> None:
    if what == "beat":
        print(json.dumps(beat()))
        return
    if what in ("svd", "matmul"):
        size = start_blas(what, arm)
    elif (what, arm) == ("waits", "kumo"):
        size = start_marked()
    else:
        size = start_pool(hash_once if what == "batch" else lambda: time.sleep(WAIT), arm)
    print(size, flush=True)
    for _ in sys.stdin:
        mark = {"now": time.monotonic(), "done": len(ends), "cpu": time.process_time()}
        print(json.dumps(mark), flush=True)
    print(json.dumps(sorted(collections.Counter(int(end * 10) for end in ends).items())))
    sys.stdout.flush()
    os._exit(0)  # the work never ends


if __name__ == "__main__":
    main(*sys.argv[1:])
