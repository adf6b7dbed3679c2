"""Where the CPUs that this process may use lie: cores, caches, dies, packages, NUMA nodes, kinds.

https://docs.kernel.org/admin-guide/cputopology.html and, for its files,
https://www.kernel.org/doc/Documentation/ABI/stable/sysfs-devices-system-cpu
A group of CPUs is read once, from its first CPU, so that the cost follows the number of groups.
"""

from __future__ import annotations

from kumo._cgroups.cpulist import ONLINE, format_cpulist, parse_cpulist
from kumo._detectors import affinity, machine, native_affinity, performance_levels
from kumo._notes import note
from kumo._records import Limit, Note
from kumo._text import error_name, quoted, repr_short
from kumo._topology.accelerators import accelerators
from kumo._topology.records import FULL, Core, Topology, lowest, members

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator

    from kumo._survey import Detector
    from kumo._system.live import System

CPU = "/sys/devices/system/cpu"
NODE = "/sys/devices/system/node"
# The performance monitoring units of Intel's hybrid processors name the CPUs of each kind.
HYBRID = {
    "performance": "/sys/devices/cpu_core/cpus",
    "efficiency": "/sys/devices/cpu_atom/cpus",
    "low-power": "/sys/devices/cpu_lowpower/cpus",
}
# The older name of each list is what kernels before 5.3 have.
LISTS = {
    "core": ("core_cpus_list", "thread_siblings_list"),
    "die": ("die_cpus_list",),
    "package": ("package_cpus_list", "core_siblings_list"),
}


def topology(*, pid: int | None = None, machine: str | os.PathLike[str] | None = None) -> Topology:
    """Return where the CPUs lie that this process may use; nothing of it enters the count.

    *pid* asks for another process, *machine* for the machine in a machine file.
    Raise as `kumo.estimate` does, but never `OverrideError`: an override names no CPUs.
    """
    from kumo._survey import open_system

    return read_topology(open_system("process", pid, machine))


def read_topology(system: System) -> Topology:
    """Return the topology that *system* shows, cut to the CPUs of the process asked for."""
    reader = _Reader(system)
    online = _online(reader)
    own = _own(reader) or online
    cores = _cores(reader, own, online | own)
    return Topology(
        cores,
        members(online),
        members(reader.cpus(f"{CPU}/offline")),
        members(reader.cpus(f"{CPU}/isolated")),
        accelerators(system),
        reader.notes,
    )


def read_cores(system: System) -> list[Core]:
    """Return every core of the machine, as if the process might use all its CPUs."""
    reader = _Reader(system)
    online = _online(reader)
    return _cores(reader, online, online)


class _Reader:
    """Reads lists and numbers; what is unreadable or malformed becomes a note, once a file."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.notes: list[Note] = []

    def limits(self, detect: Detector) -> Iterator[Limit]:
        for record in detect(self.system):
            if isinstance(record, Limit):
                yield record
            else:
                self.notes.append(record)

    def text(self, path: str) -> str:
        try:
            return self.system.read(path) or ""
        except OSError as error:
            self._note("topology-unreadable", path, error=error_name(error))
            return ""

    def cpus(self, *paths: str) -> int:
        """The mask in the first of the files that there is, 0 without one."""
        for path in paths:
            text = self.text(path)
            if text.strip() and text.strip() != "(null)":
                try:
                    return parse_cpulist(text)
                except ValueError:
                    self.malformed(path, text, "a list of CPUs such as 0-3")
        return 0

    def number(self, path: str) -> int | None:
        text = self.text(path).strip()
        return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None

    def levels(self) -> list[tuple[str, int]]:
        """A Mac's levels of performance."""
        text = self.system.fact(performance_levels.FACT)
        try:
            return performance_levels.parse_levels(text) if text else []
        except ValueError:
            self.malformed(performance_levels.FACT, text or "", "lines such as Performance 8")
            return []

    def malformed(self, where: str, text: str, form: str) -> None:
        self._note("topology-malformed", where, text=repr_short(text.strip()), form=form)

    def _note(self, code: str, where: str, **detail: str) -> None:
        self.notes.append(note(code, where=quoted(where, 200), **detail))


def _own(reader: _Reader) -> int:
    """The CPUs of the affinity, by whichever call the system has; 0 where none tells."""
    for detect in (affinity.detect, native_affinity.detect):
        for limit in reader.limits(detect):
            return parse_cpulist(limit.text)
    return 0


def _online(reader: _Reader) -> int:
    """The CPUs on line; as many from 0 on where the system tells their number alone."""
    for limit in reader.limits(machine.detect):
        known = limit.where == ONLINE
        return parse_cpulist(limit.text) if known else (1 << int(limit.cpus)) - 1
    return 0


def _cores(reader: _Reader, own: int, online: int) -> list[Core]:
    levels = reader.levels()
    return _by_levels(levels) if levels else list(_by_groups(reader, own, online))


def _by_levels(levels: Iterable[tuple[str, int]]) -> list[Core]:
    """The cores of a Mac, the fastest first: macOS numbers none, and they have no siblings."""
    cores: list[Core] = []
    for name, count in levels:
        for cpu in range(len(cores), len(cores) + count):
            cores.append(Core((cpu,), (cpu,), package=0, kind=name.lower()))
    return cores


def _by_groups(reader: _Reader, own: int, online: int) -> Iterator[Core]:
    """Yield each core that holds an own CPU, by its lowest CPU."""
    nodes = _nodes(reader)
    dies = _Groups(lambda cpu: _group(reader, cpu, "die", "die_id"))
    packages = _Groups(lambda cpu: _group(reader, cpu, "package", "physical_package_id"))
    caches = _Groups(lambda cpu: _last_cache(reader, cpu))
    kinds = {kind: reader.cpus(path) for kind, path in HYBRID.items()}
    unknown = 0
    left = own
    while left:
        first = lowest(left)
        siblings = _list(reader, first, "core") & online
        unknown |= 0 if siblings else 1 << first
        siblings |= 1 << first
        yield Core(
            members(siblings & left),  # lists that overlap give no CPU twice
            members(siblings),
            node=next((node for node, cpus in nodes.items() if cpus >> first & 1), None),
            package=packages.of(first),
            die=dies.of(first),
            cache=caches.of(first),
            kind=next((kind for kind, cpus in kinds.items() if cpus >> first & 1), None),
            capacity=reader.number(f"{CPU}/cpu{first}/cpu_capacity") or FULL,
        )
        left &= ~siblings
    if unknown:
        reader.notes.append(note("topology-unknown", cpus=format_cpulist(unknown)))


def _nodes(reader: _Reader) -> dict[int, int]:
    """The CPUs of each NUMA node; a node of memory alone has none."""
    found = {}
    left = reader.cpus(f"{NODE}/online")
    while left:
        node = lowest(left)
        left &= left - 1
        found[node] = reader.cpus(f"{NODE}/node{node}/cpulist")
    return {node: cpus for node, cpus in found.items() if cpus}


class _Groups:
    """The dies, packages or caches: each is read from the first of its CPUs that is asked for."""

    def __init__(self, read: Callable[[int], tuple[int, int | None]]) -> None:
        self.read = read
        self.known: list[tuple[int, int | None]] = []

    def of(self, cpu: int) -> int | None:
        """The number of the CPU's group."""
        for cpus, number in self.known:
            if cpus >> cpu & 1:
                return number
        cpus, number = self.read(cpu)
        self.known.append((cpus | 1 << cpu, number))
        return number


def _list(reader: _Reader, cpu: int, kind: str) -> int:
    return reader.cpus(*(f"{CPU}/cpu{cpu}/topology/{name}" for name in LISTS[kind]))


def _group(reader: _Reader, cpu: int, kind: str, name: str) -> tuple[int, int | None]:
    """The CPUs of the die or package and its number; -1 in the file is a number not known."""
    return _list(reader, cpu, kind), reader.number(f"{CPU}/cpu{cpu}/topology/{name}")


def _last_cache(reader: _Reader, cpu: int) -> tuple[int, int | None]:
    """The CPUs that share the cache of the highest level, and the lowest of them.

    Format: ``cache/index3/level`` holds ``3``, ``cache/index3/shared_cpu_list`` a list.
    """
    highest, cpus = 0, 0
    for index in range(10):
        level = reader.number(f"{CPU}/cpu{cpu}/cache/index{index}/level")
        if level is None:
            break
        if level > highest:
            highest = level
            cpus = reader.cpus(f"{CPU}/cpu{cpu}/cache/index{index}/shared_cpu_list")
    return cpus, lowest(cpus) if cpus else None
