"""Which nodes share a limit, and whether their slots fit it. Pure functions on records.

Counts do not add up over a host: two workers in one cgroup with a quota of 1 each say 1. So what
is compared is the sum of slots below each limit with that limit: a cgroup's quota, a set of CPUs,
the host's online CPUs. From the narrowest limit to the widest, slots beyond a limit are counted as
excess once, and do not count again further up.

- Cgroups are the same if the host runs the same kernel and the directory has the same inode, or,
  if a node sends no inodes, if host and path are the same.
- A node counts below a set of CPUs if it may use no others.
- A scheduler's grant and the override are of their node alone.
"""

from __future__ import annotations

import re
from functools import lru_cache

from kumo._cgroups.cpulist import parse_cpulist
from kumo._fleet.adapters import ENGINES, load
from kumo._fleet.records import Group
from kumo._records import BALANCE, round_cpus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence
    from typing import Any

    from kumo._fleet.records import Node

MAX_SETS = 256  # different sets of CPUs on one host, beyond which a node is below its own alone
# Parts of a cgroup's path that differ between pods, containers, jobs and processes.
NUMBERED = re.compile(
    r"(?:(?<=pod)|(?<![0-9a-z]))[0-9a-f]{8,}(?:[-_][0-9a-f]{4,})*|(?<![a-z])\d+|(?<=[_-])[0-9a-f]{5,}"
)


class _Level:
    """A limit of one host and the nodes below it, by their places in the list of all."""

    __slots__ = ("allowed", "cpus", "limit", "nodes")

    def __init__(self, limit: Mapping[str, Any]) -> None:
        self.limit = limit
        self.cpus: float = limit["cpus"]
        self.allowed = round_cpus(self.cpus)
        self.nodes: list[int] = []


class _Cluster:
    """Nodes whose slots were found to exceed a limit together, or one node alone.

    *counts* is how many slots they have left for the limits further up.
    """

    __slots__ = ("counts", "decided", "nodes")

    def __init__(self, nodes: list[int], counts: float, decided: _Level | None) -> None:
        self.nodes = nodes
        self.counts = counts
        self.decided = decided


def places(nodes: Sequence[Node]) -> tuple[Group, ...]:
    """Return a group for each limit of each host that decides, the worst first."""
    hosts: dict[str, list[Node]] = {}
    for node in nodes:
        if node.estimate is not None:
            hosts.setdefault(node.machine or node.host, []).append(node)
    return _worst_first([place for host in hosts.values() for place in _places_of_host(host)])


def grouped(groups: Iterable[Group]) -> tuple[Group, ...]:
    """Return *groups* with those together that are equal but for their host, the worst first."""
    equal: dict[tuple[object, ...], list[Group]] = {}
    for place in groups:
        key = (
            place.engines, place.slots, place.inside, place.cpus, place.source,
            pattern(place.where), place.excess, len(place.nodes),
        )  # fmt: skip
        equal.setdefault(key, []).append(place)
    return _worst_first(
        [group[0] if len(group) == 1 else _merged(group) for group in equal.values()]
    )


def excess_of(groups: Iterable[Group]) -> float:
    """Return by how many slots the groups are over, all together."""
    return sum(len(group.hosts) * group.excess for group in groups if group.excess > 0)


@lru_cache(4096)
def pattern(where: str) -> str:
    """Return a path with the parts that differ between pods, containers and jobs as ``*``."""
    directory, slash, name = where.rpartition("/")
    return NUMBERED.sub("*", directory) + slash + name


def _merged(group: Sequence[Group]) -> Group:
    first = group[0]
    same = all(place.where == first.where for place in group)
    shares = [place.throttled for place in group if place.throttled is not None]
    hosts = tuple(host for place in group for host in place.hosts)
    return Group(
        hosts,
        first.engines,
        first.slots,
        first.inside,
        first.cpus,
        first.source,
        first.where if same else pattern(first.where),
        first.text if all(place.text == first.text for place in group) else "",
        max(shares, default=None),
        first.excess,
        _fix(first.engines, first.excess, first.cpus, len(first.nodes), "HOST"),
        tuple(node for place in group for node in place.nodes),
    )


def _worst_first(groups: list[Group]) -> tuple[Group, ...]:
    order = {"over": 0, "under": 1, "unknown": 2, "fits": 3}
    groups.sort(
        key=lambda group: (
            order[group.verdict], -abs(group.excess), -len(group.hosts), group.hosts[0]
        )
    )  # fmt: skip
    return tuple(groups)


def _places_of_host(nodes: Sequence[Node]) -> list[Group]:
    unknown = [_place([node], node.estimate["binding"], 0) for node in nodes
               if node.slots is None and node.estimate is not None]  # fmt: skip
    nodes = [node for node in nodes if node.slots is not None]
    levels = _levels(nodes)
    clusters = [_Cluster([index], node.slots or 0, None) for index, node in enumerate(nodes)]
    of = list(clusters)  # by a node's place, the cluster it is in
    for level in levels:
        below = {id(of[index]): of[index] for index in level.nodes}
        if sum(cluster.counts for cluster in below.values()) > level.allowed:
            members = [index for cluster in below.values() for index in cluster.nodes]
            joined = _Cluster(members, level.allowed, level)
            for index in members:
                of[index] = joined
    return unknown + _decided(nodes, levels, of)


def _decided(nodes: Sequence[Node], levels: list[_Level], of: list[_Cluster]) -> list[Group]:
    """Return a group for each cluster that is over, and for each limit that decides of others."""
    groups = []
    tightest: dict[int, tuple[float, _Level]] = {}
    for level in levels:  # the widest comes last, and decides at a tie
        below = {id(of[index]): of[index].counts for index in level.nodes}
        slack = level.allowed - sum(below.values())
        for index in level.nodes:
            if index not in tightest or slack <= tightest[index][0]:
                tightest[index] = slack, level
    by_level: dict[int, tuple[float, _Level, list[int]]] = {}
    for cluster in {id(each): each for each in of}.values():
        if cluster.decided is not None:
            members = [nodes[index] for index in sorted(cluster.nodes)]
            excess = _slots(members) - cluster.counts
            groups.append(_place(members, cluster.decided.limit, excess))
            continue
        for index in cluster.nodes:
            slack, level = tightest[index]
            by_level.setdefault(id(level), (slack, level, []))[2].append(index)
    for slack, level, indexes in by_level.values():
        groups.append(_place([nodes[index] for index in indexes], level.limit, -slack))
    return groups


def _levels(nodes: Sequence[Node]) -> list[_Level]:
    """Return the limits of one host with the nodes below each, from the narrowest."""
    levels: dict[Hashable, _Level] = {}
    sets: dict[int, Mapping[str, Any]] = {}
    own_sets: list[int] = []
    for index, node in enumerate(nodes):
        own = -1  # every CPU
        for key, limit, mask in _limits_of(index, node):
            if mask is None:
                _add(levels, key, limit, index)
            else:
                own &= mask
                sets[mask] = limit  # at a tie the widest counts
        own_sets.append(own)
    for index, own in enumerate(own_sets):
        masks = sets if len(sets) <= MAX_SETS else [own] if own in sets else []
        for mask in masks:
            if own & ~mask == 0:
                _add(levels, mask, sets[mask], index)
    return sorted(levels.values(), key=lambda level: (len(level.nodes), level.cpus))


def _add(
    levels: dict[Hashable, _Level], key: Hashable, limit: Mapping[str, Any], index: int
) -> None:
    level = levels.get(key)
    if level is None:
        level = levels[key] = _Level(limit)
    level.nodes.append(index)


def _limits_of(index: int, node: Node) -> Iterable[tuple[Hashable, Mapping[str, Any], int | None]]:
    """Yield what identifies each limit on its host, the limit, and its CPUs if it is a set."""
    estimate: Mapping[str, Any] = node.estimate or {}
    binding = estimate["binding"]
    if binding["kind"] == "override":
        yield ("own", index, "override"), binding, None
        return
    for limit in estimate["limits"]:
        if limit["cpus"] is None:
            continue
        mask = _mask(limit)
        where = limit["where"]
        if limit["kind"] == "rate" and where[:1] == "/":
            directory, _, name = where.rpartition("/")
            number = node.cgroups.get(directory)
            yield (name, node.host, directory) if number is None else (name, number), limit, None
        elif mask is not None:
            yield mask, limit, mask
        else:
            yield ("own", index, limit["source"], where), limit, None


def _mask(limit: Mapping[str, Any]) -> int | None:
    """Return the set of CPUs that a limit is; `None` if its text is no such set."""
    if limit["kind"] != "set" or limit["source"] == BALANCE:
        return None
    mask = _parsed(limit["text"])
    return mask if mask is not None and mask.bit_count() == limit["cpus"] else None


@lru_cache(4096)
def _parsed(text: str) -> int | None:
    try:
        return parse_cpulist(text)
    except ValueError:
        return None


def _slots(nodes: Iterable[Node]) -> float:
    return sum(node.slots or 0 for node in nodes)


def _place(nodes: Sequence[Node], limit: Mapping[str, Any], excess: float) -> Group:
    engines = tuple(dict.fromkeys(node.engine for node in nodes))
    hosts = tuple(dict.fromkeys(node.host for node in nodes))
    insides = {node.inside for node in nodes}
    cpus = float("inf") if limit["cpus"] is None else limit["cpus"]
    return Group(
        hosts[:1],
        engines,
        None if nodes[0].slots is None else _slots(nodes),
        insides.pop() if len(insides) == 1 else None,
        cpus,
        limit["source"],
        limit["where"],
        limit["text"],
        _throttled(nodes),
        excess,
        _fix(engines, excess, cpus, len(nodes), hosts[0]),
        tuple(nodes),
    )


def _throttled(nodes: Iterable[Node]) -> float | None:
    """Return the share of periods with throttling, of the cgroup that has the most of it."""
    shares = [
        level["throttled"] / level["periods"] if level["periods"] else 0.0
        for node in nodes
        if node.pressure is not None
        for level in node.pressure["levels"]
    ]
    return max(shares, default=None)


def _fix(engines: Sequence[str], excess: float, cpus: float, workers: int, host: str) -> str:
    """Return the engines' own lines that give the right slots, empty if they are right."""
    if not excess:
        return ""
    count = round_cpus(cpus)
    lines = [load(each).FIX.format(count=count, host=host) for each in engines if each in ENGINES]
    if len(engines) > 1:
        lines = [f"{engine}: {line}" for engine, line in zip(engines, lines, strict=False)]
    together = f"{count} in all for {workers} workers: " if workers > 1 and excess > 0 else ""
    return together + "; ".join(lines)
