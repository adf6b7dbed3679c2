"""The rule, read from descriptors to the files that decided a survey.

What it relies on, beyond the rule of docs/understand/how-kumo-decides.md:
- polling mountinfo reports every change of the mount table (proc_pid_mountinfo(5)), once for
  each descriptor to it;
- v1 refuses a quota above an ancestor's (tg_cfs_schedulable_down in kernel/sched/core.c),
  so that the nearest level with a quota is the tightest;
- an affinity mask has online CPUs alone (sched_getaffinity in kernel/sched/syscalls.c). In a view
  masks come from ``/proc/TID/status``, which may have others, so that online CPUs count too;
- polling ``cpuset.cpus.partition`` reports every change of a partition's state until that is
  read (cpuset.cpus.partition in cgroup-v2.rst, kernfs_generic_poll in fs/kernfs/file.c), and a
  level gets that file when its list of controllers gets cpuset;
- ``/proc/self/task`` has two links and one more for each thread (fs/proc/base.c).
"""

from __future__ import annotations

import os
import sys

assert sys.platform == "linux"  # so that type checkers leave it out elsewhere

from _weakref import ref

# Not from `os`: gevent and eventlet put their own functions there.
from posix import (
    fstat,
    geteuid,
    getpid,
    listdir,
    lseek,
    pread,
    readlink,
    sched_getaffinity,
    sched_getscheduler,
    stat,
)

from kumo._cgroups.cpulist import ONLINE, parse_cpulist
from kumo._cgroups.cpuset import ISOLATED, PARTITION
from kumo._cgroups.levels import V2
from kumo._cgroups.quota import FILES, parse_quota
from kumo._hot.calls import MAX_TEXT, Calls, LockKeepingCalls, has_lock
from kumo._hot.descriptors import (
    CURRENT,
    File,
    StaleError,
    count_open,
    discard,
    open_files,
    sweep,
)
from kumo._hot.grants import Grants, granted
from kumo._records import inf
from kumo._survey import survey
from kumo._system.calls import VIEW

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from kumo._records import Estimate
    from kumo._system.live import System

MEMBERSHIP = "/proc/self/cgroup"
MOUNTS = "/proc/self/mountinfo"
TASKS = "/proc/self/task"
NAMESPACES = "/proc/self/ns"
CONTROLLERS = "cgroup.controllers"
V1_QUOTA, V1_PERIOD = FILES["cpu"][0]
FAIR = (0, 3, 5)  # SCHED_OTHER, SCHED_BATCH, SCHED_IDLE of include/uapi/linux/sched.h
MAX_MEMBERSHIP = 65536  # bytes
MAX_MOUNTS = 1 << 24  # bytes
# Objects that may have descriptors open at once: one `Kept`, and a `Reader` for each thread that
# calls at the same moment. A program with more such threads surveys in some of them.
MAX_OPEN = 80


class Reader:
    """A descriptor to the mount table, and the calls of the one thread that has it at a time.

    A change of the table is reported once to each descriptor, to the first that asks.
    """

    __slots__ = ("__weakref__", "calls", "mounts")

    def __init__(self) -> None:
        """Raise `OSError` if the mount table cannot be opened."""
        (self.mounts,) = open_files(self, (MOUNTS,))
        self.calls = Calls((self.mounts.number,))

    def text(self) -> bytes:
        """Return the mount table as it is now."""
        parts, size = [], 0
        while size < MAX_MOUNTS and (part := pread(self.mounts.number, 65536, size)):
            parts.append(part)
            size += len(part)
        return b"".join(parts)


class KeptLevel:
    """One cgroup level: its quota file, or without one, the list of its controllers."""

    __slots__ = ("period", "quota")

    def __init__(self, quota: File, period: File | None = None) -> None:
        self.quota = quota
        self.period = period

    def read(self, calls: Calls) -> float:
        """Return the quota in CPUs, `math.inf` without one."""
        quota, period, pread = self.quota, self.period, calls.pread
        if calls.lseek(quota.number, calls.zero, CURRENT) != quota.mark:
            raise StaleError
        text = pread(quota.number, MAX_TEXT, 0)
        unlimited = "max"
        if period is not None:
            if text[:1] == b"-":
                return inf
            period.check(calls)
            text = text.strip() + b" " + pread(period.number, MAX_TEXT, 0)
            unlimited = "-1"
        last, cpus = quota.last
        if text != last:
            cpus = _rate(text, unlimited)
            quota.last = (text, cpus)
        return cpus


class Fixed:
    """A file that has to stay as it is: a level's controllers, the list of isolated CPUs."""

    __slots__ = ("file", "text")

    def __init__(self, file: File) -> None:
        self.file = file
        self.text = pread(file.number, MAX_TEXT, 0)

    def changed(self, calls: Calls) -> bool:
        """Whether it has another text by now."""
        self.file.check(calls)
        return calls.pread(self.file.number, MAX_TEXT, 0) != self.text


class Absent(KeptLevel):
    """A v2 level without ``cpu.max``: it gets one when its list of controllers changes."""

    __slots__ = ("controllers",)

    def __init__(self, controllers: Fixed) -> None:
        super().__init__(controllers.file)
        self.controllers = controllers

    def read(self, calls: Calls) -> float:
        if self.controllers.changed(calls):
            raise StaleError
        return inf


def _rate(text: bytes, unlimited: str) -> float:
    try:
        rate = parse_quota(text.decode("ascii").strip(), unlimited)
    except ValueError:
        raise StaleError from None  # malformed: the survey says what to make of it
    return inf if rate is None else rate[0] / rate[1]


class Kept:
    """The kept descriptors of one process, and the count that follows from them.

    Threads read it without a lock: what changes is only ever replaced as a whole.
    """

    def __init__(self) -> None:
        self.pid = getpid()
        self.user = geteuid()  # another one may not be allowed to read what is kept
        self.levels: tuple[KeptLevel, ...] = ()
        self.nearest = False
        # The isolated CPUs, and whether the process's own partition is isolated.
        self.apart: frozenset[int] = frozenset()
        self.alone = False
        # How to ask the kernel from within a view, which replaces sched_getaffinity.
        self.kernel_mask: Callable[[int], int] | None = None
        if os.environ.get(VIEW):
            from kumo._system.view import kernel_mask, shown_cpus

            self.kernel_mask = kernel_mask if shown_cpus() is not None else None
        self.partitions: tuple[File, ...] = ()
        self.fixed: tuple[Fixed, ...] = ()
        self.grants = Grants()
        self.rate = inf  # the tightest that was read last, in CPUs
        self.mounts = 0  # the hash of the mount table's text, once that is known
        # The readers that no thread has at the moment. Threads that call while another one has
        # the first take one of the others, whose calls keep the interpreter's global lock. Without
        # such a lock they are all alike.
        self.first: list[Reader] = []
        self.others: list[Reader] = [] if has_lock() else self.first
        self.is_first: Callable[[], Reader | None] = lambda: None

    def open(self) -> None:
        """Open what does not depend on the survey's outcome. Raise `OSError` if that fails."""
        reader = Reader()
        self.is_first = ref(reader)
        self.first.append(reader)
        self.membership, self.online, self.tasks, self.spaces = open_files(
            self, (MEMBERSHIP, ONLINE, TASKS, NAMESPACES)
        )
        self.cgroup_namespace = readlink("cgroup", dir_fd=self.spaces.number)
        self.mount_namespace = readlink("mnt", dir_fd=self.spaces.number)
        self.paths = pread(self.membership.number, MAX_MEMBERSHIP, 0)
        self.size = len(self.paths) + 1

    def cpus(self) -> float | int | None:
        """Return the binding limit in CPUs, unrounded; `None` if a survey is needed.

        Raise only what a signal handler of the program raises meanwhile.
        """
        if getpid() != self.pid:
            return None
        try:
            home = self.first
            if not home and self.is_first() is not None:
                home = self.others
            try:
                reader = home.pop()
            except IndexError:
                reader = self._another_reader(home)
            calls = reader.calls
            if self._moved(reader, calls):
                return None  # the reader is not put back: it would not report this change again
            rate = inf
            for level in self.levels:
                rate = min(rate, level.read(calls))
                if rate < inf and self.nearest:
                    break
            self.rate = rate
            cpus = self._least(rate, calls)
            home.append(reader)
            return cpus
        except Exception as error:  # whatever it is, a survey answers
            if _raised_by_the_program(error):
                raise
            return None

    def _moved(self, reader: Reader, calls: Calls) -> bool:
        """Whether another mount table, cgroup, namespace, scheduling class or user applies now."""
        if isinstance(calls, LockKeepingCalls):
            moved = not calls.same() or calls.poll(0)
        else:
            moved = self._looks_different(reader.mounts, calls)
        return bool(
            moved
            or sched_getscheduler(0) not in FAIR
            or geteuid() != self.user
            or self.grants.changed()
        )

    def _looks_different(self, mounts: File, calls: Calls) -> bool:
        """Whether the mount table, the cgroup, a namespace or a list that is to stay is another."""
        spaces = self.spaces
        if lseek(mounts.number, 0, CURRENT) != mounts.mark or calls.poll(0):
            return True
        for file in self.partitions:
            file.check(calls)
        for fixed in self.fixed:
            if fixed.changed(calls):
                return True
        return (
            lseek(spaces.number, 0, CURRENT) != spaces.mark
            or pread(self.membership.number, self.size, 0) != self.paths
            or readlink("cgroup", dir_fd=spaces.number) != self.cgroup_namespace
            or readlink("mnt", dir_fd=spaces.number) != self.mount_namespace
        )

    def _another_reader(self, home: list[Reader]) -> Reader:
        """Return a new reader for a thread that finds none in *home*."""
        sweep()
        if count_open() >= MAX_OPEN:
            raise StaleError
        reader = Reader()
        # It does not report what changed before it was opened.
        if hash(reader.text()) != self.mounts:
            raise StaleError
        reader.calls = self._calls(reader.mounts, home is self.others)
        if home is self.first:  # an exception has left the frame that had it
            self.is_first = ref(reader)
        return reader

    def _calls(self, mounts: File, beside_others: bool) -> Calls:
        polled = (mounts.number, *(file.number for file in self.partitions))
        if not beside_others or not has_lock():
            return Calls(polled)
        marked = (mounts, self.spaces, *self.partitions, *(fixed.file for fixed in self.fixed))
        fixed = [(fixed.file.number, fixed.text) for fixed in self.fixed]
        number = self.spaces.number
        try:
            return LockKeepingCalls(
                polled,
                [(file.number, file.mark) for file in marked],
                [(self.membership.number, self.paths), *fixed],
                [
                    (number, b"cgroup", self.cgroup_namespace.encode()),
                    (number, b"mnt", self.mount_namespace.encode()),
                ],
            )
        except (ImportError, AttributeError, OSError):  # no ctypes, or no such function
            return Calls(polled)

    def _least(self, rate: float, calls: Calls) -> float:
        """Return the least limit; other threads are asked only if they can raise it."""
        most = min(rate, self.grants.least)
        if self.kernel_mask is not None:
            most = min(most, self._online(calls))
        mask = self._mask(0)
        count = self._count(mask)
        if (
            count < most
            and not self.alone
            and (calls.pread is not pread or fstat(self.tasks.number).st_nlink != 3)
        ):
            most = min(most, self._online(calls))
            self.tasks.check(calls)
            for thread in listdir(TASKS) if count < most else ():
                try:
                    mask |= self._mask(int(thread))
                except ProcessLookupError:
                    continue
                count = self._count(mask)
                if count >= most:
                    break
        return min(most, count)

    def _mask(self, thread: int) -> set[int]:
        """Return the CPUs that a thread may use, 0 being the caller. Raise as the calls do."""
        if self.kernel_mask is None:
            return sched_getaffinity(thread)
        mask = self.kernel_mask(thread)
        return {cpu for cpu in range(mask.bit_length()) if mask >> cpu & 1}

    def _count(self, mask: set[int]) -> int:
        """Return the number of CPUs of a mask over which threads are spread."""
        if self.alone:
            return 1
        return max(1, len(mask - self.apart)) if self.apart else len(mask)

    def _online(self, calls: Calls) -> float:
        online = self.online
        online.check(calls)
        text = calls.pread(online.number, MAX_TEXT, 0)
        last, cpus = online.last
        if text != last:
            cpus = parse_cpulist(text.decode("ascii")).bit_count()
            online.last = (text, cpus)
        return cpus


def _raised_by_the_program(error: BaseException) -> bool:
    """Whether *error* comes out of code of the program: a signal handler's, such as a time limit.

    An error of the calls here has no frame but theirs; a library may have replaced some of them.
    """
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    if traceback is None:
        return False
    name = str(traceback.tb_frame.f_globals.get("__name__", ""))
    return name.partition(".")[0] not in ("kumo", "os", "posixpath", "gevent", "eventlet")


# The maker of a `Kept`, and how many surveys of others that may still take. They do not wait.
_maker: tuple[ref[Kept], int] | None = None
MAX_SURVEYS = 1000  # then the maker counts as lost, such as in a traceback that somebody stores


def keep(system: System, publish: Callable[[Kept], object]) -> Estimate:
    """Survey *system*, and publish what is kept if it can be read so again.

    Raise `OverrideError` as the survey does.
    """
    global _maker
    sweep()
    maker = _maker
    if maker is not None and maker[1] > 0 and maker[0]() is not None:
        _maker = (maker[0], maker[1] - 1)
        return survey(system, notes=False)
    if count_open() >= MAX_OPEN:
        return survey(system, notes=False)
    kept = Kept()
    try:
        _maker = (ref(kept), MAX_SURVEYS)
        opened = _succeeds(kept.open)
        estimate = survey(system, notes=False)
        if opened and _succeeds(lambda: _is_right(kept, estimate, system)):
            publish(kept)
            _maker = None
            return estimate
    except BaseException:  # of the survey, or of a signal handler
        _give_up(kept)  # a traceback may be stored for long, and refers to it
        raise
    _give_up(kept)
    return estimate


def _give_up(kept: Kept) -> None:
    global _maker
    _maker = None
    discard(kept)
    for reader in (*kept.first, *kept.others):
        discard(reader)


def _succeeds(step: Callable[[], bool | None]) -> bool:
    """Whether *step* neither fails nor returns `False`. Raise what the program raises."""
    try:
        return step() is not False
    except Exception as error:  # whatever it is, nothing is kept and the survey answers
        if _raised_by_the_program(error):
            raise
        return False


def _is_right(kept: Kept, estimate: Estimate, system: System) -> bool:
    return _keep_levels(kept, estimate, system) and kept.cpus() == estimate.binding.cpus


def _keep_levels(kept: Kept, estimate: Estimate, system: System) -> bool:
    """Open each level's files; whether everything that decided can be read from descriptors."""
    sources = {limit.source for limit in estimate.limits if not granted(limit)}
    online = estimate.limits[-1]
    affinity = next((limit for limit in estimate.limits if limit.source == "affinity"), None)
    if "isolated" in sources:
        sources.remove("isolated")
    mounts = system.asked.get(MOUNTS)
    if (
        affinity is None
        or not isinstance(system.asked.get("!affinity"), str)
        or not isinstance(mounts, str)
        or sources != {"quota", "affinity", "online"}
        or not _genuine(online.where)
        or online.cpus < affinity.cpus
        or not kept.grants.keep(estimate, system)
    ):
        return False
    kept.mounts = hash(mounts.encode("utf-8", "surrogateescape"))
    levels: list[KeptLevel] = []
    watched = _keep_isolated(kept, system)
    for limit in estimate.limits:
        directory, _, name = limit.where.rpartition("/")
        if limit.source == "quota" and limit.text == "(absent)" and name in FILES[V2][0]:
            if directory != watched:
                levels.append(Absent(_fixed(kept, f"{directory}/{CONTROLLERS}")))
        elif limit.source == "quota":
            period = (f"{directory}/{V1_PERIOD}",) if name == V1_QUOTA else ()
            levels.append(KeptLevel(*open_files(kept, (limit.where, *period))))
    kept.nearest = all(level.period is not None for level in levels)
    kept.levels = tuple(levels)
    return True


def _fixed(kept: Kept, path: str) -> Fixed:
    return Fixed(*open_files(kept, (path,)))


def _keep_isolated(kept: Kept, system: System) -> str | None:
    """Keep what says which CPUs are isolated; return the level whose controllers are kept.

    Raise `StaleError` or `OSError` if not all of it can be asked for again.
    """
    without: list[str] = []
    for name, answer in system.asked.items():
        directory, _, kind = name.rpartition("/")
        if kind != PARTITION:
            continue
        if answer is None:
            without.append(directory)
            continue
        (file,) = open_files(kept, (name,))
        # The change is reported until it is read.
        text = pread(file.number, MAX_TEXT, 0).decode("ascii", "replace")
        if text != answer:
            raise StaleError
        kept.partitions += (file,)
        kept.alone = kept.alone or text.strip() == "isolated"
    for reader in kept.first:
        reader.calls = kept._calls(reader.mounts, beside_others=False)
    if system.asked.get(ISOLATED) is not None:
        isolated = _fixed(kept, ISOLATED)
        mask = parse_cpulist(isolated.text.decode("ascii"))
        kept.apart = frozenset(cpu for cpu in range(mask.bit_length()) if mask >> cpu & 1)
        kept.fixed += (isolated,)
    # Controllers are handed down: a level gets cpuset only after the ones above it.
    for directory in reversed(without):
        try:
            controllers = _fixed(kept, f"{directory}/{CONTROLLERS}")
        except FileNotFoundError:
            continue
        if b"cpuset" not in controllers.text.split():
            kept.fixed += (controllers,)
            return directory
    return None


def _genuine(online: str) -> bool:
    """Whether the list of online CPUs is the kernel's own: lxcfs mounts another over it."""
    return online == ONLINE and stat(ONLINE).st_dev == stat(ONLINE.rpartition("/")[0]).st_dev
