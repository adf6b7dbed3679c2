"""FreeBSD: the CPUs that cpuset(2) leaves to the process, and the rules of rctl(8).

cpuset_getaffinity(2), https://man.freebsd.org/cgi/man.cgi?query=cpuset_getaffinity
rctl_get_limits(2), https://man.freebsd.org/cgi/man.cgi?query=rctl_get_limits
Constants: sys/sys/cpuset.h in freebsd/freebsd-src.
"""

from __future__ import annotations

import ctypes
import os
from errno import ENOSYS, ERANGE

from kumo._system.native import call, sysctl_count, words_to_cpulist

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

CPU_LEVEL_WHICH = 3
CPU_WHICH_TID = 1
CPU_WHICH_PID = 2
# Bytes. The call refuses a set that is smaller than the kernel's, and some kernels one that is
# larger than CPU_MAXSIZE, which was 128 bits at first and has been 1024 and more since.
SIZES = (128, 32, 16, 256, 512, 1024)
RULES = 1 << 16


def _set(which: int, number: int) -> str:
    """Return the set of the thread *which*, or the union of the threads of the process."""
    for size in SIZES:
        words = (ctypes.c_ulong * (size // ctypes.sizeof(ctypes.c_ulong)))()
        try:
            call(
                "cpuset_getaffinity",
                CPU_LEVEL_WHICH,
                which,
                ctypes.c_int64(number),
                ctypes.c_size_t(size),
                words,
            )
        except OSError as error:
            if error.errno != ERANGE:
                raise
            continue
        return words_to_cpulist(words, 8 * ctypes.sizeof(ctypes.c_ulong))
    raise OSError(ERANGE, os.strerror(ERANGE), "cpuset_getaffinity")


def _affinity(pid: int | None) -> str:
    process = f"process {_set(CPU_WHICH_PID, -1 if pid is None else pid)}"
    return process if pid is not None else f"{process}\nthread {_set(CPU_WHICH_TID, -1)}"


def _rules(pid: int | None) -> str | None:
    """The rules that apply to the process, as the call writes them; `None` without rctl."""
    subject = f"process:{os.getpid() if pid is None else pid}".encode()
    buffer = ctypes.create_string_buffer(RULES)
    sizes = ctypes.c_size_t(len(subject) + 1), ctypes.c_size_t(RULES)
    try:
        call("rctl_get_limits", subject, sizes[0], buffer, sizes[1])
    except OSError as error:
        if error.errno == ENOSYS:
            return None  # not in the kernel, or kern.racct.enable is 0
        raise
    return buffer.value.decode("utf-8", "surrogateescape")


FACTS: dict[str, Callable[[int | None], str | None]] = {
    "cpuset_getaffinity": _affinity,
    "rctl_get_limits": _rules,
    "hw.ncpu": lambda pid: sysctl_count("hw.ncpu"),
}
