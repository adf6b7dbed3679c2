"""From readings to what the screen shows: rows, the last two minutes, changes. Pure."""

from __future__ import annotations

from collections import deque
from math import inf

from kumo._cgroups.cpu_stat import difference
from kumo._doctor.process import families
from kumo._records import Record
from kumo._text import plural, quoted, show_rate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from kumo._doctor.process import Family
    from kumo._pressure.counters import Counters
    from kumo._pressure.parsers import CpuTimes
    from kumo._records import Estimate
    from kumo._system.process import ProcessStat

SPAN = 120.0  # seconds that a row's history shows
MAX_HISTORY = 240  # readings that are kept of a cgroup
MAX_LOG = 200  # lines
MAX_LOOKS = 10  # readings whose threads are counted together
MAX_PLACE = 200  # characters of a path
BUDGET, MAX_INTERVAL = 0.01, 60.0  # of a CPU for readings, and seconds between two
BLOCKS = "▁▂▃▄▅▆▇█"
SORTS = ("level", "quota", "used", "share", "throttled")


class Process(Record):
    """The process of a reading. *ran* is the CPU seconds that it has used, `None` if unknown."""

    pid: int
    name: str
    estimate: Estimate
    ran: float | None = None
    threads: tuple[ProcessStat, ...] = ()
    descendants: int = 0


class Sample(Record):
    """One reading, *at* in seconds of a clock that never goes back.

    *groups* are the process's levels from its own cgroup up. Without a process, they are all
    cgroups of the host that have a quota.
    *stalled* is the machine's own stall time in seconds.
    *pools* are the numbers of each pool by name, `None` if nothing was asked for them.
    *remarks* say what could not be read.
    *cost* is the CPU time in seconds that the reading took.
    """

    at: float
    groups: tuple[Counters, ...]
    process: Process | None = None
    cpus: Mapping[int, CpuTimes] = {}
    stalled: float | None = None
    pools: Mapping[str, Mapping[str, float]] | None = None
    remarks: tuple[str, ...] = ()
    cost: float = 0.0


class Row(Record):
    """A cgroup between two readings, with `None` for each unknown number.

    *share* is the part of its quota that it used.
    *throttled* is the part of its periods in which its quota throttled it.
    *some* is the part of the time in which some thread of it waited for a CPU.
    *history* is the throttled part of each reading, with when it began and ended.
    """

    where: str
    name: str
    depth: int
    binds: bool
    quota: float | None
    used: float | None
    share: float | None
    throttled: float | None
    some: float | None
    history: tuple[tuple[float, float, float], ...]


class Model:
    """The readings so far, as far as the screen needs them."""

    def __init__(self) -> None:
        self.before: Sample | None = None
        self.now: Sample | None = None
        self.log: deque[str] = deque(maxlen=MAX_LOG)
        self._histories: dict[str, deque[tuple[float, float, float]]] = {}
        self._parts: dict[str, float | None] = {}  # throttled, of the last reading
        self._looks: deque[tuple[ProcessStat, ...]] = deque(maxlen=MAX_LOOKS)

    def add(self, sample: Sample, clock: str) -> None:
        """Take a further reading; its changes get the time *clock* in the log."""
        before, self.before, self.now = self.now, self.now, sample
        if sample.process is not None:
            self._looks.append(sample.process.threads)
        if before is None:
            return
        self.log.extend(f"{clock}  {change}" for change in changes(before, sample))
        known = {group.where: group for group in before.groups}
        histories = {}
        self._parts = {}
        for group in sample.groups:
            history = self._histories.get(group.where)
            if history is None:
                history = deque(maxlen=MAX_HISTORY)
            part = self._parts[group.where] = throttled_part(known.get(group.where), group)
            if part is not None:
                history.append((before.at, sample.at, part))
            histories[group.where] = history
        self._histories = histories  # those that have gone are forgotten

    def rows(self) -> list[Row]:
        """Return a row for each cgroup of the last reading, in its order."""
        if self.now is None:
            return []
        before, now = self.before, self.now
        known = {group.where: group for group in before.groups} if before else {}
        seconds = now.at - before.at if before else 0.0
        binding = binding_level(now.process)
        top = _top(group.where for group in now.groups)
        return [
            _row(
                group,
                known.get(group.where),
                seconds,
                top,
                group.where == binding,
                self._parts.get(group.where),
                tuple(self._histories.get(group.where, ())),
            )
            for group in now.groups
        ]

    def families(self) -> list[Family]:
        """Return the process's threads by what their names say, over the last readings."""
        return families(self._looks) if self._looks else []


def binding_level(process: Process | None) -> str | None:
    """Return the directory of the cgroup whose quota binds, `None` if something else does."""
    if process is None:
        return None
    limit = process.estimate.binding
    return limit.where.rpartition("/")[0] if limit.source == "quota" else None


def throttled_part(before: Counters | None, now: Counters) -> float | None:
    """Return the part of the periods that were throttled; `None` without a quota."""
    if before is None or now.quota_cpus is None:
        return None
    did = difference(before.throttling, now.throttling)
    if did is None or did.periods < 0:  # another cgroup of the same name
        return None
    return min(1.0, did.throttled / did.periods) if did.periods else 0.0


def _row(
    now: Counters,
    before: Counters | None,
    seconds: float,
    top: str,
    binds: bool,
    throttled: float | None,
    history: tuple[tuple[float, float, float], ...],
) -> Row:
    used = _rate(before.used_seconds if before else None, now.used_seconds, seconds)
    quota = now.quota_cpus
    below = now.where[len(top) :].strip("/")
    return Row(
        now.where,
        quoted(now.where.rpartition("/")[2] or "/", MAX_PLACE),
        below.count("/") + 1 if below else 0,
        binds,
        quota,
        used,
        used / quota if used is not None and quota else None,
        throttled,
        _part(before.stalled_some_seconds if before else None, now.stalled_some_seconds, seconds),
        history,
    )


def _top(places: Iterable[str]) -> str:
    """Return the directory that is above all of *places*, or the first of them."""
    shared: list[str] | None = None
    for place in places:
        parts = place.split("/")
        if shared is None:
            shared = parts
        while shared != parts[: len(shared)]:
            shared = shared[:-1]
    return "/".join(shared or [])


def _rate(before: float | None, now: float | None, seconds: float) -> float | None:
    if before is None or now is None or seconds <= 0 or now < before:
        return None
    return (now - before) / seconds


def _part(before: float | None, now: float | None, seconds: float) -> float | None:
    rate = _rate(before, now, seconds)
    return None if rate is None else min(1.0, rate)


def steal_part(before: Sample | None, now: Sample) -> float | None:
    """Return the part of the CPUs' time that the hypervisor gave to others."""
    total = steal = 0
    for cpu, times in now.cpus.items():
        old = before.cpus.get(cpu) if before else None
        if old is not None:
            total += times.total - old.total
            steal += times.steal - old.steal
    return max(0.0, steal / total) if total > 0 else None


def waiting_part(before: Sample | None, now: Sample) -> float | None:
    """Return the part of the time in which some thread of the machine waited for a CPU."""
    return _part(
        before.stalled if before else None, now.stalled, now.at - before.at if before else 0
    )


def used_cpus(before: Sample | None, now: Sample) -> float | None:
    """Return the CPUs that the process used."""
    if before is None or before.process is None or now.process is None:
        return None
    return _rate(before.process.ran, now.process.ran, now.at - before.at)


def ordered(rows: Sequence[Row], sort: str, *, tree: bool, reverse: bool, only: str) -> list[Row]:
    """Return the *rows* whose path contains *only*, as a tree or by a column of `SORTS`.

    A tree runs from the root down. By a number, the largest come first.
    """
    shown = [row for row in rows if only.lower() in row.where.lower()]
    if tree or sort == "level":
        shown.sort(key=lambda row: row.where.split("/"), reverse=reverse and not tree)
        return shown
    shown.sort(key=lambda row: row.where)

    def key(row: Row) -> tuple[float, float]:
        value: float | None = getattr(row, sort)
        # Of those that are throttled alike, the one that was throttled most before comes first.
        past = sum((end - begin) * part for begin, end, part in row.history)
        return (-1.0 if value is None else value), past

    shown.sort(key=key, reverse=not reverse)
    return shown


def sparkline(history: Sequence[tuple[float, float, float]], now: float, width: int) -> str:
    """Return the last `SPAN` seconds in *width* characters: the greatest part of each.

    A blank is a time without a reading. Only a reading without throttling gets the lowest block.
    The line moves on by whole characters.
    """
    cells = [-1.0] * width
    step = SPAN / width if width else SPAN
    first = -(-now // step) * step - SPAN
    for begin, end, part in history:
        low, high = int((begin - first) / step), int((end - first) / step)
        if low == high:  # as nearly always: this runs for each line of the screen
            if 0 <= low < width and part > cells[low]:
                cells[low] = part
            continue
        for cell in range(max(0, low), min(width, high + 1)):
            cells[cell] = max(cells[cell], part)
    return "".join(" " if part < 0 else BLOCKS[_height(part)] for part in cells)


def _height(part: float) -> int:
    return 0 if part == 0 else 1 + min(6, int(part * 7))


def bar(part: float | None, width: int) -> str:
    """Return *part* of *width* characters as a bar; blank if it is not known."""
    if part is None:
        return " " * width
    full = min(width, round(part * width))
    return "█" * full + "░" * (width - full)


def changes(before: Sample, now: Sample) -> Iterator[str]:
    """Yield what is different in *now*, a line each."""
    if before.process is not None and now.process is not None:
        yield from _changed_count(before.process.estimate, now.process.estimate)
    old = {group.where: group for group in before.groups}
    new = {group.where: group for group in now.groups}
    for where, group in new.items():
        place = quoted(where, MAX_PLACE)
        if where not in old:
            yield f"new cgroup with quota {_cpus(group.quota_cpus)}: {place}"
        elif old[where].quota_cpus != group.quota_cpus:
            yield f"quota {_cpus(old[where].quota_cpus)} → {_cpus(group.quota_cpus)} at {place}"
    for where in old:
        if where not in new:
            what = "the process left the cgroup" if now.process else "no quota any more"
            yield f"{what}: {quoted(where, MAX_PLACE)}"
    if before.cpus and now.cpus and before.cpus.keys() != now.cpus.keys():
        yield f"online CPUs {len(before.cpus)} → {len(now.cpus)}"
    yield from _changed_pools(before.pools, now.pools)


def _changed_count(before: Estimate, now: Estimate) -> Iterator[str]:
    if before.parallelism != now.parallelism or before.cpus != now.cpus:
        yield (
            f"count {before.parallelism} → {now.parallelism} "
            f"(CPUs {_cpus(before.cpus)} → {_cpus(now.cpus)})"
        )
    if before.binding.source != now.binding.source:
        yield f"what binds: {before.binding.source} → {now.binding.source}"
    old, new = _affinity(before), _affinity(now)
    if old != new:
        yield f"affinity {old or '-'} → {new or '-'}"


def _changed_pools(
    before: Mapping[str, Mapping[str, float]] | None,
    now: Mapping[str, Mapping[str, float]] | None,
) -> Iterator[str]:
    for name, numbers in (now or {}).items():
        old = (before or {}).get(name)
        if old is not None and old.get("size") != numbers.get("size"):
            sizes = f"{_whole(old.get('size'))} → {_whole(numbers.get('size'))}"
            yield f"workers of pool {quoted(name, 60)}: {sizes}"


def _affinity(estimate: Estimate) -> str:
    return next((limit.text for limit in estimate.limits if limit.source == "affinity"), "")


# --- the lines above and below the table


def head_lines(model: Model, rows: Sequence[Row]) -> tuple[str, str]:
    """Return the lines above the table of *rows*: the answer, and what is true of the machine."""
    now, before = model.now, model.before
    if now is None:
        return "reading…", ""
    if now.process is None:
        throttled = sum(bool(row.throttled) for row in rows)
        return (
            f"this host: {plural(len(rows), 'cgroup')} with a quota, {throttled} throttled",
            _machine_line(before, now, []),
        )
    process = now.process
    estimate = process.estimate
    binding = estimate.binding
    name = f"{quoted(process.name, 60)} ({process.pid})"
    level = binding_level(process)
    place = f" at {quoted(level.rpartition('/')[2] or '/', 30)}" if level is not None else ""
    what = f"{binding.source}{place} binds"
    part = next((row.throttled for row in rows if row.where == level), None)
    if part is not None:
        what += f", throttled {part:.0%}"
    affinity = _affinity(estimate)
    count = next((int(x.cpus) for x in estimate.limits if x.source == "affinity" and affinity), 0)
    facts = [f"affinity {quoted(affinity, 40)} ({count})"] if count else []
    used = used_cpus(before, now)
    if used is not None:
        facts.append(f"uses {used:.2f} CPUs")
    head = f"{name}  {_cpus(estimate.cpus)} CPUs → {estimate.parallelism}  {what}"
    return head, _machine_line(before, now, facts)


def _machine_line(before: Sample | None, now: Sample, facts: Sequence[str]) -> str:
    parts = [*facts]
    if now.cpus:
        parts.append(f"online {len(now.cpus)}")
    for name, part in (
        ("steal", steal_part(before, now)),
        ("host waits", waiting_part(before, now)),
    ):
        if part is not None:
            parts.append(f"{name} {part:.0%}")
    return "   ".join(parts)


def thread_lines(model: Model) -> list[str]:
    """Return the process's threads: how many there are of each family, and how many want to run."""
    process = model.now.process if model.now else None
    if process is None:
        return []
    count = process.estimate.parallelism
    total = len(process.threads)
    below = f" in {plural(process.descendants + 1, 'process')}" if process.descendants else ""
    lines = [f"threads {total}{below}, count {count}"]
    for family in model.families():
        owner = f" {family.owner}" if family.owner else ""
        wants = f", {family.runnable:.1f} want a CPU" if family.runnable >= 0.05 else ""
        lines.append(f" {family.number} {quoted(family.name, 30)}{owner}{wants}")
    return lines


def pool_lines(sample: Sample | None) -> list[str]:
    """Return kumo's pools of the process: a header, and a line for each."""
    if sample is None or sample.process is None:
        return []
    if sample.pools is None:
        return [
            "pools: not asked",
            " --metrics URL asks the process",
            " for them, if it exports metrics",
        ]
    if not sample.pools:
        return ["pools: none"]
    lines = ["pool            size busy queued"]
    for name, numbers in sorted(sample.pools.items()):
        cells = (_whole(numbers.get(key)) for key in ("size", "busy", "queued"))
        size, busy, queued = cells
        lines.append(f"{quoted(name, 15):<15} {size:>4} {busy:>4} {queued:>6}")
    return lines


def status_line(sample: Sample | None, every: float, wanted: float, *, paused: bool) -> str:
    """Return how often is read, and what could not be."""
    if sample is None:
        return ""
    parts = ["paused: Z goes on"] if paused else []
    if every > wanted:
        parts.append(
            f"a reading every {every:.0f} s: one takes {sample.cost * 1000:.0f} ms "
            f"of CPU time for {plural(len(sample.groups), 'cgroup')}"
        )
    else:
        parts.append(f"a reading every {every:g} s")
    parts += sample.remarks
    return "; ".join(parts)


def next_interval(cost: float, wanted: float) -> float:
    """Return the seconds to the next reading, so that readings stay below `BUDGET` of a CPU."""
    if cost <= BUDGET * wanted:
        return wanted
    return max(wanted, min(MAX_INTERVAL, float(-(-cost // BUDGET))))


def _cpus(value: float | None) -> str:
    return "none" if value is None or value == inf else show_rate(value)


def _whole(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"
