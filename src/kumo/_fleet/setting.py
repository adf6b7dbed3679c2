"""Which slots each node of an engine should have, from what its nodes answered."""

from __future__ import annotations

from kumo._pools.budget import divide
from kumo._records import round_cpus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from kumo._fleet.records import Group, Node


def wanted_slots(places: Iterable[Group]) -> dict[str, tuple[Node, int]]:
    """Return by the engine's name of each node that is not right its slots as they should be.

    Nodes that are over a limit together divide it by the slots they have. A node with 0 slots is
    one that you want no tasks on, and nodes that fit together are left as they are.
    """
    wanted: dict[str, tuple[Node, int]] = {}
    for place in places:
        nodes = [node for node in place.nodes if node.slots and node.workers]
        if not place.excess or not nodes:
            continue
        parts = divide(round_cpus(place.cpus), {node.workers[0]: node.slots or 1 for node in nodes})
        for node in nodes:
            if parts[node.workers[0]] != node.slots:
                wanted[node.workers[0]] = node, parts[node.workers[0]]
    return wanted
