"""The CPUs that the scheduler does not balance.

``isolcpus=`` takes CPUs out of the scheduling domains for good; an isolated cpuset partition does
so while it exists. Threads are spread only within a domain: on isolated CPUs each thread stays
on the CPU that it starts on, unless somebody pins it to another.
https://docs.kernel.org/admin-guide/kernel-parameters.html, at isolcpus
https://docs.kernel.org/admin-guide/cgroup-v2.html, at cpuset.cpus.partition
"""

from __future__ import annotations

from kumo._cgroups.cpulist import parse_cpulist
from kumo._cgroups.levels import V2, levels, parse_membership, read_mounts
from kumo._notes import malformed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kumo._records import Note
    from kumo._system.live import System

# Boot-time isolation, and on newer kernels the CPUs of isolated partitions too.
ISOLATED = "/sys/devices/system/cpu/isolated"
PARTITION = "cpuset.cpus.partition"
EVERY_CPU = -1  # as a mask


def isolated_cpus(system: System, notes: list[Note]) -> tuple[int, str, str]:
    """Return the mask of isolated CPUs, and the file that names them with its text.

    The mask is `EVERY_CPU` if the process's own cgroup is in an isolated partition: then all
    CPUs that it may use are isolated. It is 0 if none are known to be.
    """
    for where, text in _partitions(system):
        kind = text.strip()
        if kind == "isolated":
            return EVERY_CPU, where, kind
        if kind == "root":  # a partition with separate scheduling domains
            break
    try:
        text = system.read(ISOLATED) or ""
    except OSError:
        return 0, ISOLATED, ""
    try:
        return parse_cpulist(text), ISOLATED, text.strip()
    except ValueError:
        notes.append(malformed(ISOLATED, text, "a list of CPUs such as 0-3"))
        return 0, ISOLATED, ""


def _partitions(system: System) -> Iterator[tuple[str, str]]:
    """Yield the state of each level's partition, from the process's own cgroup up.

    Format: ``member``, ``root``, ``isolated``, or ``isolated invalid (REASON)``, which has no
    effect. A member belongs to the partition of the nearest ancestor that is one.
    """
    try:
        paths, _ = parse_membership(system.read(system.proc("cgroup")) or "")
        if "cpuset" in paths or V2 not in paths:  # v1 has the controller
            return
        mounts, _ = read_mounts(system)
    except OSError:
        return  # the detector of quotas reports it
    for directories in levels(system, V2, paths[V2], mounts).directories:
        for directory in directories:
            where = f"{directory}/{PARTITION}"
            try:
                text = system.read(where)
            except OSError:
                continue
            if text is not None:
                yield where, text
                break
