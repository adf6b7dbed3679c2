"""The one thread of the process that reads the limits, for every watch that there is."""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
import weakref
from contextlib import suppress
from time import monotonic

from kumo._records import OverrideError
from kumo._system.view import affinity_mask
from kumo._watch.change import Readings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from kumo._records import Estimate
    from kumo._watch.watch import Watch

_LOGGER = logging.getLogger("kumo")
# Guards what is here and every watch; notified when an iteration is to look again.
changed = threading.Condition()
_thread: threading.Thread | None = None
# What the thread waits for between readings: a condition takes twice the CPU time.
_bell = threading.Lock()
# Each gives its watch, or `None` once a watch that nobody refers to is gone.
_watches: list[Callable[[], Watch | None]] = []


def add(watch: Watch) -> None:
    """Tell *watch* from now on. Raise `RuntimeError` where no thread can be started.

    Whoever iterates over a watch refers to it; one with a callback has to be referred to here.
    """
    with changed:
        _watches.append(weakref.ref(watch) if watch._callback is None else lambda: watch)
        try:
            resume(watch)
        except RuntimeError:
            remove(watch)
            raise
        _ring()


def remove(watch: Watch) -> None:
    """Tell *watch* nothing more."""
    with changed:
        _watches[:] = [get for get in _watches if get() not in (watch, None)]
        _ring()


def _ring() -> None:
    """Have the thread look at once. The lock is held."""
    if _bell.locked():
        _bell.release()


def resume(watch: Watch) -> None:
    """Start the thread where there is none: before the first watch and in a forked child."""
    global _thread
    if _thread is not None:
        return
    with changed:
        if _thread is None:
            read = Readings(watch._settling.told)
            _thread = threading.Thread(
                target=_watch_all, args=(read,), name="kumo-watch", daemon=True
            )
            try:
                _thread.start()
            except RuntimeError:
                _thread = None
                raise


def _watch_all(read: Callable[[], Estimate]) -> None:
    """Poll until nothing is watched, or another thread is to do it."""
    wrong, mask = "", None
    while _sleep():
        mask = _share_affinity(mask)
        wrong = _poll(read, wrong)


def _sleep() -> bool:
    """Wait for the least interval or a change of what is watched; whether to go on."""
    global _thread
    with changed:
        if _thread is not threading.current_thread():
            return False
        # No watch is referred to meanwhile, so that one that nobody else refers to goes.
        least = min((watch.interval for watch in _present()), default=None)
        if least is None:
            _thread = None
            return False
        bell = _bell
    bell.acquire(timeout=least)
    return True


def _present() -> list[Watch]:
    """The watches; those that are gone are left out from now on. The lock is held."""
    watches = [watch for get in _watches if (watch := get()) is not None]
    if len(watches) != len(_watches):
        _watches[:] = [get for get in _watches if get() is not None]
    return watches


def _poll(read: Callable[[], Estimate], wrong: str) -> str:
    """Tell each watch of a reading; return what is wrong with it, of which *wrong* was said."""
    try:
        reading = read()
    except (OverrideError, OSError, ImportError) as error:  # a module may still be to be loaded
        if str(error) != wrong:
            _LOGGER.warning("%s; the estimate before it stands", error)
        return str(error)
    now = monotonic()
    with changed:
        watches = _present()
    for watch in watches:
        if not watch._settling.settled(reading):
            watch._tell(reading, now)
    return ""


def _share_affinity(last: int | None) -> int | None:
    """Give this thread the main thread's CPUs and return them; *last* is what it was given.

    Those of all threads are the process's, so that it would hide a change of the others'.
    """
    if sys.platform == "linux":
        with suppress(OSError):  # a sandbox may forbid it
            mask = affinity_mask(os.getpid())
            if mask != last:
                os.sched_setaffinity(
                    0, (cpu for cpu in range(mask.bit_length()) if mask >> cpu & 1)
                )
            return mask
    return None


def _after_fork() -> None:
    """In the child the thread is gone: another starts for callbacks now, else when needed.

    A thread that nobody needs would keep the child from entering a user namespace.
    """
    global changed, _bell, _thread
    changed, _bell, _thread = threading.Condition(), threading.Lock(), None
    watches = _present()
    for watch in watches:
        watch._wakes.clear()  # the loops are the parent's
    if any(watch._callback is not None for watch in watches):
        resume(watches[0])


def _end() -> None:
    """End the thread before the interpreter; a callback that does not return is left behind."""
    global _thread
    with changed:
        # From now on this one stands in its place, so that no other is started.
        thread, _thread = _thread, threading.current_thread()
        _ring()
    if thread is not None:
        thread.join(1.0)


atexit.register(_end)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
