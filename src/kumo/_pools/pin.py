"""A separate CPU for each process of a pool: what makes isolated CPUs usable.

CPUs that are not isolated come first, one of each core before its siblings, the fastest kind
before slower ones. If there are more processes than CPUs, the least used CPU is the next.

Its guarantees, with what each rests on:

- Two workers get the same CPU only if there are fewer CPUs than workers: a CPU is chosen and
  counted in one step under the lock.
- The machine is read before the lock is taken, so that nothing slow or foreign runs under it.
- In a forked child the crew has new places: see `_Crew.renew`.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import Counter
from contextlib import suppress

from kumo._cgroups.cpuset import isolated_cpus
from kumo._system.live import LiveSystem
from kumo._topology.read import read_topology
from kumo._topology.records import KINDS
from kumo._watch.locks import new_lock

CAN_PIN = hasattr(os, "sched_setaffinity")


def cpus_in_order() -> list[int]:
    """Return the process's CPUs, those to use first at the front."""
    system = LiveSystem()
    isolated = isolated_cpus(system, [])[0]
    places = []
    for core in read_topology(system).cores:
        kind = KINDS.index(core.kind) if core.kind in KINDS else 0
        for sibling, cpu in enumerate(core.cpus):
            places.append((isolated >> cpu & 1, sibling, kind, -core.capacity, cpu))
    return [place[-1] for place in sorted(places)]


class Places:
    """Which CPU each worker of a pool has."""

    def __init__(self) -> None:
        self.lock = new_lock(threading.Lock)
        self.used: Counter[int] = Counter()

    def take(self) -> int:
        """Return the CPU for another worker."""
        order = cpus_in_order() or [0]
        with self.lock:
            cpu = min(order, key=self.used.__getitem__)
            self.used[cpu] += 1
            return cpu

    def give_back(self, cpu: int) -> None:
        """Note that a worker does not need its CPU any more."""
        with self.lock:
            self.used[cpu] -= 1


def pin_to(cpu: int) -> None:
    """In a worker's process: run on this CPU alone, and what is started here as well."""
    if sys.platform == "linux":
        with suppress(OSError):  # it has gone offline, or out of the cpuset
            os.sched_setaffinity(0, [cpu])
