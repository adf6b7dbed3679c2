"""`ProcessPool`: processes by loky, as many as the parallelism and with threads by their part."""

from __future__ import annotations

import os
import threading
from functools import partial
from importlib import import_module
from itertools import chain, islice

from kumo._hot.count import available_parallelism
from kumo._pools.pin import CAN_PIN, Places, pin_to
from kumo._pools.pool import Bounds, Pool, check_count, check_initializer
from kumo._pools.queue import Crew
from kumo._pools.task import STANDARD_LOGGER
from kumo._pools.worker_process import VARIABLES, Worker, broken
from kumo._watch.say import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future
    from typing import Any, ParamSpec, TypeVar

    from kumo._pools.budget import Part, Share
    from kumo._records import Estimate

    P = ParamSpec("P")
    T = TypeVar("T")


class ProcessPool(Pool):
    """A `concurrent.futures.Executor` of processes, whose number follows the parallelism.

    The size is ``KUMO_<NAME>_PROCESSES`` in the environment, else *processes*, else *share*, as
    with `ThreadPool`, and follows as there. If the share is more than one CPU for each process,
    tasks can use the rest in threads: those of OpenMP and BLAS are limited to that number in
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
            places = Places() if pin else None
            return _Crew(self.name, size, (initializer, initargs), source, bounds, places)

        self._begin(name, share, processes, max_workers, bounds, make_crew)

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
        return super().submit(self._crew.call, fn, args, kwargs)

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
        results = super().map(partial(_call_all, fn), chunks, timeout=timeout, **more)
        return chain.from_iterable(results)


class _Crew(Crew):
    """Threads that each have a process, in which they have their tasks run."""

    def __init__(
        self,
        name: str,
        size: int,
        prepare: tuple[Callable[..., object] | None, tuple[Any, ...]],
        source: Share,
        bounds: Bounds,
        places: Places | None,
    ) -> None:
        super().__init__(name, size, None, ())
        self.places = places
        self.prepare = prepare
        self.source = source
        self.bounds = bounds
        self.own = threading.local()

    def work(self, number: int) -> None:
        """What a worker's thread does; its process ends with it."""
        try:
            super().work(number)
        finally:
            self.end_process()

    def call(self, fn: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
        """Return the result of a call in this thread's process."""
        threads = self.threads_of_each()
        worker: Worker | None = getattr(self.own, "worker", None)
        if worker is None or not worker.is_alive():
            self.end_process()
            worker = self.start_process(threads)
        result: T = worker.call(threads, fn, args, kwargs)
        return result

    def threads_of_each(self) -> int:
        """The threads for each process, by its part; fewer where a variable says so already."""
        if self.places is not None:
            return 1
        watch = self.watch
        parallelism = watch.estimate.parallelism if watch else available_parallelism()
        part = self.source.of(parallelism)
        # Not `size` where that follows: it may be that of another estimate still.
        each = max(1, part // (self.bounds(part) if watch else self.size))
        said = (os.environ.get(variable, "") for variable in VARIABLES)
        return min([each, *(int(text) for text in said if text.isdecimal() and int(text))])

    def start_process(self, threads: int) -> Worker:
        """Start this thread's process; where the initializer fails, end as broken."""
        self.own.worker = worker = Worker(threading.current_thread().name, threads)
        if self.places is not None:
            self.own.cpu = cpu = self.places.take()
            worker.call(threads, pin_to, (cpu,), {})
        initializer, initargs = self.prepare
        if initializer is not None:
            try:
                worker.call(threads, _prepare, (initializer, initargs), {})
            except BaseException as error:
                say(STANDARD_LOGGER.critical, "Exception in initializer:", exc_info=True)
                self.fail()
                raise _BROKEN() from error
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
            worker.end()


_BROKEN = partial(broken, "an initializer of the process pool has failed")


def _need_extra() -> None:
    try:
        import_module("loky")
        import_module("threadpoolctl")
    except ImportError as error:
        raise ImportError(
            "a process pool needs loky and threadpoolctl: "
            f"pip install 'kumo-parallelism[pools]' ({error})"
        ) from error


def _prepare(initializer: Callable[..., object], initargs: tuple[Any, ...]) -> None:
    initializer(*initargs)


def _chunks(calls: Iterator[T], size: int) -> Iterator[list[T]]:
    while chunk := list(islice(calls, size)):
        yield chunk


def _call_all(fn: Callable[..., T], calls: list[tuple[Any, ...]]) -> list[T]:
    return [fn(*args) for args in calls]
