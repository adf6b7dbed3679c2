"""An interrupt that comes just before the main thread waits for a lock, and so does not wake it."""

from __future__ import annotations

import _thread
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest
from doctor.programs import wait_until_asleep

PATIENCE = 60.0


@contextmanager
def interrupted_late(started: Path) -> Iterator[None]:
    """Interrupt what runs inside, which waits for the process whose id *started* will hold.

    `interrupt_main` does what a signal does, except that it ends no wait. What ends only with
    that process has not looked for signals meanwhile.
    """
    seen = Event()
    late: list[int] = []

    def interrupt() -> None:
        end = time.monotonic() + PATIENCE
        while not (started.exists() and started.read_text()):
            if time.monotonic() > end:
                return
            time.sleep(0.005)
        wait_until_asleep(os.getpid())
        _thread.interrupt_main()
        if not seen.wait(PATIENCE):
            late.append(int(started.read_text()))
            os.kill(late[0], signal.SIGKILL)

    thread = Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        yield
    seen.set()
    thread.join()
    assert not late, "the interrupt was seen only when the program had ended"
