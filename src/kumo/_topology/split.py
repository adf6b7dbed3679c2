"""Compact, disjoint sets of CPUs out of a machine's cores."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kumo._topology.places import Core

SLOWNESS = {"performance": 0, "efficiency": 1, "low-power": 2}


def _slowness(core: Core) -> int:
    """The place of the core's kind, the fastest first. A kind's cores may differ in capacity."""
    return SLOWNESS.get(core.kind or "", -core.capacity)


# From the widest group to the narrowest.
LEVELS: tuple[Callable[[Core], int], ...] = (
    _slowness,
    lambda core: -1 if core.package is None else core.package,
    lambda core: -1 if core.node is None else core.node,
    lambda core: -1 if core.die is None else core.die,
    lambda core: -1 if core.cache is None else core.cache,
)


def split(cores: Sequence[Core], count: int) -> tuple[tuple[int, ...], ...]:
    """Return *count* sets. Raise `ValueError` as `Topology.split` does."""
    cpus = sum(len(core.cpus) for core in cores)
    if not 1 <= count <= cpus:
        raise ValueError(f"count must be between 1 and the {cpus} CPUs there are, not {count!r}")
    return tuple(tuple(sorted(part)) for part in _parts(list(cores), 0, count))


def choose(cores: Sequence[Core], count: int) -> tuple[int, ...]:
    """Return *count* CPUs: one of each core as long as there are cores, near one another.

    All of them where there are no more. The smallest group that has enough cores is taken,
    the fastest kind and the lowest numbers first.
    """
    near = list(cores)
    for level in LEVELS:
        groups = _groups(near, level)
        near = min((group for group in groups if len(group) >= count), key=len, default=near)
    ordered = sorted(cores, key=lambda core: (core not in near, *(level(core) for level in LEVELS)))
    most = max((len(core.cpus) for core in cores), default=0)
    by_sibling = [
        core.cpus[sibling]
        for sibling in range(most)
        for core in ordered
        if len(core.cpus) > sibling
    ]
    return tuple(sorted(by_sibling[:count]))


def _groups(cores: list[Core], level: Callable[[Core], int]) -> list[list[Core]]:
    found: dict[int, list[Core]] = {}
    for core in cores:
        found.setdefault(level(core), []).append(core)
    return [found[number] for number in sorted(found)]


def _parts(cores: list[Core], depth: int, count: int) -> list[list[int]]:
    """Divide *cores* among *count* parts, along the groups of the levels from *depth* on."""
    if count == 1:
        return [[cpu for core in cores for cpu in core.cpus]]
    if len(cores) == 1:
        return [list(cores[0].cpus[part::count]) for part in range(count)]
    if depth == len(LEVELS):
        groups = [[core] for core in cores]
    else:
        groups = _groups(cores, LEVELS[depth])
        depth += 1
    if len(groups) > count:
        return [_parts(part, depth, 1)[0] for part in _together(groups, count)]
    return [
        part
        for group, share in zip(groups, _shares(groups, count), strict=True)
        for part in _parts(group, depth, share)
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
