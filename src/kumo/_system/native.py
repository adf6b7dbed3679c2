"""Calls of the C library by `ctypes`, with `errno` as an exception."""

from __future__ import annotations

import ctypes
import os
import sys
from errno import ENOENT, ENOSYS

from kumo._cgroups.cpulist import format_cpulist

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

ABSENT = (ENOENT, ENOSYS)


def function(name: str, library: str | None = None) -> Any:
    """Return the C function *name*. Raise `OSError` with ENOSYS if there is none."""
    symbol = getattr(ctypes.CDLL(library, use_errno=True), name, None)
    if symbol is None:
        raise OSError(ENOSYS, os.strerror(ENOSYS), name)
    return symbol


def call(name: str, *arguments: object, library: str | None = None) -> int:
    """Return what the C function *name* returns.

    Raise `OSError` if that is -1, or if there is no such function.
    """
    asked = function(name, library)
    ctypes.set_errno(0)
    result: int = asked(*arguments)
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)
    return result


def pointer(name: str, *arguments: object, library: str | None = None) -> int | None:
    """Return the address that the C function *name* returns, `None` for a null pointer."""
    asked = function(name, library)
    asked.restype = ctypes.c_void_p
    address: int | None = asked(*arguments)
    return address


def sysctl(name: str) -> bytes | None:
    """Return the value that ``sysctlbyname`` gives, `None` if the system has no such name."""
    size = ctypes.c_size_t(0)
    at = name.encode(), None, ctypes.byref(size), None, ctypes.c_size_t(0)
    try:
        call("sysctlbyname", *at)
        buffer = ctypes.create_string_buffer(size.value)
        call("sysctlbyname", at[0], buffer, *at[2:])
    except OSError as error:
        if error.errno in ABSENT:
            return None
        raise
    return buffer.raw[: size.value]


def sysctl_count(name: str) -> str | None:
    """Return the number that ``sysctlbyname`` gives, as text."""
    value = sysctl(name)
    return None if value is None else str(int.from_bytes(value, sys.byteorder))


def online_processors(pid: int | None) -> str | None:
    """Return what ``sysconf`` gives for the processors online, `None` if it is not a call."""
    if sys.platform == "win32":
        return None
    return str(os.sysconf("SC_NPROCESSORS_ONLN"))


def words_to_cpulist(words: Iterable[int], bits: int) -> str:
    """Return the CPU list of a set that is stored in words of *bits* bits, CPU 0 in the first."""
    return format_cpulist(sum(word << bits * index for index, word in enumerate(words)))
