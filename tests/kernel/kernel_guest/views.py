"""What a process may see of the cgroup hierarchies: all, a part, through a namespace."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from kernel_guest.child import Child
from kernel_guest.groups import Group
from kernel_guest.layouts import Layout

PRIVATE = "/run/kumo"
# Mountinfo shows the first four of these characters as octal escapes, and the last one as it is.
ELSEWHERE = f"{PRIVATE}/an odd \t\n\\ \udcff place"

HIDDEN = "ancestors-hidden"
KINDS = (
    "standard", "elsewhere", "bind", "stacked", "namespace",
    "remounted", "remounted-elsewhere", "remounted-beside", "part", "outside", "unmounted",
)  # fmt: skip


@dataclass
class Seen:
    """The levels that a view leaves visible, the notes it must or must not bring."""

    levels: Sequence[Group]
    notes: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    situation: dict[str, Any] = field(default_factory=dict)


def _mount_again(child: Child, layout: Layout, place: str) -> None:
    child.do("mount", "cgroup", place, layout.kind, 0, layout.options)


def _own_mounts(child: Child) -> None:
    child.do("unshare", "mount")
    child.do("keep_mounts_private")


def _elsewhere(child: Child, layout: Layout) -> None:
    child.do("makedirs", ELSEWHERE, 0o755, True)
    _mount_again(child, layout, ELSEWHERE)
    child.do("unmount", layout.cpu)


def _bind(child: Child, layout: Layout, source: str, stacked: bool) -> None:
    """Show only one subtree in the usual place; stacked, the whole stays mounted below it."""
    if stacked:
        child.do("bind", source, layout.cpu)
        return
    child.do("makedirs", ELSEWHERE, 0o755, True)
    child.do("bind", source, ELSEWHERE)
    child.do("unmount", layout.cpu)
    child.do("bind", ELSEWHERE, layout.cpu)
    child.do("unmount", ELSEWHERE)


def _through_mounts(
    child: Child, layout: Layout, kind: str, chain: Sequence[Group], at: int, other: Group
) -> Seen:
    chain[-1].join(child.pid)
    _own_mounts(child)
    if kind == "elsewhere":
        _elsewhere(child, layout)
        return Seen(chain, absent=[HIDDEN])
    if kind == "unmounted":
        child.do("unmount", layout.cpu)
        return Seen([], notes=["cgroup-not-mounted"])
    if kind == "outside":
        _bind(child, layout, other.cpu, stacked=False)
        return Seen([], notes=["path-outside-mounts"])
    _bind(child, layout, chain[at].cpu, stacked=kind == "stacked")
    return Seen(chain[at:], notes=[HIDDEN])


def _through_namespace(
    child: Child, layout: Layout, kind: str, chain: Sequence[Group], at: int
) -> Seen:
    """Enter a cgroup namespace whose root is chain[at], then go down to the leaf."""
    child.do("enter_cgroup_namespace", chain[at].namespace)
    _own_mounts(child)
    chain[-1].join(child.pid)
    if kind == "part":
        # A part that begins at or above the namespace's root.
        _bind(child, layout, chain[at // 2].cpu, stacked=False)
        return Seen(chain[at // 2 :], notes=[HIDDEN])
    if kind == "namespace":
        return Seen(chain, absent=[HIDDEN])
    if kind == "remounted":
        child.do("unmount", layout.cpu)
        _mount_again(child, layout, layout.cpu)
        return Seen(chain[at:], notes=[HIDDEN])
    child.do("makedirs", ELSEWHERE, 0o755, True)
    _mount_again(child, layout, ELSEWHERE)
    if kind == "remounted-beside":
        return Seen(chain, absent=[HIDDEN])
    child.do("unmount", layout.cpu)
    return Seen(chain[at:], notes=[HIDDEN])


def enter(child: Child, kind: str, chain: Sequence[Group], at: int, other: Group) -> Seen:
    """Put the child into the innermost group, under this view; `other` is beside the chain."""
    layout = chain[0].layout
    if kind == "standard":
        chain[-1].join(child.pid)
        seen = Seen(chain, absent=[HIDDEN, "path-outside-mounts", "cgroup-not-mounted"])
    elif kind in ("elsewhere", "bind", "stacked", "outside", "unmounted"):
        seen = _through_mounts(child, layout, kind, chain, at, other)
    else:
        seen = _through_namespace(child, layout, kind, chain, at)
    seen.situation = {"view": kind, "at": chain[at].path, "leaf": chain[-1].path}
    return seen
