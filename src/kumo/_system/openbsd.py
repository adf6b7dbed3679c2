"""OpenBSD: the CPUs that are online, without those that ``hw.smt`` or ``hw.blockcpu`` takes away.

sysctl(2), https://man.openbsd.org/sysctl.2; there are no names, only numbers, which are those of
sys/sys/sysctl.h in openbsd/src. A process cannot be bound to CPUs.
"""

from __future__ import annotations

import ctypes

from kumo._system.native import call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

CTL_HW = 6
HW_NCPUONLINE = 25


def _online(pid: int | None) -> str:
    name = (ctypes.c_int * 2)(CTL_HW, HW_NCPUONLINE)
    count = ctypes.c_int(0)
    size = ctypes.c_size_t(ctypes.sizeof(count))
    call("sysctl", name, 2, ctypes.byref(count), ctypes.byref(size), None, ctypes.c_size_t(0))
    return str(count.value)


FACTS: dict[str, Callable[[int | None], str | None]] = {"hw.ncpuonline": _online}
