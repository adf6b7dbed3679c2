"""Facts made of a machine file and of counters, as `gather` would have found them."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from kumo._doctor.checkup import Checkup
from kumo._doctor.process import Family, judge_variables
from kumo._pressure.counters import Counters, quota_limits
from kumo._pressure.records import Level, Pressure
from kumo._report.facts import Facts, Sample, of_system
from kumo._system.machine_file import Machine


def facts(
    text: str,
    shares: Sequence[float] = (0.5, 1.0, 0.0),
    *,
    threads: Sequence[str] = ("python",),
    variables: dict[str, str] | None = None,
) -> Facts:
    """Return what is known of the process of a machine file, throttled in *shares* of periods."""
    small, machine, estimate, topology, cores = of_system(Machine(text))
    places = [
        (limit.where.rpartition("/")[0], limit.cpus) for limit in quota_limits(estimate.limits)
    ]
    samples, throttled = [], 0
    for at in range(len(shares) + 1):
        throttled += round(10 * shares[at - 1]) if at else 0
        levels = [
            Counters(where, cpus, 0.1, 10 * at, throttled, throttled / 10)
            for where, cpus in places
            if cpus < inf
        ]
        samples.append(Sample(at * 1.0, tuple(levels)))
    settings = judge_variables(variables or {}, estimate)
    families = [Family(name, 2, 1.5, "") for name in threads]
    checkup = Checkup(4242, "web", estimate, 3.0, 60, 0, families, settings, [], [])
    seen = Pressure(estimate, 3.0, tuple(Level(where, cpus) for where, cpus in places))
    return Facts(
        4242, "2026-01-01 00:00:00", 3.0, estimate, topology, cores, machine, small, samples, seen,
        checkup, settings, [],
    )  # fmt: skip


def machine_with(cgroup: str, cpus: int = 4, quotas: dict[str, str] | None = None) -> str:
    """Return a machine file of a process in *cgroup* of a cgroup v2 hierarchy."""
    levels = ["", *_levels(cgroup)]
    files = "".join(
        f"-- /sys/fs/cgroup{level}/cpu.max --\n{(quotas or {}).get(level, 'max 100000')}\n"
        for level in levels
    )
    return (
        f"-- !platform --\nlinux\n-- !affinity --\n0-{cpus - 1}\n"
        f"-- /proc/self/cgroup --\n0::{cgroup}\n"
        "-- /proc/self/mountinfo --\n26 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n"
        f"-- /sys/devices/system/cpu/online --\n0-{cpus - 1}\n{files}"
    )


def _levels(cgroup: str) -> list[str]:
    parts = cgroup.strip("/").split("/")
    return [f"/{'/'.join(parts[: at + 1])}" for at in range(len(parts))]
