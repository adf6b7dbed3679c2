"""A program in a staged situation, which tells its own pressure: a JSON object a window.

    python staged.py KIND NUMBER ROUNDS SECONDS

KIND is what the NUMBER of workers are: `processes`, `children` for processes that have one child
after the other do the work, each for a moment, `threads` that hold no lock of the interpreter
while they work, or `python` for threads that do. They end with the program.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from threading import Thread

import kumo
from kumo._command.pressure import as_dict

PR_SET_PDEATHSIG = 1  # prctl(2)
BEGIN = 0.4  # seconds in which the workers begin
MOMENT = 0.02  # seconds of CPU time that a child has


def spin() -> None:
    while True:
        pass


def spin_without_lock() -> None:
    block = bytes(1 << 20)
    while True:
        hashlib.sha256(block).digest()


def have_done() -> None:
    """Have children do the work, as make has its recipes."""
    while True:
        child = os.fork()
        if child == 0:
            while time.process_time() < MOMENT:
                pass
            os._exit(0)
        os.waitpid(child, 0)


def fork(work: Callable[[], None]) -> int:
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == parent:
            work()
        os._exit(0)
    return child


def main() -> None:
    kind, number, rounds, seconds = sys.argv[1], *map(float, sys.argv[2:])
    children = []
    for _ in range(int(number)):
        if kind in ("processes", "children"):
            children.append(fork(spin if kind == "processes" else have_done))
        else:
            work = spin_without_lock if kind == "threads" else spin
            Thread(target=work, daemon=True).start()
    time.sleep(BEGIN)
    for _ in range(int(rounds)):
        seen = kumo.pressure(seconds=seconds)
        print(json.dumps(as_dict(seen, seen.verdict)), flush=True)
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
