"""The one thread of the process that reads the limits, for every watch that there is.

Its guarantees, with what each rests on:

- There is one such thread, and only while something is watched. `_thread` is the one that is
  meant to do it, set under `lock` before it is started. A thread that finds another in its place
  ends; one that has died is noticed by `resume`, which any use of a watch calls.
- It goes on, whatever a callback, a hook, a logging handler or the allocator raises. Each reading,
  each watch and each turn of the loop has a separate ``try``. Should the thread end all the same,
  it starts its successor. Each error is logged once.
- While a thread has `lock`, it logs nothing, calls no foreign code and starts no thread. So a
  handler or a callback may use kumo. Under gevent and eventlet another greenlet of the same
  thread would wait for the lock for ever: none runs meanwhile.
- Locks and events are made when they are needed, of what a monkey-patcher has put into
  `threading` by then: a lock from before would stop every greenlet of the process.
- A finalizer takes no lock: what it drops goes into `_dropped`, by one atomic call.
- It sleeps until something happens: `bell.py` and `events.py` say what wakes it.
- A fork may happen at any moment, in any thread. The child gets a new lock, and no thread until
  one is needed. Hooks look up what they use when they run, since a child replaces it.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
import time
import weakref
from collections import deque
from contextlib import suppress

from kumo._override import OverrideError
from kumo._system.calls import affinity_mask
from kumo._watch.bell import WHILE_GROWING, Bell
from kumo._watch.change import Readings
from kumo._watch.forks import check, in_child, is_uwsgi_master
from kumo._watch.locks import new_lock
from kumo._watch.say import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from kumo._records import Estimate
    from kumo._watch.watch import Watch

_LOGGER = logging.getLogger("kumo")
MAX_SAID = 100  # different errors that are remembered as logged
PAUSE = 0.1  # seconds after something went wrong: it may go wrong again at once
# Guards what is here, and every watch. It can be taken again by a signal handler, whose thread
# may have it already.
lock = new_lock(threading.RLock)
_thread: threading.Thread | None = None
_bell: Bell | None = None  # the thread's
_exiting = False  # the interpreter: no thread is started any more
# By identity. Each gives its watch, or `None` once a watch that nobody refers to is gone.
_watches: dict[int, Callable[[], Watch | None]] = {}
_dropped: deque[Watch] = deque()  # by finalizers
_said: set[str] = set()


def add(watch: Watch) -> None:
    """Serve *watch* from now on. Raise `RuntimeError` if no thread can be started.

    An iteration refers to its watch; a watch with a callback is referred to from here.
    """
    check()
    with lock:
        _watches[id(watch)] = weakref.ref(watch) if watch._callback is None else lambda: watch
        _forget_dropped()
    try:
        resume(watch)
    except BaseException:  # of a signal handler too: the caller gets no watch that it could close
        remove(watch)
        raise
    _ring()


def remove(watch: Watch) -> None:
    """Serve *watch* no more."""
    with lock:
        get = _watches.get(id(watch))
        if get is not None and get() is watch:
            del _watches[id(watch)]
    _ring()


def drop(watch: Watch) -> None:
    """Serve *watch* no more from the next reading on. For finalizers: it takes no lock."""
    _dropped.append(watch)


def _ring() -> None:
    """Have the thread look at once."""
    bell = _bell
    if bell is not None:
        bell.ring()


def how() -> str:
    """Return ``"events"`` or ``"readings"``: what the thread waits for."""
    bell = _bell
    return "readings" if bell is None else bell.how


def resume(watch: Watch) -> None:
    """Start the thread if there is none: before the first watch, in a forked child, after a death.

    Raise `RuntimeError` if it cannot be started.
    """
    global _thread, _bell
    check()
    if _exiting or _is_at_work(_thread) or is_uwsgi_master():
        return
    bell, thread = Bell(), None
    try:
        read = Readings(watch._settling.reported, bell.pause)
        with suppress(Exception):  # an error comes again in the thread, which complains
            # The imports of a reading are loaded now, in this thread. A fork while another thread
            # imports a module leaves half of that module in the child for good.
            read()
        with lock:
            if not _exiting and not _is_at_work(_thread):
                thread = _make_thread((read, bell))
                _thread, _bell = thread, bell
        if thread is None:  # another thread was quicker
            bell.close()
            return
        thread.start()
    except BaseException:  # of a signal handler, or the thread cannot be started
        bell.close()
        with lock:
            # An interrupt may come when it has begun already; it ends if it is not needed.
            if _thread is thread:
                _thread = None
        raise


def _is_at_work(thread: threading.Thread | None) -> bool:
    """Whether *thread* watches, or is about to: one that has no identity is being started."""
    return thread is not None and (thread.ident is None or thread.is_alive())


def _make_thread(arguments: tuple[Readings, Bell]) -> threading.Thread:
    """A daemon, so that a callback that never returns does not keep the interpreter.

    A sub-interpreter may have no daemons; its thread is ended by `_end` all the same.
    """
    try:
        return threading.Thread(target=_watch_all, args=arguments, name="kumo-watch", daemon=True)
    except RuntimeError:
        return threading.Thread(target=_watch_all, args=arguments, name="kumo-watch", daemon=False)


def _watch_all(read: Readings, bell: Bell) -> None:
    """Read until nothing is watched, or another thread is to do it."""
    wrong, mask = "", None
    try:
        while True:
            try:
                if not _sleep(bell):
                    return
                mask = _share_affinity(mask)
                before = read.last
                wrong = _poll(read, wrong)
                bell.follow(before, read.last)
            except BaseException as error:  # noqa: BLE001 - the watches are still to be served
                complain("watching the limits", error)
                time.sleep(PAUSE)
    finally:
        try:
            bell.close()
        finally:
            _succeed()


def _succeed() -> None:
    """Start a successor if this thread ends although it is still the one that watches."""
    global _thread
    with lock:
        if _thread is not threading.current_thread():
            return
        _thread = None
        watches = _present()
    if watches:
        resume(watches[0])


def _sleep(bell: Bell) -> bool:
    """Wait for the least interval or a change of what is watched; whether to go on."""
    global _thread
    with lock:
        if _thread is not threading.current_thread():
            return False
        # No watch is referred to meanwhile, so that one that nobody else refers to goes.
        watches = _present()
        if not watches:
            _thread = None
            return False
        asked = [watch.interval for watch in watches if watch.interval is not None]
        if any(watch._settling.grows for watch in watches):
            asked.append(WHILE_GROWING)
        del watches
    bell.wait(min(asked, default=None))
    return True


def _present() -> list[Watch]:
    """The watches; those that are gone are left out from now on. The lock is held."""
    _forget_dropped()
    watches = [watch for get in _watches.values() if (watch := get()) is not None]
    if len(watches) != len(_watches):
        for key in [key for key, get in _watches.items() if get() is None]:
            del _watches[key]
    return watches


def _forget_dropped() -> None:
    """Serve no more what finalizers have dropped. The lock is held."""
    while _dropped:
        watch = _dropped.popleft()
        watch._closed = True
        _watches.pop(id(watch), None)


def _poll(read: Callable[[], Estimate], wrong: str) -> str:
    """Serve each watch a reading; return what is wrong with it, of which *wrong* was logged."""
    try:
        reading = read()
    except BaseException as error:  # noqa: BLE001 - whatever it is, the next reading may be right
        expected = isinstance(error, OverrideError | OSError | ImportError)
        text = str(error) if expected else f"{type(error).__name__}: {error}"
        if text != wrong:
            say(_LOGGER.warning, "%s; the estimate before it remains", text)
        return text
    now = time.monotonic()
    with lock:
        watches = _present()
    for watch in watches:
        if not watch._settling.settled(reading):
            try:
                watch._tell(reading, now)
            except BaseException as error:  # noqa: BLE001 - the others are still to be served
                complain("reporting a change to a watch", error)
    return ""


def complain(what: str, error: BaseException) -> None:
    """Log once that *what* went wrong, and how."""
    try:
        text = f"{what} went wrong: {type(error).__name__}: {error}"
        if text not in _said and len(_said) < MAX_SAID:
            _said.add(text)
            say(_LOGGER.error, "%s; kumo goes on", text)
    except Exception:  # noqa: BLE001, S110 - without memory there is nothing that could be said
        pass


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
    global lock, _bell, _thread
    bell = _bell
    lock, _bell, _thread = new_lock(threading.RLock), None, None
    if bell is not None:
        bell.close()  # its descriptors are shared with the parent
    watches = _present()
    for watch in watches:
        watch._wakes.clear()  # the loops are the parent's
    for watch in watches:
        if watch._callback is not None:
            if type(threading.Lock()).__module__ == "_thread":
                _resume_or_log(watch)
            else:
                # Starting a greenlet's thread lets the hub run, which is still the parent's here.
                import _thread as low

                low.start_new_thread(_resume_or_log, (watch,))
            return


def _resume_or_log(watch: Watch) -> None:
    try:
        resume(watch)
    except RuntimeError as error:
        say(_LOGGER.warning, "after a fork nothing is watched until it is asked for: %s", error)


def _end() -> None:
    """End the thread before the interpreter; a callback that does not return is left behind."""
    global _thread, _exiting
    with lock:
        _exiting = True
        thread, _thread = _thread, None
    _ring()
    if thread is not None and thread.ident is not None:
        thread.join(1.0)


def _is_main_interpreter() -> bool:
    check = getattr(threading, "_daemon_threads_allowed", None)
    return check is None or bool(check())


if _is_main_interpreter():
    atexit.register(_end)
else:  # before threads other than daemons are waited for
    threading._register_atexit(_end)  # type: ignore[attr-defined]  # it is private
in_child(_after_fork)
