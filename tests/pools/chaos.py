"""A program in which everything goes wrong at random, under a quota that changes at random.

    python chaos.py GROUP SECONDS SEED

GROUP is the cgroup v1 directory of the program, whose quota it writes itself. While tasks flow
through pools, it sends itself signals, forks children from any thread, takes all descriptors,
refuses to start threads, lets the clock jump, raises in callbacks, hooks and logging handlers,
drops pools and watches, and shuts them down in the middle. Each task writes down that it ran.
It prints a JSON object; ``left`` names what is left over at the end.
"""

from __future__ import annotations

import collections
import contextlib
import gc
import itertools
import json
import logging
import os
import random
import resource
import signal
import sys
import threading
import time
from concurrent.futures import CancelledError, Future
from pathlib import Path
from typing import Any

import kumo
from kumo._pools.queue import Crew
from kumo._watch import thread as watcher

PERIOD = 100_000
MOMENT = 60
START = threading.Thread.start


class Chaos:
    """Pools with tasks in them, and what is done to them."""

    def __init__(self, group: Path, seed: int) -> None:
        self.group = group
        self.chance = random.Random(seed)
        self.ran: collections.deque[int] = collections.deque()
        self.numbers = itertools.count()
        self.futures: list[tuple[int, Future[int]]] = []
        self.refused = 0  # submits that raised, whose tasks must not have run
        self.interrupted: set[int] = set()  # that a signal's exception left in doubt
        self.faults: collections.Counter[str] = collections.Counter()
        self.refuse_threads = False
        self.wrong: list[str] = []
        self.pool = kumo.ThreadPool("chaos", share=3)
        self.changes = 0
        self.watch = kumo.watch(self.callback, interval=0.01, settle=0.05)

    def callback(self, _: kumo.Change) -> None:
        self.changes += 1
        if self.changes % 3 == 0:
            raise LookupError("of the callback")

    def task(self, number: int) -> int:
        self.ran.append(number)
        if number % 7 == 0:
            time.sleep(0.002)
        if number % 11 == 0:
            raise LookupError(number)
        return number

    def submit(self, pool: kumo.ThreadPool, count: int) -> None:
        for _ in range(count):
            number = next(self.numbers)
            try:
                self.futures.append((number, pool.submit(self.task, number)))
            except RuntimeError:
                self.refused += 1
            except InterruptedError:
                self.interrupted.add(number)

    # --- faults

    def change_quota(self) -> None:
        cpus = self.chance.choice((None, 0.5, 1, 1.5, 2, 3))
        quota = -1 if cpus is None else round(cpus * PERIOD)
        (self.group / "cpu.cfs_quota_us").write_text(str(quota))

    def raise_in_a_signal_handler(self) -> None:
        """The exception comes at whatever bytecode `submit` has got to.

        Not after these: then it would end the program, which stood still when the timer ran out.
        """
        armed = True

        def handler(*_: object) -> None:
            if armed:
                raise InterruptedError

        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, self.chance.uniform(0.0005, 0.01))
        try:
            with contextlib.suppress(InterruptedError):
                for _ in range(100):
                    self.submit(self.pool, 5)
                    kumo.available_parallelism()
                armed = False
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, signal.SIG_IGN)

    def use_kumo_in_a_signal_handler(self) -> None:
        seen: list[int] = []
        signal.signal(signal.SIGUSR1, lambda *_: seen.append(kumo.available_parallelism()))
        for _ in range(10):
            os.kill(os.getpid(), signal.SIGUSR1)
            self.submit(self.pool, 1)
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)

    def fork(self) -> None:
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                signal.alarm(MOMENT)
                signal.signal(signal.SIGALRM, signal.SIG_DFL)
                threading.Thread.start = START  # type: ignore[method-assign]  # the true one is put back
                self.pool.submit(int).result(MOMENT)
                with kumo.ThreadPool("child", threads=2) as own:
                    grandchild = own.submit(fork_nothing).result(MOMENT)
                status = grandchild
            finally:
                os._exit(status)
        if os.waitpid(pid, 0)[1] != 0:
            self.wrong.append("a child has failed")

    def fork_in_a_task(self) -> None:
        try:
            future = self.pool.submit(fork_nothing)
        except RuntimeError:
            return
        if future.result(MOMENT):
            self.wrong.append("a child of a task has failed")

    def take_all_descriptors(self) -> None:
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, limit[1]))
        try:
            self.change_by_descriptor()
            time.sleep(self.chance.uniform(0, 0.1))
            self.submit(self.pool, 20)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limit)

    def change_by_descriptor(self) -> None:
        """What is open stays usable; nothing else can be opened."""
        with contextlib.suppress(OSError):
            self.change_quota()

    def start_no_threads(self) -> None:
        self.refuse_threads = True
        try:
            self.submit(self.pool, 20)
            self.pool_that_ends(threads=3)
            time.sleep(self.chance.uniform(0, 0.1))
        finally:
            self.refuse_threads = False

    def clock_jumps(self) -> None:
        """The wall clock, which a program must not measure by, as seen by this process."""
        ahead, original = self.chance.choice((-1e6, 1e6, 3600.0)), time.time
        time.time = lambda: original() + ahead
        try:
            time.sleep(0.05)
            self.submit(self.pool, 20)
        finally:
            time.time = original

    def pool_that_ends(self, **options: Any) -> None:
        name = f"other-{next(self.numbers)}"
        other = kumo.ThreadPool(name, **(options or {"share": 2}))
        self.submit(other, self.chance.randrange(50))
        how = self.chance.randrange(3)
        if how == 0:
            other.shutdown(cancel_futures=True)
        elif how == 1:
            other.resize(1)
            other.shutdown(wait=False)
        # else it is dropped

    def watch_that_ends(self) -> None:
        kumo.watch()
        kumo.watch(lambda _: None).close()

    def resize(self) -> None:
        other = kumo.ThreadPool(f"resized-{next(self.numbers)}", threads=4)
        self.submit(other, 30)
        for _ in range(20):
            other.resize(self.chance.randint(1, 6))
        other.shutdown(wait=self.chance.random() < 0.5)

    def wrong_override(self) -> None:
        os.environ["KUMO_AVAILABLE_PARALLELISM"] = "many"
        time.sleep(0.03)
        del os.environ["KUMO_AVAILABLE_PARALLELISM"]

    # --- the end

    def run(self, seconds: float) -> None:
        faults = (
            self.change_quota,
            self.raise_in_a_signal_handler,
            self.use_kumo_in_a_signal_handler,
            self.fork,
            self.fork_in_a_task,
            self.take_all_descriptors,
            self.start_no_threads,
            self.clock_jumps,
            self.pool_that_ends,
            self.watch_that_ends,
            self.resize,
            self.wrong_override,
        )
        end = time.monotonic() + seconds
        # Each of them once, however slow the machine is.
        first = self.chance.sample(faults, len(faults))
        while first or time.monotonic() < end:
            fault = first.pop() if first else self.chance.choice(faults)
            self.submit(self.pool, self.chance.randrange(30))
            fault()
            self.faults[fault.__name__] += 1

    def settle(self) -> dict[str, Any]:
        """Let the quota be one CPU, see that pool and watch follow, and end everything."""
        (self.group / "cpu.cfs_quota_us").write_text(str(PERIOD))
        wait_until(lambda: self.pool.size == 3 and self.watch.estimate.parallelism == 1)
        self.submit(self.pool, 100)
        self.pool.shutdown()
        self.watch.close()
        cancelled, failed = set(), set()
        for number, future in self.futures:
            try:
                error = future.exception(MOMENT)
            except CancelledError:
                cancelled.add(number)
                continue
            if isinstance(error, RuntimeError):
                failed.add(number)  # no thread could be started for it
            elif isinstance(error, LookupError) != (number % 11 == 0):
                self.wrong.append(f"{number}: {error!r}")
        counts = collections.Counter(self.ran)
        accepted = {number for number, _ in self.futures}
        gc.collect()
        kumo.ThreadPool("last", threads=1).shutdown()
        wait_until(lambda: threading.active_count() == 1 and not Crew.all)
        left = [
            *(t.name for t in threading.enumerate() if t is not threading.main_thread()),
            *(f"crew {crew.name}" for crew in Crew.all),
            *(f"pool {name}" for name in kumo.pools()),
            *(f"watch {key}" for key in watcher._watches),
        ]
        lost = accepted - set(counts) - cancelled - failed
        unasked = set(counts) - accepted - self.interrupted
        return {
            "tasks": len(accepted),
            "ran": len(self.ran),
            "cancelled": len(cancelled),
            "refused": self.refused + len(failed),
            "in doubt": len(self.interrupted),
            "twice": sum(count > 1 for count in counts.values()),
            "lost": len(lost),
            "unasked": len(unasked),
            "ran though cancelled": len(set(counts) & (cancelled | failed)),
            "wrong": self.wrong[:10],
            "left": left,
            "faults": dict(self.faults),
        }


def descriptors() -> collections.Counter[str]:
    """What is open, and how often."""
    names: collections.Counter[str] = collections.Counter()
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # that by which they are listed
            name = os.readlink(f"/proc/self/fd/{number}")
            names[name.partition(":[")[0]] += 1
    return names


def fork_nothing() -> int:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    return os.waitpid(pid, 0)[1]


def wait_until(condition: Any) -> None:
    end = time.monotonic() + MOMENT
    while not condition():
        if time.monotonic() > end:
            return  # what is wrong is found in what is left
        time.sleep(0.005)


class Raising(logging.Handler):
    """Every third record ends in an exception."""

    count = 0

    def handle(self, record: logging.LogRecord) -> bool:
        self.count += 1
        if self.count % 3 == 0:
            raise LookupError("of the handler")
        kumo.pools()
        return True


def main(group: Path, seconds: float, seed: int) -> dict[str, Any]:
    logger = logging.getLogger("kumo")
    logger.addHandler(Raising())
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logging.getLogger("concurrent.futures").addHandler(logging.NullHandler())

    def hook(_: object) -> None:
        raise LookupError("of the hook")

    threading.excepthook = hook
    chaos = Chaos(group, seed)

    def start(self: threading.Thread) -> None:
        if chaos.refuse_threads:
            raise RuntimeError("can't start new thread")
        START(self)

    threading.Thread.start = start  # type: ignore[method-assign]  # a method is replaced
    before = descriptors()
    chaos.run(seconds)
    report = chaos.settle()
    report["descriptors"] = dict(descriptors() - before)
    return report


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))))
