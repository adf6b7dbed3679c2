"""illumos and Solaris: the processor set of the calling thread, and the caps on CPU time.

pset_info(2), https://illumos.org/man/2/pset_info; getrctl(2), https://illumos.org/man/2/getrctl
Constants: usr/src/uts/common/sys/{pset,rctl}.h in illumos/illumos-gate.
"""

from __future__ import annotations

import ctypes
from errno import EINVAL, ENOENT

from kumo._cgroups.cpulist import format_cpulist
from kumo._system.native import call, function, online_processors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PS_MYID = -3
RCTL_FIRST = 0
RCTL_NEXT = 1
RCTL_LOCAL_DENY = 2
RCTL_LOCAL_MAXIMAL = 0x80000000
NO_VALUE = (ENOENT, EINVAL)  # no further one; no such resource control
CAPS = ("zone.cpu-cap", "project.cpu-cap")


def _set(pid: int | None) -> str | None:
    if pid is not None:
        return None  # the call answers for the caller
    kind, count = ctypes.c_int(0), ctypes.c_uint(0)
    call("pset_info", PS_MYID, ctypes.byref(kind), ctypes.byref(count), None)
    cpus = (ctypes.c_int * count.value)()
    call("pset_info", PS_MYID, ctypes.byref(kind), ctypes.byref(count), cpus)
    return f"process {format_cpulist(sum(1 << cpu for cpu in cpus[: count.value]))}"


def _values(name: str) -> Iterator[int]:
    """Yield what is enforced of the resource control *name*: its unit is 1 % of a CPU."""
    value, flags = function("rctlblk_get_value"), function("rctlblk_get_local_flags")
    value.restype, flags.restype = ctypes.c_uint64, ctypes.c_uint
    action = function("rctlblk_get_local_action")
    size = call("rctlblk_size")
    last, block = None, ctypes.create_string_buffer(size)
    while True:
        try:
            call("getrctl", name.encode(), last, block, RCTL_NEXT if last else RCTL_FIRST)
        except OSError as error:
            if error.errno not in NO_VALUE:
                raise
            return
        # The greatest value that the system allows stands for "no cap".
        if action(block, None) & RCTL_LOCAL_DENY and not flags(block) & RCTL_LOCAL_MAXIMAL:
            yield value(block)
        last, block = block, ctypes.create_string_buffer(size)


def _caps(pid: int | None) -> str | None:
    if pid is not None:
        return None  # the call answers for the caller
    return "\n".join(f"{name} {value}" for name in CAPS for value in _values(name)) or None


FACTS: dict[str, Callable[[int | None], str | None]] = {
    "pset_info": _set,
    "getrctl": _caps,
    "SC_NPROCESSORS_ONLN": online_processors,
}
