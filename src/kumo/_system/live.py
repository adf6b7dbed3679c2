"""The only door to the machine: files, directories, variables and facts, by name."""

from __future__ import annotations

import os
from stat import S_ISREG

from kumo._system.calls import FACTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Literal

    Scope = Literal["process", "thread"]
    Answer = str | OSError | None

PLAIN = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0)
# Nobody is waited for if a variable names a pipe or a device, and no more is read than this.
NAMED = PLAIN | getattr(os, "O_NONBLOCK", 0)
MAX_NAMED_BYTES = 2**24
# Of what the kernel writes. A process may lengthen that about it: its maps, its environment.
MAX_FILE_BYTES = 2**26


class System:
    """The source that an estimate asks, and the memory of its answers.

    The answer of an absent file is `None`. A file that cannot be read raises `OSError`. Each name
    is read once.
    *asked* maps a file's path, ``$NAME`` or ``!fact`` to its answer.
    *scope* says whose parallelism is asked for, the process's or the calling thread's.
    *named* are the paths of *asked* that a variable has named. An empty variable names no path.
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
        """Return what a call answers, as text; `None` if the system has no such call."""
        return self._ask(f"!{name}", self._fact, name)

    def list(self, path: str) -> Iterable[str] | None:
        """Return the names of the directories in a directory."""
        raise NotImplementedError

    def proc(self, name: str) -> str:
        """Return the path of the file in ``/proc`` on the process or thread of the estimate."""
        own = f"/proc/thread-self/{name}"
        if self.scope == "thread":
            try:
                if self.read(own) is not None:
                    return own
            except OSError:
                return own  # the reader gets the error
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
        # That process may have put anything at the places that it mounts: see open_as.
        self.foreign = None if pid is None else f"/proc/{pid}/root/"
        self.variables: dict[str, str] | OSError | None = None

    def list(self, path: str) -> Iterable[str]:
        place: str | int = self._place(path)
        if self.pid is not None and self.foreign is not None and path.startswith(self.foreign):
            from kumo._system.open_as import DIRECTORY, open_cgroup

            place = open_cgroup(self.pid, path[len(self.foreign) :], DIRECTORY)
        try:
            with os.scandir(place) as entries:
                return sorted(each.name for each in entries if each.is_dir(follow_symlinks=False))
        finally:
            if isinstance(place, int):
                os.close(place)

    def _read(self, path: str) -> str | None:
        if self.pid is not None and self.foreign is not None:
            if path == "/proc/self/mountinfo":
                from kumo._system.open_as import mounts_from_here

                return mounts_from_here(self.pid)
            if path.startswith(self.foreign):
                return _read_cgroup(self.pid, path, path[len(self.foreign) :])
        return read_file(self._place(path))

    def _read_named(self, path: str) -> str | None:
        return read_named(path, self.pid)

    def _place(self, path: str) -> str:
        """Return the place that *path* means: in the directory of the process asked for."""
        if not path.startswith("/proc/"):
            return path
        if self.own is None and path.startswith("/proc/self/"):
            self.own = _own_directory()
        if path.startswith("/proc/self/"):
            return f"{self.own}{path[10:]}"
        if self.pid is not None and path.startswith("/proc/thread-self/"):
            return f"{self.own}{path[17:]}"
        return path

    def _env(self, name: str) -> str | None:
        if self.pid is None:
            return os.environ.get(name)
        if self.variables is None:
            from kumo._system.process import read_environ

            try:
                self.variables = read_environ(self.pid)
            except OSError as error:
                self.variables = error
        if isinstance(self.variables, OSError):
            raise OSError(*self.variables.args, self.variables.filename)
        return self.variables.get(name)

    def _fact(self, name: str) -> str | None:
        fact = FACTS.get(name)
        return fact(self.pid) if fact is not None else None


class FreshSystem(LiveSystem):
    """A live system without a memory, which reads again at each call."""

    def read(self, path: str) -> str | None:
        """Return the file's text."""
        return self._read(path)


def is_absent(error: OSError) -> bool:
    """Whether a file does not exist, or its cgroup or process has just gone."""
    if isinstance(error, FileNotFoundError | NotADirectoryError | ProcessLookupError):
        return True
    from errno import ENODEV

    return error.errno == ENODEV


def read_file(path: str) -> str | None:
    """Return the text of a file that the kernel writes, `None` if it does not exist.

    Raise `OSError` otherwise: EFBIG beyond 64 MB.
    """
    try:
        return _text(path, MAX_FILE_BYTES, os.open, path, PLAIN)
    except OSError as error:
        if is_absent(error):
            return None
        raise


def _read_cgroup(pid: int, path: str, below: str) -> str | None:
    """Return the text of a control group's file that process *pid* has *below* its root."""
    from kumo._system.open_as import open_cgroup

    try:
        return _text(path, MAX_NAMED_BYTES, open_cgroup, pid, below)
    except OSError as error:
        if is_absent(error):
            return None
        raise


def read_named(path: str, pid: int | None = None) -> str | None:
    """Return the text of a file that a variable names, as process *pid* would read it.

    `None` if it does not exist. Raise `OSError`: EINVAL if it is not a regular file, EFBIG
    beyond 16 MB, EACCES if *pid*'s user may not read it.
    """
    try:
        if pid is None:
            return _text(path, MAX_NAMED_BYTES, os.open, path, NAMED)
        from kumo._system.open_as import open_as

        return _text(path, MAX_NAMED_BYTES, open_as, pid, path)
    except OSError as error:
        if is_absent(error):
            return None
        raise


def _text(path: str, most: int, opener: Callable[..., int], *arguments: object) -> str:
    """Return the text of the file that is opened so: no more than *most* bytes.

    If another process or a variable names it, which *most* says, it must be a regular file.
    """
    parts, size = [], 0
    opened: list[int] = []
    try:
        # A signal handler may raise after a call of a C function, not within it: what one call
        # opens and puts into the list is closed below.
        opened.extend(map(opener, *zip(arguments)))
        if most == MAX_NAMED_BYTES and not S_ISREG(os.fstat(opened[0]).st_mode):
            from errno import EINVAL

            raise OSError(EINVAL, "not a regular file")
        read, number = os.read, opened[0]
        while part := read(number, 65536):
            size += len(part)
            if size > most:
                from errno import EFBIG

                raise OSError(EFBIG, os.strerror(EFBIG))
            parts.append(part)  # no if at the end of the loop: see tests/hot/test_jumps.py
    except OSError as error:
        if error.errno is None or error.filename == path:
            raise  # the first is not the system's, but a signal handler's TimeoutError
        raise OSError(error.errno, error.strerror, path) from None
    finally:
        for descriptor in opened:
            os.close(descriptor)
    data = parts[0] if len(parts) == 1 else b"".join(parts)
    return data.decode("utf-8", "surrogateescape")


def _own_directory() -> str:
    """The process's directory, or the calling thread's if the main thread has ended.

    A thread that has ended has no program, and ``/proc/self`` shows it in the root cgroup.
    """
    try:
        os.readlink("/proc/self/exe")
    except FileNotFoundError:
        return "/proc/thread-self" if os.path.exists("/proc/thread-self") else "/proc/self"
    except OSError:
        pass  # closed to this process, which says nothing about its threads
    return "/proc/self"


def process_exists(pid: int) -> bool:
    """Whether ``/proc`` shows a process or thread *pid* that has not ended."""
    from kumo._system.process import read_stat

    process = read_stat(pid) if pid > 0 else None
    return process is not None and not process.ended
