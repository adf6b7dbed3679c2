"""A program under gevent or eventlet, patched before or after `import kumo`.

    python patched.py gevent|eventlet before|after

It prints what it has found as JSON.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import warnings

warnings.simplefilter("ignore")
library, when = sys.argv[1:]


def patch() -> None:
    if library == "gevent":
        from gevent import monkey

        monkey.patch_all()
    else:
        import eventlet

        eventlet.monkey_patch()


if when == "before":
    patch()
import kumo

if when == "after":
    # Loaded, with its locks and its kept descriptors; no thread runs yet, which no patch allows.
    kumo.available_parallelism()
    kumo.ThreadPool, kumo.ProcessPool, kumo.watch, kumo.Budget, kumo.follow  # noqa: B018
    patch()

import threading
import time

MOMENT = 60
VARIABLE = "KUMO_AVAILABLE_PARALLELISM"


class Switches:
    """Counts what other greenlets do: nothing, while kumo does not wait."""

    def __init__(self) -> None:
        self.count = 0
        threading.Thread(target=self.tick, daemon=True).start()

    def tick(self) -> None:
        while True:
            self.count += 1
            time.sleep(0)

    def during(self, call: object) -> int:
        before = self.count
        call()  # type: ignore[operator]  # it is callable
        return self.count - before


def wait_until(true: object) -> None:
    end = time.monotonic() + MOMENT
    while not true():  # type: ignore[operator]  # it is callable
        assert time.monotonic() < end
        time.sleep(0.01)


results: dict[str, object] = {}
count = results["count"] = kumo.available_parallelism()
assert kumo.estimate().parallelism == count
changes: list[kumo.Change] = []
pool = kumo.ThreadPool("web")
watch = kumo.watch(changes.append, interval=0.02, settle=0)
assert watch.how == "readings"  # a wait for descriptors would stop the hub

switches = Switches()
time.sleep(0.05)
results["switched by a call"] = switches.during(kumo.available_parallelism)
results["switched by a size"] = switches.during(lambda: (pool.size, pool.busy, watch.estimate))
results["switched by a wait"] = switches.during(lambda: time.sleep(0.2)) > 0

held = [pool.submit(time.sleep, 0.01) for _ in range(20)]
assert all(future.result(MOMENT) is None for future in held)
for size in (3, 1, 2):
    os.environ[VARIABLE] = str(size)
    wait_until(lambda size=size: pool.size == size)
assert [change.new.parallelism for change in changes][-3:] == [3, 1, 2]
seen: list[int] = []
other = kumo.watch(interval=0.02, settle=0)
threading.Thread(target=lambda: seen.append(next(other).new.parallelism), daemon=True).start()
time.sleep(0.05)
os.environ[VARIABLE] = "1"
wait_until(lambda: seen)
results["iteration"] = seen
results["budget"] = kumo.Budget(a=1, b=1).parts
with kumo.follow("loky"):
    results["follow"] = os.environ["LOKY_MAX_CPU_COUNT"]
with kumo.ProcessPool("process", processes=1) as processes:
    results["process"] = processes.submit(pow, 2, 3).result(MOMENT)

sys.stdout.flush()
child = os.fork()
if child == 0:
    signal.alarm(MOMENT)
    status = 1
    try:
        os.environ[VARIABLE] = "3"
        wait_until(lambda: pool.size == 3)
        assert pool.submit(pow, 2, 4).result(MOMENT) == 16
        with kumo.ThreadPool("child") as own:
            assert own.submit(pow, 2, 4).result(MOMENT) == 16
        status = 0
    finally:
        os._exit(status)
results["child"] = os.waitpid(child, 0)[1]
pool.shutdown()
watch.close()
other.close()
print(json.dumps(results))
