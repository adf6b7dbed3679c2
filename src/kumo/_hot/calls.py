"""The system calls of one reader: those of `posix`, or the same while keeping the global lock.

Functions of `posix` release the interpreter's global lock around each system call. If another
thread waits for the lock, each release wakes it: with two threads each call of kumo costs one and
a half times as much, with eight twice. So a thread that calls while another one does makes its
calls through `ctypes.PyDLL`, which keeps the lock. They are few and short, and none waits for
input; the kernel's own locks are the longest that they may wait for.
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"  # so that type checkers leave it out elsewhere

import select
from posix import lseek, pread

from kumo._hot.descriptors import CURRENT, StaleError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType
    from typing import Any

POLLPRI = 2  # poll(2); gevent removes its name


def _find_select() -> ModuleType:
    """Return the module `select` as the interpreter has it.

    gevent puts another `poll` there, which knows no urgent events and switches greenlets;
    eventlet removes it.
    """
    if type(getattr(select, "poll", None)) is type(len):
        return select
    from importlib.util import module_from_spec

    spec = select.__spec__
    assert spec is not None
    assert spec.loader is not None
    fresh = module_from_spec(spec)
    spec.loader.exec_module(fresh)
    return fresh


_poll = _find_select().poll
MAX_TEXT = 1024  # bytes; a list of controllers is the longest text, a quota has 41 at most


class Calls:
    """The calls of `posix`. Threads may share it, but for `poll`."""

    __slots__ = ("lseek", "poll", "pread", "zero")

    def __init__(self, polled: Sequence[int]) -> None:
        """Poll the descriptors *polled* for urgent events."""
        poller = _poll()
        for number in polled:
            poller.register(number, POLLPRI)
        # Each is truthy if there is an event, or the call failed.
        self.poll: Callable[[int], object] = poller.poll
        self.lseek: Callable[[int, Any, int], int] = lseek
        self.pread: Callable[[int, int, int], bytes] = pread
        self.zero: Any = 0


class LockKeepingCalls(Calls):
    """The same calls without releasing the global lock, for one thread at a time.

    *same* says whether files and links are what they were, in one go.
    """

    __slots__ = ("same",)

    def __init__(
        self,
        polled: Sequence[int],
        marks: Sequence[tuple[int, int]],
        texts: Sequence[tuple[int, bytes]],
        links: Sequence[tuple[int, bytes, bytes]],
    ) -> None:
        """Compare descriptors with *marks* and *texts*, and names below them with *links*.

        Raise `ImportError` without `ctypes`.
        """
        import ctypes
        from functools import partial  # which is as long to load as half a survey takes

        library = ctypes.PyDLL(None)
        c_lseek, c_pread, c_readlink = library.lseek, library.pread, library.readlinkat
        # Ready-made arguments: converting takes longer than some of the calls.
        zero = ctypes.c_long(0)

        def room(size: int) -> tuple[Any, Any, Any]:
            buffer = ctypes.create_string_buffer(size + 1)
            return ctypes.c_void_p(ctypes.addressof(buffer)), ctypes.c_size_t(size), buffer

        files = [(number, *room(len(text) + 1), text, len(text)) for number, text in texts]
        names = [(n, name, *room(len(to) + 1), to, len(to)) for n, name, to in links]

        def same() -> bool:
            for number, mark in marks:
                if c_lseek(number, zero, CURRENT) != mark:
                    return False
            for number, address, size, buffer, text, length in files:
                if c_pread(number, address, size, zero) != length or buffer.value != text:
                    return False
            for number, name, address, size, buffer, target, length in names:
                if c_readlink(number, name, address, size) != length or buffer.value != target:
                    return False
            return True

        address, size, buffer = room(MAX_TEXT)
        bytes_of: Callable[[slice], bytes] = buffer.__getitem__

        def pread(number: int, most: int, offset: int) -> bytes:
            count = c_pread(number, address, size, zero)
            if count < 0:
                raise StaleError
            return bytes_of(slice(count))

        # struct pollfd of poll(2): int fd, short events, short revents
        events = POLLPRI if sys.byteorder == "little" else POLLPRI << 16
        words = [word for number in polled for word in (number, events)]
        array = (ctypes.c_int32 * len(words))(*words)
        self.poll = partial(library.poll, array, ctypes.c_ulong(len(polled)))
        self.lseek = c_lseek
        self.pread = pread
        self.same = same
        self.zero = zero


def has_lock() -> bool:
    """Whether there is a global lock, and the calls that keep it are known to fit."""
    return bool(getattr(sys, "_is_gil_enabled", lambda: True)()) and sys.maxsize > 1 << 32
