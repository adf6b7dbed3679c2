"""A lock of kumo's is not left taken by what a signal handler raises."""

from __future__ import annotations

import _thread
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from doctor.programs import wait_until_asleep

from kumo._watch.locks import new_lock


@pytest.mark.skipif(
    sys.version_info < (3, 14),
    reason="no handler runs between taking a lock and the block: any lock passes",
)
@pytest.mark.skipif(sys.platform != "linux", reason="looks in /proc for a thread that waits")
@pytest.mark.parametrize("kind", [threading.Lock, threading.RLock])
def test_an_interrupt_just_after_a_lock_is_taken(kind: Callable[[], Any]) -> None:
    """`interrupt_main` ends no wait, so the handler runs when the lock has been taken."""
    lock = new_lock(kind)
    taken = threading.Event()

    def interrupt() -> None:
        with lock:
            taken.set()
            wait_until_asleep(os.getpid())
            _thread.interrupt_main()

    thread = threading.Thread(target=interrupt)
    thread.start()
    taken.wait()
    with pytest.raises(KeyboardInterrupt), lock:
        pass
    thread.join()
    free: list[bool] = []
    other = threading.Thread(target=lambda: free.append(lock.acquire(blocking=False)))
    other.start()
    other.join()

    assert free == [True]
