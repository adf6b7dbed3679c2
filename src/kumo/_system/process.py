"""A process by ``/proc``, in one line: its name, state, times, start and environment."""

from __future__ import annotations

from typing import NamedTuple

from kumo._text import whole_number

USER_HZ = 100  # ticks a second of /proc/PID/stat, on every architecture but Alpha


class ProcessStat(NamedTuple):
    """A process or thread: its *name*, its *state*, and the numbers after these.

    ``R`` runs or waits for a CPU, ``S`` sleeps, ``Z`` and ``X`` have ended.
    """

    name: str
    state: str
    numbers: tuple[int | None, ...]

    def number(self, field: int) -> int | None:
        """Return the *field* of proc_pid_stat(5); `None` if it is not there or not a number."""
        at = field - 4
        return self.numbers[at] if at < len(self.numbers) else None

    @property
    def ended(self) -> bool:
        """Whether only its parent still sees it."""
        return self.state in ("Z", "X")

    @property
    def started(self) -> int | None:
        """When it was started, in ticks since the boot: with its number, this is what it is."""
        return self.number(22)

    @property
    def times(self) -> tuple[float, float] | None:
        """The CPU seconds of all its threads, and of its children that were waited for."""
        ticks = [self.number(field) for field in (14, 15, 16, 17)]
        if None in ticks:
            return None
        user, system, children_user, children_system = (each or 0 for each in ticks)
        return (user + system) / USER_HZ, (children_user + children_system) / USER_HZ

    @property
    def environment(self) -> tuple[int, int]:
        """The addresses at which its environment begins and ends; 0 if this user may not see."""
        return self.number(50) or 0, self.number(51) or 0


def parse_stat(text: str) -> ProcessStat:
    """Read ``/proc/PID/stat`` or a thread's. Raise `ValueError` for another form.

    Format: ``4242 (name) S 1 …``; the name may contain blanks and parentheses. Of the numbers
    after it, the first is field 4. https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
    """
    before, opening, rest = text.partition(" (")
    name, closing, after = rest.rpartition(") ")
    state, *numbers = after.split() or [""]
    if not (opening and closing and whole_number(before) is not None and len(state) == 1):
        raise ValueError("not '4242 (name) S 1 ...'")
    return ProcessStat(name, state, tuple(whole_number(number, 20) for number in numbers))


def read_stat(pid: int) -> ProcessStat | None:
    """Return what there is of process or thread *pid*; `None` if there is none."""
    from kumo._system.live import read_file

    try:
        return parse_stat(read_file(f"/proc/{pid}/stat") or "")
    except (OSError, ValueError):
        return None


def start_time(pid: int) -> int | None:
    """Return when process *pid* was started, in ticks since the boot; `None` if there is none.

    A number may be given to another process when its process has ended, with another time.
    """
    stat = read_stat(pid)
    return None if stat is None else stat.started


def read_environ(pid: int) -> dict[str, str]:
    """Return process *pid*'s variables, as `parse_environ` does. Raise `OSError`.

    To read them is to read the process's memory, and it chooses what lies there: a read would
    wait for pages of a file on a FUSE mount that the process serves. So only memory of no file is
    read.
    """
    from errno import EXDEV

    from kumo._system.live import read_file

    stat = read_stat(pid)
    begin, end = stat.environment if stat is not None else (0, 0)
    if begin < end and not _is_private(read_file(f"/proc/{pid}/maps") or "", begin, end):
        raise OSError(EXDEV, "the environment is in a file", f"/proc/{pid}/environ")
    return parse_environ(read_file(f"/proc/{pid}/environ") or "")


def parse_environ(text: str) -> dict[str, str]:
    """Return the variables; the first of a name counts.

    Format: ``NAME=value`` entries, each ended by a NUL.
    https://man7.org/linux/man-pages/man5/proc_pid_environ.5.html
    """
    pairs = [entry.partition("=")[::2] for entry in text.split("\0") if "=" in entry]
    return dict(reversed(pairs))


def _is_private(maps: str, begin: int, end: int) -> bool:
    """Whether the addresses from *begin* to *end* are memory of no file.

    Format: ``7f00-7f01 rw-p 00000000 00:00 0 [stack]``: the inode is 0 for no file.
    https://man7.org/linux/man-pages/man5/proc_pid_maps.5.html
    """
    for line in maps.split("\n"):
        addresses, *fields = line.split(None, 5)[:5] or [""]
        low, _, high = addresses.partition("-")
        if len(fields) == 4 and int(high, 16) > begin and int(low, 16) < end and fields[3] != "0":
            return False
    return True
