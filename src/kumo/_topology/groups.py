"""The groups that CPUs are in: cores, dies, packages, last-level caches and NUMA nodes.

A group of CPUs is read once, from its first CPU, and each CPU is put into its groups once. So the
cost follows the number of groups if the system lists them, and the number of CPUs if not, also for
lists that overlap or contradict each other.
"""

from __future__ import annotations

from bisect import insort

from kumo._cgroups.cpulist import format_cpulist
from kumo._text import whole_number
from kumo._topology.reader import CPU
from kumo._topology.records import lowest, mask_of, members

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from kumo._topology.reader import Reader

NODE = "/sys/devices/system/node"
# The older name of each list is what kernels before 5.3 have.
LISTS = {
    "core": ("core_cpus_list", "thread_siblings_list"),
    "die": ("die_cpus_list",),
    "package": ("package_cpus_list", "core_siblings_list"),
}
MAX_CACHE_INDEX = 10
MAX_NODES = 1024  # of any Linux: the largest CONFIG_NODES_SHIFT is 10


def node_groups(reader: Reader) -> dict[int, int]:
    """The CPUs of each NUMA node; a node of memory alone has none, and no CPU is in two."""
    listed = reader.cpus(f"{NODE}/online")
    numbers = members(listed) or sorted(_numbered(reader.names(NODE), "node"))
    if len(numbers) > MAX_NODES:
        reader.malformed(f"{NODE}/online", format_cpulist(listed), f"at most {MAX_NODES} nodes")
    nodes = {}
    taken = overlapping = 0
    for node in numbers[:MAX_NODES]:
        cpus = reader.cpus(f"{NODE}/node{node}/cpulist")
        overlapping |= cpus & taken
        if cpus & ~taken:
            nodes[node] = cpus & ~taken
        taken |= cpus
    if overlapping:
        reader.note_of_cpus("topology-overlaps", overlapping, what="NUMA nodes")
    return nodes


def _numbered(names: Iterable[str], word: str) -> Iterator[int]:
    for name in names:
        number = name.removeprefix(word)
        member = whole_number(number, 7)
        if name != number and member is not None:
            yield member


class _Siblings:
    """Puts each CPU into one core alone, the first that lists it, however the lists overlap."""

    def __init__(self, online: int, nodes: Mapping[int, int], node_of: Mapping[int, int]) -> None:
        self.nodes, self.node_of = nodes, node_of
        self.left = online
        self.done: set[int] = set()
        self.unknown: list[int] = []
        self.apart = self.overlapping = 0

    def core(self, first: int, listed: int) -> tuple[int, ...]:
        """Return the CPUs of the core of *first*, whose list this is, 0 without one."""
        self.done.add(first)
        if not listed:
            self.unknown.append(first)
            return (first,)
        near = listed | 1 << first
        if first in self.node_of:
            # Siblings in two nodes are two cores, as for Linux's scheduler, which ignores such
            # a dependency: topology_sane in arch/x86/kernel/smpboot.c.
            near &= self.nodes[self.node_of[first]]
            self.apart |= listed & ~near
        self.overlapping |= near & ~self.left
        together = [cpu for cpu in members(near & self.left) if cpu not in self.done]
        insort(together, first)
        self.done.update(together)
        self.left &= ~near
        return tuple(together)

    def note(self, reader: Reader) -> None:
        if self.unknown:
            reader.note_of_cpus("topology-unknown", mask_of(self.unknown))
        if self.apart:
            reader.note_of_cpus("topology-siblings-apart", self.apart)
        if self.overlapping:
            reader.note_of_cpus("topology-overlaps", self.overlapping, what="cores")


def cores(
    reader: Reader, own: int, online: int, nodes: Mapping[int, int], node_of: Mapping[int, int]
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Yield each core's own CPUs, the lowest first, and all its online CPUs."""
    siblings = _Siblings(online, nodes, node_of)
    mine = members(own)
    is_mine = frozenset(mine).__contains__
    for first in mine:
        if first not in siblings.done:
            together = siblings.core(first, _list(reader, first, "core") & online)
            yield tuple(filter(is_mine, together)), together
    siblings.note(reader)


def die_groups(reader: Reader, own: int, firsts: Iterable[int]) -> dict[int, int | None]:
    """Return the die of each core's first CPU."""
    return _groups(reader, "dies", own, firsts, lambda cpu: _group(reader, cpu, "die", "die_id"))


def cache_groups(reader: Reader, own: int, firsts: Iterable[int]) -> dict[int, int | None]:
    """Return the last-level cache of each core's first CPU, by the lowest CPU that shares it."""
    return _groups(reader, "caches", own, firsts, lambda cpu: _last_cache(reader, cpu))


def package_groups(
    reader: Reader, own: int, online: int, siblings: Mapping[tuple[int, ...], tuple[int, ...]]
) -> dict[int, int | None]:
    """Return the package of each core's first CPU.

    On s390, RISC-V and old kernels ``physical_package_id`` is -1 on every CPU. The lists show the
    packages all the same if one is wider than a core, or contains the whole machine; each is then
    named by its lowest CPU. Else the file lists cores, as on POWER7, and packages are unknown.
    """
    lists: dict[int, int] = {}

    def read(cpu: int) -> tuple[int, int | None]:
        lists[cpu], number = _group(reader, cpu, "package", "physical_package_id")
        return lists[cpu], number

    firsts = {cpus[0]: together for cpus, together in siblings.items()}
    numbers = _groups(reader, "packages", own, firsts, read)
    if any(number is not None for number in numbers.values()) or not any(
        cpus.bit_count() > len(firsts[first]) or (cpus and not online & ~cpus)
        for first, cpus in lists.items()
    ):
        return numbers
    named = {first: lowest(cpus) for first, cpus in lists.items() if cpus}
    return _groups(reader, "", own, firsts, lambda cpu: (lists.get(cpu, 0), named.get(cpu)))


def _groups(
    reader: Reader,
    what: str,
    own: int,
    firsts: Iterable[int],
    read: Callable[[int], tuple[int, int | None]],
) -> dict[int, int | None]:
    """Return the number of the group that each CPU is in, each group read from its first CPU."""
    numbers: dict[int, int | None] = {}
    left, overlapping = own, 0
    for first in firsts:
        if first in numbers:
            continue
        cpus, number = read(first)
        numbers[first] = number
        if cpus:
            overlapping |= cpus & own & ~left
            for cpu in members(cpus & left):
                numbers.setdefault(cpu, number)
            left &= ~cpus
    if overlapping and what:
        reader.note_of_cpus("topology-overlaps", overlapping, what=what)
    return numbers


def _list(reader: Reader, cpu: int, kind: str) -> int:
    return reader.cpus(*[f"{CPU}/cpu{cpu}/topology/{name}" for name in LISTS[kind]])


def _group(reader: Reader, cpu: int, kind: str, name: str) -> tuple[int, int | None]:
    """The CPUs of the die or package and its number; -1 in the file is a number not known."""
    return _list(reader, cpu, kind), reader.number(f"{CPU}/cpu{cpu}/topology/{name}")


def _last_cache(reader: Reader, cpu: int) -> tuple[int, int | None]:
    """The CPUs that share the cache of the highest level, and the lowest of them.

    Format: ``3`` in ``cache/index3/level``, a list in ``cache/index3/shared_cpu_list``.
    """
    highest, cpus = 0, 0
    for index in range(MAX_CACHE_INDEX):
        level = reader.number(f"{CPU}/cpu{cpu}/cache/index{index}/level")
        if level is None:
            break
        if level > highest:
            highest = level
            cpus = reader.cpus(f"{CPU}/cpu{cpu}/cache/index{index}/shared_cpu_list")
    return cpus, lowest(cpus) if cpus else None
