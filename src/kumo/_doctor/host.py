"""Every cgroup with a limit, and every other process, of this host or container: the worst first.

The guarantees:

- No environment is read, of any process: counts follow from cgroups and CPU masks alone.
- Limits are as this process's own mounts show them, so that processes of one cgroup are one group.
- Everything has a bound: processes, threads at one look, different limits, seconds.
- A process that ends or hides meanwhile is left out. Nothing is changed.
"""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from math import floor, inf
from typing import NamedTuple

from kumo._cgroups.cpu_stat import difference
from kumo._doctor.process import LOOKS, MAX_WINDOW, owner_of
from kumo._pressure.counters import read_throttling
from kumo._survey import survey
from kumo._system.live import LiveSystem, read_file
from kumo._system.process import parse_stat, read_stat
from kumo._text import plural, whole_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Literal

    from kumo._cgroups.cpu_stat import Throttling
    from kumo._records import Estimate
    from kumo._system.process import ProcessStat

    Verdict = Literal["over", "throttled", "within"]

WINDOW, STEP = 1.0, 0.05  # seconds
MAX_PROCESSES = 5000  # that are looked at
MAX_THREADS = 20_000  # at one look
MAX_PLACES = 500  # different limits
KERNEL_THREAD = 0x00200000  # PF_KTHREAD of include/linux/sched.h
HOST = "(all)"

# Libraries whose threads have no special name, by the files that a process has mapped.
LIBRARIES = (
    (r"lib(gomp|omp|iomp5)[-.]", "OpenMP"),
    (r"lib(scipy_)?openblas", "OpenBLAS"),
    (r"libmkl_", "MKL"),
    (r"(libonnxruntime|onnxruntime_pybind)", "onnxruntime"),
    (r"libtbb\d*\.", "TBB"),
    (r"libjvm\.", "Java"),
    (r"libcoreclr\.", ".NET"),
)
# Libraries for which there is something better than a view of the CPUs.
FIXES = {
    "Java": "kumo run --with java -- CMD",
    **dict.fromkeys((".NET", "Polars", "Tokio"), "kumo run -- CMD"),
    "Node": "fewer worker threads: they are the program's own",
}


VIEW = "kumo run --view -- CMD, or a smaller number in its own settings"


class Process(NamedTuple):
    """A process: its number and start, which together are unique, and its name."""

    pid: int
    started: int
    name: str


class Place(NamedTuple):
    """The limits of a process: the *quotas* from its own cgroup up, and the size of its CPU set.

    *group* is its cgroup with its CPUs if these are fewer than are online, else ``""``.
    """

    quotas: tuple[tuple[str, float], ...]
    cpus: float
    group: str


class Look(NamedTuple):
    """A process at one moment: how many threads it had, and the names of the runnable ones."""

    threads: int
    runnable: tuple[str, ...]


class Row(NamedTuple):
    """A cgroup with a quota, the processes on a set of CPUs, one process, or all of them.

    *busiest* is the process with most runnable threads, *processes* how many there are. *quota* is
    in CPUs, `inf` for none.
    """

    where: str
    busiest: Process
    processes: int
    parallelism: int
    quota: float
    threads: int
    runnable: float
    throttling: Throttling | None
    verdict: Verdict
    library: str
    fix: str


class Host(NamedTuple):
    """The rows, the worst first, of so many *processes* within *window* seconds and *looks*."""

    rows: list[Row]
    processes: int
    window: float
    looks: int
    remarks: list[str]


class _Neighbour(LiveSystem):
    """Another process, by this process's mounts and without its environment."""

    def __init__(self, pid: int, mounts: str | None) -> None:
        super().__init__("process", pid)
        self.foreign = None
        self.asked["/proc/self/mountinfo"] = mounts

    def _env(self, name: str) -> str | None:
        return None


def check_host(progress: Callable[[int], object]) -> Host:
    """Watch all processes for `WINDOW` seconds. *progress* gets the number of each look."""
    watch = _Watch()
    start = time.monotonic()
    looks: list[dict[Process, Look]] = []
    while True:
        progress(len(looks) + 1)
        looks.append(watch.look())
        took = time.monotonic() - start
        if (took >= WINDOW and len(looks) >= LOOKS) or took >= MAX_WINDOW:
            break
        time.sleep(STEP)
    throttling = watch.throttling()
    rows = [_explained(row) for row in judge_rows(looks, watch.places, throttling)]
    seen = {process for look in looks for process in look}
    return Host(rows, len(seen), took, len(looks), sorted(watch.remarks))


class _Watch:
    """The processes that have been met, with their places, and the counters at the beginning."""

    def __init__(self) -> None:
        self.places: dict[Process, Place] = {}
        self.remarks: set[str] = set()
        self._mounts = read_file("/proc/self/mountinfo")
        self._known: dict[tuple[str, str, str], Place] = {}
        self._before: dict[str, Throttling | None] = {}

    def look(self) -> dict[Process, Look]:
        numbers = [number for name in os.listdir("/proc") if (number := whole_number(name))]
        if len(numbers) > MAX_PROCESSES:
            self.remarks.add(f"there are more processes: {MAX_PROCESSES} of them were looked at")
        seen: dict[Process, Look] = {}
        left = MAX_THREADS
        for pid in numbers[:MAX_PROCESSES]:
            stat = read_stat(pid) if pid != os.getpid() else None
            if stat is None or stat.ended or (stat.number(9) or 0) & KERNEL_THREAD:
                continue
            process = Process(pid, stat.started or 0, stat.name)
            if process not in self.places and not self._place(process):
                continue
            look = _look(pid, stat, left)
            left -= look.threads
            if left < 0:
                self.remarks.add(f"there are more threads: {MAX_THREADS} of them were looked at")
                break
            seen[process] = look
        return seen

    def throttling(self) -> dict[str, Throttling | None]:
        """Return what each quota has done since it was first met."""
        return {
            where: difference(then, read_throttling(where)) for where, then in self._before.items()
        }

    def _place(self, process: Process) -> bool:
        """Find out what limits the process, and return whether that could be read."""
        system = _Neighbour(process.pid, self._mounts)
        try:
            key = (
                system.read("/proc/self/cgroup") or "",
                system.fact("affinity") or "",
                _masks(system.fact("threads") or ""),
            )
            if key not in self._known:
                if len(self._known) == MAX_PLACES:
                    self.remarks.add(f"there are more limits: {MAX_PLACES} of them were read")
                    return False
                self._known[key] = place_of(survey(system), key[0])
        except OSError:
            return False  # it has ended, or is hidden from this user
        place = self.places[process] = self._known[key]
        for where, _ in place.quotas:
            if where not in self._before:
                self._before[where] = read_throttling(where)
        return True


def _masks(threads: str) -> str:
    return " ".join(sorted({line.partition(" ")[2] for line in threads.split("\n")}))


def _look(pid: int, stat: ProcessStat, most: int) -> Look:
    """Return the threads of a process, of which no more than *most* are read."""
    number = stat.number(20) or 1
    if number == 1:
        return Look(1, (stat.name,) if stat.state == "R" else ())
    try:
        names = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return Look(number, ())
    runnable = []
    for name in names[:most]:
        try:
            thread = parse_stat(read_file(f"/proc/{pid}/task/{name}/stat") or "")
        except (OSError, ValueError):
            continue  # it has just ended
        if thread.state == "R":
            runnable.append(thread.name)
    return Look(len(names), tuple(runnable))


def place_of(estimate: Estimate, cgroup: str) -> Place:
    """Return what limits a process whose ``/proc/PID/cgroup`` is *cgroup*."""
    quotas = tuple(
        (os.path.dirname(limit.where), limit.cpus)
        for limit in estimate.limits
        if limit.source == "quota" and limit.kind == "rate" and limit.cpus < inf
    )
    sets = {limit.source: limit for limit in estimate.limits if limit.kind == "set"}
    cpus = min((limit.cpus for limit in sets.values()), default=inf)
    online = sets["online"].cpus if "online" in sets else inf
    own = max((line.split(":", 2)[-1] for line in cgroup.split("\n")), key=len)
    mask = sets["affinity"].text if "affinity" in sets else ""
    return Place(quotas, cpus, f"{own} on CPUs {mask}" if cpus < online else "")


def judge_rows(
    looks: Sequence[Mapping[Process, Look]],
    places: Mapping[Process, Place],
    throttling: Mapping[str, Throttling | None],
) -> list[Row]:
    """Return a row for each group of processes, the worst first. Pure."""
    members: dict[str, set[Process]] = {}
    for process in {process for look in looks for process in look}:
        for unit in _units(process, places[process]):
            members.setdefault(unit, set()).add(process)
    rows = [_row(unit, group, looks, places, throttling) for unit, group in members.items()]
    # One set of processes is one row: that of the tightest limit, and a cgroup's first.
    rows.sort(key=lambda row: (row.parallelism, row.quota, -len(row.where)))
    distinct: dict[frozenset[Process], Row] = {}
    for row in rows:
        distinct.setdefault(frozenset(members[row.where]), row)
    return sorted(distinct.values(), key=_badness)


def _units(process: Process, place: Place) -> list[str]:
    units = [where for where, _ in place.quotas]
    if place.group and place.cpus <= min((cpus for _, cpus in place.quotas), default=inf):
        units.append(place.group)
    return [*(units or [f"process {process.pid}"]), HOST]


def _badness(row: Row) -> tuple[bool, float, float, float, str]:
    return (
        row.verdict == "within", -_share(row.throttling),
        row.parallelism - row.runnable, -row.runnable, row.where,
    )  # fmt: skip


def _share(throttling: Throttling | None) -> float:
    return throttling.throttled / throttling.periods if throttling and throttling.periods else 0.0


def _row(
    unit: str,
    group: set[Process],
    looks: Sequence[Mapping[Process, Look]],
    places: Mapping[Process, Place],
    throttling: Mapping[str, Throttling | None],
) -> Row:
    runnable: Counter[Process] = Counter()
    names: dict[Process, Counter[str]] = {}
    threads = 0
    for look in looks:
        present = [(process, look[process]) for process in group if process in look]
        threads = max(threads, sum(seen.threads for _, seen in present))
        for process, seen in present:
            runnable[process] += len(seen.runnable)
            names.setdefault(process, Counter()).update(seen.runnable)
    busiest = max(group, key=lambda process: (runnable[process], -process.pid))
    quota, cpus = inf, 0.0
    for process in group:
        quotas = list(places[process].quotas)
        at = next((i for i, (where, _) in enumerate(quotas) if where == unit), len(quotas))
        quota = min([quota, *(each for _, each in quotas[at:])])
        cpus = max(cpus, places[process].cpus)
    count = max(1, floor(min(quota, cpus)))
    mean = sum(runnable.values()) / len(looks)
    effect = throttling.get(unit)
    verdict = _verdict(mean, count, effect, full=cpus <= count and len(looks) >= LOOKS)
    own = runnable[busiest] / len(looks)
    library = next((o for name, _ in names[busiest].most_common(3) if (o := owner_of(name))), "")
    fix = ""
    if verdict == "throttled":
        fix = f"a larger quota: {mean:.1f} threads want more than {quota:.2f} CPUs"
    elif verdict == "over" and unit == HOST:
        fix = f"no more than {plural(count, 'busy thread')} in all: see the others"
    elif verdict == "over" and round(own) <= count:
        busy = plural(count, "busy process")
        fix = f"at most {busy} at a time, as with kumo run --workers auto -- CMD"
    elif verdict == "over":
        fix = FIXES.get(library, VIEW)
    return Row(
        unit, busiest, len(group), count, quota, threads, mean, effect, verdict, library, fix
    )


def _verdict(runnable: float, count: int, effect: Throttling | None, *, full: bool) -> Verdict:
    throttled = effect is not None and effect.throttled > 0
    if (throttled or full) and round(runnable) > count:
        return "over"
    if effect is not None and effect.throttled >= effect.periods > 0:
        return "throttled"
    return "within"


def _explained(row: Row) -> Row:
    """Add the library by the files that the busiest process maps, if its threads bear no name."""
    if row.library or row.verdict != "over" or row.where == HOST:
        return row
    library = ""
    try:
        if (stat := read_stat(row.busiest.pid)) and stat.started == row.busiest.started:
            text = read_file(f"/proc/{row.busiest.pid}/maps") or ""
            library = ", ".join(libraries(line.rpartition("/")[2] for line in text.split("\n")))
    except OSError:
        return row  # another user's, or it has ended
    fix = FIXES.get(library, row.fix) if row.fix == VIEW else row.fix
    return row._replace(library=library, fix=fix)


def libraries(files: Iterable[str]) -> list[str]:
    """Return the libraries of `LIBRARIES` that are among the names of *files*, in its order."""
    names = set(files)
    return [
        library for pattern, library in LIBRARIES if any(re.match(pattern, name) for name in names)
    ]
