"""Opening a file as another process would: below its root, and only what its user may read.

Who asks for another's process may be allowed to read more than that process's user, who has
chosen the path. https://man7.org/linux/man-pages/man7/path_resolution.7.html has the steps.
"""

from __future__ import annotations

import os
from errno import EACCES, EINVAL, ELOOP, ENOTDIR, ESRCH
from stat import S_ISDIR, S_ISLNK, S_ISREG

from kumo._system.live import NAMED, read_file

READ, SEARCH = 0o4, 0o1
LINKS = 40  # as many as Linux follows, MAXSYMLINKS of include/linux/namei.h
PLACE = getattr(os, "O_PATH", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


def open_as(pid: int, path: str) -> int:
    """Return a descriptor to the regular file that process *pid* has at the absolute *path*.

    A file counts as readable to the process's user where its owner or everybody may read it and
    search the directories above; to root, where everybody may, since programs that
    have root's rights are started by others. Raise `OSError`.
    """
    user = parse_user(read_file(f"/proc/{pid}/status") or "")
    places = [os.open(f"/proc/{pid}/root/", PLACE)]
    try:
        _walk(places, path, user)
        _allow(places[-1], user, READ)
        if not S_ISREG(os.fstat(places[-1]).st_mode):
            raise OSError(EINVAL, "not a regular file")
        return os.open(f"/proc/self/fd/{places[-1]}", NAMED)
    finally:
        for place in places:
            os.close(place)


def _walk(places: list[int], path: str, user: int) -> None:
    """Append what *path* leads to, step by step: no link can be exchanged on the way."""
    steps, links = path.split("/")[::-1], 0
    while steps:
        step = steps.pop()
        if step in ("", "."):
            continue
        if step == "..":
            _close_beyond(places, max(1, len(places) - 1))
            continue
        _allow(places[-1], user, SEARCH)
        places.append(os.open(step, PLACE, dir_fd=places[-1]))
        if S_ISLNK(os.fstat(places[-1]).st_mode):
            target, links = os.readlink("", dir_fd=places[-1]), links + 1
            if links > LINKS:
                raise OSError(ELOOP, os.strerror(ELOOP))
            _close_beyond(places, 1 if target.startswith("/") else len(places) - 1)
            steps += target.split("/")[::-1]


def _close_beyond(places: list[int], count: int) -> None:
    while len(places) > count:
        os.close(places.pop())


def parse_user(status: str) -> int:
    """Return the real user of a process. Raise `OSError` where *status* has none.

    Format: ``Uid:\t1000\t1000\t1000\t1000``, the real one first; proc_pid_status(5).
    """
    for line in status.split("\n"):
        if line.startswith("Uid:"):
            return int(line.split()[1])
    raise ProcessLookupError(ESRCH, os.strerror(ESRCH))


def _allow(place: int, user: int, what: int) -> None:
    """Raise `OSError` unless *user*, where that is not who asks, may do *what* there."""
    found = os.fstat(place)
    if what == SEARCH and not S_ISDIR(found.st_mode):
        raise NotADirectoryError(ENOTDIR, os.strerror(ENOTDIR))
    if user == 0 or user != os.stat("/proc/self").st_uid:
        bits = found.st_mode >> (6 if found.st_uid == user != 0 else 0)
        if not bits & what:
            raise OSError(EACCES, os.strerror(EACCES))
