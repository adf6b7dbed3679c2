"""`ProcessPool`: processes by loky, as many as the parallelism and with threads by their part.

Each worker is a thread that has a process. It sends the process a task and, while that is busy,
the next ones, as many as take a few milliseconds together.

Its guarantees, with what each rests on:

- A task that was sent ahead waits for no busy process. It is taken back if a worker is idle or
  another could be started, if the size or the number of threads changes, if it is cancelled, or
  if the process dies. `worker_process.py` says why it then runs exactly once.
- Each future ends, whatever happens: a call that cannot be packed, a process that dies and memory
  that is at an end are its exception. Errors of its callbacks are logged, and the worker goes on.
- A future changes its state in one place at a time. Without a condition that is under `_states`,
  with one under the condition. One that was sent is begun only by the thread that has the process,
  so that `begin` takes no lock; `cancel` takes the task back first.
- All tasks that a process has answered have begun before any callback is called: a callback
  may cancel another task, and would find one that has ended as one that waits.
- `_states` may be taken again by the thread that has it, such as in a signal's handler. Nothing
  foreign is called meanwhile.
- In a forked child nothing of the parent's is touched. The crew is emptied, a new `_states` takes
  the place of the old one, and a worker whose callback has forked ends.
"""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import Future
from functools import partial
from importlib import import_module
from itertools import chain, islice

from kumo._hot.count import available_parallelism
from kumo._pools.pin import CAN_PIN, Places, pin_to
from kumo._pools.pool import Bounds, Pool, check_count, check_initializer
from kumo._pools.queue import Crew
from kumo._pools.task import STANDARD_LOGGER
from kumo._pools.worker_process import (
    MAX_THREADS,
    VARIABLES,
    Worker,
    broken,
    call_all,
    result_of,
)
from kumo._text import whole_number
from kumo._watch.forks import in_child
from kumo._watch.locks import new_lock
from kumo._watch.say import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, ParamSpec, TypeVar

    from kumo._pools.budget import Part, Share
    from kumo._pools.messages import Message, Parcel
    from kumo._pools.task import Refusal, Task
    from kumo._records import Estimate

    P = ParamSpec("P")
    T = TypeVar("T")

# A number of threads that is so old is computed again, even if the pool has seen no change.
# A pool of a fixed size has no watch, and nothing watches the environment.
FRESH_SECONDS = 0.1

_states = new_lock(threading.RLock)  # a signal's handler may look at another future meanwhile


class ProcessPool(Pool):
    """A `concurrent.futures.Executor` of processes, whose number follows the parallelism.

    The size is ``KUMO_<NAME>_PROCESSES`` in the environment, else *processes*, else *share*, as
    with `ThreadPool`, and follows as there. If the share is more than one CPU for each process,
    tasks can use the rest in threads. Those of OpenMP and BLAS are limited to that number in
    each process. *initializer* is called in each process when that starts. A name may be left
    out, and ``ProcessPool(4)`` and *max_workers* are *processes*, as with `ThreadPool`.

    With *pin* each process runs on a separate CPU, with one thread. That makes isolated CPUs
    usable, over which the scheduler spreads nothing, so the size counts them too.

    Calls and results are pickled as loky does it. A process is started on demand. If one dies,
    its task fails with `loky.BrokenProcessPool`, and another takes its place.

    Raise `ImportError` if the extra ``pools`` is not installed, `ValueError` if *name* is
    in use or a number out of range, `OverrideError` if a variable is not a positive decimal
    integer.

    >>> with kumo.ProcessPool("sums", processes=1) as pool:  # without processes= it follows
    ...     pool.submit(sum, [1, 2]).result()
    3
    """

    _kind, _plural = "process", "processes"
    _crew: _Crew

    def __init__(
        self,
        name: str | int | None = None,
        *,
        share: float | str | Part = 1,
        processes: int | None = None,
        max_workers: int | None = None,
        minimum: int = 1,
        maximum: int | None = None,
        pin: bool = False,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
    ) -> None:
        _need_extra()
        if pin and not CAN_PIN:
            raise ValueError("pin=True needs a system that can pin processes, such as Linux")
        self._pin = bool(pin)
        check_initializer(initializer)
        bounds = Bounds(minimum, maximum)

        def make_crew(size: int, source: Share) -> Crew:
            return _Crew(self.name, size, (initializer, initargs), source, bounds, self._pin)

        self._begin(name, share, processes, max_workers, bounds, make_crew)

    @property
    def queued(self) -> int:
        """How many tasks wait for a worker, those included that their processes have already.

        >>> with kumo.ProcessPool(processes=1) as pool:
        ...     pool.queued
        0
        """
        crew = self._crew
        ahead = (len(worker.flight) - 1 for worker in crew.supplied.copy())
        return len(crew.tasks) + sum(count for count in ahead if count > 0)

    def _fit(self, what: str = "") -> str:
        try:
            return super()._fit(what)
        finally:
            self._crew.recall()

    def resize(self, size: int) -> None:
        """Fix the number of processes at *size*, as `ThreadPool.resize` does its threads.

        >>> with kumo.ProcessPool(processes=1) as pool:
        ...     pool.resize(3)
        ...     pool.size
        3
        """
        super().resize(size)
        self._crew.recall()

    def _first_size(self) -> int:
        if not self._pin:
            return super()._first_size()
        from kumo._survey import estimate

        return self._source.of(self._count(estimate()))

    def _count(self, estimate: Estimate) -> int:
        return estimate.workers("pinned" if self._pin else None)

    @property
    def threads(self) -> int:
        """How many threads of OpenMP or BLAS the next task may use."""
        return self._crew.threads_of_each()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Queue a call, and return the future of its result.

        Raise `RuntimeError` after `shutdown` and at the interpreter's exit,
        `loky.BrokenProcessPool` if an initializer has failed.

        >>> with kumo.ProcessPool(processes=1) as pool:
        ...     pool.submit(pow, 2, 5).result()
        32
        """
        future = _Future()
        self._crew.add((future, fn, args, kwargs))
        return future

    def map(
        self,
        fn: Callable[..., T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        **more: Any,
    ) -> Iterator[T]:
        """Call *fn* for the elements of *iterables*, *chunksize* calls a task.

        Return an iterator of the results in order. It raises what a call has raised, and
        `TimeoutError` if the results take longer than *timeout* seconds. From Python 3.14 on
        *buffersize* is as the standard executor's, of tasks. Raise `ValueError` for a
        *chunksize* below 1.

        >>> with kumo.ProcessPool(processes=1) as pool:
        ...     list(pool.map(abs, range(-4, 0), chunksize=2))
        [4, 3, 2, 1]
        """
        chunks = _chunks(zip(*iterables, strict=False), check_count("chunksize", chunksize))
        results = super().map(partial(call_all, fn), chunks, timeout=timeout, **more)
        return chain.from_iterable(results)


class _Future(Future["Any"]):
    """A future whose task may have been sent to a process that has not begun it.

    Its condition is made when somebody asks for it. Making and using one takes longer than the
    rest of a `submit`, and most of many tasks have ended before anybody waits for them.
    Until then `_states` guards the state, and it is locked while a condition gets its place.
    So the state changes under the condition if there is one, as the standard library expects.
    """

    _made: threading.Condition | None = None
    _claim: tuple[_Crew, Worker] | None = None  # the process that it was sent to

    def __init__(self) -> None:
        # The attributes of the standard one, except for the condition. A test compares the two.
        self._state = "PENDING"
        self._result = self._exception = None
        self._waiters: list[Any] = []
        self._done_callbacks: list[Any] = []

    @property
    def _condition(self) -> threading.Condition:  # type: ignore[override]  # an attribute there
        if self._made is None:
            made = threading.Condition()
            with _states:
                if self._made is None:
                    self._made = made
        return self._made

    def done(self) -> bool:
        """Whether the task has ended or is cancelled."""
        return self._state not in ("PENDING", "RUNNING")

    def result(self, timeout: float | None = None) -> Any:
        """Return the result, or raise the exception, of the call; wait for it."""
        if self._state == "FINISHED" and self._exception is None:
            return self._result
        return super().result(timeout)

    def set_result(self, result: Any) -> None:
        """Note the result, as the standard one."""
        with _states:
            if self._made is None and self._state == "RUNNING":
                self._result = result
                self._state = "FINISHED"
                return
        super().set_result(result)

    def cancel(self) -> bool:
        """Cancel the task if it has not begun; whether it is cancelled.

        The callbacks are called without the condition, as by the standard one.
        """
        while True:
            with self._condition:
                claim = self._claim
                if claim is None:
                    if self._state != "PENDING":
                        return self._state not in ("RUNNING", "FINISHED")
                    self._state = "CANCELLED"
                    self._condition.notify_all()
                    break
            if not claim[0].let_go(self, claim[1]):
                return False
        self._invoke_callbacks()  # type: ignore[attr-defined]  # it is private
        return True

    def send_to(self, claim: tuple[_Crew, Worker], now: bool) -> bool:
        """Note that the task is sent, and is to begin *now* or later; `False` if cancelled."""
        with _states:
            if self._made is None:  # else somebody may cancel it
                if now:
                    self._state = "RUNNING"
                else:
                    self._claim = claim
                return True
        with self._condition:
            if now or self._state != "PENDING":
                return self.set_running_or_notify_cancel()
            self._claim = claim
            return True

    def begin(self) -> None:
        """Note that the task has begun in the process that it was sent to.

        That of a task which has a claim changes nowhere else, so this takes no lock. `cancel`
        looks at the claim first.
        """
        if self._state == "PENDING":
            self._state = "RUNNING"
        self._claim = None

    def come_back(self) -> None:
        """Note that the task has been taken back, and so has not begun."""
        with self._condition:
            self._claim = None
            if self._state == "RUNNING":
                self._state = "PENDING"


class _Crew(Crew):
    """Threads that each have a process, in which they have their tasks run.

    A task in the queue is a future and the call to pack for it, or the parcel if it has been
    packed. In flight with a process are the same two.
    """

    def __init__(
        self,
        name: str,
        size: int,
        prepare: tuple[Callable[..., object] | None, tuple[Any, ...]],
        source: Share,
        bounds: Bounds,
        pin: bool,
    ) -> None:
        self.pin = pin
        self.prepare = prepare
        self.source = source
        self.bounds = bounds
        self.dropping = False  # what is sent now could not be dropped any more
        super().__init__(name, size, None, ())

    def renew(self) -> None:
        """Begin without tasks and workers, as in a forked child: they are the parent's."""
        super().renew()
        self.places = Places() if self.pin else None
        self.own = threading.local()
        self.supplied: set[Worker] = set()  # those that may have tasks
        self.limits: tuple[object, float, int] = (None, 0.0, 1)  # see `threads_now`

    def work(self, number: int) -> None:
        """Run a worker's thread; its process ends with it."""
        try:
            super().work(number)
        finally:
            self.end_process()

    def step(self, *task: Any) -> None:
        """Run a task in this thread's process, and those that can be sent after it meanwhile."""
        try:
            worker = self.living_process()
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is the future's
            _fail(task[0], error)
            return
        try:
            self.supply(worker, task)
            while worker.flight:
                answers = worker.receive()
                if not answers:  # its task takes long, and the others need not wait for it
                    if self.parked or self.workers < self.limit or worker.is_late():
                        self.requeue(worker.take_back())
                    continue
                self.settle(worker, answers)
                del answers
                if os.getpid() != worker.pid:
                    return  # a future's callback has forked: all of this is the parent's
                if self.workers <= self.limit:
                    self.supply(worker)
                elif len(worker.flight) > 1:
                    self.requeue(worker.take_back())
        except (EOFError, OSError):
            self.bury(worker)
        except BaseException as error:  # noqa: BLE001 - memory is at an end: it is the tasks'
            worker.process.kill()
            self.bury(worker, error)

    def supply(self, worker: Worker, task: Any = None) -> None:
        """Send the process *task*, and what it can do next if it has little and no other is idle.

        Without *task* it is the queue's first one that an idle process gets. A task that cannot
        be sent fails.
        """
        depth = 1 if self.parked or self.dropping else worker.depth
        held = len(worker.flight)
        if 2 * held > depth:
            return  # later, and then several at once
        # If there are few tasks, the others want some as well.
        depth = min(depth, held + 1 + len(self.tasks) // max(1, self.workers))
        batch: list[Any] = []
        size, claim = 0, (self, worker)
        while held + len(batch) < depth:
            if task is None:
                try:
                    task = self.tasks.popleft()
                except IndexError:
                    break
            packed, task = self.pack(worker, task), None
            if packed is None:
                continue
            future, parcel = packed
            idle = not held and not batch
            fits = worker.fits(len(batch) + 1, size + parcel.size)
            if not fits and not idle:
                self.put_back([packed])
                break
            if future.send_to(claim, now=idle):
                batch.append((packed, parcel))
                size += parcel.size
                if not fits:
                    break
        if batch:
            worker.send(batch, self.threads_now())
            if held + len(batch) > 1 and (self.parked or self.dropping):  # meanwhile
                self.requeue(worker.take_back())

    def pack(self, worker: Worker, task: Any) -> tuple[_Future, Parcel] | None:
        """Return a task's future and the parcel, or `None` if it cannot be packed."""
        future, *call = task
        if len(call) == 1:
            return future, call[0]
        try:
            return future, worker.packer.pack(tuple(call))
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is the future's
            _fail(future, error)
            return None

    def settle(self, worker: Worker, answers: list[Message]) -> None:
        """Give the futures what their process has answered; the next task has begun meanwhile."""
        futures = [future for future, _ in worker.settle(answers)]
        # All of them have begun before anything foreign is called, which may cancel another.
        for future in futures:
            future.begin()
        # This thread alone sends, and another may take tasks back.
        if (following := worker.first()) is not None:
            following[0].begin()
        try:
            for future, answer in zip(futures, answers, strict=True):
                foreign = future._done_callbacks
                try:
                    result = result_of(answer)
                except BaseException as error:  # noqa: BLE001 - whatever it is, it is the future's
                    _set(future.set_exception, error)
                else:
                    _set(future.set_result, result)
                if foreign and os.getpid() != worker.pid:
                    return  # one of the callbacks has forked
        except BaseException as error:  # memory is at an end
            for future in futures:
                if not future.done():
                    _set(future.set_exception, error)
            raise

    def requeue(self, tasks: list[Any]) -> None:
        """Put tasks that were taken back before all others, and have them looked after."""
        if not tasks:
            return
        for future, _ in tasks:
            future.come_back()
        self.put_back(tasks)  # another worker may send them at once
        reserved: list[threading.Thread] = []
        with self.lock:
            woken = sum(self.wake(0) for _ in tasks)
            wanted = min(self.limit - self.workers, len(tasks) - woken)
            for _ in range(wanted):
                self.reserve(reserved)
        self.start_all(reserved)

    def put_back(self, tasks: list[Any]) -> None:
        """Put tasks before all others in the queue."""
        self.tasks.extendleft(reversed(tasks))

    def let_go(self, future: _Future, worker: Worker) -> bool:
        """Take a task back from the process that it was sent to; `False` if it has begun."""
        self.requeue(worker.take_back(leave_one=True))
        return not worker.has(future)

    def recall(self) -> None:
        """Take back all that has not begun: its number of threads may be another now."""
        for worker in self.supplied.copy():
            if len(worker.flight) > 1:
                self.requeue(worker.take_back(leave_one=True))

    def close(self, why: Refusal, drop: bool = False) -> list[Task]:
        """Take no more tasks, and return those that with *drop* are not to be run."""
        if drop:
            self.dropping = True
            self.recall()
        return super().close(why, drop)

    def bury(self, worker: Worker, error: BaseException | None = None) -> None:
        """A process has ended: the task that it had begun fails, and the others do not."""
        begun, unbegun = worker.bury()
        self.requeue(unbegun)
        for future, _ in begun:
            future.begin()
            _set(future.set_exception, error or worker.broken())

    def threads_now(self) -> int:
        """Return `threads_of_each`, found at a change and otherwise ten times a second."""
        watch = self.watch
        what = (watch.estimate if watch else None, self.size)
        now = time.monotonic()
        known, until, threads = self.limits
        if known != what or now > until:
            threads = min(self.threads_of_each(), MAX_THREADS)
            self.limits = (what, now + FRESH_SECONDS, threads)
        return threads

    def threads_of_each(self) -> int:
        """The threads for each process, by its part; fewer if a variable says so already."""
        if self.places is not None:
            return 1
        watch = self.watch
        parallelism = watch.estimate.parallelism if watch else available_parallelism()
        part = self.source.of(parallelism)
        # Not `size` if that follows: it may be that of another estimate still.
        each = max(1, part // (self.bounds(part) if watch else self.size))
        said = (whole_number(os.environ.get(variable, "")) for variable in VARIABLES)
        return min([each, *filter(None, said)])

    def living_process(self) -> Worker:
        """Return this thread's process, which is started if there is none or it has ended."""
        worker: Worker | None = getattr(self.own, "worker", None)
        if worker is None or not worker.is_alive():
            self.end_process()
            worker = self.start_process(self.threads_now())
        return worker

    def start_process(self, threads: int) -> Worker:
        """Start this thread's process; if the initializer fails, end as broken."""
        self.own.worker = worker = Worker(threading.current_thread().name, threads)
        if self.places is not None:
            self.own.cpu = cpu = self.places.take()
            worker.call(threads, pin_to, (cpu,))
        initializer, initargs = self.prepare
        if initializer is not None:
            try:
                worker.call(threads, _prepare, (initializer, initargs))
            except BaseException as error:  # whatever it raises, as the standard executor
                say(STANDARD_LOGGER.critical, "Exception in initializer:", exc_info=True)
                self.fail()
                raise _BROKEN() from error
        self.supplied.add(worker)
        return worker

    def fail(self) -> None:
        """Take no more tasks, and have those in the queue fail."""
        for future, *_ in self.close(_BROKEN, drop=True):
            if future.set_running_or_notify_cancel():
                future.set_exception(_BROKEN())

    def end_process(self) -> None:
        """End this thread's process, if it has one, and wait for that."""
        worker: Worker | None = vars(self.own).pop("worker", None)
        cpu: int | None = vars(self.own).pop("cpu", None)
        if self.places is not None and cpu is not None:
            self.places.give_back(cpu)
        if worker is not None:
            self.supplied.discard(worker)
            worker.end()


_BROKEN = partial(broken, "an initializer of the process pool has failed")


def _fail(future: Future[Any], error: BaseException) -> None:
    """Have a task fail that has not been sent, unless it is cancelled."""
    if future.set_running_or_notify_cancel():
        _set(future.set_exception, error)


def _set(set_outcome: Callable[[Any], object], outcome: object) -> None:
    """Set a future's outcome. Errors of its callbacks are logged, as nobody would see them."""
    try:
        set_outcome(outcome)
    except BaseException:  # noqa: BLE001 - logged, and the worker goes on
        say(STANDARD_LOGGER.critical, "Exception in worker", exc_info=True)


def _need_extra() -> None:
    try:
        import_module("loky")
        import_module("threadpoolctl")
    except ImportError as error:
        raise ImportError(
            f"a process pool needs loky and threadpoolctl: pip install loky threadpoolctl ({error})"
        ) from error


def _prepare(initializer: Callable[..., object], initargs: tuple[Any, ...]) -> None:
    initializer(*initargs)


def _chunks(calls: Iterator[T], size: int) -> Iterator[list[T]]:
    while chunk := list(islice(calls, size)):
        yield chunk


def _after_fork() -> None:
    global _states
    _states = new_lock(threading.RLock)


in_child(_after_fork)
