"""Opening, marking and closing the kept descriptors: nothing leaks, nothing foreign is closed.

- Each descriptor's file offset, which `pread` leaves alone, is set to a mark, which is unique.
  If the program closes the descriptor and its number goes to another file, the offset differs.
  That file is neither read as ours nor closed by us.
- Descriptors belong to an object, and are closed by `sweep` once that object is gone. A reader
  refers to the object, so that no descriptor is closed while it is being read.
- A signal handler may raise between any two bytecodes, but not within one call of a C function.
  So `list.extend(map(...))` opens and remembers in one call. If it is interrupted after that, the
  object goes with the frame, and the next sweep closes what was opened.
- None is 0, 1 or 2. If the program has closed one of these, its next file may be meant to get it.
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"  # so that type checkers leave it out elsewhere

import _thread
from _weakref import ref

# Not from `os`: gevent and eventlet put their own functions there.
from posix import O_CLOEXEC, O_RDONLY, close, lseek, urandom
from posix import open as open_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from kumo._hot.calls import Calls

FLAGS = O_RDONLY | O_CLOEXEC
SET, CURRENT = 0, 1  # SEEK_SET and SEEK_CUR
LOWEST = 3  # those below it are the standard streams
# The first one is random: another interpreter of the process marks its descriptors as well.
_marks = iter(range((1 << 24) + int.from_bytes(urandom(3), "little"), sys.maxsize))


class StaleError(Exception):
    """The kept files do not decide any more; never leaves this room."""


class File:
    """One kept descriptor, its mark, and what was last made of its text."""

    __slots__ = ("last", "mark", "number")

    def __init__(self, number: int, mark: int) -> None:
        self.number = number
        self.mark = mark
        # A pair that is only ever replaced as a whole: threads read it without a lock.
        self.last: tuple[bytes, float] = (b"", 0)

    def check(self, calls: Calls) -> None:
        """Raise `StaleError` if the number is another file's by now."""
        if calls.lseek(self.number, calls.zero, CURRENT) != self.mark:
            raise StaleError


class _Descriptors:
    """The descriptors of one object. Those without a mark are the last ones of *numbers*."""

    __slots__ = ("marks", "numbers")

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.marks: list[int] = []

    def close(self) -> None:
        """Close what is still ours. It may be interrupted, and then be called again."""
        numbers, marks = self.numbers, self.marks
        while len(numbers) > len(marks):
            try:
                # A later call could not know it: forgotten in the same call that closes it.
                list[None]().extend(map(close, map(numbers.pop, (-1,))))
            except OSError as error:
                if error.errno is None:
                    raise  # a signal handler's TimeoutError
        for number, mark in zip(numbers, marks, strict=False):
            try:
                if lseek(number, 0, CURRENT) == mark:
                    close(number)
            except OSError as error:
                if error.errno is None:
                    raise
                # The program has closed it.


class _Closing:
    """The object that descriptors belong to while a thread closes them."""

    __slots__ = ("__weakref__",)


# By a weak reference to the object that they belong to.
_open: dict[ref[object], _Descriptors] = {}


def open_files(owner: object, paths: Sequence[str]) -> list[File]:
    """Open files for reading, which belong to *owner*. Raise `OSError`."""
    held = _open.setdefault(ref(owner), _Descriptors())
    first = len(held.numbers)
    held.numbers.extend(map(open_file, paths, [FLAGS] * len(paths)))
    if min(held.numbers[first:]) < LOWEST:
        move_up(held.numbers, first)
    held.marks.extend(map(lseek, held.numbers[first:], _marks, [SET] * len(paths)))
    return list(map(File, held.numbers[first:], held.marks[first:]))


def move_up(numbers: list[int], first: int) -> None:
    """Replace the descriptors from the place *first* on by others, none of them a standard stream.

    The new ones are behind the old ones until these are closed. Raise `OSError`.
    """
    try:
        from fcntl import F_DUPFD_CLOEXEC, fcntl
    except ImportError:
        return  # they are ours all the same
    count = len(numbers) - first
    commands, least = [F_DUPFD_CLOEXEC] * count, [LOWEST] * count
    numbers.extend(map(fcntl, numbers[first:], commands, least))
    list[None]().extend(map(close, map(numbers.pop, [first] * count)))


def count_open() -> int:
    """Return how many objects have descriptors open."""
    return len(_open)


def discard(owner: object) -> None:
    """Close what belongs to *owner*, which nobody reads."""
    _close(ref(owner))


def sweep() -> None:
    """Close what belonged to objects that are gone."""
    for owner in _open.copy():
        if owner() is None:
            _close(owner)


def _close(owner: ref[object]) -> None:
    closing = _Closing()
    mine: ref[object] = ref(closing)
    try:
        # Handed over in one call: one thread has them, and if it is interrupted the next sweep.
        _open.update(zip((mine,), map(_open.pop, (owner,)), strict=True))
    except KeyError:
        return  # another thread closes them
    _open[mine].close()
    _open.pop(mine, None)


def _close_all() -> None:
    for owner in _open.copy():
        _close(owner)


def _is_sub_interpreter() -> bool:
    is_main = getattr(_thread, "_is_main_interpreter", None)  # since Python 3.12
    if is_main is not None:
        return not is_main()
    try:
        return int(__import__("_xxsubinterpreters").get_current()) != 0
    except ImportError:
        return False


# It ends while its process goes on.
if _is_sub_interpreter():
    import atexit

    atexit.register(_close_all)
