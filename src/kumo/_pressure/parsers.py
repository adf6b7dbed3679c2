"""The files about load and waiting, from text to numbers. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from kumo._system.process import parse_stat as stat_of_process
from kumo._text import whole_number


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
    totals = re.findall(r"^(some|full) .*\btotal=(\d{1,19})$", text, re.MULTILINE)
    return {name: int(total) / 1e6 for name, total in totals}


def parse_schedstat(text: str) -> tuple[float, float] | None:
    """Return the seconds that a thread has run, and has waited to run; `None` for another form.

    Format: ``439885000 43928000 1``: nanoseconds, nanoseconds, and turns.
    https://docs.kernel.org/scheduler/sched-stats.html#proc-pid-schedstat
    """
    ran, waited, turns = [*map(whole_number, text.split()), None, None, None][:3]
    return None if ran is None or waited is None or turns is None else (ran / 1e9, waited / 1e9)


def parse_process_stat(text: str) -> tuple[float, float] | None:
    """Return the CPU seconds of a process, and of its children that ended and were waited for.

    Those of the process are of all its threads, ended ones too. `None` for another form.
    """
    try:
        return stat_of_process(text).times
    except ValueError:
        return None


def parse_stat(text: str) -> dict[int, CpuTimes]:
    """Return the times of each CPU that is online.

    Format: ``cpu0 514276 0 127068 1459998 1017 0 302 371 22 0``: user, nice, system, idle,
    iowait, irq, softirq, steal; then guest and guest_nice, which user and nice include.
    https://man7.org/linux/man-pages/man5/proc_stat.5.html
    """
    times_by_cpu = {}
    for line in text.split("\n"):
        name, *fields = line.split(" ")[:9]
        cpu = whole_number(name[3:], 7) if name.startswith("cpu") else None
        times = [whole_number(field, 20) for field in fields]
        if cpu is not None and len(times) == 8 and None not in times:
            known = [each or 0 for each in times]
            times_by_cpu[cpu] = CpuTimes(sum(known), known[3] + known[4], known[7])
    return times_by_cpu


def parse_usage(text: str) -> float | None:
    """Return the CPU seconds that a cgroup of v2 has used; `None` if it does not report it.

    Format: a line ``usage_usec 5000000`` of ``cpu.stat``.
    https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu-interface-files
    """
    match = re.search(r"^usage_usec (\d{1,19})$", text, re.MULTILINE)
    return int(match[1]) / 1e6 if match else None


def parse_cpuacct(text: str) -> float | None:
    """Return the CPU seconds that a cgroup of v1 has used; `None` if it does not report it.

    Format: ``439885000``, nanoseconds, in ``cpuacct.usage``.
    https://docs.kernel.org/admin-guide/cgroup-v1/cpuacct.html
    """
    used = whole_number(text.strip())
    return None if used is None else used / 1e9


def parse_maps(text: str) -> bool | None:
    """Return whether the program has a global interpreter lock; `None` if it is not a Python.

    Format: ``7f00-7f01 r-xp 00000000 08:01 42   /usr/lib/libpython3.13.so.1.0``, or the path of
    the interpreter itself. That of a free-threaded build has a ``t`` after the version.
    https://man7.org/linux/man-pages/man5/proc_pid_maps.5.html
    """
    for line in text.split("\n"):
        match = re.fullmatch(r"(?:lib)?python3\.\d+(t?)(?:\.so[.\d]*)?", line.rpartition("/")[2])
        if match is not None:
            return not match[1]
    return None
