"""The rule, read from descriptors to the files that decided a survey.

Each descriptor's file offset, which `pread` leaves alone, is set to a number of its own.
Where somebody has closed the descriptor and its number serves another file, the offset
differs: that file is neither read as ours nor closed by us.

What it relies on, beyond the rule of docs/understand/how-kumo-decides.md:
- polling mountinfo tells of every change of the mount table (proc_pid_mountinfo(5));
- v1 refuses a quota above an ancestor's (tg_cfs_schedulable_down in kernel/sched/core.c),
  so that the nearest level with a quota is the tightest;
- an affinity mask holds CPUs on line alone (sched_getaffinity in kernel/sched/syscalls.c);
- polling ``cpuset.cpus.partition`` reports every change of a partition's state
  (cpuset.cpus.partition in cgroup-v2.rst), and a level gets that file when its list of
  controllers gets cpuset;
- ``/proc/self/task`` has two links and one more for each thread (fs/proc/base.c).
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"  # so that type checkers leave it out elsewhere

import _thread
import os
import select
from math import inf
from os import (
    SEEK_CUR,
    geteuid,
    getpid,
    lseek,
    pread,
    readlink,
    sched_getaffinity,
    sched_getscheduler,
)

from kumo._cgroups.cpulist import ONLINE, parse_cpulist
from kumo._cgroups.isolated import ISOLATED, PARTITION
from kumo._hot.descriptors import Absent, File, Level, StaleError
from kumo._hot.grants import Grants, granted
from kumo._survey import survey
from kumo._system.view import shown_cpus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kumo._records import Estimate
    from kumo._system.live import System

MEMBERSHIP = "/proc/self/cgroup"
FAIR = (0, 3, 5)  # SCHED_OTHER, SCHED_BATCH, SCHED_IDLE of include/uapi/linux/sched.h
V1_QUOTA, V1_PERIOD = "cpu.cfs_quota_us", "cpu.cfs_period_us"


class Kept:
    """The kept descriptors of one process, and the count that follows from them."""

    def __init__(self) -> None:
        """Open what does not depend on the survey's outcome. Raise `OSError` where that fails."""
        self.pid = getpid()
        self.user = geteuid()  # another one may not be allowed to read what is kept
        # Taken without waiting: a signal handler or a forked child may find it taken for ever.
        self.lock = _thread.allocate_lock()
        self.levels: list[Level] = []
        self.nearest = False
        # The isolated CPUs, the file that lists them, and whether the process's own partition is.
        self.apart: frozenset[int] = frozenset()
        self.isolated: File | None = None
        self.alone = False
        self.watched = ""  # the cgroup whose list of controllers is kept for that
        self.grants = Grants()
        self.files: list[File] = []
        self.membership = os.open(MEMBERSHIP, os.O_RDONLY | os.O_CLOEXEC)
        self.identity = os.fstat(self.membership)
        try:
            self.mounts = self.open("/proc/self/mountinfo")
            self.online, self.tasks = self.open(ONLINE), self.open("/proc/self/task")
            self.spaces = self.open("/proc/self/ns")
            self.cgroup_namespace = readlink("cgroup", dir_fd=self.spaces.descriptor)
            self.mount_namespace = readlink("mnt", dir_fd=self.spaces.descriptor)
            self.paths = pread(self.membership, 65536, 0)
            self.size = len(self.paths) + 1
        except OSError:
            self.close()
            raise
        self.poller = select.poll()
        self.poller.register(self.mounts.descriptor, select.POLLPRI)
        self.poll = self.poller.poll

    def open(self, path: str) -> File:
        """Keep a descriptor to the file."""
        file = File(path)
        self.files.append(file)
        return file

    def close(self) -> None:
        """Close what is still ours."""
        for file in self.files:
            file.close()
        try:
            if os.path.samestat(os.fstat(self.membership), self.identity):
                os.close(self.membership)
        except OSError:
            return  # somebody has closed it

    def cpus(self) -> float | int | None:
        """Return the binding limit in CPUs, unrounded; `None` where a survey is needed."""
        if getpid() != self.pid or not self.lock.acquire(False):
            return None
        try:
            if self._moved():
                return None
            return self._least(self._rate())
        except (OSError, StaleError):
            return None
        finally:
            self.lock.release()

    def _moved(self) -> bool:
        """Whether another mount table, cgroup, namespace, scheduling class or user holds now."""
        mounts, spaces = self.mounts, self.spaces
        return (
            lseek(mounts.descriptor, 0, SEEK_CUR) != mounts.mark
            or lseek(spaces.descriptor, 0, SEEK_CUR) != spaces.mark
            or self.poll(0) != []
            or (self.isolated is not None and self.isolated.changed())
            or pread(self.membership, self.size, 0) != self.paths
            or readlink("cgroup", dir_fd=spaces.descriptor) != self.cgroup_namespace
            or readlink("mnt", dir_fd=spaces.descriptor) != self.mount_namespace
            or sched_getscheduler(0) not in FAIR
            or geteuid() != self.user
            or self.grants.changed()
        )

    def _rate(self) -> float:
        least = inf
        for level in self.levels:
            least = min(least, level.read())
            if self.nearest and least < inf:
                break
        return least

    def _least(self, rate: float) -> float:
        """Return the least limit; other threads are asked only where they can raise it."""
        most = min(rate, self.grants.least)
        mask = sched_getaffinity(0)
        count = self._count(mask)
        if count < most and not self.alone and os.fstat(self.tasks.descriptor).st_nlink != 3:
            most = min(most, self._online())
            self.tasks.check()
            for thread in os.listdir("/proc/self/task") if count < most else ():
                try:
                    mask |= sched_getaffinity(int(thread))
                except ProcessLookupError:
                    continue
                count = self._count(mask)
                if count >= most:
                    break
        return min(most, count)

    def _count(self, mask: set[int]) -> int:
        """Return the number of CPUs of a mask over which threads are spread."""
        if self.alone:
            return 1
        return max(1, len(mask - self.apart)) if self.apart else len(mask)

    def _online(self) -> int:
        self.online.changed()
        try:
            return parse_cpulist(self.online.text.decode("ascii")).bit_count()
        except ValueError:
            raise StaleError from None


def keep(system: System) -> tuple[Estimate, Kept | None]:
    """Survey *system*; return the estimate, and what is kept where it can be read so again.

    Raise `OverrideError` as the survey does.
    """
    if shown_cpus() is not None:
        return survey(system), None  # sched_getaffinity is the view's here, and not the kernel's
    try:
        kept = Kept()
    except OSError:
        return survey(system), None
    try:
        estimate = survey(system)
        usable = _keep_levels(kept, estimate, system) and kept.cpus() == estimate.binding.cpus
    except (OSError, StaleError):
        usable = False
    except BaseException:
        kept.close()
        raise
    if not usable:
        kept.close()
    return estimate, kept if usable else None


def _keep_levels(kept: Kept, estimate: Estimate, system: System) -> bool:
    """Open each level's files; whether everything that decided can be read from descriptors."""
    sources = {limit.source for limit in estimate.limits if not granted(limit)}
    online = estimate.limits[-1]
    affinity = next((limit for limit in estimate.limits if limit.source == "affinity"), None)
    if "isolated" in sources:
        sources.remove("isolated")
    if (
        affinity is None
        or not isinstance(system.asked.get("!affinity"), str)
        or sources != {"quota", "affinity", "online"}
        or not _genuine(online.where)
        or online.cpus < affinity.cpus
        or not kept.grants.keep(estimate, system)
        or not _keep_isolated(kept, system)
    ):
        return False
    for limit in estimate.limits:
        directory, _, name = limit.where.rpartition("/")
        absent = limit.source == "quota" and limit.text == "(absent)" and name == "cpu.max"
        if absent and directory == kept.watched:
            continue
        if absent:
            kept.levels.append(Absent(kept.open(f"{directory}/cgroup.controllers")))
            kept.levels[-1].quota.changed()
        elif limit.source == "quota":
            period = kept.open(f"{directory}/{V1_PERIOD}") if name == V1_QUOTA else None
            kept.levels.append(Level(kept.open(limit.where), period))
    kept.nearest = all(level.period is not None for level in kept.levels)
    return True


def _keep_isolated(kept: Kept, system: System) -> bool:
    """Keep what says which CPUs are isolated; whether all of it can be asked for again."""
    without: list[str] = []
    for name, answer in system.asked.items():
        directory, _, kind = name.rpartition("/")
        if kind == PARTITION and isinstance(answer, str):
            file = kept.open(name)
            if pread(file.descriptor, 64, 0).decode("ascii", "replace") != answer:
                return False
            kept.poller.register(file.descriptor, select.POLLPRI)
            kept.alone = kept.alone or answer.strip() == "isolated"
        elif kind == PARTITION and answer is None:
            without.append(directory)
        elif kind == PARTITION:
            return False
    # Controllers are handed down: a level gets cpuset only after the ones above it.
    for directory in reversed(without):
        try:
            level = Absent(kept.open(f"{directory}/cgroup.controllers"))
        except FileNotFoundError:
            continue
        level.quota.changed()
        if b"cpuset" not in level.quota.text.split():
            kept.levels.append(level)
            kept.watched = directory
            break
    text = system.asked.get(ISOLATED)
    if isinstance(text, str):
        kept.isolated = kept.open(ISOLATED)
        kept.isolated.changed()
        kept.apart = frozenset(_cpus(kept.isolated.text.decode("ascii")))
    return not isinstance(text, OSError)


def _cpus(text: str) -> set[int]:
    try:
        mask = parse_cpulist(text)
    except ValueError:
        raise StaleError from None
    return {cpu for cpu in range(mask.bit_length()) if mask >> cpu & 1}


def _genuine(online: str) -> bool:
    """Whether the list of CPUs on line is the kernel's own: lxcfs mounts another over it."""
    return online == ONLINE and os.stat(ONLINE).st_dev == os.stat(os.path.dirname(ONLINE)).st_dev
