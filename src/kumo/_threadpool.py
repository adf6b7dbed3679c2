"""`ThreadPool`: the standard executor with a name, and a size that follows the parallelism."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from concurrent.futures import Future, ThreadPoolExecutor

from kumo._budget import Share
from kumo._crew import Crew
from kumo._detectors.override import parse_override
from kumo._records import OverrideError
from kumo._task import BROKEN, SHUT_DOWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, ParamSpec, TypeVar

    P = ParamSpec("P")
    T = TypeVar("T")

_LOGGER = logging.getLogger("kumo")
_pools: weakref.WeakValueDictionary[str, ThreadPool] = weakref.WeakValueDictionary()
_naming = threading.RLock()  # a pool that is collected meanwhile may be shut down


def pools() -> dict[str, ThreadPool]:
    """Return this process's thread pools by name: those in use, and not shut down."""
    with _naming:
        return dict(_pools)


class ThreadPool(ThreadPoolExecutor):
    """A `concurrent.futures.ThreadPoolExecutor` whose size follows the parallelism.

    The size is ``KUMO_<NAME>_THREADS`` in the environment, else *threads*, else *share*: a
    fraction of the parallelism, rounded down, or a part of a `Budget`; in any case at least
    *minimum* and at most *maximum*. A share follows the limits: a smaller size holds at once,
    a larger one when the limit has held for a second. Threads are started on demand and named
    ``<name>-<i>``. *initializer* and *initargs* are as the standard executor's.

    Raise `ValueError` where *name* is in use or a number out of range, `OverrideError` where
    a variable is no positive decimal integer.
    """

    def __init__(
        self,
        name: str,
        *,
        share: float | Share = 1,
        threads: int | None = None,
        minimum: int = 1,
        maximum: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
    ) -> None:
        # The standard executor's own is not called: its workers cannot leave early.
        _check(name, threads, minimum, maximum, initializer)
        self.name = name
        self._minimum, self._maximum = minimum, maximum
        self._source = share if isinstance(share, Share) else Share(share)
        fixed, why = _fixed(name, threads)
        size = self._bounded(fixed or self._source.size)
        self._register()
        self._crew = crew = Crew(name, size, initializer, initargs)
        crew.owner = gone = weakref.ref(self, lambda _: crew.abandon())
        if not fixed:
            try:
                crew.watch = self._source.follow(_teller(gone, crew))
            except BaseException:
                self.shutdown()
                raise
            why = self._fit() or f"{self._source} of the parallelism"
        _LOGGER.info("thread pool %s: %s threads, %s", name, self.size, why)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Queue a call, and return the future of its result.

        Raise `RuntimeError` after `shutdown` and at the interpreter's exit, `BrokenThreadPool`
        where an initializer has failed.
        """
        future: Future[T] = Future()
        self._crew.add((future, fn, args, kwargs))
        return future

    def resize(self, size: int) -> None:
        """Fix the number of workers at *size*, within the minimum and the maximum; never wait.

        The pool does not follow the limits any more. Surplus workers leave after their present
        task, and no task is lost. Raise `ValueError` for a *size* below 1.
        """
        _check_count("size", size)
        old, bounded = self.size, self._bounded(size)
        self._crew.resize(bounded)
        self._log_change(old, bounded, f"resize({size})")

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more tasks, as the standard executor does, and let go of the name."""
        for future, *_ in self._crew.close(SHUT_DOWN, drop=cancel_futures):
            future.cancel()
        with _naming:
            if _pools.get(self.name) is self:
                del _pools[self.name]
        if wait:
            self._crew.join()

    @property
    def size(self) -> int:
        """How many workers there may be."""
        return self._crew.size

    @property
    def parked(self) -> int:
        """How many workers wait for a task."""
        return len(self._crew.parked)

    @property
    def busy(self) -> int:
        """How many workers have a task, or are about to take one or to leave."""
        with self._crew.lock:
            return self._crew.workers - len(self._crew.parked)

    @property
    def queued(self) -> int:
        """How many tasks wait for a worker."""
        return len(self._crew.tasks)

    # What programs read of the standard executor, though it is not public.

    @property
    def _max_workers(self) -> int:  # type: ignore[override]
        return self._crew.size

    @property
    def _threads(self) -> set[threading.Thread]:  # type: ignore[override]
        with self._crew.lock:
            return set(self._crew.threads.values())

    @property
    def _broken(self) -> str | bool:  # type: ignore[override]
        return str(BROKEN()) if self._crew.closed is BROKEN else False

    def _register(self) -> None:
        with _naming:
            if _pools.setdefault(self.name, self) is not self:
                raise ValueError(f"a thread pool with the name {self.name!r} is in use")

    def _bounded(self, size: int) -> int:
        size = max(self._minimum, size)
        return size if self._maximum is None else min(self._maximum, size)

    def _fit(self, what: str = "") -> str:
        """Take the size that follows from the watch's estimate; return why it is that."""
        crew, why = self._crew, ""
        while (watch := crew.watch) is not None:
            parallelism = watch.estimate.parallelism
            size, old = self._bounded(self._source.of(parallelism)), crew.size
            why = f"{self._source} of {parallelism} CPUs{what and '; '}{what}"
            if size == old or not crew.resize(size, watch):  # else look again: it may be another
                break
            self._log_change(old, size, why)
        return why

    def _log_change(self, old: int, size: int, why: str) -> None:
        if size != old:
            _LOGGER.info("thread pool %s: %s -> %s threads, %s", self.name, old, size, why)


def _teller(gone: weakref.ref[ThreadPool], crew: Crew) -> Callable[[str], None]:
    """What the watch calls, and which keeps no pool alive."""

    def tell(what: str) -> None:
        pool = gone()
        if pool is None:
            crew.end()
        else:
            pool._fit(what)

    return tell


def _fixed(name: str, threads: int | None) -> tuple[int | None, str]:
    """Return the size that does not follow, and where it is from; `None` where it does follow."""
    ascii_only = (c if c.isascii() and c.isalnum() else "_" for c in name)
    variable = f"KUMO_{''.join(ascii_only).upper()}_THREADS"
    text = os.environ.get(variable)
    if not text:
        return threads, f"threads={threads}"
    try:
        return parse_override(text), f"{variable}={text}"
    except OverrideError:
        raise OverrideError(variable, text) from None


def _check(
    name: str, threads: int | None, minimum: int, maximum: int | None, initializer: object
) -> None:
    if not name:
        raise ValueError("a thread pool needs a name, such as 'web'")
    if threads is not None:
        _check_count("threads", threads)
    _check_count("minimum", minimum)
    if maximum is not None:
        _check_count("maximum", maximum)
        if maximum < minimum:
            raise ValueError(f"maximum must be at least minimum, {minimum}, not {maximum}")
    if initializer is not None and not callable(initializer):
        raise TypeError("initializer must be a callable")


def _check_count(what: str, count: int) -> None:
    if not isinstance(count, int) or count < 1:
        raise ValueError(f"{what} must be a whole number, 1 or more, not {count!r}")
