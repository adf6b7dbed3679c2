"""One reading of a process with its descendants, of its cgroups and of the CPUs."""

from __future__ import annotations

from typing import NamedTuple

from kumo._pressure.counters import quota_limits, read_counters
from kumo._pressure.parsers import (
    parse_maps,
    parse_pressure,
    parse_process_stat,
    parse_schedstat,
    parse_stat,
)
from kumo._text import error_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from kumo._pressure.counters import Counters
    from kumo._pressure.parsers import CpuTimes
    from kumo._records import Estimate
    from kumo._system.live import System

OWN = "/proc/self"


class Reading(NamedTuple):
    """The answers of a system at one moment, *at*, in seconds of any one clock.

    *threads* are the seconds run and waited by the thread's directory, *processes* the seconds
    that each process and its ended children ran by the process's, *cgroups* by theirs.
    """

    at: float
    processes: dict[str, tuple[float, float]]
    threads: dict[str, tuple[float, float]]
    cgroups: dict[str, Counters]
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
    """Read what *system* reports now. *estimate* names the cgroups; *at* is the time."""
    reader = _Reader(system)
    processes, threads = _tree(reader)
    levels = [read_counters(limit, reader.text) for limit in quota_limits(estimate.limits)]
    return Reading(
        at,
        processes,
        threads,
        {level.where: level for level in levels},
        parse_stat(reader.text("/proc/stat")),
        parse_pressure(reader.text("/proc/pressure/cpu")),
        _gil(reader),
        tuple(reader.missing),
    )


def _tree(reader: _Reader) -> tuple[dict[str, tuple[float, float]], ...]:
    """The times of the process and each descendant, and of each of their threads."""
    of_processes, of_threads = {}, {}
    known = {OWN}
    waiting = [OWN]
    while waiting:
        process = waiting.pop(0)
        ran = parse_process_stat(reader.text(f"{process}/stat"))
        if ran is not None:
            of_processes[process] = ran
        for name in reader.names(f"{process}/task"):
            task = f"{process}/task/{name}"
            times = parse_schedstat(reader.text(f"{task}/schedstat"))
            if times is not None:
                of_threads[task] = times
            for child in reader.text(f"{task}/children").split():
                if f"/proc/{child}" not in known:
                    known.add(f"/proc/{child}")
                    waiting.append(f"/proc/{child}")
    return of_processes, of_threads


def _gil(reader: _Reader) -> bool | None:
    own = reader.system.fact("gil")
    return parse_maps(reader.text(f"{OWN}/maps")) if own is None else own == "1"
