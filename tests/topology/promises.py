"""What docs/topology.md promises of `split()`, as a check that any machine can be put to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kumo import Topology
from kumo._topology.records import Core

PLACES: dict[str, Callable[[Core], Any]] = {
    "node": lambda core: core.node,
    "package": lambda core: core.package,
    "die": lambda core: (core.package, core.die),
    "cache": lambda core: core.cache,
}


def widest_first(cores: Sequence[Core]) -> list[tuple[str, Callable[[Core], Any]]]:
    """The places by how many groups the machine has of each, the fewest first."""
    return sorted(PLACES.items(), key=lambda item: len({item[1](core) for core in cores}))


def broken(topology: Topology, count: int) -> list[str]:
    """Say how the *count* sets of *found* break what is promised; nothing if they do not."""
    cores = topology.cores
    sets = [{*part} for part in topology.split(count)]
    core_of = {cpu: core for core in cores for cpu in core.cpus}
    apart = {*topology.isolated}
    usual = [core for core in cores if {*core.cpus} - apart]
    balanced = [cpu for cpu in topology.cpus if cpu not in apart]
    faults = []
    if sorted(cpu for part in sets for cpu in part) != (
        balanced if count <= len(balanced) else sorted(cpu for part in sets for cpu in part)
    ):
        faults.append("the sets are not all CPUs")
    if (
        len(sets) != count
        or not all(sets)
        or len({cpu for part in sets for cpu in part}) != sum(map(len, sets))
    ):
        faults.append("not as many disjoint sets as asked for")
    if any(part & apart and len(part) > 1 for part in sets):
        faults.append("an isolated CPU shares a set")
    if count <= len(usual) and any(
        sum(bool({*core.cpus} & part) for part in sets) > 1 for core in usual
    ):
        faults.append("a core is divided")
    # Boundaries one after the other; they cut the machine into cells.
    cells: dict[int, tuple[Any, ...]] = {id(core): () for core in usual}
    for name, place in widest_first(usual):
        cells = {id(core): (*cells[id(core)], place(core)) for core in usual}
        if len(set(cells.values())) > count:
            break
        for part in sets:
            if len({place(core_of[cpu]) for cpu in part}) > 1:
                faults.append(f"a set spans two of {name}")
    return faults
