"""Grows one thing in a process of its own, and times kumo at each size; `growth.py` runs it.

    _probe.py depth NAME=DIRECTORY...     visits the cgroup directories
    _probe.py mounts DIRECTORY COUNT...   bind-mounts in it, for ever: run it below `unshare -m`
    _probe.py threads PINNED COUNT...     none, caller, or all of the threads on one CPU
    _probe.py cpus DIRECTORY NAME...      the machine files DIRECTORY/NAME.txt

Prints a line for each size: `NAME NANOSECONDS_PER_CALL NANOSECONDS_PER_SURVEY`.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from functools import partial
from pathlib import Path

from _clock import typical

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

import kumo
from kumo._hot import count as _hot_count

_MS_BIND = 4096  # include/uapi/linux/mount.h
_BATCHES = 12


def report(name: str) -> None:
    kumo.available_parallelism()
    call = typical(kumo.available_parallelism, _BATCHES)
    assert _hot_count._kept is not None, "kumo kept no descriptors here"
    print(name, f"{call:.0f} {typical(kumo.estimate, _BATCHES):.0f}", flush=True)


def depth(words: list[str]) -> None:
    for word in words:
        name, _, directory = word.partition("=")
        Path(directory, "cgroup.procs").write_text(str(os.getpid()))
        report(name)


def mounts(words: list[str]) -> None:
    directory, *counts = words
    libc = ctypes.CDLL(None, use_errno=True)
    made = 0
    for count in map(int, counts):
        while made < count:
            point = f"{directory}/{made}"
            os.makedirs(point, exist_ok=True)
            if libc.mount(point.encode(), point.encode(), None, _MS_BIND, None):
                raise OSError(ctypes.get_errno(), "mount")
            made += 1
        report(str(count))


def threads(words: list[str]) -> None:
    pinned, *counts = words
    one = {min(os.sched_getaffinity(0))}
    over = threading.Event()
    threading.stack_size(65536)
    if pinned == "all":
        os.sched_setaffinity(0, one)  # threads started from now on inherit it
    try:
        for count in map(int, counts):
            while threading.active_count() < count:
                threading.Thread(target=over.wait, daemon=True).start()
            if pinned == "caller":
                everything = os.sched_getaffinity(0)
                os.sched_setaffinity(0, one)
            report(str(count))
            if pinned == "caller":
                os.sched_setaffinity(0, everything)
    finally:
        over.set()


def cpus(words: list[str]) -> None:
    directory, *names = words
    for name in names:
        survey = partial(kumo.estimate, machine=f"{directory}/{name}.txt")
        print(name, f"nan {typical(survey, _BATCHES):.0f}", flush=True)


if __name__ == "__main__":
    {"depth": depth, "mounts": mounts, "threads": threads, "cpus": cpus}[sys.argv[1]](sys.argv[2:])
