"""AIX: the resource set of the process, and the capacity that the partition is entitled to.

ra_getrset, https://www.ibm.com/docs/en/aix/7.3.0?topic=r-ra-getrset-subroutine
lpar_get_info, https://www.ibm.com/docs/en/aix/7.3.0?topic=l-lpar-get-info-subroutine
Constants and layout: <sys/rset.h> and <sys/dr.h>.
"""

from __future__ import annotations

import ctypes
from ctypes import c_int, c_ssize_t, c_uint32, c_uint64, c_void_p

from kumo._system.native import ABSENT, call, online_processors, pointer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

LIBRARY = "libc.a(shr_64.o)" if ctypes.sizeof(c_void_p) == 8 else "libc.a(shr.o)"
RS_EMPTY = 0
R_PROCESS = 1
RS_MYSELF = -1
R_NUMPROCS = 0
LPAR_INFO_FORMAT2 = 2
LPAR_INFO2_CAPPED = 0x01


class LparInfo(ctypes.Structure):
    """The beginning of ``lpar_info_format2_t``; capacities are in hundredths of a processor."""

    _fields_ = [
        ("version", c_int),
        ("pad0", c_int),
        ("online_memory", c_uint64),
        ("tot_dispatch_time", c_uint64),
        ("pool_idle_time", c_uint64),
        ("dispatch_latency", c_uint64),
        ("lpar_flags", c_uint32),
        ("pcpus_in_sys", c_uint32),
        ("online_vcpus", c_uint32),
        ("online_lcpus", c_uint32),
        ("pcpus_in_pool", c_uint32),
        ("unalloc_capacity", c_uint32),
        ("entitled_capacity", c_uint32),
        ("rest", c_uint32 * 64),
    ]


def lpar_text(info: LparInfo) -> str:
    """Return the partition's mode, entitlement and CPUs, named as ``lparstat`` names them."""
    mode = "Capped" if info.lpar_flags & LPAR_INFO2_CAPPED else "Uncapped"
    entitled = f"{info.entitled_capacity / 100:.2f}"
    return f"mode={mode} ent={entitled} vcpu={info.online_vcpus} lcpu={info.online_lcpus}"


def _partition(pid: int | None) -> str | None:
    info = LparInfo()
    size = ctypes.c_size_t(ctypes.sizeof(info))
    try:
        call("lpar_get_info", LPAR_INFO_FORMAT2, ctypes.byref(info), size, library=LIBRARY)
    except OSError as error:
        if error.errno in ABSENT:
            return None
        raise
    return lpar_text(info)


def _resource_set(pid: int | None) -> str | None:
    if pid is not None:
        return None
    rset = c_void_p(pointer("rs_alloc", RS_EMPTY, library=LIBRARY))
    try:
        # A union with a process's id in it: all bits set read as RS_MYSELF at either end.
        call("ra_getrset", R_PROCESS, c_ssize_t(RS_MYSELF), 0, rset, library=LIBRARY)
        return str(call("rs_getinfo", rset, R_NUMPROCS, 0, library=LIBRARY))
    finally:
        pointer("rs_free", rset, library=LIBRARY)


FACTS: dict[str, Callable[[int | None], str | None]] = {
    "ra_getrset": _resource_set,
    "lpar_get_info": _partition,
    "SC_NPROCESSORS_ONLN": online_processors,
}
