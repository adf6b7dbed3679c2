"""`watch()`: changes of the estimate as they happen.

Its guarantees, with what each rests on:

- No change is lost between a look and a wait. `_next_or_wait` looks, and registers what wakes the
  iteration, in one step under `thread.lock`; a reading takes all of these under the same lock.
- Each wake-up is called once, after the lock is released: it may be an event loop's.
- An iteration ends when its watch is closed: `close` sets that before it takes the wake-ups.
- An exception of a callback goes to `threading.excepthook`. It stops neither the thread nor other
  watches.
- A watch without a callback is not kept alive by its thread, which has a weak reference. An
  iteration refers to it.
- An iteration goes on in a forked child, or after the thread has died: before each wait it calls
  `thread.resume`.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from contextlib import suppress
from functools import partial

from kumo._override import VARIABLE
from kumo._survey import estimate
from kumo._text import plural
from kumo._watch import thread as _watcher
from kumo._watch.change import Change, Settling, describe
from kumo._watch.eventloop import make_event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from kumo._records import Estimate

_LOGGER = logging.getLogger("kumo")
_said = False  # that the count is fixed


def watch(
    callback: Callable[[Change], object] | None = None,
    *,
    interval: float | None = None,
    settle: float = 1.0,
) -> Watch:
    """Watch this process's estimate, and return an object that reports its changes.

    If the kernel reports writes to the cgroup files that decide, they are read at once, and
    everything else every second. Otherwise the limits are read every 0.1 s. `Watch.how` says
    which. *interval* is another number of seconds between readings.
    A decrease is reported at once, an increase after it has lasted for *settle* seconds.
    *callback* is called with each `Change`, in the thread that watches, which is one for the
    process; what it raises is given to `threading.excepthook`.

    Raise `ValueError` for an *interval* that is not positive or a negative *settle*,
    `TypeError` for a *callback* that cannot be called, `OverrideError` as `estimate` does,
    `RuntimeError` if no thread can be started.

    >>> with kumo.watch(print) as watch:  # prints each change
    ...     watch.estimate.parallelism >= 1
    True
    """
    if callback is not None and not callable(callback):
        raise TypeError(f"callback must be a callable, not {callback!r}")
    check_times(interval, settle)
    made = Watch(callback, interval, Settling(estimate(), settle))
    _say_that_it_is_fixed()
    _watcher.add(made)
    return made


def _say_that_it_is_fixed() -> None:
    """Log once that the count cannot change, if `kumo run` has set an override."""
    global _said
    if _said or VARIABLE not in os.environ:
        return
    _said = True
    from kumo._errors import InputError
    from kumo._launch.plan import read_outer

    try:
        outer = read_outer(os.environ)
    except InputError:
        return
    if outer is not None and VARIABLE in outer.given:
        _LOGGER.warning(
            "kumo run has set %s=%s, so that this process stays at the count of its start; "
            "to follow the limits start it with kumo run --follow",
            VARIABLE, os.environ[VARIABLE],
        )  # fmt: skip


def check_times(interval: float | None, settle: float) -> None:
    """Raise `ValueError` for what cannot be the seconds between readings or until a growth."""
    if interval is not None and threading.TIMEOUT_MAX < interval < float("inf"):
        most = int(threading.TIMEOUT_MAX)
        raise ValueError(f"interval is too large: at most {most} seconds, not {interval!r}")
    if interval is not None and not 0 < interval <= threading.TIMEOUT_MAX:
        raise ValueError(f"interval must be a positive number of seconds, not {interval!r}")
    if not settle >= 0:
        raise ValueError(f"settle must be a number of seconds, at least 0, not {settle!r}")


class Watch:
    """Changes of the estimate: iterate over them, or ``async for`` under asyncio or trio.

    An iteration waits for the next change. A slow loop gets one change that covers all that it
    missed, or none if the limit is again what it was. It ends when the watch is closed:
    by `close()`, at the end of a ``with``, or when nothing refers to a watch without callback.

    >>> watch = kumo.watch()
    >>> watch.how in ("events", "readings")
    True
    >>> watch.close()
    >>> [change.what for change in watch]  # closed, so the iteration ends at once
    []
    """

    def __init__(
        self,
        callback: Callable[[Change], object] | None,
        interval: float | None,
        settling: Settling,
    ) -> None:
        self._callback = callback
        self.interval = interval
        self._settling = settling
        self._wakes: set[Callable[[], object]] = set()
        self._seen = settling.reported
        self._closed = False

    def __repr__(self) -> str:
        """The count, the limit that decides, and whether it is followed still; on one line."""
        reported = self._settling.reported
        how = "closed" if self._closed else f"by {self.how}"
        if self.interval is not None and not self._closed:
            how += f", read every {self.interval:g} s"
        count = plural(reported.parallelism, "CPU")
        return f"<Watch: {count}, {describe(reported.binding)}, {how}>"

    @property
    def how(self) -> str:
        """``"events"`` if the kernel reports changes, ``"readings"`` if kumo only looks for them.

        Sources without an event are read every second or `interval`; without events, every 0.1 s.
        """
        return _watcher.how()

    @property
    def estimate(self) -> Estimate:
        """The present estimate, in which an increase counts once it has lasted."""
        if not self._closed:
            _watcher.resume(self)
        return self._settling.reported

    def close(self) -> None:
        """Report nothing more, and end iterations. A call of the callback under way is not awaited.

        The thread ends with the last watch. A second call does nothing.

        >>> watch = kumo.watch()
        >>> watch.close()
        """
        with _watcher.lock:
            self._closed = True
            wakes = self._take_wakes()
        _watcher.remove(self)
        _call(wakes)

    def _tell(self, reading: Estimate, now: float) -> None:
        """Take a reading of the watcher's thread, at *now* in seconds, and report what follows."""
        with _watcher.lock:
            change = None if self._closed else self._settling.tell(reading, now)
            if change is None:
                return
            wakes = self._take_wakes()
        _call(wakes)
        if self._callback is not None:
            try:
                self._callback(change)
            except BaseException:  # noqa: BLE001 - the other watches are still to be called
                report = (*sys.exc_info(), threading.current_thread())
                threading.excepthook(threading.ExceptHookArgs(report))

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Watch:
        return self

    def __next__(self) -> Change:
        while True:
            bell = threading.Lock()
            bell.acquire()
            wake = bell.release
            change = self._next_or_wait(wake)
            if change is not None:
                return change
            if self._closed:
                raise StopIteration
            try:
                _watcher.resume(self)
                bell.acquire()
            finally:
                self._wakes.discard(wake)

    def __aiter__(self) -> Watch:
        return self

    async def __anext__(self) -> Change:
        while True:
            event, post = make_event()
            wake = partial(post, event.set)
            change = self._next_or_wait(wake)
            if change is not None:
                return change
            if self._closed:
                raise StopAsyncIteration
            try:
                _watcher.resume(self)
                await event.wait()
            finally:
                self._wakes.discard(wake)

    def _next_or_wait(self, wake: Callable[[], object]) -> Change | None:
        """Return the change that the iteration has still to yield, if any.

        Else *wake* is called once when there may be one, or when the watch has been closed.
        """
        with _watcher.lock:
            if self._closed:
                return None
            old, new = self._seen, self._settling.reported
            change = Change(old, new) if old.cpus != new.cpus else None
            self._seen = new
            if change is None:
                self._wakes.add(wake)
            return change

    def _take_wakes(self) -> set[Callable[[], object]]:
        """Return what wakes the iterations, each to be called once, after the lock is released."""
        wakes, self._wakes = self._wakes, set()
        return wakes


def _call(wakes: set[Callable[[], object]]) -> None:
    """Let iterations look again. No lock is held: an event loop's is foreign code."""
    for wake in wakes:
        with suppress(RuntimeError):  # its loop has ended
            wake()
