"""Compact, disjoint sets of CPUs out of a machine's cores."""

from __future__ import annotations

import operator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kumo._topology.records import Core

    Level = Callable[[Core], int]

SLOWNESS = {"performance": 0, "efficiency": 1, "low-power": 2}
ALIKE = 0.9  # of the strongest core of a kind: cores of one kind differ a little


def levels(cores: Sequence[Core]) -> tuple[Level, ...]:
    """Return what groups *cores*, from the widest group to the narrowest; the fastest kind first.

    A kind is what the system names so; where it names none, the cores of about one capacity.
    """
    kinds: dict[int, int] = {}
    strongest = 0
    for capacity in sorted({core.capacity for core in cores}, reverse=True):
        if capacity < ALIKE * strongest or not strongest:
            strongest = capacity
        kinds[capacity] = -strongest
    return (
        lambda core: SLOWNESS.get(core.kind or "", kinds[core.capacity]),
        lambda core: -1 if core.package is None else core.package,
        lambda core: -1 if core.node is None else core.node,
        lambda core: -1 if core.die is None else core.die,
        lambda core: -1 if core.cache is None else core.cache,
    )


def split(cores: Sequence[Core], count: int) -> tuple[tuple[int, ...], ...]:
    """Return *count* sets. Raise as `Topology.split` does."""
    cpus = sum(len(core.cpus) for core in cores)
    try:
        count = operator.index(count)
    except TypeError:
        raise TypeError(f"count must be a whole number, not {count!r}") from None
    if not 1 <= count <= cpus:
        raise ValueError(f"count must be between 1 and the {cpus} CPUs there are, not {count!r}")
    return tuple(tuple(sorted(part)) for part in _parts(list(cores), levels(cores), count))


def choose(cores: Sequence[Core], count: int) -> tuple[int, ...]:
    """Return *count* CPUs: one of each core as long as there are cores, near one another.

    All of them where there are no more. No kind is touched while a faster one has cores left. Of
    the last kind the smallest group that has enough cores is taken, the lowest numbers first.
    """
    kind, *places = levels(cores)
    left = count
    for near in _groups(list(cores), kind):
        if len(near) >= left:
            break
        left -= len(near)
    else:
        near = []  # every core is taken, and siblings
    for place in places:
        groups = _groups(near, place)
        near = min((group for group in groups if len(group) >= left), key=len, default=near)
    ordered = sorted(
        cores, key=lambda core: (kind(core), core not in near, *(place(core) for place in places))
    )
    most = max((len(core.cpus) for core in cores), default=0)
    by_sibling = [
        core.cpus[sibling]
        for sibling in range(most)
        for core in ordered
        if len(core.cpus) > sibling
    ]
    return tuple(sorted(by_sibling[:count]))


def _groups(cores: list[Core], level: Level) -> list[list[Core]]:
    found: dict[int, list[Core]] = {}
    for core in cores:
        found.setdefault(level(core), []).append(core)
    return [found[number] for number in sorted(found)]


def _parts(cores: list[Core], within: Sequence[Level], count: int) -> list[list[int]]:
    """Divide *cores* among *count* parts, along the groups of the levels that are left."""
    if count == 1:
        return [[cpu for core in cores for cpu in core.cpus]]
    if len(cores) == 1:
        return [list(cores[0].cpus[part::count]) for part in range(count)]
    groups = _groups(cores, within[0]) if within else [[core] for core in cores]
    if len(groups) > count:
        return [_parts(part, within[1:], 1)[0] for part in _together(groups, count)]
    return [
        part
        for group, share in zip(groups, _shares(groups, count), strict=True)
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


def _shares(groups: list[list[Core]], count: int) -> list[int]:
    """Divide *count* parts among the groups by their cores: at least 1, at most their CPUs.

    The next part goes where the most cores are left for each: D'Hondt's method. No core is
    divided while another group has a whole one to give.
    """
    shares = [1] * len(groups)
    most = [sum(len(core.cpus) for core in group) for group in groups]
    for _ in range(count - len(groups)):
        index = max(
            (index for index in range(len(groups)) if shares[index] < most[index]),
            key=lambda index: len(groups[index]) / (shares[index] + 1),
        )
        shares[index] += 1
    return shares
