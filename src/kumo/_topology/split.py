"""Compact, disjoint sets of CPUs out of a machine's cores.

Machines differ: packages contain nodes, or nodes packages, and a cluster can have cores of two
kinds. So no order is assumed. The boundaries of nodes, packages, dies and
caches are applied one after the other, the one with the fewest groups first, and cut the machine
into parts. If there are as many sets as parts up to some boundary, no set crosses it.
"""

from __future__ import annotations

import operator
from heapq import heapify, heappop, heappush

from kumo._detectors._kinds import CAPACITY_ALIKE
from kumo._records import fields_of
from kumo._topology.kinds import ranks
from kumo._topology.records import KINDS, Core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Iterable, Sequence

    Place = Callable[[Core], tuple[int, ...]]
    Part = list[int]

PLACES: tuple[Place, ...] = (
    lambda core: (_known(core.node),),
    lambda core: (_known(core.package),),
    lambda core: (_known(core.package), _known(core.die)),
    lambda core: (_known(core.cache),),
)


def _known(number: int | None) -> int:
    return -1 if number is None else number


def slowness(cores: Iterable[Core]) -> Place:
    """Return what ranks cores by their kind: the fastest first.

    A kind is what the system names so; if it names none, the cores of about one capacity. A name
    that kumo does not know is that of a faster kind than any before.
    """
    cores = list(cores)
    by_capacity = ranks((core.capacity for core in cores), CAPACITY_ALIKE)
    by_name = {name: number for number, name in enumerate(KINDS)}

    def rank(core: Core) -> tuple[int, ...]:
        if core.kind is None:
            return (by_capacity[core.capacity],)
        return (by_name.get(core.kind, -1),)

    return rank


def boundaries(cores: Sequence[Core]) -> list[Place]:
    """Return those of `PLACES` that divide *cores*, the one with the fewest groups first."""
    sizes = [(len({place(core) for core in cores}), place) for place in PLACES]
    return [place for size, place in sorted(sizes, key=operator.itemgetter(0)) if size > 1]


def places_and_kinds(cores: Sequence[Core]) -> list[Place]:
    """Return what divides *cores*, the widest first: places, and kinds if they cut no place.

    The kinds come as early as all places after them are of one kind alone: a cluster with cores
    of two kinds is not divided before all clusters are.
    """
    places = boundaries(cores)
    kind = slowness(cores)
    before = len(places)
    while before and len({(place := places[before - 1])(core) for core in cores}) == len(
        {(place(core), kind(core)) for core in cores}
    ):
        before -= 1
    places.insert(before, kind)
    return places


def split(
    cores: Iterable[Core], count: int, isolated: Collection[int] = ()
) -> tuple[tuple[int, ...], ...]:
    """Return *count* sets. Raise as `Topology.split` does."""
    usual, apart = _by_isolation(cores, isolated)
    balanced, cpus = _cpu_count(usual), _cpu_count(usual) + _cpu_count(apart)
    try:
        count = operator.index(count)
    except TypeError:
        raise TypeError(f"count must be a whole number, not {count!r}") from None
    if not 1 <= count <= cpus:
        raise ValueError(f"count must be between 1 and the {cpus} CPUs there are, not {count!r}")
    parts = _parts(usual, places_and_kinds(usual), min(count, balanced)) if balanced else []
    kind = slowness([*usual, *apart])
    rank = {cpu: kind(core) for core in usual for cpu in core.cpus}
    parts.sort(
        key=lambda part: (max(map(rank.__getitem__, part)), min(map(rank.__getitem__, part)))
    )
    alone = choose(apart, count - balanced) if count > balanced else ()
    return (*(tuple(sorted(part)) for part in parts), *((cpu,) for cpu in alone))


def choose(cores: Iterable[Core], count: int, isolated: Collection[int] = ()) -> tuple[int, ...]:
    """Return *count* CPUs: one of each core as long as there are cores, near one another.

    All of them if there are no more. No kind is touched while a faster one has cores left. Of
    the last kind the smallest group that has enough cores is taken, the lowest numbers first.
    Isolated CPUs come last.
    """
    chosen: list[int] = []
    for some in _by_isolation(cores, isolated):
        chosen += _choose(some, count - len(chosen))
    return tuple(sorted(chosen))


def _by_isolation(
    cores: Iterable[Core], isolated: Collection[int]
) -> tuple[list[Core], list[Core]]:
    """The cores with those of their CPUs that are not isolated, and with those that are."""
    if not isolated:
        return list(cores), []
    apart = frozenset(isolated)
    usual: list[Core] = []
    special: list[Core] = []
    for core in cores:
        for group, cpus in (
            (usual, tuple(cpu for cpu in core.cpus if cpu not in apart)),
            (special, tuple(cpu for cpu in core.cpus if cpu in apart)),
        ):
            if cpus == core.cpus:
                group.append(core)
            elif cpus:
                group.append(Core(**{**fields_of(core), "cpus": cpus}))
    return usual, special


def _cpu_count(cores: Iterable[Core]) -> int:
    return sum(len(core.cpus) for core in cores)


def _choose(cores: list[Core], count: int) -> list[int]:
    kind = slowness(cores)
    places = boundaries(cores)
    left = count
    near: list[Core] = []  # stays empty if every core is taken, and siblings
    for group in _groups(cores, kind):
        if len(group) >= left:
            near = group
            break
        left -= len(group)
    for place in places:
        groups = _groups(near, place)
        near = min((group for group in groups if len(group) >= left), key=len, default=near)
    preferred = {core.cpus for core in near}
    ordered = sorted(
        cores,
        key=lambda core: (
            kind(core),
            core.cpus not in preferred,
            *(place(core) for place in places),
        ),
    )
    most = max((len(core.cpus) for core in cores), default=0)
    by_sibling = [
        core.cpus[sibling]
        for sibling in range(most)
        for core in ordered
        if len(core.cpus) > sibling
    ]
    return by_sibling[: max(count, 0)]


def _groups(cores: Iterable[Core], place: Place) -> list[list[Core]]:
    by_place: dict[tuple[int, ...], list[Core]] = {}
    for core in cores:
        by_place.setdefault(place(core), []).append(core)
    return [by_place[number] for number in sorted(by_place)]


def _parts(cores: list[Core], within: Sequence[Place], count: int) -> list[Part]:
    """Divide *cores* among *count* parts, along the groups of the levels that are left."""
    if count == 1:
        return [[cpu for core in cores for cpu in core.cpus]]
    if len(cores) == 1:
        return [list(cores[0].cpus[part::count]) for part in range(count)]
    groups = _groups(cores, within[0]) if within else [[core] for core in cores]
    if len(groups) > count:
        return [part for some in _together(groups, count) for part in _parts(some, (), 1)]
    return [
        part
        for group, share in zip(groups, _shares(groups, within[1:], count), strict=True)
        for part in _parts(group, within[1:], share)
    ]


def _together(groups: list[list[Core]], count: int) -> list[list[Core]]:
    """Join neighbours until *count* groups are left, as equal in cores as can be."""
    joined: list[list[Core]] = [[]]
    left = sum(len(group) for group in groups)
    for index, group in enumerate(groups):
        missing = count - len(joined)
        share = (len(joined[-1]) + left) / (missing + 1)
        full = len(joined[-1]) + len(group) / 2 > share
        if joined[-1] and missing and (full or len(groups) - index <= missing):
            joined.append([])
        joined[-1] += group
        left -= len(group)
    return joined


def _shares(groups: list[list[Core]], within: Sequence[Place], count: int) -> list[int]:
    """Divide *count* parts among the groups by their cores.

    Each group gets as many as boundaries cut it into, up to the last boundary for which there
    are parts enough in all. The next part goes to the group with the most cores for each part
    (D'Hondt's method). So no core is divided while another group has a whole one to give.
    """
    shares = _needs(groups, within, count)
    most = [_cpu_count(group) for group in groups]
    waiting = [
        (-len(group) / (share + 1), index)
        for index, (group, share) in enumerate(zip(groups, shares, strict=True))
        if share < most[index]
    ]
    heapify(waiting)
    for _ in range(count - sum(shares)):
        _, index = heappop(waiting)
        shares[index] += 1
        if shares[index] < most[index]:
            heappush(waiting, (-len(groups[index]) / (shares[index] + 1), index))
    return shares


def _itself(core: Core) -> tuple[int, ...]:
    return core.cpus[:1]


def _needs(groups: list[list[Core]], within: Sequence[Place], count: int) -> list[int]:
    """The parts of each group at the last boundary for which *count* is enough; at least 1."""
    needs = [1] * len(groups)
    keys: list[list[Hashable]] = [[()] * len(group) for group in groups]
    for place in (*within, _itself):
        keys = [
            [(key, place(core)) for key, core in zip(some, group, strict=True)]
            for some, group in zip(keys, groups, strict=True)
        ]
        cut = [len(set(some)) for some in keys]
        if sum(cut) > count:
            break
        needs = cut
    return needs
