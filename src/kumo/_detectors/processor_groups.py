"""Windows's processor groups: how many CPUs of the machine lie outside the process's group.

https://learn.microsoft.com/windows/win32/procthread/processor-groups
A group has at most 64 CPUs. Before Windows 11 and Server 2022 a process starts in one group, and
its threads stay there. Child processes are dealt out over the groups, unless the process has an
affinity mask that was set: that is inherited (SetProcessAffinityMask in winbase.h).
"""

from __future__ import annotations

from kumo._cgroups.cpulist import parse_cpulist
from kumo._notes import note

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kumo._records import Note
    from kumo._system.live import System

GROUP = 64  # CPUs of a group; a CPU's number is 64 times its group's, and its place in the group
CALL = "GetProcessAffinityMask"


def detect(system: System) -> Iterator[Note]:
    try:
        lines = (system.fact(CALL) or "").split("\n")
        sets = dict(line.partition(" ")[::2] for line in lines)
        all_cpus = int((system.fact("GetActiveProcessorCount") or "0")[:8])
        mask = parse_cpulist(sets.get("process", ""))
        whole = parse_cpulist(sets.get("group", sets.get("process", "")))
    except (OSError, ValueError):
        return  # the detector of the affinity reports it
    group = ((mask & -mask).bit_length() - 1) // GROUP
    within = mask >> GROUP * max(group, 0)
    # A mask that is not the whole group was set, and child processes inherit it: those stay there.
    is_set = mask != whole or bool(within & (within + 1))
    if mask and all_cpus > GROUP and not within >> GROUP and not is_set:
        yield note("other-groups", group=group, cpus=mask.bit_count(), all=all_cpus)
