"""Events that wake a watcher: inotify on cgroup files, and the mount table's descriptor.

The kernel reports each write to a watched quota file, from whichever mount or namespace the write
was made. It reports no removal of a file. So a controller that is switched off
and on again, or a cgroup that is made again, is noticed by the write to ``cgroup.subtree_control``
or by a reading, and then `Events.arm` watches the new files.
https://man7.org/linux/man-pages/man7/inotify.7.html

Its guarantees, with what each rests on:

- **A wake-up is only a hint.** The limits are read again each time. If an event is missed, the
  regular reading finds the change. If that happens twice, the watcher goes on without events.
- **No more than one instance.** Users have few of them: `max_user_instances` is often 128. There
  is one for each watcher, and none once it has ended. `ring` needs no descriptor: it removes a
  watch of the same instance, which the kernel reports.
- **Nothing foreign is read or closed.** A descriptor may have been closed by the program, and its
  number given to another file. The owner's signal of ours is a random one (F_SETSIG), which is
  never sent, and is compared before each use. That of the mount table has a mark of `_hot`.
- **No descriptor is inherited.** Both are closed at `exec`, and by the watcher in a forked child.
- **A storm of events costs no more than regular readings.** `Allowance` says how many are let
  through. Events that come closer together are served by one reading.
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"  # so that type checkers leave it out elsewhere

import fcntl
import os
import struct
import time
from contextlib import suppress
from errno import EMFILE, ENFILE, ENOMEM, ENOSPC
from posix import close, read

from kumo._cgroups.levels import V2, levels, parse_membership, read_mounts
from kumo._cgroups.quota import FILES as QUOTA_FILES
from kumo._hot.calls import POLLPRI, _find_select
from kumo._hot.descriptors import LOWEST, discard, move_up, open_files
from kumo._survey import open_system
from kumo._system.calls import FACTS
from kumo._system.open_as import open_as
from kumo._watch.change import LostError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# By hierarchy: the files whose change may change the count.
FILES = {
    "cpu": QUOTA_FILES["cpu"][0],
    "cpuset": ("cpuset.cpus", "cpus"),
    V2: (*QUOTA_FILES[V2][0], "cpuset.cpus", "cpuset.cpus.partition", "cgroup.subtree_control"),
}
MAX_FILES = 1024  # that are watched; a process may be deep in many mounts
# include/uapi/linux/magic.h; those of cgroup v1 and v2
CGROUP_MAGIC = (0x27E0EB, 0x63677270)
# include/uapi/linux/inotify.h
IN_MODIFY, IN_DELETE_SELF, IN_IGNORED, IN_ONLYDIR = 0x2, 0x400, 0x8000, 0x1000000
HEADER = struct.Struct("iIII")  # struct inotify_event: wd, mask, cookie, length of the name
MAX_EVENTS = 65536  # bytes read at once
POLLIN, POLLNVAL = 0x1, 0x20  # poll(2)
NO_ROOM = (ENOSPC, ENOMEM, EMFILE, ENFILE)
BELL = "/"  # what the watch that rings is on; its own events are never of interest


class Allowance:
    """How many wake-ups are let through: *most* at once, and *rate* a second in the long run."""

    def __init__(self, most: int = 20, rate: float = 10.0) -> None:
        self._most = most
        self._rate = rate
        self._left = float(most)
        self._at = 0.0

    def wait(self, now: float) -> float:
        """Take one at *now* in seconds, and return for how long to wait before it is used."""
        self._left = min(self._most, self._left + (now - self._at) * self._rate) - 1
        self._at = now
        return max(0.0, -self._left / self._rate)


class Events:
    """One inotify instance and one descriptor of the mount table, and the wait for both.

    Used by one thread, but for `ring`.
    """

    def __init__(self, pid: int | None = None) -> None:
        """Watch what decides for process *pid*, by default this one. Raise `LostError`."""
        self.pid = pid
        self.announced: set[str] = set()  # directories of which an event came since it was cleared
        self.allowance = Allowance()
        self._numbers: list[int] = []  # of inotify, and of the process if it is another
        self._watched: dict[str, int] = {}
        self._bell = -1
        try:
            self._open()
        except Exception as error:  # noqa: BLE001 - whatever it is, there are readings
            self.close()
            raise LostError(str(error)) from None
        except BaseException:  # of a signal handler: nobody gets an object that could be closed
            self.close()
            raise

    def _open(self) -> None:
        if FACTS["sandbox"](None) is not None:
            raise LookupError("what imitates Linux reports no writes from outside")
        import ctypes

        library = ctypes.CDLL(None, use_errno=True)
        self._add, self._remove = library.inotify_add_watch, library.inotify_rm_watch
        self._errno, self._statfs = ctypes.get_errno, library.statfs
        self._buffer = ctypes.create_string_buffer(512)  # struct statfs has 120 bytes at most
        self._numbers.extend(map(library.inotify_init1, (os.O_CLOEXEC | os.O_NONBLOCK,)))
        if self._numbers[0] < 0:
            self._numbers.clear()
            raise OSError(self._errno(), "no inotify instance can be had")
        if self._numbers[0] < LOWEST:
            move_up(self._numbers, 0)
        self._mark = 34 + os.urandom(1)[0] % 30
        fcntl.fcntl(self._numbers[0], fcntl.F_SETSIG, self._mark)
        self._same = os.fstat(self._numbers[0])[1:3]
        (self._mounts,) = open_files(self, (f"/proc/{self.pid or 'self'}/mountinfo",))
        self._poll = _find_select().poll()
        self._poll.register(self._numbers[0], POLLIN)
        if self.pid is not None:
            self._numbers.append(os.pidfd_open(self.pid))
            if self._numbers[1] < LOWEST:
                move_up(self._numbers, 1)
            self._poll.register(self._numbers[1], POLLIN)
        self._poll.register(self._mounts.number, POLLPRI)
        self._hang_up_bell()
        self.arm()
        if not self._watched:
            raise LookupError("no file that decides can be watched")

    def close(self) -> None:
        """Close what is still ours. It may be called again."""
        try:
            if self._numbers and self._is_ours():
                list(map(close, self._numbers))
        finally:
            self._numbers.clear()
            discard(self)

    def ring(self) -> None:
        """End the wait under way, or else the next. Any thread may call it."""
        with suppress(OSError, IndexError):
            if self._is_ours():
                self._remove(self._numbers[0], self._bell)

    def wait(self, seconds: float) -> bool:
        """Wait for *seconds*, a ring or an event; whether it was an event of what decides.

        Raise `LostError` if a descriptor is not ours any more.
        """
        happened = self._wait(seconds)
        if happened:
            pause = self.allowance.wait(time.monotonic())
            if pause:
                self._wait_for_ring(pause)
        return happened

    def happened(self) -> bool:
        """Whether there were events by now, which are taken note of; without waiting."""
        return self._wait(0)

    def _wait(self, seconds: float) -> bool:
        self._check()
        happened = False
        for number, event in self._poll.poll(min(seconds, 1e6) * 1000):
            if event & POLLNVAL:
                raise LostError("a descriptor was closed")
            if number != self._numbers[0]:
                happened = True
                if number != self._mounts.number:  # a process that has ended stays so
                    self._poll.unregister(number)
            else:
                self._check()
                happened = self._take() or happened
        return happened

    def _wait_for_ring(self, seconds: float) -> None:
        """Wait for *seconds* or a ring, whatever else happens. A short sleep follows each event."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.01))
            self._check()
            if self._take() is None:
                return

    def _take(self) -> bool | None:
        """Read the events there are; whether any is of what decides, `None` if it was a ring."""
        try:
            data = read(self._numbers[0], MAX_EVENTS)
        except BlockingIOError:
            return False
        names = {watch: path for path, watch in self._watched.items()}
        happened, place, rang = False, 0, False
        while place < len(data):
            watch, mask, _, length = HEADER.unpack_from(data, place)
            place += HEADER.size + length
            if watch == self._bell:
                rang = rang or bool(mask & IN_IGNORED)
            else:
                # Of a file that is watched, of one that was, or that events were dropped.
                happened = True
                if watch in names:
                    self.announced.add(os.path.dirname(names[watch]))
        if rang:
            # Before the caller looks at what it was rung for: so no ring is lost.
            self._hang_up_bell()
        return True if happened else None if rang else False

    def _hang_up_bell(self) -> None:
        self._bell = self._watch(BELL, IN_DELETE_SELF | IN_ONLYDIR)

    def arm(self) -> frozenset[str]:
        """Watch the files that decide now, and return those that were watched before as well.

        A file that is not there, or may not be read, is left out. Raise `LostError` if no more can
        be watched.
        """
        self._check()
        before, now = self._watched, dict[str, int]()
        try:
            for path in deciding_files(self.pid):
                if len(now) < MAX_FILES and (watch := self._arm_one(path)) is not None:
                    now[path] = watch
        except OSError as error:
            raise LostError(str(error)) from None
        for watch in {*before.values()} - {*now.values()}:
            self._remove(self._numbers[0], watch)
        self._watched = now
        return frozenset(path for path, watch in now.items() if before.get(path) == watch)

    @property
    def watched(self) -> Mapping[str, int]:
        """The files that are watched."""
        return self._watched

    def _arm_one(self, path: str) -> int | None:
        """Watch one file; `None` if it is not there, or is not the kernel's."""
        try:
            if self.pid is None:
                return self._watch(path, IN_MODIFY) if self._is_cgroup(path) else None
            number = open_as(self.pid, path)  # what another process chose is not walked through
            try:
                link = f"/proc/self/fd/{number}"
                return self._watch(link, IN_MODIFY) if self._is_cgroup(link) else None
            finally:
                close(number)
        except OSError as error:
            if error.errno in NO_ROOM:
                raise
            return None

    def _watch(self, path: str, mask: int) -> int:
        """Watch *path*, and return the number of that watch. Raise `OSError`."""
        watch = int(self._add(self._numbers[0], os.fsencode(path), mask))
        if watch < 0:
            raise OSError(self._errno(), "cannot be watched", path)
        return watch

    def _is_cgroup(self, path: str) -> bool:
        """Whether *path* is on a cgroup file system, not on one that imitates it, as lxcfs does."""
        if self._statfs(os.fsencode(path), self._buffer):
            return False
        raw = self._buffer.raw  # f_type comes first: a long, or four bytes
        magics = (int.from_bytes(raw[:8], sys.byteorder), int.from_bytes(raw[:4], sys.byteorder))
        return any(magic in magics for magic in CGROUP_MAGIC)

    def _is_ours(self) -> bool:
        """Whether the first number is our inotify instance still."""
        number = self._numbers[0]
        try:
            same = os.fstat(number)[1:3] == self._same
            return same and fcntl.fcntl(number, fcntl.F_GETSIG) == self._mark
        except (OSError, AttributeError):  # closed, or it failed before it was marked
            return False

    def _check(self) -> None:
        try:
            ours = self._is_ours() and os.lseek(self._mounts.number, 0, 1) == self._mounts.mark
        except (OSError, IndexError):
            ours = False
        if not ours:
            raise LostError("a descriptor is another file's")


def deciding_files(pid: int | None = None) -> Iterator[str]:
    """Yield the files whose change may change the count of process *pid*, by default this one.

    Raise `OSError` if the mount table cannot be read.
    """
    system = open_system("process", pid, None)
    paths, _ = parse_membership(system.read(system.proc("cgroup")) or "")
    mounts = read_mounts(system)[0]
    for controller, names in FILES.items():
        if controller in paths:
            for level in levels(system, controller, paths[controller], mounts).directories:
                for directory in level:
                    for name in names:
                        yield f"{directory}/{name}"
