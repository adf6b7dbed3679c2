"""Locks that no exception of a signal handler leaves taken.

Up to Python 3.13 ``with lock:`` gives a lock back whatever happens: no handler runs between taking
it and the block. Since 3.14 a handler may run there, and if it raises, as Ctrl-C does, the lock
stays taken for ever. So there the lock is taken by a method with a ``try`` around it.
"""

from __future__ import annotations

import sys
import threading
from _thread import RLock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_ONCE = (True,)


class SafeLock(RLock):  # type: ignore[misc]  # the stubs have it as final; it is not
    """A lock that its thread may take again. `__exit__` is C: no handler runs before it."""

    __slots__ = ()

    def __enter__(self) -> bool:  # type: ignore[override]  # there it takes what acquire() takes
        taken: list[bool] = []
        try:
            # One call of a C function takes the lock and notes it, and a handler runs after it.
            taken.extend(map(self.acquire, _ONCE))
        except BaseException:  # of a signal handler: the block that gives it back does not run
            if taken:
                self.release()
            raise
        return True


def new_lock(kind: Callable[[], Any]) -> Any:
    """Return a lock of *kind*, `threading.Lock` or `threading.RLock` as they are at this moment.

    Since Python 3.14 it is a `SafeLock`, unless a monkey-patcher has put other locks in place.
    """
    if sys.version_info >= (3, 14) and type(threading.RLock()).__module__ == "_thread":
        return SafeLock()
    return kind()
