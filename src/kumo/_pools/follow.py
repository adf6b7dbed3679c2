"""`follow()`: what other libraries size by the machine follows this process's parallelism.

One function a library. Each looks at the library's own setting, and returns how a count is set
and how what was there is restored, which may be done again.

Its guarantees, with what each rests on:

- No lock is held while a library is called: its setter may log, wait, or use kumo.
- Each library ends with the setting that it had before. A follower may be closed in one thread
  while it sets a count in another; the other then restores once more, after itself.
- An error while a follower is made leaves no library changed: the `except BaseException` in it
  closes the watch and raises again, and an `ExitStack` restores.
- A limiter is set in its own event loop: the watch's thread posts there.
"""

from __future__ import annotations

import os
import threading
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from importlib import import_module
from itertools import chain, count
from math import inf

from kumo._pools.budget import Share, as_share
from kumo._pools.pool import NameInUseError, check_count, pools
from kumo._text import whole_number
from kumo._watch.eventloop import need_loop, running
from kumo._watch.forks import in_child
from kumo._watch.locks import new_lock
from kumo._watch.watch import watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from kumo._pools.budget import Part
    from kumo._pools.threads import ThreadPool
    from kumo._watch.change import Change

    Setting = tuple[Callable[[int], object], Callable[[], object]]

# Guards whether a follower is closed, and how many wait. One for all, since a forked child, which
# may get it locked, renews it.
_lock = new_lock(threading.RLock)


class Waiters:
    """How many calls in threads wait now, within `Follow.waiting`."""

    def __init__(self, maximum: int) -> None:
        self.maximum = maximum
        self.count = 0
        self.pools: list[ThreadPool] = []  # those that count for themselves

    @property
    def extra(self) -> int:
        """How many calls may run instead of them."""
        return min(self.count, self.maximum)


def follow(
    *things: Any, share: float | str | Part = 1, minimum: int = 1, max_waiting: int = 0
) -> Follow:
    """Set each of *things* to the parallelism, now and at each change, until the result is closed.

    A thing is a limiter of anyio's or trio's, or the name of a library: ``"anyio"``,
    ``"asyncio"``, ``"loky"``, ``"numba"``, ``"threadpoolctl"``, ``"torch"`` or ``"trio"``. *share*
    is a fraction of the parallelism or a part of a `Budget`, as for `ThreadPool`. Each thing is
    set to all of it, at least to *minimum*. Limiters and asyncio's executor let up to
    *max_waiting* more calls run while as many wait within `Follow.waiting`.

    Raise `ValueError` for another thing, for none or for a number out of range.
    Raise `ImportError` if the library is not installed, `OverrideError` as `estimate` does.
    Raise `RuntimeError` if it needs a running event loop, and none runs or it hides what it has.

    >>> with kumo.follow("threadpoolctl") as following:  # BLAS and OpenMP
    ...     following.parallelism >= 1
    True
    """
    if not things:
        raise ValueError(f"follow needs one of {NAMES}, or a limiter")
    part, minimum = as_share(share), check_count("minimum", minimum)
    waiters = Waiters(check_count("max_waiting", max_waiting) if max_waiting else 0)
    counts: list[Callable[[int], object]] = []
    restores: list[Callable[[], object]] = []
    with ExitStack() as undo:
        for thing in things:
            set_count, restore = _setting(thing, part, minimum, waiters)
            undo.callback(restore)
            restores.insert(0, restore)
            counts.append(set_count)
        made = Follow(counts, restores, part, minimum, waiters)
        undo.pop_all()
        return made


def _setting(thing: Any, share: Share, minimum: int, waiters: Waiters) -> Setting:
    if hasattr(thing, "total_tokens"):
        return _with_waiters(_limiter(thing), waiters)
    if thing == "asyncio":
        return _asyncio(share, minimum, waiters)
    if thing in ("anyio", "trio"):
        return _with_waiters(FOLLOWERS[thing](), waiters)
    if not isinstance(thing, str) or thing not in FOLLOWERS:
        raise ValueError(f"{thing!r} is not one of {NAMES}, nor a limiter")
    return FOLLOWERS[thing]()


def _with_waiters(setting: Setting, waiters: Waiters) -> Setting:
    """Have a limiter let another call run for each that waits."""
    set_count, restore = setting
    return (lambda count: set_count(count + waiters.extra)), restore


class Follow:
    """Things that follow the parallelism, made by `kumo.follow`; `close()` restores what was there.

    >>> following = kumo.follow("threadpoolctl", minimum=2)
    >>> following.parallelism >= 2
    True
    >>> following.close()
    """

    def __init__(
        self,
        counts: list[Callable[[int], object]],
        restores: list[Callable[[], object]],
        share: Share,
        minimum: int,
        waiters: Waiters,
    ) -> None:
        self._waiters = waiters
        self._counts = counts
        self._restores = restores
        self._share = share
        self._minimum = minimum
        loop = running()
        self._post = None if loop is None else loop[1]
        self._pid = os.getpid()
        self._closed = False
        self._made = threading.Event()  # the callback may come before `watch` has returned
        self._watch = watch(self._changed)
        try:
            self.update()
        except BaseException:  # whatever a library's setter raises
            self._watch.close()
            raise
        finally:
            self._made.set()

    @property
    def parallelism(self) -> int:
        """The count that is set."""
        return max(self._minimum, self._share.of(self._watch.estimate.parallelism))

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Around what waits in a call that runs in a thread: it uses no CPU meanwhile.

        So another call may run, up to ``max_waiting`` more than the limiter or asyncio's executor
        has else. It does nothing without ``max_waiting``.

        >>> with kumo.follow("threadpoolctl") as following, following.waiting():
        ...     following.parallelism >= 1
        True
        """
        with ExitStack() as waits:
            for pool in self._waiters.pools:
                waits.enter_context(pool.waiting())
            if self._waiters.maximum:
                self._count_waiter(1)
                waits.callback(self._count_waiter, -1)
            yield

    def _count_waiter(self, more: int) -> None:
        with _lock:
            self._waiters.count += more
        if self._post is not None and os.getpid() == self._pid:
            with suppress(RuntimeError):  # the loop has ended
                self._post(self.update)

    def update(self) -> None:
        """Set the present count again, for what a library keeps for each thread: the caller's.

        >>> with kumo.follow("threadpoolctl") as following:
        ...     following.update()  # in a thread that has begun since
        """
        if self._closed:
            return
        while True:
            count = self.parallelism
            for set_count in self._counts:
                set_count(count)
            if self._closed:  # meanwhile, in another thread
                self._restore()
                return
            if count == self.parallelism:  # else a thread that has set it may have come before
                return

    def close(self) -> None:
        """Restore what was there, in the calling thread. A second call does nothing.

        >>> following = kumo.follow("threadpoolctl")
        >>> following.close()
        """
        with _lock:
            closed, self._closed = self._closed, True
        if not closed:
            self._watch.close()
            self._restore()

    def _restore(self) -> None:
        """Restore each thing, the last first; raise the first error when all have been tried."""
        with ExitStack() as undo:
            for restore in reversed(self._restores):
                undo.callback(restore)

    def __enter__(self) -> Follow:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _changed(self, change: Change) -> None:
        """In the watcher's thread: update, in the event loop's thread if there is one."""
        if os.getpid() != self._pid:
            return  # a child has neither its parent's loop nor its threads
        self._made.wait()
        if self._post is None:
            self.update()
            return
        try:
            self._post(self.update)
        except RuntimeError:  # the loop has ended, and what it had with it
            self._watch.close()


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise ImportError(f"{name} is needed: pip install {name} ({error})") from error


# https://anyio.readthedocs.io/en/stable/threads.html#adjusting-the-default-maximum-worker-thread-count
# https://trio.readthedocs.io/en/stable/reference-core.html#trio.CapacityLimiter.total_tokens
def _limiter(limiter: Any) -> Setting:
    need_loop("a limiter", "asyncio", "trio")
    set_total = partial(setattr, limiter, "total_tokens")
    return set_total, partial(set_total, limiter.total_tokens)


def _default_limiter(library: str, *loops: str) -> Setting:
    to_thread = _library(library).to_thread
    need_loop(library, *loops)
    return _limiter(to_thread.current_default_thread_limiter())


# https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.loop.set_default_executor
def _asyncio(share: Share, minimum: int, waiters: Waiters) -> Setting:
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    from kumo import ThreadPool

    need_loop("asyncio", "asyncio")
    loop = asyncio.get_running_loop()
    if not hasattr(loop, "_default_executor"):  # there is no public way to ask
        raise RuntimeError(
            f"{loop!r} hides its default executor, which could not be restored: "
            "call its set_default_executor(kumo.ThreadPool('asyncio')) instead"
        )
    before: ThreadPoolExecutor | None = loop._default_executor
    pool = _free_pool(partial(ThreadPool, max_waiting=waiters.maximum), share, minimum)
    waiters.pools.append(pool)
    loop.set_default_executor(pool)

    def restore() -> None:
        if pool._shutdown:
            return  # done before
        # The loop's own would be made so when it is first needed.
        loop.set_default_executor(before or ThreadPoolExecutor(thread_name_prefix="asyncio"))
        pool.shutdown(wait=False)

    return (lambda count: None), restore  # the pool follows by itself


def _free_pool(make: Callable[..., ThreadPool], share: Share, minimum: int) -> ThreadPool:
    """Make a pool of the first name that is free, at the moment that it is made."""
    for name in chain(["asyncio"], (f"asyncio{number}" for number in count(2))):
        if name not in pools():
            with suppress(NameInUseError):  # by another thread meanwhile
                return make(name, share=share, minimum=minimum)
    raise AssertionError("the names do not end")


# https://github.com/joblib/threadpoolctl#setting-the-maximum-size-of-thread-pools
def _threadpoolctl() -> Setting:
    controller = _library("threadpoolctl").ThreadpoolController()
    libraries = controller.lib_controllers
    # threadpoolctl sets MKL's number for one thread. MKL has a function for all of them.
    mkl = [each for each in libraries if each.internal_api == "mkl"]
    before = [(each.dynlib.MKL_Set_Num_Threads, each.get_num_threads()) for each in mkl]
    others = controller.select(filepath=[each.filepath for each in libraries if each not in mkl])
    first = others.limit(limits=None)  # it keeps what is there

    def set_count(count: int) -> None:
        others.limit(limits=count)
        for set_mkl, _ in before:
            set_mkl(count)

    def restore() -> None:
        first.restore_original_limits()
        for set_mkl, number in before:
            set_mkl(number)

    return set_count, restore


# https://loky.readthedocs.io/en/stable/API.html#loky.cpu_count
def _loky() -> Setting:
    # A reusable executor is its thread's own. It is resized when it is asked for next, and
    # has then as many workers as this lets loky count; joblib's copy reads it too.
    variable = "LOKY_MAX_CPU_COUNT"
    before = os.environ.get(variable)
    most = whole_number(before or "") or inf

    def set_count(count: int) -> None:
        os.environ[variable] = str(min(count, most))

    def restore() -> None:
        if before is None:
            os.environ.pop(variable, None)
        else:
            os.environ[variable] = before

    return set_count, restore


# https://docs.pytorch.org/docs/stable/generated/torch.set_num_threads.html
def _torch() -> Setting:
    torch = _library("torch")
    return torch.set_num_threads, partial(torch.set_num_threads, torch.get_num_threads())


# https://numba.readthedocs.io/en/stable/user/threading-layer.html#setting-the-number-of-threads
def _numba() -> Setting:
    numba = _library("numba")
    most = numba.config.NUMBA_NUM_THREADS  # as many as it has started: more is an error

    def set_count(count: int) -> None:
        numba.set_num_threads(min(count, most))

    return set_count, partial(set_count, numba.get_num_threads())


FOLLOWERS: dict[str, Callable[[], Setting]] = {
    "anyio": partial(_default_limiter, "anyio", "asyncio", "trio"),
    "loky": _loky,
    "numba": _numba,
    "threadpoolctl": _threadpoolctl,
    "torch": _torch,
    "trio": partial(_default_limiter, "trio", "trio"),
}
NAMES = ", ".join(sorted([*FOLLOWERS, "asyncio"]))


def _after_fork() -> None:
    global _lock
    _lock = new_lock(threading.RLock)


in_child(_after_fork)
