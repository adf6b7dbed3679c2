"""The only door to the machine: files, directories, variables and facts, by name."""

from __future__ import annotations

import os
from errno import EFBIG, EINVAL, ENODEV, ENOENT, ENOTDIR, ESRCH
from itertools import starmap
from stat import S_ISREG

from kumo._system.calls import FACTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Literal

    Scope = Literal["process", "thread"]
    Answer = str | OSError | None

# What a file that does not exist answers, or whose cgroup or process has just gone.
ABSENT = (ENOENT, ENOTDIR, ENODEV, ESRCH)
PLAIN = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0)
# Nobody is waited for where a variable names a pipe or a device, and no more is read than this.
NAMED = PLAIN | getattr(os, "O_NONBLOCK", 0)
MOST = 2**24  # bytes


class System:
    """What an estimate asks, and the memory of what it was answered.

    Absent is `None`, what cannot be read raises `OSError`, and each name is read once.
    *asked* maps a file's path, ``$NAME`` or ``!fact`` to its answer. *scope* is
    whose parallelism is asked for: the process's or the calling thread's. *named* are the paths
    of *asked* that a variable has named, an empty variable being none.
    """

    def __init__(self, scope: Scope = "process") -> None:
        self.scope = scope
        self.asked: dict[str, Answer] = {}
        self.named: dict[str, None] = {}

    def read(self, path: str) -> str | None:
        """Return the file's text."""
        return self._ask(path, self._read, path)

    def read_named(self, path: str) -> str | None:
        """Return the text of a file that a variable names, which may be anything."""
        self.named[path] = None
        return self._ask(path, self._read_named, path)

    def env(self, name: str) -> str | None:
        """Return the environment variable's value; an empty one is as good as none."""
        return self._ask(f"${name}", self._env, name) or None

    def fact(self, name: str) -> str | None:
        """Return what a call answers, as text; `None` where the system has no such call."""
        return self._ask(f"!{name}", self._fact, name)

    def list(self, path: str) -> Iterable[str] | None:
        """Return the names of the directories in a directory."""
        raise NotImplementedError

    def proc(self, name: str) -> str:
        """Return the path of the file in ``/proc`` that is about whom the estimate is for."""
        own = f"/proc/thread-self/{name}"
        if self.scope == "thread":
            try:
                if self.read(own) is not None:
                    return own
            except OSError:
                return own  # whoever reads it tells
        return f"/proc/self/{name}"

    def _ask(self, key: str, ask: Callable[[str], str | None], name: str) -> str | None:
        if key not in self.asked:
            try:
                self.asked[key] = ask(name)
            except OSError as error:
                self.asked[key] = error
        answer = self.asked[key]
        if isinstance(answer, OSError):
            raise answer
        return answer

    def _read(self, path: str) -> str | None:
        raise NotImplementedError

    def _read_named(self, path: str) -> str | None:
        return self._read(path)

    def _env(self, name: str) -> str | None:
        raise NotImplementedError

    def _fact(self, name: str) -> str | None:
        raise NotImplementedError


class LiveSystem(System):
    """The running system, as seen by the calling thread or for another process."""

    def __init__(self, scope: Scope = "process", pid: int | None = None) -> None:
        super().__init__(scope)
        self.pid = pid
        self.own = None if pid is None else f"/proc/{pid}"

    def list(self, path: str) -> Iterable[str]:
        with os.scandir(self._place(path)) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))

    def _read(self, path: str) -> str | None:
        if self.pid is not None and path == "/proc/self/mountinfo":
            return _mounts_from_here(self.pid)
        return read_file(self._place(path))

    def _read_named(self, path: str) -> str | None:
        return read_named(path, self.pid)

    def _place(self, path: str) -> str:
        """Return where what *path* names is found: in the directory of the process asked for."""
        if self.own is None and path.startswith("/proc/self/"):
            self.own = _own_directory()
        for own in ("/proc/self", "/proc/thread-self") if self.pid is not None else ("/proc/self",):
            if path.startswith(f"{own}/"):
                path = f"{self.own}{path[len(own) :]}"
        return path

    def _env(self, name: str) -> str | None:
        if self.pid is None:
            return os.environ.get(name)
        for pair in (read_file(f"/proc/{self.pid}/environ") or "").split("\0"):
            key, equals, value = pair.partition("=")
            if equals and key == name:
                return value
        return None

    def _fact(self, name: str) -> str | None:
        fact = FACTS.get(name)
        return fact(self.pid) if fact is not None else None


def read_file(path: str) -> str | None:
    """Return the file's text, `None` where it does not exist. Raise `OSError` otherwise."""
    try:
        return _text(path, None, os.open, path, PLAIN)
    except OSError as error:
        if error.errno in ABSENT:
            return None
        raise


def read_named(path: str, pid: int | None = None) -> str | None:
    """Return the text of a file that a variable names, as process *pid* would be told.

    `None` where it does not exist. Raise `OSError`: EINVAL for what is no regular file, EFBIG
    beyond 16 MB, EACCES where *pid*'s user may not read it.
    """
    try:
        if pid is None:
            return _text(path, MOST, os.open, path, NAMED)
        from kumo._system.open_as import open_as

        return _text(path, MOST, open_as, pid, path)
    except OSError as error:
        if error.errno in ABSENT:
            return None
        raise


def _text(path: str, most: int | None, opener: Callable[..., int], *arguments: object) -> str:
    """Return the text of what is opened so, which with *most* is a file of no more bytes."""
    parts, size = [], 0
    opened: list[int] = []
    try:
        # A signal handler may raise after a call of a C function, not within it: what one call
        # opens and puts into the list is closed below.
        opened.extend(starmap(opener, (arguments,)))
        if most is not None and not S_ISREG(os.fstat(opened[0]).st_mode):
            raise OSError(EINVAL, "not a regular file")
        while part := os.read(opened[0], 65536):
            parts.append(part)
            size += len(part)
            if most is not None and size > most:
                raise OSError(EFBIG, os.strerror(EFBIG))
    except OSError as error:
        if error.errno is None:
            raise  # not the system's, but a signal handler's TimeoutError
        raise OSError(error.errno, error.strerror, path) from None
    finally:
        for descriptor in opened:
            os.close(descriptor)
    return b"".join(parts).decode("utf-8", "surrogateescape")


def _own_directory() -> str:
    """The process's directory, or the calling thread's where the main thread has ended.

    What has ended has no program, and ``/proc/self`` shows it in the root cgroup.
    """
    try:
        os.readlink("/proc/self/exe")
    except FileNotFoundError:
        return "/proc/thread-self" if os.path.exists("/proc/thread-self") else "/proc/self"
    except OSError:
        pass  # closed to this process, which says nothing about its threads
    return "/proc/self"


def _mounts_from_here(pid: int) -> str:
    """The own mount table, then the other process's, whose mounts are reached through its root."""
    text = read_file("/proc/self/mountinfo") or ""
    root = f"/proc/{pid}/root"
    try:
        if os.readlink(f"/proc/{pid}/ns/mnt") == os.readlink("/proc/self/ns/mnt"):
            return text
        other = read_file(f"/proc/{pid}/mountinfo") or ""
    except OSError:
        return text  # its table is closed to this user: the own mounts are all there is
    for line in other.split("\n"):
        fields = line.split(" ")
        if len(fields) > 6:
            # Numbers are unique in the kernel; what hides what is decided within each table.
            fields[4] = root + fields[4]
            text += " ".join(fields) + "\n"
    return text


def process_exists(pid: int) -> bool:
    """Whether ``/proc`` shows a process or thread *pid* that has not ended.

    Format: ``4242 (name) S 1 …`` with ``Z`` for a zombie.
    https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
    """
    text = read_file(f"/proc/{pid}/stat") if pid > 0 else None
    return text is not None and text.rpartition(")")[2].split()[:1] not in (["Z"], ["X"])
