"""CPU bandwidth: the quota of the process's own cgroup and of each ancestor.

v2: https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu-interface-files
v1: https://docs.kernel.org/scheduler/sched-bwc.html
"""

from __future__ import annotations

from kumo._cgroups.levels import MEMBERSHIP_FORM, V2, levels, parse_membership, read_mounts
from kumo._cgroups.quota import level_limits, seams
from kumo._notes import malformed, note, unreadable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kumo._cgroups.levels import Mount
    from kumo._records import Limit, Note
    from kumo._system.live import System

REAL_TIME = ("SCHED_FIFO", "SCHED_RR", "SCHED_DEADLINE")


def detect(system: System) -> Iterator[Limit | Note]:
    policy, _, reset = (system.fact("policy") or "").partition("|")
    if policy in REAL_TIME:
        if not reset or system.scope == "thread":
            yield note("real-time", policy=policy)
            return
        yield note("real-time-reset", policy=policy)
    membership = system.proc("cgroup")
    try:
        text = system.read(membership)
        if text is None:
            yield note("cgroup-not-mounted", what=f"{membership} does not exist")
            return
        if not text.strip():  # gVisor's
            yield note("cgroup-not-mounted", what=f"{membership} is empty")
            return
        paths, bad = parse_membership(text)
        if bad or not paths:
            yield malformed(membership, bad[0] if bad else text, MEMBERSHIP_FORM)
        mounts, notes = read_mounts(system)
        yield from notes
    except OSError as error:
        yield unreadable(error.filename or membership, error)
        return
    yield from _limits(system, paths, mounts)


def _limits(system: System, paths: dict[str, str], mounts: list[Mount]) -> Iterator[Limit | Note]:
    # The kernel binds a controller to one hierarchy: v1 where a line lists it, else v2.
    home = "cpu" if "cpu" in paths else V2
    for controller in ("cpu", V2):
        if controller not in paths:
            continue
        found = levels(system, controller, paths[controller], mounts)
        if controller == home:
            yield from seams(system, controller, paths[controller], found, mounts)
        yield from level_limits(system, controller, found, at_home=controller == home)
