"""The set of CPUs that the process may use, by the call that the system has for it.

GetProcessAffinityMask and GetProcessGroupAffinity of Windows, cpuset_getaffinity(2) of FreeBSD,
affinity(3) of NetBSD, pset_info(2) of illumos.
"""

from __future__ import annotations

from kumo._cgroups.cpulist import parse_cpulist
from kumo._notes import malformed, unreadable
from kumo._records import Limit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kumo._records import Note
    from kumo._system.live import System

CALLS = ("GetProcessAffinityMask", "cpuset_getaffinity", "sched_getaffinity_np", "pset_info")


def parse_sets(text: str) -> dict[str, str]:
    """Return the CPU list of the process and, if the call has it, of the calling thread.

    Format: a line ``process 0-7`` and perhaps lines ``thread 3`` and ``group 0-35``, which on
    Windows are the CPUs of the process's group if it may not use all of them. An empty list means
    that there is no set: every CPU may be used. Raise `ValueError` for anything else.
    """
    sets = dict(line.partition(" ")[::2] for line in text.split("\n"))
    if "process" not in sets or not sets.keys() <= {"process", "thread", "group"}:
        raise ValueError(text)
    return sets


def detect(system: System) -> Iterator[Limit | Note]:
    for call in CALLS:
        text: str | None = None
        try:
            text = system.fact(call)
            if text is None:
                continue
            sets = parse_sets(text)
            cpus = sets.get(system.scope, sets["process"])
            mask = parse_cpulist(cpus)
        except OSError as error:
            yield unreadable(call, error)
        except ValueError:
            yield malformed(call, text or "", "a line such as process 0-7")
        else:
            if mask:
                yield Limit("affinity", "set", mask.bit_count(), call, cpus)
