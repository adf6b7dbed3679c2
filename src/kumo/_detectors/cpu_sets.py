"""The CPU Sets that a Windows process has by default.

https://learn.microsoft.com/windows/win32/procthread/cpu-sets
They are affinity "in a soft manner": threads typically run there, and may run elsewhere. So they
are a note and no limit.
"""

from __future__ import annotations

from kumo._cgroups.cpulist import parse_cpulist
from kumo._notes import malformed, note, unreadable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kumo._records import Note
    from kumo._system.live import System

CALL = "GetProcessDefaultCpuSetMasks"


def detect(system: System) -> Iterator[Note]:
    text: str | None = None
    try:
        text = system.fact(CALL)
        count = parse_cpulist(text or "").bit_count()
    except OSError as error:
        yield unreadable(CALL, error)
    except ValueError:
        yield malformed(CALL, text or "", "a list of CPUs such as 0-3")
    else:
        if count:
            yield note("cpu-sets", count=count)
