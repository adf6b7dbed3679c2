"""The slots of a cluster engine on each of its nodes, against the CPUs that are really there.

    import kumo.fleet

    fleet = kumo.fleet.gather("slurm", "--partition=debug")
    for group in fleet.groups:  # equal nodes together, the worst first
        print(len(group.hosts), group.slots, group.cpus, group.verdict, group.fix)
    for node in fleet.silent:
        print(node.host, node.reason)

The engine distributes the question by its own means; kumo adds no agent and no transport.
``kumo fleet`` is the same as a command, and docs/guides/fleet.md has a section for each engine.
"""

from __future__ import annotations

from kumo._fleet.gather import gather
from kumo._fleet.node import report_node
from kumo._fleet.records import Fleet, Group, Node

__all__ = ["Fleet", "Group", "Node", "gather", "report_node"]
