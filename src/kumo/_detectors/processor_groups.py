"""Windows's processor groups: how many CPUs of the machine lie outside the process's group.

https://learn.microsoft.com/windows/win32/procthread/processor-groups
A group has at most 64 CPUs. Before Windows 11 and Server 2022 a process starts in one group, and
its threads stay there. Child processes are dealt out over the groups.
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
        all_cpus = int((system.fact("GetActiveProcessorCount") or "0")[:8])
        mask = parse_cpulist(dict(line.partition(" ")[::2] for line in lines).get("process", ""))
    except (OSError, ValueError):
        return  # the detector of the affinity reports it
    group = ((mask & -mask).bit_length() - 1) // GROUP
    if mask and all_cpus > GROUP and mask < 1 << GROUP * (group + 1):
        yield note("other-groups", group=group, cpus=mask.bit_count(), all=all_cpus)
