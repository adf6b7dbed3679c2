"""One reading of a process with its descendants, of its cgroups and of the CPUs."""

from __future__ import annotations

import os
from typing import NamedTuple

from kumo._cgroups.cpu_stat import parse_cpu_stat
from kumo._cgroups.levels import V2
from kumo._cgroups.quota import hierarchy_of
from kumo._pressure.parsers import (
    parse_cpuacct,
    parse_maps,
    parse_pressure,
    parse_process_stat,
    parse_schedstat,
    parse_stat,
    parse_usage,
)
from kumo._text import error_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from kumo._cgroups.cpu_stat import Throttling
    from kumo._pressure.parsers import CpuTimes
    from kumo._records import Estimate, Limit
    from kumo._system.live import System

OWN = "/proc/self"


class Cgroup(NamedTuple):
    """A cgroup's counters; `None` and the absent are not told."""

    throttling: Throttling | None
    used: float | None
    stalled: dict[str, float]


class Reading(NamedTuple):
    """What a system told at one moment, *at*, in seconds of any one clock.

    *threads* are the seconds run and waited by the thread's directory, *processes* the seconds
    that each process and its ended children ran by the process's, *cgroups* by theirs.
    """

    at: float
    processes: dict[str, tuple[float, float]]
    threads: dict[str, tuple[float, float]]
    cgroups: dict[str, Cgroup]
    cpus: dict[int, CpuTimes]
    stalled: dict[str, float]
    gil: bool | None
    missing: tuple[str, ...]


class _Reader:
    """Reads texts; what is there and cannot be read is kept in *missing*."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.missing: dict[str, None] = {}

    def text(self, path: str) -> str:
        try:
            return self.system.read(path) or ""
        except OSError as error:
            where = error.filename or path
            self.missing[f"{where} could not be read ({error_name(error)})"] = None
            return ""

    def names(self, path: str) -> Iterable[str]:
        try:
            return self.system.list(path) or ()
        except OSError:
            return ()  # the process has ended, or the system has no /proc


def read(system: System, estimate: Estimate, at: float) -> Reading:
    """Read what *system* tells now. *estimate* names the cgroups; *at* is the time."""
    reader = _Reader(system)
    processes, threads = _tree(reader)
    return Reading(
        at,
        processes,
        threads,
        {os.path.dirname(limit.where): _cgroup(reader, limit) for limit in quota_limits(estimate)},
        parse_stat(reader.text("/proc/stat")),
        parse_pressure(reader.text("/proc/pressure/cpu")),
        _gil(reader),
        tuple(reader.missing),
    )


def _tree(reader: _Reader) -> tuple[dict[str, tuple[float, float]], ...]:
    """The times of the process and each descendant, and of each of their threads."""
    of_processes, found = {}, {}
    processes = [OWN]
    for process in processes:  # it grows
        ran = parse_process_stat(reader.text(f"{process}/stat"))
        if ran is not None:
            of_processes[process] = ran
        for name in reader.names(f"{process}/task"):
            task = f"{process}/task/{name}"
            times = parse_schedstat(reader.text(f"{task}/schedstat"))
            if times is not None:
                found[task] = times
            for child in reader.text(f"{task}/children").split():
                if f"/proc/{child}" not in processes:
                    processes.append(f"/proc/{child}")
    return of_processes, found


def quota_limits(estimate: Estimate) -> list[Limit]:
    """Return the limit of each level of the process's cgroup, from its own up.

    Where another mount covers a level, what lies at its place is not about the process.
    """
    return [
        limit
        for limit in estimate.limits
        if (limit.source, limit.kind) == ("quota", "rate") and limit.text != "(covered)"
    ]


def _cgroup(reader: _Reader, limit: Limit) -> Cgroup:
    directory = os.path.dirname(limit.where)
    stat = reader.text(f"{directory}/cpu.stat")
    if hierarchy_of(limit.where) == V2:
        stalled = parse_pressure(reader.text(f"{directory}/cpu.pressure"))
        return Cgroup(parse_cpu_stat(stat), parse_usage(stat), stalled)
    return Cgroup(
        parse_cpu_stat(stat), parse_cpuacct(reader.text(f"{directory}/cpuacct.usage")), {}
    )


def _gil(reader: _Reader) -> bool | None:
    own = reader.system.fact("gil")
    return parse_maps(reader.text(f"{OWN}/maps")) if own is None else own == "1"
