"""A machine's cores as records, and the CPU sets to pin workers to.

Sets of CPUs are integers inside, with bit N set for CPU N, and tuples of numbers outside.
"""

from __future__ import annotations

from kumo._records import Note, Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from kumo._topology.accelerators import Accelerator

FULL = 1024  # cpu_capacity of the strongest CPU of the machine
FEW = 16  # CPUs of a set, up to which one bit after the other is fastest
# The kinds that kumo itself names, the fastest first.
KINDS = ("performance", "balanced", "efficiency", "low-power")


def lowest(mask: int) -> int:
    """Return the number of the lowest CPU of a set that is not empty."""
    return (mask & -mask).bit_length() - 1


def members(mask: int) -> tuple[int, ...]:
    """Return the CPUs of a set, in time that is linear in its highest number."""
    cpus = []
    if mask.bit_count() > FEW:
        digits = bin(mask)[:1:-1]
        cpu = digits.find("1")
        while cpu >= 0:
            cpus.append(cpu)
            cpu = digits.find("1", cpu + 1)
        return tuple(cpus)
    while mask:
        bit = mask & -mask
        cpus.append(bit.bit_length() - 1)
        mask ^= bit
    return tuple(cpus)


def mask_of(cpus: Iterable[int]) -> int:
    """Return the set of *cpus*, in time that is linear in the highest."""
    numbers = tuple(cpus)
    octets = bytearray(max(numbers, default=0) // 8 + 1)
    for cpu in numbers:
        octets[cpu >> 3] |= 1 << (cpu & 7)
    return int.from_bytes(octets, "little")


class Core(Record):
    """One core that has CPUs of this process.

    *cpus* are those CPUs, *siblings* all its online CPUs (SMT siblings share a core).
    *node*, *package* and *die* are the kernel's numbers, `None` if unknown. A die's is unique
    within its package. A package without a number is named by its lowest CPU. *cache* is the
    lowest CPU that shares its last-level cache. *kind* is ``"performance"``, ``"efficiency"``, …
    if there are several kinds, else `None`.
    *capacity* is the kernel's ``cpu_capacity``: 1024 for the strongest core of the machine.
    """

    cpus: tuple[int, ...]
    siblings: tuple[int, ...]
    node: int | None
    package: int | None
    die: int | None
    cache: int | None
    kind: str | None
    capacity: int

    def __init__(
        self,
        cpus: Iterable[int],
        siblings: Iterable[int],
        node: int | None = None,
        package: int | None = None,
        die: int | None = None,
        cache: int | None = None,
        kind: str | None = None,
        capacity: int = FULL,
    ) -> None:
        self._set(cpus=tuple(cpus), siblings=tuple(siblings), node=node, package=package, die=die,
                  cache=cache, kind=kind, capacity=capacity)  # fmt: skip


class Topology(Record):
    """The places of the CPUs that a process may use.

    *cores* are those that have such CPUs, by their lowest.
    The machine's CPUs are *online*, or *offline* if they are present and not online.
    *isolated* are those that ``isolcpus=`` or an isolated cpuset partition of the process sets
    apart. *accelerators* are the machine's PCI devices for display and computing. *notes* say
    what could not be read.

    >>> topology = kumo.topology(machine="machine.txt")
    >>> topology.physical_cores, topology.cpus
    (8, (0, 1, 2, 3, 4, 5, 6, 7))
    """

    cores: tuple[Core, ...]
    online: tuple[int, ...]
    offline: tuple[int, ...]
    isolated: tuple[int, ...]
    accelerators: tuple[Accelerator, ...]
    notes: tuple[Note, ...]

    def __init__(
        self,
        cores: Iterable[Core],
        online: Iterable[int],
        offline: Iterable[int] = (),
        isolated: Iterable[int] = (),
        accelerators: Iterable[Accelerator] = (),
        notes: Iterable[Note] = (),
    ) -> None:
        self._set(cores=tuple(cores), online=tuple(online), offline=tuple(offline),
                  isolated=tuple(isolated), accelerators=tuple(accelerators),
                  notes=tuple(notes))  # fmt: skip

    @property
    def cpus(self) -> tuple[int, ...]:
        """The CPUs that the process may use."""
        return tuple(sorted(cpu for core in self.cores for cpu in core.cpus))

    @property
    def physical_cores(self) -> int:
        """How many cores have at least one CPU of the process."""
        return len(self.cores)

    @property
    def capacity(self) -> float:
        """The process's CPUs weighted by their capacity: 1.0 is one of the strongest kind."""
        return sum(len(core.cpus) * core.capacity for core in self.cores) / FULL

    @property
    def nodes(self) -> dict[int, tuple[int, ...]]:
        """The process's CPUs by NUMA node; empty if the system lists no nodes."""
        return _by("node", self.cores)

    @property
    def packages(self) -> dict[int, tuple[int, ...]]:
        """The process's CPUs by package, which is a socket."""
        return _by("package", self.cores)

    @property
    def dies(self) -> dict[tuple[int | None, int], tuple[int, ...]]:
        """The process's CPUs by package and die."""
        groups: dict[tuple[int | None, int], list[int]] = {}
        for core in self.cores:
            if core.die is not None:
                groups.setdefault((core.package, core.die), []).extend(core.cpus)
        return {key: tuple(sorted(cpus)) for key, cpus in groups.items()}

    @property
    def kinds(self) -> dict[str, tuple[int, ...]]:
        """The process's CPUs by the kind of their core; empty if all are of one kind."""
        return _by("kind", self.cores)

    @property
    def caches(self) -> dict[int, tuple[int, ...]]:
        """The process's CPUs by last-level cache, each named by the lowest CPU that shares it."""
        return _by("cache", self.cores)

    def split(self, count: int) -> tuple[tuple[int, ...], ...]:
        """Return *count* disjoint sets of the process's CPUs, to pin as many workers to.

        Together they are all its CPUs that are not isolated. Each is compact: whole cores as long
        as there are enough, and no set spans two nodes, packages, dies or caches if there are
        sets enough. The slowest kind comes last. Isolated CPUs are used only if *count* is
        greater than the number of the others; then each set is one CPU.
        Raise `ValueError` if *count* is not between 1 and the number of CPUs, `TypeError`
        if it is not a whole number.

        >>> kumo.topology(machine="machine.txt").split(3)
        ((0, 1, 2), (3, 4, 5), (6, 7))
        """
        from kumo._topology.split import split

        return split(self.cores, count, self.isolated)

    def _repr_html_(self) -> str:
        """The cores as a picture, for Jupyter."""
        from kumo._report.notebook import of_topology

        return of_topology(self)


def _by(name: str, cores: Sequence[Core]) -> dict[Any, tuple[int, ...]]:
    groups: dict[Any, list[int]] = {}
    for core in cores:
        number = getattr(core, name)
        if number is not None:
            groups.setdefault(number, []).extend(core.cpus)
    return {number: tuple(sorted(groups[number])) for number in sorted(groups)}
