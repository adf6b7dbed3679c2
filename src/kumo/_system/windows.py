"""Windows: affinity across processor groups, the job's CPU rate, CPU Sets.

https://learn.microsoft.com/windows/win32/procthread/processor-groups
https://learn.microsoft.com/windows/win32/api/winnt/ns-winnt-jobobject_cpu_rate_control_information
https://learn.microsoft.com/windows/win32/procthread/cpu-sets
https://learn.microsoft.com/windows/win32/api/sysinfoapi/nf-sysinfoapi-getcomputernameexw
https://learn.microsoft.com/windows/win32/api/sysinfoapi/nf-sysinfoapi-globalmemorystatusex
https://learn.microsoft.com/windows/win32/api/winnt/ns-winnt-processor_relationship
Layouts and constants: winnt.h; tests/system compares them with a compiler's.
A CPU's number here is 64 times its group's, and its place in the group.
"""

from __future__ import annotations

import ctypes
import os
import sys
from ctypes import c_int, c_size_t, c_uint16, c_uint32, c_uint64, c_void_p
from errno import ENOSYS

from kumo._cgroups.cpulist import format_cpulist

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

GROUP = 64
MAX_GROUPS = 64
ALL_PROCESSOR_GROUPS = 0xFFFF
COMPUTER_NAME_PHYSICAL_DNS_HOSTNAME = 5  # of COMPUTER_NAME_FORMAT in sysinfoapi.h
RELATION_PROCESSOR_CORE = 0  # of LOGICAL_PROCESSOR_RELATIONSHIP in winnt.h
JOB_OBJECT_CPU_RATE_CONTROL = 15  # JobObjectCpuRateControlInformation
ENABLE, WEIGHT_BASED, HARD_CAP, MIN_MAX_RATE = 0x1, 0x2, 0x4, 0x10


class GroupAffinity(ctypes.Structure):
    """``GROUP_AFFINITY``: CPUs of one group."""

    _fields_ = [
        ("Mask", c_size_t),
        ("Group", c_uint16),
        ("Reserved", c_uint16 * 3),
    ]


class _Rates(ctypes.Structure):
    _fields_ = [("MinRate", c_uint16), ("MaxRate", c_uint16)]


class _Rate(ctypes.Union):
    _anonymous_ = ("rates",)
    _fields_ = [("CpuRate", c_uint32), ("Weight", c_uint32), ("rates", _Rates)]


class CpuRateControl(ctypes.Structure):
    """``JOBOBJECT_CPU_RATE_CONTROL_INFORMATION``: rates in 1/100 % of all the CPUs."""

    _anonymous_ = ("rate",)
    _fields_ = [("ControlFlags", c_uint32), ("rate", _Rate)]


class MemoryStatus(ctypes.Structure):
    """``MEMORYSTATUSEX``."""

    _fields_ = [
        ("Length", c_uint32),
        ("MemoryLoad", c_uint32),
        ("TotalPhys", c_uint64),
        ("others", c_uint64 * 6),
    ]


def rate_text(info: CpuRateControl) -> str:
    """Return which kind of control the job is under, and its numbers as they are."""
    flags = info.ControlFlags
    if not flags & ENABLE:
        return "none"
    if flags & WEIGHT_BASED:
        return f"weight {info.Weight}"
    if flags & MIN_MAX_RATE:
        return f"min_max {info.MinRate} {info.MaxRate}"
    return f"{'hard_cap' if flags & HARD_CAP else 'soft_cap'} {info.CpuRate}"


def masks_text(masks: Iterable[GroupAffinity]) -> str:
    """Return the CPUs of all *masks* as a CPU list."""
    return format_cpulist(sum(mask.Mask << GROUP * mask.Group for mask in masks))


def affinity_text(active: Mapping[int, int], mask: int) -> str:
    """Return the process's CPUs; *active* are its groups with their numbers of active CPUs.

    *mask* is zero if the process's threads are in several groups: then all CPUs of these
    may be used, and which of a group's numbers are active does not matter.
    """
    if mask and len(active) == 1:
        return format_cpulist(mask << GROUP * next(iter(active)))
    return format_cpulist(sum(((1 << cpus) - 1) << GROUP * group for group, cpus in active.items()))


def classes_text(data: bytes) -> str | None:
    """Return each efficiency class with its number of CPUs, the fastest first; `None` for one.

    Format: records of ``SYSTEM_LOGICAL_PROCESSOR_INFORMATION_EX`` for cores. Each begins with
    its relationship and its size, 4 bytes each; the class is at 9, the number of groups at 30,
    and their affinities follow. A higher class is faster.
    """
    counts: dict[int, int] = {}
    place, mask_size = 0, ctypes.sizeof(GroupAffinity)
    while place + 32 <= len(data):
        size = int.from_bytes(data[place + 4 : place + 8], "little")
        record = data[place : place + size]
        if size < 32:
            break
        groups = int.from_bytes(record[30:32], "little")
        for index in range(groups):
            at = 32 + index * mask_size
            mask = int.from_bytes(record[at : at + ctypes.sizeof(c_size_t)], "little")
            counts[record[9]] = counts.get(record[9], 0) + mask.bit_count()
        place += size
    if len(counts) < 2:
        return None
    return "\n".join(f"class-{kind} {counts[kind]}" for kind in sorted(counts, reverse=True))


FACTS: dict[str, Callable[[int | None], str | None]] = {}

if sys.platform == "win32":
    _kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
    _kernel32.GetCurrentProcess.restype = c_void_p
    _kernel32.GetCurrentThread.restype = c_void_p
    _kernel32.GetActiveProcessorGroupCount.restype = c_uint16

    def _ask(name: str, *arguments: object) -> None:
        function = getattr(_kernel32, name, None)
        if function is None:
            raise OSError(ENOSYS, os.strerror(ENOSYS), name)
        if not function(*arguments):
            raise ctypes.WinError(ctypes.get_last_error())

    def _process() -> c_void_p:
        return c_void_p(_kernel32.GetCurrentProcess())

    def _groups() -> list[int]:
        """The groups that the process is in: asked only if there are several."""
        if _kernel32.GetActiveProcessorGroupCount() == 1:
            return [0]
        count, groups = c_uint16(MAX_GROUPS), (c_uint16 * MAX_GROUPS)()
        _ask("GetProcessGroupAffinity", _process(), ctypes.byref(count), groups)
        return list(groups[: count.value])

    def _affinity(pid: int | None) -> str | None:
        active = {group: _kernel32.GetActiveProcessorCount(group) for group in _groups()}
        mask, of_system = c_size_t(0), c_size_t(0)
        _ask("GetProcessAffinityMask", _process(), ctypes.byref(mask), ctypes.byref(of_system))
        process = f"process {affinity_text(active, mask.value)}"
        if len(active) > 1:
            return process  # a thread starts in its group, and need not stay there
        own = GroupAffinity()
        thread = c_void_p(_kernel32.GetCurrentThread())
        _ask("GetThreadGroupAffinity", thread, ctypes.byref(own))
        threads = f"{process}\nthread {masks_text([own])}"
        if of_system.value == mask.value:
            return threads
        return f"{threads}\ngroup {affinity_text(active, of_system.value)}"

    def _job(pid: int | None) -> str | None:
        """The rate control of the job that the process is in; `None` outside a job."""
        inside = c_int(0)
        _ask("IsProcessInJob", _process(), None, ctypes.byref(inside))
        if not inside.value:
            return None
        info = CpuRateControl()
        size = c_uint32(ctypes.sizeof(info))
        kind = JOB_OBJECT_CPU_RATE_CONTROL
        _ask("QueryInformationJobObject", None, kind, ctypes.byref(info), size, None)
        return rate_text(info)

    def _cpu_sets(pid: int | None) -> str | None:
        if not hasattr(_kernel32, "GetProcessDefaultCpuSetMasks"):
            return None  # before Windows 11 and Windows Server 2022
        masks, count = (GroupAffinity * MAX_GROUPS)(), c_uint16(0)
        room = c_uint16(MAX_GROUPS)
        _ask("GetProcessDefaultCpuSetMasks", _process(), masks, room, ctypes.byref(count))
        return masks_text(masks[: count.value]) or None

    def _classes(pid: int | None) -> str | None:
        """The classes of all CPUs of the machine; `None` before Windows 10, or for one class."""
        if not hasattr(_kernel32, "GetLogicalProcessorInformationEx"):
            return None
        size = c_uint32(0)
        ask = _kernel32.GetLogicalProcessorInformationEx
        ask(RELATION_PROCESSOR_CORE, None, ctypes.byref(size))
        buffer = ctypes.create_string_buffer(size.value)
        _ask(
            "GetLogicalProcessorInformationEx", RELATION_PROCESSOR_CORE, buffer, ctypes.byref(size)
        )
        return classes_text(buffer.raw[: size.value])

    def _active(pid: int | None) -> str:
        return str(_kernel32.GetActiveProcessorCount(ALL_PROCESSOR_GROUPS))

    def _hostname(pid: int | None) -> str:
        name, size = ctypes.create_unicode_buffer(256), c_uint32(256)
        kind = COMPUTER_NAME_PHYSICAL_DNS_HOSTNAME
        _ask("GetComputerNameExW", kind, name, ctypes.byref(size))
        return name.value

    def _memory(pid: int | None) -> str:
        status = MemoryStatus(Length=ctypes.sizeof(MemoryStatus))
        _ask("GlobalMemoryStatusEx", ctypes.byref(status))
        return str(status.TotalPhys)

    FACTS.update(
        hostname=_hostname,
        memory=_memory,
        GetProcessAffinityMask=_affinity,
        QueryInformationJobObject=_job,
        GetProcessDefaultCpuSetMasks=_cpu_sets,
        GetActiveProcessorCount=_active,
        EfficiencyClass=_classes,
    )
