"""CPU bandwidth: the quota of the process's own cgroup and of each ancestor.

v2: https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu-interface-files
v1: https://docs.kernel.org/scheduler/sched-bwc.html
"""

from __future__ import annotations

from kumo._cgroups.levels import MEMBERSHIP_FORM, V2, levels, parse_membership, read_mounts
from kumo._cgroups.quota import level_limits, seams
from kumo._notes import malformed, note, unreadable
from kumo._records import Limit, inf
from kumo._text import show_rate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kumo._cgroups.levels import Mount
    from kumo._records import Note
    from kumo._system.live import System

REAL_TIME = ("SCHED_FIFO", "SCHED_RR", "SCHED_DEADLINE")
# Notes that a quota may be hidden, and one that has no meaning without a quota.
HIDING = (
    "ancestors-hidden",
    "cgroup-not-mounted",
    "level-covered",
    "path-outside-mounts",
    "unreadable",
)
BURST = "burst-allowed"


def detect(system: System) -> Iterator[Limit | Note]:
    policy, _, reset = (system.fact("policy") or "").partition("|")
    if policy in REAL_TIME:
        if not reset or system.scope == "thread":
            yield from _not_counting(policy, list(_quotas(system)))
            return
        yield note("real-time-reset", policy=policy)
    yield from _quotas(system)


def _not_counting(policy: str, records: list[Limit | Note]) -> Iterator[Limit | Note]:
    """Yield the quotas as limits that do not bind, and a note if there is one or may be one."""
    quotas = [record for record in records if isinstance(record, Limit)]
    least = min((limit.cpus for limit in quotas), default=inf)
    codes = [record.code for record in records if not isinstance(record, Limit)]
    if least < inf:
        yield note("real-time", policy=policy, quota=f"the quota of {show_rate(least)} CPUs")
    elif any(code in HIDING for code in codes):
        yield note("real-time", policy=policy, quota="a quota that cannot be read here")
    for record in records:
        if isinstance(record, Limit):
            text = record.text if record.cpus == inf else f"{record.text} ({policy}: not limited)"
            yield Limit(record.source, record.kind, inf, record.where, text, period=record.period)
        elif record.code not in (*HIDING, BURST):
            yield record


def _quotas(system: System) -> Iterator[Limit | Note]:
    membership = system.proc("cgroup")
    try:
        text = system.read(membership)
        if text is None or not text.strip():  # gVisor's is empty
            from kumo._cgroups.unmounted import not_mounted

            what = "does not exist" if text is None else "is empty"
            yield from not_mounted(
                system, f"{membership} {what}", "/proc and the cgroup file system"
            )
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
    # The kernel binds a controller to one hierarchy: v1 if a line lists it, else v2.
    home = "cpu" if "cpu" in paths else V2
    for controller in ("cpu", V2):
        if controller not in paths:
            continue
        visible = levels(system, controller, paths[controller], mounts)
        if controller == home:
            yield from seams(system, controller, paths[controller], visible, mounts)
        yield from level_limits(system, controller, visible, at_home=controller == home)
