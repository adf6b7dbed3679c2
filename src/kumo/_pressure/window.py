"""From two readings, the pressure between them. Pure."""

from __future__ import annotations

import os
from math import ceil, inf

from kumo._cgroups.cpu_stat import difference
from kumo._cgroups.cpulist import parse_cpulist
from kumo._pressure.counters import quota_limits
from kumo._pressure.read import OWN
from kumo._pressure.records import Gil, Lateness, Level, Pressure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from kumo._pressure.parsers import CpuTimes
    from kumo._pressure.read import Reading
    from kumo._records import Estimate, Limit

NEARLY_ALL = 0.9  # of what all threads did, so that those that hardly ran do not count
# s by which the time that a process ran may differ from that of its threads: the kernel reports
# the one in ticks and the other exactly.
TICK_TOLERANCE = 0.03


def pressure_between(
    estimate: Estimate,
    before: Reading,
    after: Reading,
    late: Sequence[float] = (),
    probe: str | None = None,
) -> Pressure:
    """Return the pressure between two readings; thread *probe*, no load, woke up *late* seconds."""
    seconds = after.at - before.at
    times = _times_of_threads(before, after, probe)
    known = bool(before.threads and after.threads)
    own, others = _own_cpus(estimate, after.cpus)
    return Pressure(
        estimate,
        seconds,
        tuple(_level(limit, before, after, seconds) for limit in quota_limits(estimate.limits)),
        used=(sum(run for run, _ in times.values()) + _ended(before, after)) / seconds
        if known
        else None,
        waiting=sum(wait for _, wait in times.values()) / seconds if known else None,
        threads=len(times),
        gil=_lock_use(times, seconds) if after.gil and known else None,
        cpus=own.bit_count(),
        idle=_cpus_worth("idle", own, before, after),
        elsewhere=_cpus_worth("idle", others, before, after),
        steal=_steal(own, before, after),
        host=_share(before.stalled.get("some"), after.stalled.get("some"), seconds),
        lateness=_lateness(late),
        missing=after.missing,
    )


def _times_of_threads(
    before: Reading, after: Reading, probe: str | None
) -> dict[str, tuple[float, float]]:
    """The seconds that each thread ran and waited; one that began meanwhile, from its beginning."""
    times_by_thread = {}
    for task, (run, wait) in after.threads.items():
        ran, waited = before.threads.get(task, (0.0, 0.0))
        if task != f"{OWN}/task/{probe}":
            times_by_thread[task] = (run - ran, wait - waited)
    return times_by_thread


def _ended(before: Reading, after: Reading) -> float:
    """The seconds that threads and children ran meanwhile that are no longer there.

    A process that was waited for adds its time to its parent's: what it had run before goes off.
    """
    living: dict[str, float] = {}
    for task, (run, _) in after.threads.items():
        process = task.partition("/task/")[0]
        ran, _ = before.threads.get(task, (0.0, 0.0))
        living[process] = living.get(process, 0.0) + run - ran
    threads = children = 0.0
    for process, (own, reaped) in after.processes.items():
        old, old_reaped = before.processes.get(process, (0.0, 0.0))
        ended = own - old - living.get(process, 0.0)
        threads += ended if ended > TICK_TOLERANCE else 0.0
        children += reaped - old_reaped
    gone = sum(sum(before.processes[name]) for name in before.processes.keys() - after.processes)
    return threads + max(0.0, children - gone)


def _lock_use(times_by_thread: dict[str, tuple[float, float]], seconds: float) -> Gil:
    """Return how the threads of the process itself ran and waited."""
    own = [times for task, times in times_by_thread.items() if task.startswith(f"{OWN}/")]
    used, waiting = (sum(part) for part in zip(*own, strict=True)) if own else (0.0, 0.0)
    number, done = 0, 0.0
    for part in sorted(map(sum, own), reverse=True):
        if done >= NEARLY_ALL * (used + waiting):
            break
        number, done = number + 1, done + part
    return Gil(number, used / seconds, waiting / seconds)


def _own_cpus(estimate: Estimate, known: dict[int, CpuTimes]) -> tuple[int, int]:
    """The CPUs that the process may run on, and the others that are online; both as masks."""
    sets = {limit.source: limit for limit in estimate.limits if limit.kind == "set"}
    online = sum(1 << cpu for cpu in known)
    for source in ("affinity", "cpuset"):
        try:
            own = parse_cpulist(sets[source].text)
        except (KeyError, ValueError):
            continue
        return own & online or own, online & ~own
    count = min((int(limit.cpus) for limit in sets.values() if limit.cpus < inf), default=1)
    return online or (1 << count) - 1, 0


def _level(limit: Limit, before: Reading, after: Reading, seconds: float) -> Level:
    where = os.path.dirname(limit.where)
    old, new = before.cgroups[where], after.cgroups[where]
    return Level(
        where,
        limit.cpus,
        limit.period,
        difference(old.throttling, new.throttling),
        _rate(old.used_seconds, new.used_seconds, seconds),
        _share(old.stalled_some_seconds, new.stalled_some_seconds, seconds),
        _share(old.stalled_full_seconds, new.stalled_full_seconds, seconds),
    )


def _rate(before: float | None, after: float | None, seconds: float) -> float | None:
    """Return by how much a counter grew in a second; `None` if it is not there."""
    return None if before is None or after is None else (after - before) / seconds


def _share(before: float | None, after: float | None, seconds: float) -> float | None:
    """Return the share of the time; the kernel's averaging may let it be a little more than all."""
    rate = _rate(before, after, seconds)
    return None if rate is None else min(1.0, rate)


def _cpus_worth(name: str, mask: int, before: Reading, after: Reading) -> float | None:
    """How many of the CPUs of a set were so, taken together; `None` if none of them reports it."""
    known = [cpu for cpu in after.cpus if mask >> cpu & 1 and cpu in before.cpus]
    if mask and not known:
        return None
    worth = 0.0
    for cpu in known:
        old, new = before.cpus[cpu], after.cpus[cpu]
        if new.total > old.total:  # iowait, a part of idle, may decrease
            worth += max(0, getattr(new, name) - getattr(old, name)) / (new.total - old.total)
    return worth


def _steal(own: int, before: Reading, after: Reading) -> float | None:
    """As a share of the CPUs' time."""
    worth = _cpus_worth("steal", own, before, after)
    return None if worth is None else worth / own.bit_count()


def _lateness(late: Sequence[float]) -> Lateness | None:
    """By the nearest rank."""
    if not late:
        return None
    ordered = sorted(late)
    p50, p99 = (ordered[ceil(part * len(ordered)) - 1] for part in (0.5, 0.99))
    return Lateness(p50, p99, ordered[-1], len(ordered))
