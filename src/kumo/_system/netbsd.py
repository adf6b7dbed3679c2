"""NetBSD: the CPUs that the process and the calling thread are bound to.

affinity(3), https://man.netbsd.org/affinity.3
``sched_getaffinity_np`` stands in the library of threads. It is ``_sched_getaffinity`` of the
C library for "all threads", which answers the set of the first: lib/libpthread, sys/sched.h and
sys/kern/sys_sched.c in NetBSD/src.
"""

from __future__ import annotations

import ctypes
from errno import ENOMEM

from kumo._system.native import call, pointer, sysctl_count, words_to_cpulist

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

ALL_THREADS = 0


def _set(pid: int, thread: int) -> str:
    """Return the set; empty if the thread is bound to none, and may use every CPU."""
    address = pointer("_cpuset_create")
    if address is None:
        raise OSError(ENOMEM, "no memory for a set of CPUs")
    cpuset = ctypes.c_void_p(address)
    try:
        size = call("_cpuset_size", cpuset)
        call("_sched_getaffinity", pid, thread, ctypes.c_size_t(size), cpuset)
        # common/lib/libc/sys/cpuset.c: words of 32 bits.
        words = (ctypes.c_uint32 * (size // 4)).from_address(address)
        return words_to_cpulist(words, 32)
    finally:
        pointer("_cpuset_destroy", cpuset)


def _affinity(pid: int | None) -> str:
    process = f"process {_set(pid or 0, ALL_THREADS)}"
    return process if pid is not None else f"{process}\nthread {_set(0, call('_lwp_self'))}"


FACTS: dict[str, Callable[[int | None], str | None]] = {
    "sched_getaffinity_np": _affinity,
    "hw.ncpuonline": lambda pid: sysctl_count("hw.ncpuonline"),
}
