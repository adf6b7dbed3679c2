"""The facts that come from calls, not files: one function a fact, its answer as text.

Each takes the id of the process that is asked for, `None` for the caller. The text is that of
a machine file's ``!fact``; `None` if the system has no such call.
"""

from __future__ import annotations

import _thread
import os
import sys

from kumo._cgroups.cpulist import format_cpulist

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


VIEW = "KUMO_VIEW_CPUS"  # set in a view, whose library answers sched_getaffinity in its own way


def affinity_mask(thread: int) -> int:
    """Return the CPUs that a thread may use, 0 being the caller, in a view the true ones.

    Raise as `os.sched_getaffinity`.
    """
    if sys.platform != "linux" and sys.platform != "android":
        from errno import ENOSYS

        raise OSError(ENOSYS, "not a call of this system")
    if not os.environ.get(VIEW):
        return sum(1 << cpu for cpu in os.sched_getaffinity(thread))
    from kumo._system.view import kernel_mask

    return kernel_mask(thread)


def _platform(pid: int | None) -> str:
    return sys.platform.rstrip("0123456789") if sys.platform != "win32" else sys.platform


def _cpus(pid: int | None) -> str:
    return str(os.cpu_count() or "")


def _pid(pid: int | None) -> str:
    return str(os.getpid() if pid is None else pid)


def _hostname(pid: int | None) -> str | None:
    return os.uname().nodename if hasattr(os, "uname") else None


def _tid(pid: int | None) -> str:
    return str(_thread.get_native_id() if pid is None else pid)


def _cgroup_namespace(pid: int | None) -> str | None:
    try:
        return os.readlink("/proc/self/ns/cgroup")
    except OSError:
        return None  # Linux before 4.6, or no /proc


def _x_cpu_count(pid: int | None) -> str | None:
    """The caller's own ``-X cpu_count``; ``default`` too if Python has to ignore variables."""
    option = sys._xoptions.get("cpu_count") if pid is None else None
    if option is not None:
        return str(option)
    return "default" if pid is None and sys.flags.ignore_environment else None


def _gil(pid: int | None) -> str | None:
    """``1`` if the caller's own interpreter has a global lock, ``0`` if it has none."""
    enabled = getattr(sys, "_is_gil_enabled", None)  # Python 3.13
    return None if pid is not None else str(int(enabled is None or enabled()))


def _memory(pid: int | None) -> str | None:
    """The machine's memory in bytes, by sysconf(3) of the BSDs, macOS and illumos."""
    if sys.platform == "win32":
        return None  # its module has another call
    try:
        return str(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (OSError, ValueError):
        return None  # on AIX, that name is unknown


FACTS: dict[str, Callable[[int | None], str | None]] = {
    "platform": _platform,
    "cpus": _cpus,
    "pid": _pid,
    "tid": _tid,
    "hostname": _hostname,
    "memory": _memory,
    "x_cpu_count": _x_cpu_count,
    "cgroup_namespace": _cgroup_namespace,
    "gil": _gil,
}

if sys.platform == "linux" or sys.platform == "android":
    RESET_ON_FORK = 0x40000000  # SCHED_RESET_ON_FORK, include/uapi/linux/sched.h
    POLICIES = ("SCHED_OTHER", "SCHED_FIFO", "SCHED_RR", "SCHED_BATCH", "SCHED_ISO", "SCHED_IDLE",
                "SCHED_DEADLINE", "SCHED_EXT")  # fmt: skip

    # gVisor's answer for uname's version: that of Linux 4.4, pkg/sentry/kernel/version
    GVISOR = "#1 SMP Sun Jan 10 15:06:54 PST 2016"

    def _sandbox(pid: int | None) -> str | None:
        """The system that imitates Linux, by the version that it answers; OpenVZ by its files."""
        kernel = os.uname()
        if kernel.version == GVISOR:
            return "gVisor"
        if "BrandZ" in kernel.version:  # "BrandZ virtual linux", of illumos
            return "LX zone"
        if kernel.release.endswith("-Microsoft"):  # WSL2's ends in -microsoft-standard-WSL2
            return "WSL1"
        inside = os.path.exists("/proc/vz") and not os.path.exists("/proc/bc")
        return "OpenVZ" if inside else None

    def _affinity(pid: int | None) -> str:
        return format_cpulist(affinity_mask(pid or 0))

    def _policy(pid: int | None) -> str | None:
        try:
            number = os.sched_getscheduler(pid or 0)
        except OSError:
            return None
        name = dict(enumerate(POLICIES)).get(number & ~RESET_ON_FORK, str(number))
        return name + ("|SCHED_RESET_ON_FORK" if number & RESET_ON_FORK else "")

    def _threads(pid: int | None) -> str | None:
        """The process's further threads with their masks, less those that have just ended."""
        lines = []
        asking = _tid(pid)
        for thread in os.listdir(f"/proc/{pid or 'self'}/task"):
            try:
                mask = affinity_mask(int(thread)) if thread != asking else 0
            except ProcessLookupError:
                continue
            if mask:
                lines.append(f"{thread} {format_cpulist(mask)}")
        return "\n".join(lines) or None

    FACTS.update(affinity=_affinity, policy=_policy, sandbox=_sandbox, threads=_threads)
else:
    # sys.platform and the module here that has its calls
    SYSTEMS = {
        "win32": "windows",
        "darwin": "macos",
        "freebsd": "freebsd",
        "netbsd": "netbsd",
        "openbsd": "openbsd",
        "sunos": "sunos",
        "aix": "aix",
    }
    if _platform(None) in SYSTEMS:
        name = f"kumo._system.{SYSTEMS[_platform(None)]}"
        FACTS.update(__import__(name, fromlist=("FACTS",)).FACTS)
