"""The workers of one thread pool and their queue: the standard executor's cannot leave early.

Its guarantees, with what each rests on:

- Each task is run exactly once, or its `submit` has raised, or its future says why not. A worker
  takes it from the queue by one atomic call. A task is queued before a worker is looked for, and
  a worker announces that it parks before it looks at the queue for the last time: whichever comes
  second sees the other.
- A place among the workers is reserved under the lock, and the thread started after the lock is
  released: starting waits for the new thread, and under gevent and eventlet lets other greenlets
  run. Until the worker confirms its place, the thread that starts it can take the place back.
- Nothing is logged and no foreign code is called while a lock is held. A handler may look at the
  pool; a finalizer that ends a pool takes no lock (`abandon`).
- Workers are let go after their present task, never in it. Those that leave are still joined.
- An exception of a signal handler leaves the lock free (`locks.py`), takes no place, and leaves no
  worker parked that is not in the list: each such step is one call.
- In a forked child nothing is left of the parent's tasks and workers. A worker that has forked
  finds that its place is not there any more, and ends.
"""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections import deque
from contextlib import suppress
from functools import partial
from itertools import count
from operator import methodcaller

from kumo._pools.task import BROKEN, EXITING, SHUT_DOWN, STANDARD_LOGGER, run
from kumo._text import plural
from kumo._watch.forks import check, in_child
from kumo._watch.locks import new_lock
from kumo._watch.say import say
from kumo._watch.thread import drop as drop_watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, ClassVar

    from kumo._pools.pool import Pool
    from kumo._pools.task import Refusal, Task
    from kumo._watch.watch import Watch

LOGGER = logging.getLogger("kumo")

# From here on Python starts no thread, and nobody can do anything about it. Before 3.13 the error
# is a plain RuntimeError, and it may come before Python calls `_exit`.
AT_EXIT = "interpreter shutdown"

_exiting = False


class Owner(weakref.ref["Pool"]):
    """The reference from a crew to its pool."""

    __slots__ = ("crew",)
    crew: Crew


_orphaned: deque[Any] = deque()  # owners whose pools are gone


def sweep() -> None:
    """End the crews whose pools are gone, if that was cut short."""
    while _orphaned:
        with suppress(IndexError):  # another thread does the same
            _orphaned.popleft().crew.abandon()


class Crew:
    """Up to *size* workers, each started for a task that no parked one is there for.

    A worker takes tasks from the queue's front. It parks if there is none. It leaves if none
    will come, or if the workers are more than `limit`, which is the size.
    """

    max_waiting = 0  # how many more there may be, in `waiting.py`

    step: Callable[..., None] = staticmethod(run)  # what a worker does with a task

    # Globals would be gone before the last pool is. Those that take tasks or have workers:
    all: ClassVar[set[Crew]] = set()
    # What `wake` calls:
    release: ClassVar[Any] = methodcaller("release")
    bind: ClassVar[type[partial[Any]]] = partial

    def __init__(
        self,
        name: str,
        size: int,
        initializer: Callable[..., object] | None,
        initargs: tuple[Any, ...],
    ) -> None:
        self.name = name
        self.size = size
        self.initializer = initializer
        self.initargs = initargs
        self.closed: Refusal | None = None  # what `submit` raises
        self.watch: Watch | None = None  # what the size follows
        self.owner: Owner | None = None
        self.notice: object = None  # another reference, which ends the crew when the pool is gone
        self.renew()
        sweep()
        self.all.add(self)
        if _exiting:
            self.closed = EXITING

    def belong_to(self, pool: Pool) -> weakref.ref[Pool]:
        """End when *pool* is gone; return the reference to it.

        Its finalizer may be cut short by what a signal handler raises at any bytecode of it. So
        there are two: `abandon`, and one of no bytecode, after which `sweep` abandons once more.
        """
        self.owner = owner = Owner(pool, _orphaned.append)
        owner.crew = self
        self.notice = weakref.ref(pool, lambda _: self.abandon())
        return owner

    def renew(self) -> None:
        """Begin without tasks and workers, as in a forked child: they are the parent's."""
        self.lock = new_lock(threading.Lock)  # for all that follows, and `size`
        self.tasks: deque[Task] = deque()
        self.parked: list[threading.Lock] = []  # what each of them waits for, the last one last
        self.workers = 0  # those that work or are parked, and the places that are reserved
        self.threads: dict[int, threading.Thread] = {}
        self.starting: set[threading.Thread] = set()  # they have a place and not confirmed it
        self.left: list[threading.Thread] = []  # those of the surplus that may not have ended yet
        self.limit = self.most = self.size
        self.refused = False  # a thread could not be started, which has been logged

    def add(self, task: Task) -> None:
        """Queue *task*. Raise `RuntimeError` if it would not be run."""
        check()
        if _orphaned:
            sweep()
        reserved: list[threading.Thread] = []
        try:
            with self.lock:
                if self.closed:
                    raise self.closed()
                self.tasks.append(task)
                # The one parked longest: one that has just parked may still be on its way there.
                if (self.parked and self.wake(0)) or self.workers >= self.most:
                    return
                self.reserve(reserved)
            self.start_all(reserved, task)
        except BaseException:  # of a signal handler: no place is lost
            self.take_all_back(reserved)
            raise

    def reserve(self, reserved: list[threading.Thread]) -> None:
        """Take a place for one more worker and add its thread to *reserved*, to be started.

        Add none if no thread is needed. The lock is held. An exception of a signal handler
        takes no place: the caller takes back what is in *reserved*.
        """
        number = next(number for number in count() if number not in self.threads)
        thread = threading.Thread(target=self.work, args=(number,), name=f"{self.name}-{number}")
        reserved.append(thread)
        # A handler runs only after a call, so the place is taken as a whole.
        self.threads[number] = thread
        self.workers += 1
        self.starting.add(thread)

    def start(self, thread: threading.Thread) -> Exception | None:
        """Start a worker that has a place; return why it could not be, without the place then."""
        try:
            thread.start()
        except (RuntimeError, MemoryError) as error:
            self.take_back(thread)
            return error
        except BaseException:  # of a signal handler, perhaps after the thread has begun
            self.take_back(thread)
            raise
        self.refused = False
        return None

    def take_back(self, thread: threading.Thread) -> None:
        """Take its place from a worker, unless it has begun."""
        with self.lock:
            if thread in self.starting:
                self.starting.discard(thread)
                self.workers -= 1
                for number in [n for n, other in self.threads.items() if other is thread]:
                    del self.threads[number]

    def take_all_back(self, threads: list[threading.Thread]) -> None:
        """Take their places from workers that have not begun."""
        for thread in threads:
            self.take_back(thread)

    def refuse(self, error: Exception, task: Task | None = None) -> None:
        """Do without a worker that could not be started, and log that once.

        If there is no other, *task* raises, and others that were queued meanwhile fail.
        """
        with self.lock:
            alone = not self.workers
            queued = alone and task is not None and task in self.tasks
            if queued and task is not None:
                self.tasks.remove(task)
            stranded = list(self.tasks) if alone else []
            if alone:
                self.tasks.clear()
            known, self.refused = self.refused, True
            here, last = self.workers, alone and self.closed
        for future, *_ in stranded:
            if future.set_running_or_notify_cancel():
                future.set_exception(RuntimeError(str(error)))
        if last:
            self.end()
        if queued:
            raise error
        if not known and AT_EXIT not in str(error):
            text = "thread pool %s: %s of %s: %s"
            say(LOGGER.warning, text, self.name, here, plural(self.size, "thread"), error)

    def work(self, number: int) -> None:
        """Run a worker's thread."""
        gate = threading.Lock()
        gate.acquire()
        with self.lock:
            if self.threads.get(number) is not threading.current_thread():
                return  # its place was taken back
            self.starting.discard(threading.current_thread())
            tasks, step = self.tasks, self.step
        self.initialize()
        while True:
            if self.workers > self.limit and self.leave(number, gate):
                return
            try:
                task = tasks.popleft()
            except IndexError:
                if self.park(gate, tasks) or not self.leave(number, gate):
                    continue
                return
            step(*task)
            del task

    def initialize(self) -> None:
        """If the initializer fails, end as broken: the tasks fail with `BrokenThreadPool`."""
        if self.initializer is None:
            return
        try:
            self.initializer(*self.initargs)
        except BaseException:  # noqa: BLE001 - as the standard executor: whatever it raises, exit too
            say(STANDARD_LOGGER.critical, "Exception in initializer:", exc_info=True)
            for future, *_ in self.close(BROKEN, drop=True):
                if future.set_running_or_notify_cancel():
                    future.set_exception(BROKEN())

    def park(self, gate: threading.Lock, tasks: deque[Task]) -> bool:
        """Wait until there may be a task; `False` if none will come for this worker."""
        # This thread announces that it parks, then looks for a task. All others do their part
        # first, and look for parked workers last. So this takes no lock: the thread that starts
        # this one may have it.
        self.parked.append(gate)
        if tasks or self.closed or self.workers > self.limit or tasks is not self.tasks:
            try:
                self.parked.remove(gate)
            except ValueError:
                gate.acquire()  # somebody has opened it already
            return bool(tasks)
        gate.acquire()
        return True

    def leave(self, number: int, gate: threading.Lock) -> bool:
        """Let this worker go if it may; whether it may."""
        with self.lock:
            if self.threads.get(number) is not threading.current_thread():
                return True  # forked
            if self.workers <= self.limit and (self.tasks or not self.closed):
                return False
            self.workers -= 1
            self.forget(number)
            last = not self.workers and self.closed
        if last:
            self.end()
        return True

    def forget(self, number: int) -> None:
        """A worker leaves. The lock is held."""
        if not self.closed:  # else they are joined from there
            del self.threads[number]
            alive = filter(threading.Thread.is_alive, self.left)
            self.left = [*alive, threading.current_thread()]

    def set_limit(self) -> None:
        """Set from how many workers on none begins, and one leaves. The lock is held."""
        self.limit = self.most = self.size

    def resize(self, size: int, watch: Watch | None = None) -> bool:
        """Have up to *size* workers; `False` if *watch* says it and is not followed any more.

        Without *watch* the size follows nothing from now on.
        """
        check()
        reserved: list[threading.Thread] = []
        try:
            with self.lock:
                followed = self.watch
                if watch is not None and watch is not followed:
                    return False
                self.watch, self.size = watch, size
                self.set_limit()
                wanted = 0 if self.closed else min(self.most - self.workers, len(self.tasks))
                for _ in range(wanted):
                    self.reserve(reserved)
                for _ in range(min(self.workers - self.limit, len(self.parked))):
                    self.wake()
            if followed is not watch and followed is not None:
                followed.close()
            self.start_all(reserved)
        except BaseException:  # of a signal handler: no place is lost
            self.take_all_back(reserved)
            raise
        return True

    def start_all(self, threads: list[threading.Thread], task: Task | None = None) -> None:
        """Start workers that have a place, and take them out of *threads*.

        If one cannot be started, the rest is not tried; *task* is that of `refuse`.
        """
        while threads:
            if error := self.start(threads[-1]):
                self.take_all_back(threads)
                self.refuse(error, task)
                return
            threads.pop()

    def close(self, why: Refusal, drop: bool = False) -> list[Task]:
        """Take no more tasks, and return those that with *drop* are not to be run."""
        check()
        with self.lock:
            self.closed = self.closed or why
            dropped: list[Task] = []
            with suppress(IndexError):
                while drop:  # one by one, since workers take tasks meanwhile
                    dropped.append(self.tasks.popleft())
            while self.wake():
                pass
            self.dismiss()
            last = not self.workers
        if last:
            self.end()
        return dropped

    def dismiss(self) -> None:
        """Let those end that have no place. The lock is held."""

    def wake(self, at: int = -1) -> bool:
        """Let the one go on that is parked at this place; whether there was one."""
        try:
            # In one call of C functions: between two a signal handler may raise, and a worker that
            # is not in the list any more would be parked for ever.
            next(map(self.release, iter(self.bind(self.parked.pop, at), None)))
        except IndexError:  # it has gone on by itself
            return False
        return True

    def abandon(self) -> None:
        """Close if nobody has the pool any more: at any moment, so that no lock is taken."""
        self.closed = self.closed or SHUT_DOWN
        watch, self.watch = self.watch, None
        if watch is not None:
            drop_watch(watch)
        while self.wake():
            pass
        if not self.workers:
            self.all.discard(self)
        self.owner = self.notice = None  # they refer to this crew

    def end(self) -> None:
        """Follow nothing any more, when no worker is left and none will come."""
        self.all.discard(self)
        watch, self.watch = self.watch, None
        if watch is not None:
            watch.close()

    def join(self) -> None:
        """Wait for every thread to end. Raise `RuntimeError` in one of them."""
        while self.starting:  # by another thread, or it has just begun
            time.sleep(0.001)
        with self.lock:
            threads = [*self.threads.values(), *self.left]
        for thread in threads:
            thread.join()


def _exit() -> None:
    """Have the tasks that are queued run before the interpreter exits, as the standard executor.

    A crew that is made from now on takes no tasks; one that was made before is found here.
    """
    global _exiting
    _exiting = True
    crews = list(Crew.all)
    for crew in crews:
        crew.close(EXITING)
    for crew in crews:
        crew.join()


def _after_fork() -> None:
    for crew in list(Crew.all):
        crew.tasks.clear()  # for the worker that has forked
        crew.renew()


# The standard executor's own door: before threads other than daemons are waited for.
threading._register_atexit(_exit)  # type: ignore[attr-defined]  # it is private
in_child(_after_fork)
