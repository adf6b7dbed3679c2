"""One reading of a process and its cgroups, or of every cgroup of the host that has a quota."""

from __future__ import annotations

import time
from errno import EACCES, EPERM, ESRCH

from kumo._doctor.checkup import MAX_THREADS, look
from kumo._pressure.counters import quota_limits, read_counters
from kumo._pressure.host import MAX_CGROUPS, cgroups_with_quota
from kumo._pressure.parsers import parse_pressure, parse_stat
from kumo._survey import open_system, survey
from kumo._system.process import read_stat
from kumo._text import error_name, quoted
from kumo._top.model import Process, Sample
from kumo._top.pools import fetch_pools

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from kumo._pressure.parsers import CpuTimes
    from kumo._records import Estimate
    from kumo._system.live import System

ROOT = "root can read more"
# Of more levels than that, the quotas are read every so many seconds; the counters, each time.
FEW, LATER = 10, 5.0


def reader(pid: int | None, url: str | None = None) -> Callable[[], Sample]:
    """Return what reads process *pid*, or the host.

    Raise `ProcessLookupError` if there is no such process. The reader raises it once it has ended.
    """
    if pid is None:
        return read_host
    stat = read_stat(pid)
    if stat is None or stat.ended:
        raise ProcessLookupError(ESRCH, "no such process", str(pid))
    return _Reader(pid, stat.started, url)


class _Reader:
    """Reads one process; raises `ProcessLookupError` once it has ended."""

    def __init__(self, pid: int, started: int | None, url: str | None) -> None:
        self.pid, self.started, self.url = pid, started, url
        self.estimate: Estimate | None = None
        self.surveyed = 0.0
        self.absent: set[str] = set()  # files that were not there since the last survey

    def __call__(self) -> Sample:
        began, start = time.thread_time(), time.monotonic()
        pid = self.pid
        stat = read_stat(pid)
        if stat is None or stat.ended or stat.started != self.started:
            raise ProcessLookupError(ESRCH, "the process has ended", str(pid))
        files = _Files(open_system("process", pid, None), self.absent)
        estimate = self._survey(files.system, start)
        groups = tuple(read_counters(limit, files.text) for limit in quota_limits(estimate.limits))
        cpus, stalled = _machine(files)
        try:
            threads, descendants = look(pid)
        except OSError as error:
            threads, descendants = [], 0
            files.failed(f"/proc/{pid}/task", error)
        if len(threads) == MAX_THREADS:
            files.remarks[f"more than {MAX_THREADS} threads"] = None
        pools: Mapping[str, Mapping[str, float]] | None = None
        if self.url is not None:
            pools, problem = fetch_pools(self.url)
            if problem:
                files.remarks[quoted(problem, 200)] = None
        remarks = [*files.remarks, *_closed(estimate)]
        if files.closed or any(name in text for text in remarks for name in ("EACCES", "EPERM")):
            remarks.append(ROOT)
        ran = stat.times[0] if stat.times else None
        process = Process(pid, stat.name, estimate, ran, tuple(threads), descendants)
        cost = time.thread_time() - began
        return Sample(start, groups, process, cpus, stalled, pools, tuple(remarks), cost)

    def _survey(self, system: System, now: float) -> Estimate:
        """Return the limits; of many levels, those of up to `LATER` seconds ago."""
        estimate = self.estimate
        if (
            estimate is None
            or now - self.surveyed >= LATER
            or len(quota_limits(estimate.limits)) <= FEW
        ):
            self.estimate, self.surveyed = survey(system), now
            self.absent.clear()
        assert self.estimate is not None
        return self.estimate


def read_host() -> Sample:
    """Read every cgroup of this host that has a quota."""
    began, start = time.thread_time(), time.monotonic()
    files = _Files(open_system("process", None, None))
    groups, complete = cgroups_with_quota(files.system)
    cpus, stalled = _machine(files)
    if not complete:
        files.remarks[f"only the first {MAX_CGROUPS} cgroups were looked at"] = None
    remarks = (*files.remarks, *((ROOT,) if files.closed else ()))
    cost = time.thread_time() - began
    return Sample(start, tuple(groups), None, cpus, stalled, None, remarks, cost)


class _Files:
    """Reads texts; what cannot be read is kept in *remarks*, *closed* if root could read it.

    A file that was *absent* is not looked for again: half of a v1 cgroup's files may be.
    """

    def __init__(self, system: System, absent: set[str] | None = None) -> None:
        self.system = system
        self.absent = set() if absent is None else absent
        self.remarks: dict[str, None] = {}
        self.closed = False

    def text(self, path: str) -> str:
        if path in self.absent:
            return ""
        try:
            text = self.system.read(path)
        except OSError as error:
            self.failed(path, error)
            return ""
        if text is None:
            self.absent.add(path)
        return text or ""

    def failed(self, path: str, error: OSError) -> None:
        self.closed = self.closed or error.errno in (EACCES, EPERM)
        self.remarks[f"{quoted(path, 100)} cannot be read ({error_name(error)})"] = None


def _machine(files: _Files) -> tuple[dict[int, CpuTimes], float | None]:
    """Return the times of each CPU that is online, and the machine's stall time."""
    stalled = parse_pressure(files.text("/proc/pressure/cpu")).get("some")
    return parse_stat(files.text("/proc/stat")), stalled


def _closed(estimate: Estimate) -> Iterator[str]:
    """Yield what the survey could not read."""
    for note in estimate.notes:
        if note.code in ("unreadable", "threads-unreadable"):
            yield quoted(note.text.partition(". ")[0], 160)
