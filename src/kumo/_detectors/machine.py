"""The CPUs that are on line.

https://www.kernel.org/doc/html/latest/admin-guide/cputopology.html
"""

from __future__ import annotations

from kumo._cgroups.cpulist import ONLINE, parse_cpulist
from kumo._notes import malformed, unreadable
from kumo._records import Limit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kumo._records import Note
    from kumo._system.live import System

# What each system has for it; os.cpu_count comes last, since Python's options change it.
CALLS = {
    "GetActiveProcessorCount": "GetActiveProcessorCount",
    "hw.activecpu": "hw.activecpu",
    "hw.ncpuonline": "hw.ncpuonline",
    "hw.ncpu": "hw.ncpu",
    "SC_NPROCESSORS_ONLN": "sysconf(_SC_NPROCESSORS_ONLN)",
    "cpus": "os.cpu_count",
}


def detect(system: System) -> Iterator[Limit | Note]:
    try:
        text = system.read(ONLINE)
    except OSError as error:
        yield unreadable(ONLINE, error)
        text = None
    if text is not None:
        try:
            online = parse_cpulist(text).bit_count()
        except ValueError:
            online = 0
        if online:
            yield Limit("online", "set", online, ONLINE, text.strip())
            return
        yield malformed(ONLINE, text, "a list of CPUs such as 0-3")
    for fact, where in CALLS.items():
        count = system.fact(fact) or ""
        if count.isascii() and count.isdigit() and int(count[:8]) > 0:
            yield Limit("online", "set", int(count[:8]), where, count)
            return
