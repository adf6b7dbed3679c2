"""The cores, caches, dies, packages, NUMA nodes and kinds of the CPUs that this process may use.

https://docs.kernel.org/admin-guide/cputopology.html and, for its files,
https://www.kernel.org/doc/Documentation/ABI/stable/sysfs-devices-system-cpu
"""

from __future__ import annotations

from kumo._cgroups.cpulist import CEILING, ONLINE, parse_cpulist
from kumo._cgroups.cpuset import EVERY_CPU, ISOLATED, isolated_cpus
from kumo._detectors import affinity, machine, native_affinity
from kumo._records import BALANCE
from kumo._topology.accelerators import accelerators
from kumo._topology.groups import cache_groups, cores, die_groups, node_groups, package_groups
from kumo._topology.kinds import kinds_of, speeds_of
from kumo._topology.reader import CPU, Reader
from kumo._topology.records import FULL, Core, Topology, mask_of, members

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from kumo._system.live import System


def topology(*, pid: int | None = None, machine: str | os.PathLike[str] | None = None) -> Topology:
    """Return the places of the CPUs that this process may use; the count does not depend on them.

    *pid* asks for another process, *machine* for the machine in a machine file.
    Raise as `kumo.estimate` does, but never `OverrideError`: an override names no CPUs.

    >>> kumo.topology(machine="machine.txt").physical_cores
    8
    """
    from kumo._survey import open_system

    return read_topology(open_system("process", pid, machine))


def read_topology(system: System) -> Topology:
    """Return the topology that *system* shows, cut to the CPUs of the process asked for."""
    reader = Reader(system)
    online, is_listed = _online(reader)
    own = _own(reader) or online
    cores = _cores(reader, own, online | own)
    present = reader.cpus(f"{CPU}/present")
    return Topology(
        cores,
        members(online),
        members(_offline(reader, present, online if is_listed else 0)),
        members(_within(_isolated(reader, own), present)),
        accelerators(system),
        reader.notes(),
    )


def read_cores(system: System) -> list[Core]:
    """Return every core of the machine, as if the process might use all its CPUs."""
    reader = Reader(system)
    online, _ = _online(reader)
    return _cores(reader, online, online)


def capacities(system: System) -> list[int]:
    """Return the capacity of each CPU that threads are spread over; nothing if none is shown."""
    reader = Reader(system)
    own = _own(reader) or _online(reader)[0]
    cpus = members(own & ~_isolated(reader, own)) or members(own)
    speeds = speeds_of(reader, cpus, "cpu_capacity")
    return [speeds.get(cpu, FULL) for cpu in cpus] if speeds else []


def _own(reader: Reader) -> int:
    """The CPUs of the affinity, by whichever call the system has; 0 if none is known."""
    for detect in (affinity.detect, native_affinity.detect):
        limit = next(iter(reader.limits(detect)), None)
        if limit is not None:
            # The isolated CPUs come alone if the affinity is not known.
            return 0 if limit.source == BALANCE else parse_cpulist(limit.text)
    return 0


def _online(reader: Reader) -> tuple[int, bool]:
    """The online CPUs, and whether the system lists them; else as many from 0 on as it counts."""
    for limit in reader.limits(machine.detect):
        if limit.where == ONLINE:
            return parse_cpulist(limit.text), True
        if limit.where == machine.PRESENT:  # a view of files replaces the list
            return reader.cpus(machine.PRESENT) & ~reader.cpus(machine.OFFLINE), True
        count = int(limit.cpus)
        if count > CEILING:
            reader.malformed(limit.where, limit.text, f"a number up to {CEILING}")
        return (1 << min(count, CEILING)) - 1, False
    return 0, False


def _offline(reader: Reader, present: int, online: int) -> int:
    """The CPUs that are present and not online.

    The kernel's file ``offline`` is not that: it lists every number that is possible and not
    online, also of CPUs that were never there ("~cpu_online_mask + cpus >= NR_CPUS").
    """
    if present and online:
        return present & ~online
    return _within(reader.cpus(f"{CPU}/offline"), present)


def _isolated(reader: Reader, own: int) -> int:
    """The CPUs that the scheduler does not balance; all *own* ones in an isolated partition."""
    listed = reader.cpus(ISOLATED)
    partition, _, _ = isolated_cpus(reader.system, [])  # `cpus` has noted what is wrong
    return own | listed if partition == EVERY_CPU else listed


def _within(cpus: int, present: int) -> int:
    """Of a list of possible CPUs, those that are present; all if that is not known."""
    return cpus & present if present else cpus


def _cores(reader: Reader, own: int, online: int) -> list[Core]:
    levels = reader.levels()
    return _by_levels(levels) if levels else _by_groups(reader, own, online)


def _by_levels(levels: Iterable[tuple[str, int]]) -> list[Core]:
    """The cores of a Mac, the fastest first: macOS numbers none, and they have no siblings."""
    cores: list[Core] = []
    for name, count in levels:
        for cpu in range(len(cores), len(cores) + count):
            cores.append(Core((cpu,), (cpu,), package=0, kind=name.lower()))
    return cores


def _by_groups(reader: Reader, own: int, online: int) -> list[Core]:
    """Return each core that has an own CPU, by its lowest CPU."""
    nodes = node_groups(reader)
    node_of = {cpu: node for node, cpus in nodes.items() for cpu in members(cpus)}
    together = dict(cores(reader, own, online, nodes, node_of))
    firsts = [cpus[0] for cpus in together]
    if nodes and (homeless := [cpu for cpu in members(own) if cpu not in node_of]):
        reader.note_of_cpus("topology-no-node", mask_of(homeless))
    packages = package_groups(reader, own, online, together)
    dies = die_groups(reader, own, firsts)
    caches = cache_groups(reader, own, firsts)
    capacities = speeds_of(reader, firsts, "cpu_capacity")
    kinds = kinds_of(reader, firsts, capacities)
    return [
        Core(
            cpus,
            siblings,
            node=node_of.get(cpus[0]),
            package=packages.get(cpus[0]),
            die=dies.get(cpus[0]),
            cache=caches.get(cpus[0]),
            kind=kinds.get(cpus[0]),
            capacity=capacities.get(cpus[0], FULL),
        )
        for cpus, siblings in together.items()
    ]
