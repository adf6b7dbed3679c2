"""The workers of one thread pool and their queue: the standard executor's cannot leave early."""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from contextlib import suppress
from itertools import count

from kumo._pools.task import BROKEN, EXITING, SHUT_DOWN, STANDARD_LOGGER, run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, ClassVar

    from kumo._pools.task import Refusal, Task
    from kumo._watch.watch import Watch

LOGGER = logging.getLogger("kumo")

_exiting = False
_starting = threading.Lock()  # no thread is started once the interpreter exits


class Crew:
    """Up to *size* workers, each started for a task that no parked one is there for.

    A worker takes tasks from the queue's front. It parks where there is none, and leaves where
    there is none to come or the workers are more than *size*.
    """

    # Those that take tasks or have workers. A global would be gone before the last pool is.
    all: ClassVar[set[Crew]] = set()

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
        self.owner: object = None  # the reference that notices when the pool is gone
        self.renew()
        self.all.add(self)

    def renew(self) -> None:
        """Begin without tasks and workers, as in a forked child: they are the parent's."""
        self.lock = threading.Lock()  # for all that follows, and `size`
        self.tasks: deque[Task] = deque()
        self.parked: list[threading.Lock] = []  # what each of them waits for, the last one last
        self.workers = 0
        self.threads: dict[int, threading.Thread] = {}
        self.left: list[threading.Thread] = []  # those of the surplus that may not have ended yet

    def add(self, task: Task) -> None:
        """Queue *task*. Raise `RuntimeError` where it would not be run."""
        with self.lock:
            if self.closed:
                raise self.closed()
            self.tasks.append(task)
            # Who has waited longest: whoever has just parked may still be on its way there.
            if not (self.parked and self.wake(0)) and self.workers < self.size:
                try:
                    self.start()
                except RuntimeError:
                    self.tasks.pop()
                    raise

    def start(self) -> None:
        """Start a worker. The lock is held. Raise `RuntimeError` where it fails and is the first.

        Where others are there they do without it.
        """
        number = next(number for number in count() if number not in self.threads)
        thread = threading.Thread(target=self.work, args=(number,), name=f"{self.name}-{number}")
        with _starting:
            try:
                if _exiting:
                    raise EXITING()
                thread.start()
            except RuntimeError as error:
                if not self.workers:
                    raise
                text = "thread pool %s: %s of %s threads: %s"
                LOGGER.warning(text, self.name, self.workers, self.size, error)
                return
        self.threads[number] = thread
        self.workers += 1

    def work(self, number: int) -> None:
        """What a worker's thread does."""
        tasks = self.tasks
        gate = threading.Lock()
        gate.acquire()
        self.initialize()
        while True:
            try:
                task = tasks.popleft()
            except IndexError:
                if self.park(gate, tasks) or not self.leave(number):
                    continue
                return
            run(*task)
            del task
            if self.workers > self.size and self.leave(number):
                return

    def initialize(self) -> None:
        """Where the initializer fails, end as broken: the tasks fail with `BrokenThreadPool`."""
        if self.initializer is None:
            return
        try:
            self.initializer(*self.initargs)
        except BaseException:  # noqa: BLE001 - as the standard executor
            STANDARD_LOGGER.critical("Exception in initializer:", exc_info=True)
            for future, *_ in self.close(BROKEN, drop=True):
                if future.set_running_or_notify_cancel():
                    future.set_exception(BROKEN())

    def park(self, gate: threading.Lock, tasks: deque[Task]) -> bool:
        """Wait until there may be a task; `False` where there will be none for this worker."""
        # Announced first and looked at then, where all others look for who is parked last: so no
        # lock is needed, which the one that starts this thread may hold.
        self.parked.append(gate)
        if tasks or self.closed or self.workers > self.size or tasks is not self.tasks:
            try:
                self.parked.remove(gate)
            except ValueError:
                gate.acquire()  # somebody has opened it already
            return bool(tasks)
        gate.acquire()
        return True

    def leave(self, number: int) -> bool:
        """Let this worker go if it may; whether it may."""
        with self.lock:
            if self.threads.get(number) is not threading.current_thread():
                return True  # forked
            if self.workers <= self.size and (self.tasks or not self.closed):
                return False
            self.workers -= 1
            if not self.closed:
                del self.threads[number]
                alive = filter(threading.Thread.is_alive, self.left)
                self.left = [*alive, threading.current_thread()]
            last = not self.workers
        if last:
            self.end()
        return True

    def resize(self, size: int, watch: Watch | None = None) -> bool:
        """Have up to *size* workers; `False` where *watch* says it and is not followed any more.

        Without *watch* the size follows nothing from now on.
        """
        with self.lock:
            followed = self.watch
            if watch is not None and watch is not followed:
                return False
            self.watch, self.size = watch, size
            if not self.closed:
                for _ in range(min(size - self.workers, len(self.tasks))):
                    self.start()
            for _ in range(min(self.workers - size, len(self.parked))):
                self.wake()
        if followed is not watch and followed is not None:
            followed.close()
        return True

    def close(self, why: Refusal, drop: bool = False) -> list[Task]:
        """Take no more tasks, and return those that with *drop* are not to be run."""
        with self.lock:
            self.closed = self.closed or why
            dropped: list[Task] = []
            with suppress(IndexError):
                while drop:  # one by one, since workers take tasks meanwhile
                    dropped.append(self.tasks.popleft())
            while self.wake():
                pass
            last = not self.workers
        if last:
            self.end()
        return dropped

    def wake(self, at: int = -1) -> bool:
        """Let the one go on that is parked at this place; whether there was one."""
        try:
            self.parked.pop(at).release()
        except IndexError:  # it has gone on by itself
            return False
        return True

    def abandon(self) -> None:
        """Close where nobody has the pool any more: at any moment, so that no lock is taken."""
        self.owner = None  # it refers to this crew
        self.closed = self.closed or SHUT_DOWN
        while self.wake():
            pass
        if not self.workers:
            self.all.discard(self)

    def end(self) -> None:
        """Follow nothing any more, when no worker is left and none will come."""
        self.all.discard(self)
        watch, self.watch = self.watch, None
        if watch is not None:
            watch.close()

    def join(self) -> None:
        """Wait for every thread to end. Raise `RuntimeError` in one of them."""
        with self.lock:
            threads = [*self.threads.values(), *self.left]
        for thread in threads:
            thread.join()


def _exit() -> None:
    """Have the tasks that are queued run before the interpreter exits, as the standard executor."""
    global _exiting
    with _starting:
        _exiting = True
    crews = list(Crew.all)
    for crew in crews:
        crew.close(EXITING)
    for crew in crews:
        crew.join()


def _after_fork() -> None:
    global _starting
    _starting = threading.Lock()
    for crew in list(Crew.all):
        crew.tasks.clear()  # for the worker that has forked
        crew.renew()


# The standard executor's own door: before the threads that are no daemons are waited for.
threading._register_atexit(_exit)  # type: ignore[attr-defined]
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
