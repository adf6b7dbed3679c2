"""The files about load and waiting, from text to numbers. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

USER_HZ = 100  # ticks a second of /proc/PID/stat, on every architecture but Alpha


class CpuTimes(NamedTuple):
    """A CPU's time since the start in all, idle, and taken by the hypervisor, in one unit."""

    total: int
    idle: int
    steal: int


def parse_pressure(text: str) -> dict[str, float]:
    """Return the seconds since the start by ``some`` and ``full``, as far as they are there.

    Format: ``some avg10=0.00 avg60=0.00 avg300=0.00 total=1234`` (microseconds), a line each.
    The machine's ``full`` is always 0 for the CPU, and absent before Linux 5.13.
    https://docs.kernel.org/accounting/psi.html
    """
    found = re.findall(r"^(some|full) .*\btotal=(\d+)$", text, re.MULTILINE)
    return {name: int(total) / 1e6 for name, total in found}


def parse_schedstat(text: str) -> tuple[float, float] | None:
    """Return the seconds that a thread has run, and has waited to run; `None` for another form.

    Format: ``439885000 43928000 1``: nanoseconds, nanoseconds, and turns.
    https://docs.kernel.org/scheduler/sched-stats.html#proc-pid-schedstat
    """
    found = re.match(r"(\d+) (\d+) \d+$", text.strip())
    return (int(found[1]) / 1e9, int(found[2]) / 1e9) if found else None


def parse_process_stat(text: str) -> tuple[float, float] | None:
    """Return the CPU seconds of a process, and of its children that ended and were waited for.

    Those of the process are of all its threads, ended ones too. `None` for another form.
    Format: ``4242 (name) S 1 …``; after the name, the twelfth field to the fifteenth are utime,
    stime, cutime and cstime, in ticks. https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
    """
    fields = text.rpartition(")")[2].split()[11:15]
    if len(fields) != 4 or not all(field.isascii() and field.isdigit() for field in fields):
        return None
    user, system, children_user, children_system = map(int, fields)
    return (user + system) / USER_HZ, (children_user + children_system) / USER_HZ


def parse_stat(text: str) -> dict[int, CpuTimes]:
    """Return the times of each CPU that is on line.

    Format: ``cpu0 514276 0 127068 1459998 1017 0 302 371 22 0``: user, nice, system, idle,
    iowait, irq, softirq, steal; then guest and guest_nice, which user and nice include.
    https://man7.org/linux/man-pages/man5/proc_stat.5.html
    """
    found = {}
    for number, rest in re.findall(r"^cpu(\d+)((?: \d+){8}).*$", text, re.MULTILINE):
        times = [int(part) for part in rest.split()]
        found[int(number)] = CpuTimes(sum(times), times[3] + times[4], times[7])
    return found


def parse_usage(text: str) -> float | None:
    """Return the CPU seconds that a cgroup of v2 has used; `None` where it does not tell.

    Format: a line ``usage_usec 5000000`` of ``cpu.stat``.
    https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu-interface-files
    """
    found = re.search(r"^usage_usec (\d+)$", text, re.MULTILINE)
    return int(found[1]) / 1e6 if found else None


def parse_cpuacct(text: str) -> float | None:
    """Return the CPU seconds that a cgroup of v1 has used; `None` where it does not tell.

    Format: ``439885000``, nanoseconds, in ``cpuacct.usage``.
    https://docs.kernel.org/admin-guide/cgroup-v1/cpuacct.html
    """
    return int(text) / 1e9 if text.strip().isascii() and text.strip().isdigit() else None


def parse_maps(text: str) -> bool | None:
    """Return whether the program has a global interpreter lock; `None` where it is no Python.

    Format: ``7f00-7f01 r-xp 00000000 08:01 42   /usr/lib/libpython3.13.so.1.0``, or the path of
    the interpreter itself. That of a free-threaded build has a ``t`` after the version.
    https://man7.org/linux/man-pages/man5/proc_pid_maps.5.html
    """
    found = re.search(r"/(?:lib)?python3\.\d+(t?)(?:\.so[.\d]*)?$", text, re.MULTILINE)
    return None if found is None else not found[1]
