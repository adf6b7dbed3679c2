"""Sets of CPUs: those that a cpuset allows, and those that the scheduler does not balance.

If the affinity call gives none, ``Cpus_allowed_list`` of
https://man7.org/linux/man-pages/man5/proc_pid_status.5.html, else the effective cpuset of
https://docs.kernel.org/admin-guide/cgroup-v2.html (v1:
https://docs.kernel.org/admin-guide/cgroup-v1/cpusets.html).

``isolcpus=`` takes CPUs out of the scheduling domains for good; an isolated cpuset partition does
so while it exists. Threads are spread only within a domain: on isolated CPUs each thread stays
on the CPU that it starts on, unless somebody pins it to another.
https://docs.kernel.org/admin-guide/kernel-parameters.html, at isolcpus
https://docs.kernel.org/admin-guide/cgroup-v2.html, at cpuset.cpus.partition
"""

from __future__ import annotations

from kumo._cgroups.cpulist import ONLINE, format_cpulist, parse_cpulist
from kumo._cgroups.levels import V2, levels, parse_membership, read_mounts, read_own
from kumo._cgroups.quota import ancestors_hidden, first_file
from kumo._notes import malformed
from kumo._records import Limit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kumo._records import Note
    from kumo._system.live import System

# By hierarchy, the effective set first; a v1 mount with the option noprefix leaves out "cpuset.".
FILES = {
    "cpuset": ("cpuset.effective_cpus", "effective_cpus", "cpuset.cpus", "cpus"),
    V2: ("cpuset.cpus.effective",),
}
# Boot-time isolation, and on newer kernels the CPUs of isolated partitions too.
ISOLATED = "/sys/devices/system/cpu/isolated"
PARTITION = "cpuset.cpus.partition"
EVERY_CPU = -1  # as a mask


def fallbacks(system: System) -> Iterator[Limit]:
    """Yield the set by each source that has one, the best first, cut to the online CPUs."""
    online = online_cpus(system)
    for source, where, text in _other_sources(system):
        try:
            mask = parse_cpulist(text)
        except ValueError:
            continue
        mask &= online or mask
        if mask:
            yield Limit(source, "set", mask.bit_count(), where, format_cpulist(mask))


def _other_sources(system: System) -> Iterator[tuple[str, str, str]]:
    status = system.proc("status")
    for line in (text_of(system, status) or "").split("\n"):
        name, _, value = line.partition(":")
        if name == "Cpus_allowed_list":
            yield "affinity", status, value
    try:
        mounts = read_mounts(system)[0]
    except OSError:
        return
    paths = parse_membership(text_of(system, system.proc("cgroup")) or "")[0]
    for controller, names in FILES.items():
        if controller not in paths:
            continue
        # A v2 level without the controller has its nearest ancestor's set.
        visible = levels(system, controller, paths[controller], mounts)
        for directory in [shown for level in visible.directories for shown in level]:
            for name in names:
                path = f"{directory}/{name}"
                yield "cpuset", path, text_of(system, path) or ""


def online_cpus(system: System) -> int:
    """Return the mask of the CPUs that are online; 0 if it is not known."""
    return cpus_in(system, ONLINE)


def allowed_cpus(system: System, mask: int) -> tuple[int, str] | None:
    """Return the CPUs that the process may put itself on, and the file that says so.

    `None` if that is not known, because a cpuset above may be hidden, or if *mask* is all.
    Without a cpuset these are the online CPUs.
    """
    online = online_cpus(system)
    if not online & ~mask:
        return None
    paths, mounts = read_own(system)
    home = "cpuset" if "cpuset" in paths else V2
    if home not in paths:
        return None
    visible = levels(system, home, paths[home], mounts)
    for directory in [shown for level in visible.directories for shown in level]:
        for name in FILES[home]:
            cpus = cpus_in(system, f"{directory}/{name}") & online
            if cpus:
                return cpus, f"{directory}/{name}"
    if not visible.directories or ancestors_hidden(system, home, visible):
        return None
    return online, ONLINE


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
        state = first_file(system, [f"{directory}/{PARTITION}" for directory in directories])
        if state is not None:
            yield state


def cpus_in(system: System, path: str) -> int:
    """Return the mask of the CPUs that a file lists; 0 if it cannot be read, or is not a list."""
    try:
        return parse_cpulist(text_of(system, path) or "")
    except ValueError:
        return 0


def text_of(system: System, path: str) -> str | None:
    """Return a file's text; `None` if it is not there, or cannot be read."""
    try:
        return system.read(path)
    except OSError:
        return None
