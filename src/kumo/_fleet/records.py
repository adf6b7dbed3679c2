"""An engine's nodes, groups of them and the whole fleet, as records."""

from __future__ import annotations

from kumo._records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Literal

    Verdict = Literal["over", "under", "fits", "unknown"]


class Node(Record):
    """One node of an engine: the engine's slots, and the limits that kumo finds there.

    *host* is its name. *slots* is the number that the engine places tasks by, `None` if unknown.
    *inside* is how many threads each task starts (OpenMP, BLAS), `None` if no variable says.
    *estimate* is the object that ``kumo explain --json`` prints there.
    *environment* has the variables that decide about threads.
    *pressure* is the throttling of its cgroups, if that was asked.
    *reason* says why there is no usable answer; *estimate* is then `None`.
    *workers* are the engine's own names for the node.
    *machine* identifies the running kernel, and *cgroups* the directories of the quotas.
    Containers of one host are seen together by these two.
    """

    host: str
    engine: str
    slots: float | None = None
    inside: int | None = None
    estimate: Mapping[str, Any] | None = None
    environment: Mapping[str, str] = {}
    pressure: Mapping[str, Any] | None = None
    reason: str | None = None
    workers: tuple[str, ...] = ()
    machine: str | None = None
    cgroups: Mapping[str, str] = {}


class Group(Record):
    """Nodes that share the limit which decides, or many such that are equal but for their host.

    *slots* is the number of slots on one host, all its workers together.
    *cpus* is the limit, unrounded. The evidence is in ``source``, ``where`` and ``text``.
    *excess* is by how many slots the host is over; it is below 0 if the host is under.
    *throttled* is the share of the quota's periods that had throttling.
    *nodes* has all nodes of the group.
    """

    hosts: tuple[str, ...]
    engines: tuple[str, ...]
    slots: float | None
    inside: int | None
    cpus: float
    source: str
    where: str
    text: str
    throttled: float | None
    excess: float
    fix: str
    nodes: tuple[Node, ...]

    @property
    def verdict(self) -> Verdict:
        """``"over"``, ``"under"``, ``"fits"``, or ``"unknown"`` if the slots are not known."""
        if self.slots is None:
            return "unknown"
        return "over" if self.excess > 0 else "under" if self.excess < 0 else "fits"


class Fleet(Record):
    """All nodes that were asked; *engines* by which."""

    engines: tuple[str, ...]
    nodes: tuple[Node, ...]

    @property
    def silent(self) -> tuple[Node, ...]:
        """The nodes that gave no usable answer, each with its reason."""
        return tuple(node for node in self.nodes if node.estimate is None)

    @property
    def places(self) -> tuple[Group, ...]:
        """One group for each limit of each host that decides, the worst first."""
        from kumo._fleet.groups import places

        return places(self.nodes)

    @property
    def groups(self) -> tuple[Group, ...]:
        """Equal places together, whichever their hosts are, the worst first."""
        from kumo._fleet.groups import grouped

        return grouped(self.places)
