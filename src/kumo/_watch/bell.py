"""The wait between two readings: for events if the kernel reports them, else for the clock.

Its guarantees, with what each rests on:

- A ring is never lost. It releases a lock that the waiting thread takes: if nobody waits, the next
  wait ends at once. A wait for events is ended by a separate event (`Events.ring`).
- The waiting thread alone reads, opens again and closes what reports events. Other threads only
  ring, with a separate reference, so that it may be closed meanwhile. A forked child closes its
  copy.
- No failure of events stops the readings. Any exception closes the descriptors; they are
  opened again a few times, and after `RETRY` seconds.
- Events that never come are noticed. If the count has changed and no event has come, that happened
  in silence: after `MAX_SILENT` times in a row the clock decides. An event that comes late, as on a
  busy machine, ends the row. One that comes early counts too: what is written during a reading may
  be announced before the next reading finds it.
- A file is watched before it is read once more, so that no write falls between the two.
- A greenlet waits for the clock alone: a wait for descriptors would stop the other greenlets.
"""

from __future__ import annotations

import sys
import threading
import time
import weakref
from contextlib import suppress

from kumo._watch.change import LostError, is_silent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import Protocol

    from kumo._records import Estimate

    class Waits(Protocol):
        """The events of `events.py`, which is Linux's."""

        announced: set[str]

        @property
        def watched(self) -> Collection[str]:
            """The files that are watched."""

        def wait(self, seconds: float) -> bool:
            """Wait; whether there was an event. Raise `LostError`."""

        def happened(self) -> bool:
            """Whether there were events by now. Raise `LostError`."""

        def arm(self) -> Collection[str]:
            """Watch the files that decide; return those that were watched. Raise `LostError`."""

        def ring(self) -> None:
            """End a wait."""

        def close(self) -> None:
            """Close the descriptors."""


# Seconds between readings that nobody asked for in another number.
BESIDE_EVENTS = 1.0
WITHOUT_EVENTS = 0.1
WHILE_GROWING = 0.1  # not everything that ends a growth is an event
RETRY = 60.0  # seconds until events are tried again, if none could be had
# Descriptors that are lost are opened again at once: so often, if none lasted for longer.
MAX_LOST, MIN_AGE = 3, 1.0  # seconds
LATE = 0.01  # seconds by which an event may come after what it reports
MAX_SILENT = 2  # changes in a row without an event, until events are given up


class Bell:
    """The wait of one watcher. `ring` is for any thread, the rest for the one that waits."""

    def __init__(self, pid: int | None = None) -> None:
        """Wait for events of process *pid*, by default this one, if they can be had."""
        self._pid = pid
        # The first wait ends at once. A lock takes half the CPU time of a condition.
        self._lock = threading.Lock()
        # In a greenlet a wait for descriptors would stop all the others.
        self._wants_events = type(self._lock).__module__ == "_thread"
        self._events: Waits | None = None
        self._opened_at = self._retry_at = 0.0
        self._silent = self._lost = 0
        self._early: frozenset[str] = frozenset()  # what was announced up to the last change
        self._kept: Callable[[], object | None] = lambda: None
        self._is_fresh = True
        self._try_events()

    def _try_events(self) -> None:
        """Open what reports events, if it can be had."""
        self._opened_at = time.monotonic()
        self._retry_at = self._opened_at + RETRY
        self._is_fresh = True
        if sys.platform == "linux" and self._wants_events:
            try:
                from kumo._watch.events import Events
            except (ImportError, OSError):  # such as without a descriptor left
                return
            with suppress(LostError):
                self._events = Events(self._pid)

    @property
    def how(self) -> str:
        """``"events"`` if they wake the watcher, ``"readings"`` if it only looks regularly."""
        return "readings" if self._events is None else "events"

    def wait(self, seconds: float | None = None) -> None:
        """Wait for *seconds*, by default for the usual time, for an event, or until it is rung."""
        if self._events is None and self._retry_at <= time.monotonic():
            self._try_events()
        events = self._events
        if events is None:
            self._lock.acquire(timeout=WITHOUT_EVENTS if seconds is None else seconds)
        elif not self._lock.acquire(blocking=False):
            self._attempt(lambda: events.wait(BESIDE_EVENTS if seconds is None else seconds))

    def ring(self) -> None:
        """End the wait under way, or else the next."""
        self._again()
        events = self._events
        if events is not None:
            events.ring()

    def _again(self) -> None:
        """End the next wait, from the thread that waits."""
        if self._lock.locked():
            with suppress(RuntimeError):  # another thread has rung
                self._lock.release()

    def pause(self, until: float) -> bool:
        """Sleep until a time of the monotonic clock; whether events came meanwhile."""
        left = until - time.monotonic()
        if left > 0:
            time.sleep(left)
        return self._drain()

    def _drain(self) -> bool:
        events = self._events
        if events is None or not self._attempt(events.happened):
            return False
        self._again()
        return True

    def follow(self, old: Estimate, new: Estimate) -> None:
        """Watch what decides now, after a reading gave *new* and the one before gave *old*."""
        if sys.platform == "linux":
            from kumo._hot.descriptors import sweep

            sweep()  # a survey of another thread may have left some, which nobody reads any more
        events = self._events
        if events is None or (new is old and self._is_same_survey()):
            return
        self._attempt(lambda: self._follow(events, old, new))

    def _follow(self, events: Waits, old: Estimate, new: Estimate) -> bool:
        self._drain()
        steady = events.arm()
        if new is not old:
            self._count_silence(events, old, new, steady)
        self._is_fresh = len(steady) != len(events.watched)
        if self._is_fresh:
            self._again()  # it may have changed since the reading, before it was watched
        if self._silent >= MAX_SILENT:
            self._wants_events = False
            self.close()
        return True

    def _count_silence(
        self, events: Waits, old: Estimate, new: Estimate, steady: Collection[str]
    ) -> None:
        """Note whether the change was announced: by now, or before the change that was the last."""

        def silent() -> bool:
            return is_silent(old, new, steady, self._early | events.announced)

        without = not self._is_fresh and silent()
        if without:
            self.pause(time.monotonic() + LATE)
            without = silent()
        if events.announced:  # since the last change, perhaps late
            self._silent = 0
        self._silent += without
        self._early = frozenset(events.announced)
        events.announced.clear()

    def _is_same_survey(self) -> bool:
        """Whether no survey was made since the last call, so that the same files decide."""
        from kumo._hot import count

        kept = getattr(count, "_kept", None)
        if kept is not None and self._kept() is kept:
            return True
        self._kept = weakref.ref(kept) if kept is not None else lambda: None
        return False

    def _attempt(self, step: Callable[[], bool]) -> bool:
        """Return what *step* does. If that fails, open other descriptors, or go on without."""
        try:
            return step()
        except Exception:  # noqa: BLE001 - whatever it is, the limits are still to be read
            self.close()
            # If it fails again and again, it is not tried again before the usual time.
            self._lost = 1 if time.monotonic() > self._opened_at + MIN_AGE else self._lost + 1
            if self._lost <= MAX_LOST:
                self._try_events()
            self._again()
            return False

    def close(self) -> None:
        """Close the descriptors; from then on it waits for the clock."""
        events, self._events = self._events, None
        if events is not None:
            events.close()
