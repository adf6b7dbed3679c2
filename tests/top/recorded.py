"""Readings that were written down, for the tests of the screen: no process, no kernel."""

from __future__ import annotations

from kumo._pressure.counters import Counters
from kumo._pressure.parsers import CpuTimes
from kumo._records import Estimate, Limit
from kumo._system.process import ProcessStat
from kumo._top.model import Process, Sample

TOP = "/sys/fs/cgroup"
POD = f"{TOP}/kubepods.slice/pod7.slice"
APP = f"{POD}/app.scope"
THREADS = (
    ProcessStat("python3", "R", ()),
    *(ProcessStat(f"tokio-rt-worker{n}", "S", ()) for n in range(4)),
)


def quota(where: str, cpus: float) -> Limit:
    text = f"{cpus * 1e5:.0f} 100000"
    return Limit("quota", "rate", cpus, f"{where}/cpu.max", text, 0.0, 0.1)


def level(where: str, cpus: float | None, second: int, hurt: float = 0.0) -> Counters:
    """What the kernel has counted of a cgroup after so many seconds, *hurt* of which throttled."""
    if cpus is None:
        return Counters(where, used_seconds=second * 11.0)
    periods = 1000 * second
    throttled = round(periods * hurt)
    return Counters(where, cpus, 0.1, periods, throttled, throttled * 0.02, 0.0, second * 1.35)


def reading(second: int, pod: float = 1.5, busy: int = 1) -> Sample:
    """Process 4242 in three levels, whose middle one binds and throttles it."""
    estimate = Estimate(
        [
            quota(APP, 2.0),
            quota(POD, pod),
            Limit("affinity", "set", 16, "sched_getaffinity", "0-15"),
        ],
        [],
    )
    groups = (level(APP, 2.0, second), level(POD, pod, second, 0.4), level(TOP, None, second))
    return Sample(
        float(second),
        groups,
        Process(4242, "web", estimate, second * 1.25, THREADS),
        {cpu: CpuTimes(100 * second, 50 * second, 2 * second) for cpu in range(16)},
        second * 0.12,
        {"web": {"size": float(busy), "busy": 1.0, "queued": 37.0}},
    )


def host(second: int, number: int = 40, cost: float = 0.0) -> Sample:
    """A host with *number* cgroups that have a quota; the higher the number, the more throttled."""
    groups = [level(f"{TOP}/job{n:04}", 1.0, second, n / number) for n in range(number)]
    return Sample(float(second), tuple(groups), cost=cost)
