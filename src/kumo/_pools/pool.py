"""Pools of threads and of processes both have a name, and a size that follows the parallelism.

Its guarantees, with what each rests on:

- A name belongs to one pool. It is taken in one step under `_naming`, after the arguments have been
  checked, and let go of at `shutdown` or when the pool is collected: the dictionary is weak.
- The size is that of the watch's newest estimate. The code that sets it reads the estimate again
  afterwards, and the crew refuses a size of a watch that it does not follow any more. So neither
  two changes at once nor a `resize` in the middle of one leave an old size.
- A watch keeps no pool alive: it has a weak reference, and ends the crew of a pool that is gone.
- Nothing is logged and no foreign code is called while `_naming` is locked.
- A constructor that raises has shut down what it had begun.

How tasks, workers and forks are dealt with is the crew's: see `queue.py`.
"""

from __future__ import annotations

import itertools
import logging
import operator
import os
import threading
import weakref
from concurrent.futures import Executor, Future

from kumo._override import VARIABLE, OverrideError, parse_override
from kumo._pools.budget import Share, as_share
from kumo._pools.task import SHUT_DOWN
from kumo._text import plural
from kumo._watch.forks import in_child
from kumo._watch.locks import new_lock
from kumo._watch.say import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, ClassVar, ParamSpec, SupportsIndex, TypeVar

    from kumo._pools.queue import Crew
    from kumo._records import Estimate

    P = ParamSpec("P")
    T = TypeVar("T")

_LOGGER = logging.getLogger("kumo")
_pools: weakref.WeakValueDictionary[str, Pool] = weakref.WeakValueDictionary()
_naming = new_lock(threading.RLock)  # a pool that is collected meanwhile may be shut down


def pools() -> dict[str, Pool]:
    """Return this process's pools by name: those in use, and not shut down.

    >>> with kumo.ThreadPool("web", threads=2):
    ...     kumo.pools()["web"].size
    2
    """
    with _naming:
        return dict(_pools)


class NameInUseError(ValueError):
    """Another pool of this process has the name."""


class Bounds:
    """The least and the most workers that there may be."""

    def __init__(self, minimum: int, maximum: int | None) -> None:
        """Raise `ValueError` for what is no such number."""
        minimum = check_count("minimum", minimum)
        if maximum is not None:
            maximum = check_count("maximum", maximum)
            if maximum < minimum:
                raise ValueError(f"maximum must be at least minimum, {minimum}, not {maximum}")
        self.minimum, self.maximum = minimum, maximum

    def __call__(self, size: int) -> int:
        """Return *size* within the bounds."""
        size = max(self.minimum, size)
        return size if self.maximum is None else min(self.maximum, size)


class Pool(Executor):
    """A `concurrent.futures.Executor` whose size follows the parallelism.

    `ThreadPool` and `ProcessPool` are its two kinds.

    >>> with kumo.ThreadPool("web", threads=2) as pool:
    ...     isinstance(pool, kumo.Pool), pool.size
    (True, 2)
    """

    _kind: ClassVar[str]  # what it is a pool of
    _plural: ClassVar[str]
    name: str

    def _begin(
        self,
        name: str | int | None,
        share: float | str | Share,
        count: int | None,
        max_workers: int | None,
        bounds: Bounds,
        make_crew: Callable[[int, Share], Crew],
    ) -> None:
        """Take the name and begin to follow, with workers by *make_crew*, of a size and a share.

        A number in place of the name is *max_workers*, as in ``ThreadPoolExecutor(4)``.
        """
        if name == "":
            raise ValueError(f"a {self._kind} pool needs a name, such as 'web', or none at all")
        if name is not None and not isinstance(name, str):
            name, max_workers = None, self._one_of("the first argument", name, max_workers)
        if max_workers is not None:
            count = self._one_of(self._plural, count, max_workers)
        if count is not None:
            count = check_count(self._plural, count)
        self._bounded = bounds
        self._source = as_share(share)
        size, fixed, why = self._take_name(name, count)
        self._crew = crew = make_crew(size, self._source)
        gone = crew.belong_to(self)
        if not fixed:
            try:
                crew.watch = self._source.follow(_teller(gone, crew))
            except BaseException:  # of a signal handler too: the name must be free again
                self.shutdown()
                raise
            why = self._fit() or f"{self._source} of the parallelism"
        say(
            _LOGGER.info,
            "%s pool %s: %s, %s",
            self._kind,
            self.name,
            plural(self.size, self._kind),
            why,
        )

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Queue a call, and return the future of its result.

        Raise `RuntimeError` after `shutdown` and at the interpreter's exit, a `BrokenExecutor`
        if an initializer has failed.
        """
        future: Future[T] = Future()
        self._crew.add((future, fn, args, kwargs))
        return future

    def resize(self, size: int) -> None:
        """Fix the number of workers at *size*, within the minimum and the maximum; never wait.

        The pool does not follow the limits any more. Surplus workers leave after their present
        task, and no task is lost. Raise `ValueError` for a *size* below 1.
        """
        size = check_count("size", size)
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

    def __repr__(self) -> str:
        """Name, size and what the size follows, on one line."""
        crew = self._crew
        if crew.closed:
            how = "shut down"
        elif crew.watch is None:
            how = "a fixed size"
        else:
            how = f"{self._source} of the parallelism"
        return f"<{type(self).__name__} {self.name!r}: {plural(self.size, self._kind)}, {how}>"

    def _repr_html_(self) -> str:
        """The workers as a picture, for Jupyter."""
        from kumo._report.notebook import of_pool

        return of_pool(self.name, repr(self), self.size, self.busy, self.queued)

    def _one_of(self, what: str, size: Any, other: int | None) -> Any:
        """Return the one of two sizes that is given. Raise `TypeError` if both are."""
        if size is not None and other is not None:
            raise TypeError(f"{what} and max_workers are the same, so give one of them")
        return other if size is None else size

    def _take_name(self, name: str | None, count: int | None) -> tuple[int, int | None, str]:
        """Take *name*, or the first of pool-1, pool-2 ... that is free.

        Return the size, whether and how it is fixed, and why.
        """
        for self.name in [name] if name else (f"pool-{number}" for number in itertools.count(1)):
            if name is None and self.name in pools():
                continue
            fixed, why = self._fixed(count)
            size = self._bounded(fixed or self._first_size())
            try:
                self._register()
            except NameInUseError:
                if name:
                    raise
            else:
                return size, fixed, why
        raise AssertionError("the names do not end")

    def _register(self) -> None:
        with _naming:
            if _pools.setdefault(self.name, self) is not self:
                raise NameInUseError(f"a {self._kind} pool with the name {self.name!r} is in use")

    def _first_size(self) -> int:
        return self._source.size

    def _count(self, estimate: Estimate) -> int:
        """Return the CPUs of which the pool has its share."""
        return estimate.parallelism

    def _fit(self, what: str = "") -> str:
        """Take the size that follows from the watch's estimate; return why it is that."""
        crew, why = self._crew, ""
        while (watch := crew.watch) is not None:
            parallelism = self._count(watch.estimate)
            size, old = self._bounded(self._source.of(parallelism)), crew.size
            # At its start, a pool that the override keeps from following the limits says so.
            fixed = f", fixed by {VARIABLE}" if not what and os.environ.get(VARIABLE) else ""
            why = f"{self._source} of {plural(parallelism, 'CPU')}{fixed}{what and '; '}{what}"
            if size == old or not crew.resize(size, watch):  # else look again: it may be another
                break
            self._log_change(old, size, why)
        return why

    def _log_change(self, old: int, size: int, why: str) -> None:
        if size != old:
            text = "%s pool %s: %s -> %s, %s"
            say(_LOGGER.info, text, self._kind, self.name, old, plural(size, self._kind), why)

    def _fixed(self, count: int | None) -> tuple[int | None, str]:
        """Return the size that does not follow, and its source; `None` if it follows."""
        ascii_only = (c if c.isascii() and c.isalnum() else "_" for c in self.name)
        variable = f"KUMO_{''.join(ascii_only).upper()}_{self._plural.upper()}"
        text = os.environ.get(variable)
        if not text:
            return count, f"{self._plural}={count}"
        try:
            return parse_override(text), f"{variable}={text}"
        except OverrideError:
            raise OverrideError(variable, text) from None


def check_initializer(initializer: Any) -> None:
    """Raise `TypeError` for what cannot be called."""
    if initializer is not None and not callable(initializer):
        raise TypeError("initializer must be a callable")


def check_count(what: str, count: SupportsIndex) -> int:
    """Return *count* as an `int`. Raise `ValueError` for no whole number, 1 or more."""
    try:
        number = operator.index(count)
    except TypeError:
        number = 0
    if number < 1:
        raise ValueError(f"{what} must be a whole number, 1 or more, not {count!r}")
    return number


def _teller(gone: weakref.ref[Pool], crew: Crew) -> Callable[[str], None]:
    """Return the function that the watch calls, and which keeps no pool alive."""

    def tell(what: str) -> None:
        pool = gone()
        if pool is None:
            crew.end()
        else:
            pool._fit(what)

    return tell


def _after_fork() -> None:
    global _naming
    _naming = new_lock(threading.RLock)


in_child(_after_fork)
