"""The cumulative counters of each cgroup level, without waiting for a window.

v2: https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu-interface-files
v1: https://docs.kernel.org/scheduler/sched-bwc.html#statistics,
https://docs.kernel.org/admin-guide/cgroup-v1/cpuacct.html
Stall times: https://docs.kernel.org/accounting/psi.html
"""

from __future__ import annotations

from errno import ESRCH
from math import inf

from kumo._cgroups.cpu_stat import Throttling, parse_cpu_stat
from kumo._cgroups.levels import V2, levels, parse_membership, parse_mounts
from kumo._cgroups.quota import FILES, hierarchy_of, parse_quota
from kumo._pressure.parsers import parse_cpuacct, parse_pressure, parse_usage
from kumo._records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kumo._cgroups.levels import Levels
    from kumo._records import Limit
    from kumo._system.live import System

    # Each hierarchy's controller, its levels, and whether the controller is in it.
    Hierarchies = list[tuple[str, Levels, bool]]

# What followed from the last texts of a membership and of a mount table, which hardly ever change:
# to read a table again takes several times as long as all counters.
_last: tuple[str, str, Hierarchies] = ("", "", [])


class Counters(Record):
    """The kernel's counters of one cgroup since it was made; `None` for what it does not report.

    ``where`` names the cgroup's directory. *quota_cpus* and *period_seconds* are its quota, `None`
    without one. Of *periods* in which something wanted to run, *throttled_periods* were throttled,
    for *throttled_seconds* in all, summed over CPUs. *burst_seconds* is CPU time used beyond the
    quota, *used_seconds* all CPU time used. In *stalled_some_seconds* some thread of the cgroup
    waited for a CPU, in *stalled_full_seconds* all of them did (cgroup v2 alone).

    >>> [level.where for level in kumo.counters() if level.throttled_periods]  # doctest: +ELLIPSIS
    [...]
    """

    where: str
    quota_cpus: float | None = None
    period_seconds: float | None = None
    periods: int | None = None
    throttled_periods: int | None = None
    throttled_seconds: float | None = None
    burst_seconds: float | None = None
    used_seconds: float | None = None
    stalled_some_seconds: float | None = None
    stalled_full_seconds: float | None = None

    @property
    def throttling(self) -> Throttling | None:
        """The counters of the quota together; `None` if the cgroup has none."""
        if self.periods is None or self.throttled_periods is None or self.throttled_seconds is None:
            return None
        return Throttling(
            self.periods, self.throttled_periods, self.throttled_seconds, self.burst_seconds or 0.0
        )


def counters(pid: int | None = None) -> tuple[Counters, ...]:
    """Return the counters of each visible cgroup level, from the process's own up to the root.

    *pid* asks for another process. Counters only grow, so two calls give what happened between
    them; `kumo.pressure` does that and says what it means. The tuple is empty if no cgroup can be
    seen, as on other systems than Linux.

    Raise `ProcessLookupError` if no process *pid* exists.

    >>> before = kumo.counters()
    >>> after = kumo.counters()
    >>> [level.where for level in before] == [level.where for level in after]
    True
    """
    from kumo._system.live import FreshSystem, process_exists, read_file

    if pid is not None and not process_exists(pid):
        raise ProcessLookupError(ESRCH, "no such process", str(pid))
    system = FreshSystem("process", pid)
    # The files of this process's own cgroups have no other place.
    return tuple(read_levels(system, read_file if pid is None else system.read))


def read_levels(system: System, read: Callable[[str], str | None]) -> list[Counters]:
    """Return what `read_counters` returns for the `quota_limits` of an estimate.

    It makes no limits and no notes on the way: those would take longer than to read the files.
    """
    try:
        membership = system.read(system.proc("cgroup")) or ""
        table = system.read("/proc/self/mountinfo") or ""
    except OSError:
        return []
    levels = []
    for controller, shown, at_home in _hierarchies(system, membership, table):
        for directories in shown.directories:
            level = _level(controller, directories, at_home, read) if directories else None
            if level is not None:
                levels.append(level)
    return levels


def _level(
    controller: str, directories: list[str], at_home: bool, read: Callable[[str], str | None]
) -> Counters | None:
    """Return the counters of one level, by the first mount that shows its quota file.

    `None` if there is no such file and the controller belongs to another hierarchy.
    """
    (name, *more), _, _, unlimited = FILES[controller]
    failed = ""
    for directory in directories:
        try:
            text = read(f"{directory}/{name}")
            if text is not None and more:  # v1 has the period in a separate file
                text = f"{text.strip()} {(read(f'{directory}/{more[0]}') or '').strip()}"
        except OSError as error:
            failed = failed or (error.filename or f"{directory}/{name}").rpartition("/")[0]
            continue
        if text is not None:
            return _counters(controller, directory, *_rate(text.strip(), unlimited), read)
    if failed or at_home:
        return _counters(controller, failed or directories[0], None, None, read)
    return None


def _rate(text: str, unlimited: str) -> tuple[float | None, float | None]:
    """Return the CPUs and the period in seconds of a quota's text; `None` without a quota."""
    try:
        rate = parse_quota(text, unlimited)
    except ValueError:
        rate = None
    return (None, None) if rate is None else (rate[0] / rate[1], rate[1] / 1e6)


def _hierarchies(system: System, membership: str, table: str) -> Hierarchies:
    """Return the levels in each hierarchy; see `_last` for what is kept of them."""
    global _last
    last = _last  # another thread may exchange it
    if last[:2] == (membership, table):
        return last[2]
    paths, _ = parse_membership(membership)
    mounts, _ = parse_mounts(table)
    home = "cpu" if "cpu" in paths else V2
    hierarchies = [
        (controller, levels(system, controller, paths[controller], mounts), controller == home)
        for controller in ("cpu", V2)
        if controller in paths
    ]
    # If a mount begins above the namespace's root, directories were searched too.
    if not any(mount.root.startswith("/..") for mount in mounts):
        _last = (membership, table, hierarchies)
    return hierarchies


def quota_limits(limits: Iterable[Limit]) -> list[Limit]:
    """Return the limit of each level of the process's cgroup, from its own up.

    If another mount covers a level, what lies at its place is not about the process.
    """
    return [
        limit
        for limit in limits
        if (limit.source, limit.kind) == ("quota", "rate") and limit.text != "(covered)"
    ]


def read_counters(limit: Limit, read: Callable[[str], str | None]) -> Counters:
    """Return the counters of the level whose quota is *limit*, as far as *read* can read them."""
    cpus = limit.cpus if limit.cpus < inf else None
    where = limit.where.rpartition("/")[0]
    return _counters(hierarchy_of(limit.where), where, cpus, limit.period, read)


def read_throttling(directory: str) -> Throttling | None:
    """Return what the quota of a cgroup's directory has done; `None` if that cannot be read."""
    from kumo._system.live import read_file

    try:
        return parse_cpu_stat(read_file(f"{directory}/cpu.stat") or "")
    except OSError:
        return None


def _counters(
    controller: str,
    where: str,
    cpus: float | None,
    period: float | None,
    read: Callable[[str], str | None],
) -> Counters:
    """Return the counters of the cgroup at *where*, whose quota is *cpus*."""
    stat = _text(read, f"{where}/cpu.stat")
    some = full = None
    if controller == V2:
        used = parse_usage(stat)
        stalled = parse_pressure(_text(read, f"{where}/cpu.pressure"))
        some, full = stalled.get("some"), stalled.get("full")
    else:
        used = parse_cpuacct(_text(read, f"{where}/cpuacct.usage"))
    periods, throttled, seconds, burst = parse_cpu_stat(stat) or (None, None, None, None)
    return Counters(where, cpus, period, periods, throttled, seconds, burst, used, some, full)


def _text(read: Callable[[str], str | None], path: str) -> str:
    try:
        return read(path) or ""
    except OSError:
        return ""  # what cannot be read is absent
