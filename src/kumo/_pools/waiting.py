"""The workers of a thread pool whose tasks say when they wait: others work meanwhile.

Its guarantees, with what each rests on:

- No more tasks than the size compute that have not waited yet. A task that has waited goes on at
  once, since it may have a lock that others need, and does not count.
- If fewer tasks than the size compute and one is queued, another worker begins, up to
  *max_waiting* more than the size: at once, or a moment later if there seem to be enough.
- How many are enough follows from the time that tasks wait and compute: threads = CPUs x (1 +
  wait / compute). If many more than that wait at once, they then compute at once, and disturb
  each other: they want the interpreter's lock, or a CPU, while others have it.
- Beyond that number one worker at a time, the pacer, waits for `PACE_SECONDS` and looks again. If
  it wakes up late, then the CPUs or the lock are not free, and it waits once more.
- A worker that is not needed any more stays for a second, without a place among the workers.
"""

from __future__ import annotations

import math
import threading
import time

from kumo._pools.queue import Crew
from kumo._pools.task import run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

SPARE_SECONDS = 1.0  # that a worker which stood in for a waiting one stays to do so again
PACE_SECONDS = 0.002
LATE_SECONDS = 0.002  # what wakes up for a free CPU and lock is a tenth of that late
PACES = 5  # after which the pacer goes on in any case: others may wait for its task
# Tasks take no exact turns. With exponential times, twice the threads of the formula keep two CPUs
# busy for 0.85 of the time, and two and a half times for 0.93.
MARGIN = 2.5
WEIGHT = 1 / 64  # of the newest task


class WaitingCrew(Crew):
    """A crew of up to *max_waiting* workers more than the size, while as many wait in `block`."""

    def __init__(
        self,
        name: str,
        size: int,
        initializer: Callable[..., object] | None,
        initargs: tuple[Any, ...],
        max_waiting: int,
    ) -> None:
        self.max_waiting = max_waiting
        super().__init__(name, size, initializer, initargs)
        self.step = self.run_task

    def renew(self) -> None:
        super().renew()
        self.begun: set[threading.Thread] = set()  # the threads of workers
        self.waiters: dict[threading.Thread, float] = {}  # those in `block`, and since when
        self.resumed: dict[threading.Thread, float] = {}  # how long they have waited in their task
        self.spare: list[threading.Lock] = []  # what those that may stand in again wait for
        # Of one task, in seconds: how long it waits at least, and its CPU time. The end of a wait
        # is noticed late if others have the lock, so a longer one may not have been a wait.
        self.waited = self.computed = 0.0
        self.boost = 1.0
        self.extra = min(self.size, self.max_waiting)  # how many more than the size are enough
        self.woken = 0  # those that have a place again and have not begun
        self.quick = self.size  # up to which workers begin at once
        self.slow = False  # the next worker that begins is the pacer
        self.pacing = 0  # there is one, which has a place beside the others
        self.passes = False  # one worker may go on although there are enough

    def set_limit(self) -> None:
        self.quick = self.size + min(len(self.waiters) + len(self.resumed), self.extra)
        self.most = max(self.quick, self.needed()) + self.pacing
        # One that ends a task does not leave for those that have not begun: they leave instead.
        self.limit = self.quick + self.pacing + self.woken + len(self.starting)

    def needed(self) -> int:
        """Return how many workers there have to be, for as many to compute as the size."""
        return self.size + min(len(self.waiters), self.max_waiting)

    def set_extra(self) -> None:
        """Have as many workers as keep the CPUs busy. The lock is held."""
        if self.waited:
            enough = MARGIN * self.size * self.boost * self.waited / max(self.computed, 1e-6)
            self.extra = min(self.max_waiting, self.size + math.ceil(enough))

    def forget(self, number: int) -> None:
        self.begun.discard(threading.current_thread())
        super().forget(number)

    def reserve(self, reserved: list[threading.Thread]) -> None:
        if self.workers - self.pacing >= self.quick:
            if self.pacing or self.slow:
                return
            self.slow = True
        if self.spare:
            self.wake_spare()
        else:
            super().reserve(reserved)
        self.set_limit()

    def take_back(self, thread: threading.Thread) -> None:
        super().take_back(thread)
        with self.lock:
            self.slow = False  # perhaps this one was to be the pacer
            self.set_limit()

    def wake_spare(self) -> None:
        wake = map(self.release, iter(self.spare.pop, None))
        # A signal handler may raise after a call, and so only when all of this has been done.
        self.workers += 1
        self.woken += 1
        next(wake)

    def initialize(self) -> None:
        self.begun.add(threading.current_thread())
        super().initialize()
        self.begin(0)

    def begin(self, woken: int) -> None:
        """Begin to work: as the pacer if one is wanted."""
        with self.lock:
            self.woken -= woken
            paces, self.slow = self.slow, False
            self.pacing = int(paces or self.pacing)
            self.set_limit()
        if paces:
            self.pace()

    def pace(self) -> None:
        """As the pacer: wait until fewer compute than may, and the CPUs are free."""
        for _ in range(PACES):
            began = time.monotonic()
            time.sleep(PACE_SECONDS)
            late = time.monotonic() - began - PACE_SECONDS
            free = late < LATE_SECONDS or not self.waited
            if free or self.closed or self.workers > self.needed():
                break
        with self.lock:
            self.pacing = 0
            self.passes = self.workers <= self.needed()
            if self.passes and not self.waited:
                self.extra = min(self.max_waiting, 2 * self.extra)
            elif self.passes:
                self.boost = self.boost * 1.25 if free else max(1.0, self.boost * 0.8)
                self.set_extra()
            self.set_limit()

    def run_task(self, *task: Any) -> None:
        """Run a task, and note for how long it has waited and computed."""
        began = time.thread_time()
        run(*task)
        spent = time.thread_time() - began
        with self.lock:
            waited = self.resumed.pop(threading.current_thread(), 0.0)
            self.computed += WEIGHT * (spent - self.computed) if self.computed else spent
            if waited:
                self.waited = min(waited, self.waited * (1 + WEIGHT)) or waited
            if self.workers - len(self.waiters) > self.size:  # more compute, or want to
                self.boost = max(1.0, self.boost * (1 - WEIGHT))
            self.set_extra()
            self.set_limit()

    def leave(self, number: int, gate: threading.Lock) -> bool:
        while True:
            with self.lock:
                if self.threads.get(number) is not threading.current_thread():
                    return True  # forked
                if self.workers <= self.limit and (self.tasks or not self.closed):
                    return False
                short = self.tasks and self.workers <= self.needed()
                passes, self.passes = self.passes, False
                if short and passes:
                    return False
                paces = short and not self.pacing
                if paces:
                    self.pacing = 1
                    self.set_limit()
                elif self.closed:
                    break
                else:
                    self.give_place(gate)
            if paces:
                self.pace()
            elif self.stand_by(number, gate):
                return True
        return super().leave(number, gate)

    def give_place(self, gate: threading.Lock) -> None:
        """The calling worker has no place any more, and stays. The lock is held."""
        self.workers -= 1
        self.spare.append(gate)
        if self.tasks:  # one that is parked looks in its turn
            self.wake()

    def stand_by(self, number: int, gate: threading.Lock) -> bool:
        """Wait to stand in for a worker again; whether to end, since that did not happen."""
        if gate.acquire(timeout=SPARE_SECONDS):
            self.begin(1)
            return False
        with self.lock:
            if self.threads.get(number) is not threading.current_thread():
                return True  # forked
            here = gate in self.spare
            if here:
                self.spare.remove(gate)
                self.forget(number)
            last = here and not self.workers and self.closed
        if not here:  # it has just been given a place
            gate.acquire()
            self.begin(1)
            return False
        if last:
            self.end()
        return True

    def dismiss(self) -> None:
        while self.spare:
            self.wake_spare()

    def block(self) -> bool:
        """The calling worker begins to wait, so that another may work; `False` for another thread.

        Call `unblock` if the answer is `True`, and only then.
        """
        me = threading.current_thread()
        reserved: list[threading.Thread] = []
        with self.lock:
            if me in self.waiters or me not in self.begun:
                return False
            self.waiters[me] = time.monotonic() - self.resumed.pop(me, 0.0)
            self.set_limit()
            if self.tasks and self.workers < self.most and not self.parked:
                self.reserve(reserved)
        self.start_all(reserved)
        return True

    def unblock(self) -> None:
        """The calling worker goes on; those that are too many leave after their present task."""
        me = threading.current_thread()
        with self.lock:
            since = self.waiters.pop(me, None)
            if since is not None:  # else it has forked
                self.resumed[me] = time.monotonic() - since
            self.set_limit()
            if self.workers > self.limit:
                self.wake()
