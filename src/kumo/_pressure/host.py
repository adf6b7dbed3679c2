"""Every cgroup of the host that has a quota.

The tree is walked from each mount of the CPU controller: cgroup v2's, and v1's ``cpu``.
"""

from __future__ import annotations

import os
from math import inf

from kumo._cgroups.levels import V2, read_mounts
from kumo._cgroups.quota import directory_limit
from kumo._pressure.counters import Counters, read_counters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kumo._system.live import System

MAX_CGROUPS = 50_000
PROGRESS_STEP = 500  # cgroups between two reports of progress


def cgroups_with_quota(
    system: System, most: int = MAX_CGROUPS, progress: Callable[[int], None] | None = None
) -> tuple[list[Counters], bool]:
    """Return the counters of each cgroup that has a quota, and whether all were looked at.

    At most *most* cgroups are looked at. *progress* is called with their number so far.
    """

    mounts, _ = read_mounts(system)
    groups: list[Counters] = []
    looked = 0
    for controller in ("cpu", V2):
        for top in dict.fromkeys(mount.point for mount in mounts if mount.shows(controller)):
            for directory in _directories(top):
                if looked == most:
                    return groups, False
                looked += 1
                if progress is not None and looked % PROGRESS_STEP == 0:
                    progress(looked)
                limit = directory_limit(system, controller, directory)
                if limit is not None and limit.cpus < inf:
                    groups.append(read_counters(limit, system.read))
    return groups, True


def _directories(top: str) -> Iterator[str]:
    """Yield *top* and every directory below it; symbolic links are not followed.

    The kernel counts a directory's subdirectories in its links: to list one without any, among
    its many files, would take most of the time. If *top* shows that links are counted in
    another way, as in an emulation of these files, every directory is listed.
    """
    below = _below(top)
    counted = bool(below) and _links(top) == len(below) + 2
    yield top
    waiting = below[::-1]
    while waiting:
        directory = waiting.pop()
        yield directory
        if not (counted and _links(directory) == 2):
            waiting += reversed(_below(directory))


def _below(directory: str) -> list[str]:
    try:
        with os.scandir(directory) as entries:
            return sorted(entry.path for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:
        return []  # it has gone, or may not be listed


def _links(directory: str) -> int:
    try:
        return os.stat(directory).st_nlink
    except OSError:
        return 0
