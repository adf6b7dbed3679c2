"""Opening what another process has at a path: below its root, and nothing that could block.

The process chooses what lies there. It may mount a file system whose daemon it runs and never
answers, bind a pipe or a device over any file, and exchange links while they are followed.
https://man7.org/linux/man-pages/man7/path_resolution.7.html has the steps of a path. Guarantees:

- Each step is opened by itself, as a place: its file system is not asked to open it. The
  process's mount table says which file system it is on, before the next step asks that file
  system for a name. Only the kernel's own file systems are gone through: `LOCAL`. Network file
  systems and FUSE are not, and nothing on them is opened.
- The last step opens a regular file, or a directory, on such a file system.
- The name of a control group leads through control groups alone.
"""

from __future__ import annotations

import os
from errno import EACCES, EINVAL, ELOOP, ENOSYS, ENOTDIR, ESRCH, EXDEV
from stat import S_ISDIR, S_ISLNK, S_ISREG

from kumo._system.live import NAMED, read_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

READ, SEARCH = 0o4, 0o1
MAX_LINKS = 40  # as many as Linux follows, MAXSYMLINKS of include/linux/namei.h
MAX_STEPS = 512  # of a path: each keeps a descriptor
NO_LINK = getattr(os, "O_NOFOLLOW", 0)
PLACE = getattr(os, "O_PATH", 0) | NO_LINK | getattr(os, "O_CLOEXEC", 0)
DIRECTORY = NAMED | getattr(os, "O_DIRECTORY", 0) | NO_LINK
CGROUPS = ("cgroup", "cgroup2")
LOCAL: tuple[str, ...] = (
    *CGROUPS, "rootfs", "ramfs", "tmpfs", "sysfs", "ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs",
    "zfs", "bcachefs", "squashfs", "erofs",
)  # fmt: skip
# If a process has a separate user namespace, the layers may be on FUSE. Others' are root's.
OVERLAY = "overlay"
# https://man7.org/linux/man-pages/man2/openat2.2.html, the same number on every architecture but
# Alpha; RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH
OPENAT2 = 437
RESOLVE = 0x01 | 0x02 | 0x04 | 0x08


def open_as(pid: int, path: str) -> int:
    """Return a descriptor to the regular file that process *pid* has at the absolute *path*.

    A file counts as readable to the process's user if its owner or everybody may read it and
    search the directories above. To root it does only if everybody may, since others start
    programs that have root's rights. Raise `OSError`; EXDEV for a file system
    that is not opened for another process.
    """
    user = parse_user(read_file(f"/proc/{pid}/status") or "")
    mounts = _Mounts(pid)
    places = [os.open(f"/proc/{pid}/root/", PLACE)]
    try:
        mounts.check(places[-1])
        _walk(places, path, mounts, lambda place: _allow(place, user, SEARCH))
        _allow(places[-1], user, READ)
        if not S_ISREG(os.fstat(places[-1]).st_mode):
            raise OSError(EINVAL, "not a regular file")
        return os.open(f"/proc/self/fd/{places[-1]}", NAMED)
    finally:
        for place in places:
            os.close(place)


def open_cgroup(pid: int, path: str, flags: int = NAMED) -> int:
    """Return a descriptor to a control group's file, or its directory, that process *pid* has.

    *path* is absolute and without links, as the mount table has it. With `DIRECTORY` it is a
    directory's. Raise `OSError`; EXDEV for anything that is not of a control group.
    """
    mounts = _Mounts(pid)
    place = os.open(f"/proc/{pid}/root/", PLACE)
    try:
        steps = path.strip("/").split("/")
        while mounts.check(place) not in CGROUPS:
            if not steps:
                raise OSError(EXDEV, os.strerror(EXDEV))
            next_place = os.open(steps.pop(0), PLACE, dir_fd=place)
            os.close(place)
            place = next_place
        file = _open_beneath(place, steps, flags | NO_LINK, mounts)
    finally:
        os.close(place)
    if not (S_ISDIR if flags == DIRECTORY else S_ISREG)(os.fstat(file).st_mode):
        os.close(file)
        raise OSError(EINVAL, "not a regular file")
    return file


def _must_be_cgroup(mounts: _Mounts, places: list[int]) -> None:
    if mounts.check(places[-1]) not in CGROUPS or len(places) > MAX_STEPS:
        raise OSError(EXDEV, os.strerror(EXDEV))


def _open_beneath(place: int, steps: list[str], flags: int, mounts: _Mounts) -> int:
    """Open what lies *steps* below a directory of a control group, through no other mount."""
    path = "/".join(steps) or "."
    try:
        return _openat2(place, path, flags)
    except OSError as error:
        if error.errno not in (ENOSYS, EXDEV):
            raise
    # A kernel before 5.6, or a sandbox; or a mount of a control group within another.
    places = [os.dup(place)]
    try:
        for step in steps[:-1]:
            places.append(os.open(step, PLACE, dir_fd=places[-1]))
            _must_be_cgroup(mounts, places)
        last = os.open(steps[-1] if steps else ".", PLACE, dir_fd=places[-1])
        places.append(last)
        if mounts.check(last) not in CGROUPS:
            raise OSError(EXDEV, os.strerror(EXDEV))
        return os.open(f"/proc/self/fd/{last}", flags & ~NO_LINK)
    finally:
        for each in places:
            os.close(each)


def _openat2(place: int, path: str, flags: int) -> int:
    import ctypes

    how = (ctypes.c_uint64 * 3)(flags, 0, RESOLVE)
    syscall = ctypes.CDLL(None, use_errno=True).syscall
    syscall.restype = ctypes.c_long
    descriptor: int = syscall(
        ctypes.c_long(OPENAT2), ctypes.c_int(place), os.fsencode(path), how, ctypes.c_size_t(24)
    )
    if descriptor < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return descriptor


class _Mounts:
    """Which file system each mount of a process is, by its mount table."""

    def __init__(self, pid: int) -> None:
        self.kinds: dict[str, str] = {}
        for line in (read_file(f"/proc/{pid}/mountinfo") or "").split("\n"):
            kind = line.rpartition(" - ")[2].partition(" ")[0]
            self.kinds[line.partition(" ")[0]] = kind
        self.local = LOCAL
        if os.readlink(f"/proc/{pid}/ns/user") == os.readlink("/proc/self/ns/user"):
            self.local = (*LOCAL, OVERLAY)

    def check(self, place: int) -> str:
        """Return the kind of file system that *place* is on. Raise `OSError` if not a local one.

        Format: ``mnt_id:\\t26``, which the kernel knows without asking the file system.
        https://man7.org/linux/man-pages/man5/proc_pid_fdinfo.5.html
        """
        for line in (read_file(f"/proc/self/fdinfo/{place}") or "").split("\n"):
            name, _, number = line.partition(":")
            kind = self.kinds.get(number.strip(), "")
            if name == "mnt_id" and kind in self.local:
                return kind
        raise OSError(EXDEV, os.strerror(EXDEV))


def _walk(places: list[int], path: str, mounts: _Mounts, search: Callable[[int], object]) -> None:
    """Append what *path* leads to, step by step: no link can be exchanged on the way."""
    steps, links = path.split("/")[::-1], 0
    while steps:
        step = steps.pop()
        if step in ("", "."):
            continue
        if step == "..":
            _close_beyond(places, max(1, len(places) - 1))
            continue
        search(places[-1])
        if len(places) > MAX_STEPS:
            raise OSError(ELOOP, os.strerror(ELOOP))
        places.append(os.open(step, PLACE, dir_fd=places[-1]))
        mounts.check(places[-1])
        if S_ISLNK(os.fstat(places[-1]).st_mode):
            target, links = os.readlink("", dir_fd=places[-1]), links + 1
            if links > MAX_LINKS:
                raise OSError(ELOOP, os.strerror(ELOOP))
            _close_beyond(places, 1 if target.startswith("/") else len(places) - 1)
            steps += target.split("/")[::-1]


def _close_beyond(places: list[int], count: int) -> None:
    while len(places) > count:
        os.close(places.pop())


def parse_user(status: str) -> int:
    """Return the real user of a process. Raise `OSError` if *status* has none.

    Format: ``Uid:\t1000\t1000\t1000\t1000``, the real one first; proc_pid_status(5).
    """
    for line in status.split("\n"):
        if line.startswith("Uid:"):
            return int(line.split()[1])
    raise ProcessLookupError(ESRCH, os.strerror(ESRCH))


def _allow(place: int, user: int, what: int) -> None:
    """Raise `OSError` unless *user*, if that is not the asking user, may do *what* there."""
    status = os.fstat(place)
    if what == SEARCH and not S_ISDIR(status.st_mode):
        raise NotADirectoryError(ENOTDIR, os.strerror(ENOTDIR))
    if user == 0 or user != os.stat("/proc/self").st_uid:
        # The owner's bits are the third group from the right, those of others the first.
        is_owner = user != 0 and user == status.st_uid
        bits = status.st_mode >> 6 if is_owner else status.st_mode
        if not bits & what:
            raise OSError(EACCES, os.strerror(EACCES))


def mounts_from_here(pid: int) -> str:
    """Return this process's mount table, then the other one's, whose mounts lie below its root."""
    text = read_file("/proc/self/mountinfo") or ""
    root = f"/proc/{pid}/root"
    try:
        if os.readlink(f"/proc/{pid}/ns/mnt") == os.readlink("/proc/self/ns/mnt"):
            return text
        other = read_file(f"/proc/{pid}/mountinfo") or ""
    except OSError:
        return text  # its table is closed to this user: its own mounts are all there is
    lines = [text.removesuffix("\n")]
    for line in other.split("\n"):
        fields = line.split(" ")
        if len(fields) > 6:
            # Numbers are unique in the kernel; what hides what is decided within each table.
            fields[4] = root + fields[4]
            lines.append(" ".join(fields))
    return "\n".join([*lines, ""])
