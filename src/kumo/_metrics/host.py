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
    from collections.abc import Iterator

    from kumo._system.live import System

MAX_CGROUPS = 50_000


def cgroups_with_quota(system: System, most: int = MAX_CGROUPS) -> tuple[list[Counters], bool]:
    """Return the counters of each cgroup that has a quota, and whether all were looked at.

    At most *most* cgroups are looked at.
    """

    def read(path: str) -> str:
        try:
            return system.read(path) or ""
        except OSError:
            return ""  # the cgroup has gone, or may not be read

    mounts, _ = read_mounts(system)
    groups: list[Counters] = []
    looked = 0
    for controller in ("cpu", V2):
        for top in dict.fromkeys(mount.point for mount in mounts if mount.shows(controller)):
            for directory in _directories(top):
                if looked == most:
                    return groups, False
                looked += 1
                limit = directory_limit(system, controller, directory)
                if limit is not None and limit.cpus < inf:
                    groups.append(read_counters(limit, read))
    return groups, True


def _directories(top: str) -> Iterator[str]:
    """Yield *top* and every directory below it; symbolic links are not followed."""
    waiting = [top]
    while waiting:
        directory = waiting.pop()
        yield directory
        try:
            with os.scandir(directory) as entries:
                below = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
        except OSError:
            continue  # it has gone
        waiting += sorted(below, reverse=True)
