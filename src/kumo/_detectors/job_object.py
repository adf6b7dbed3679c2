"""The CPU rate of the Windows job that the process is in.

https://learn.microsoft.com/windows/win32/api/winnt/ns-winnt-jobobject_cpu_rate_control_information
Rates are hundredths of a per cent of all the machine's CPUs. A hard cap and a maximum rate bind;
a weight, and a rate without a hard cap, only count if CPUs are scarce.
"""

from __future__ import annotations

from kumo._notes import malformed, note, unreadable
from kumo._records import Limit, inf
from kumo._text import whole_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kumo._records import Note
    from kumo._system.live import System

CALL = "QueryInformationJobObject"
FORM = "none, weight N, soft_cap N, hard_cap N or min_max N N, with a rate of 1 to 10000"
WHOLE = 10000
NUMBERS = {"none": 0, "weight": 1, "soft_cap": 1, "hard_cap": 1, "min_max": 2}


def parse_rate(text: str) -> float:
    """Return the part of all CPUs that the job may use, `inf` for no limit.

    Format: ``hard_cap 2500``, ``min_max 0 5000``, ``weight 5``, ``soft_cap 2500``, ``none``
    Raise `ValueError` for anything else.
    """
    kind, *numbers = text.split()
    rates = [whole_number(number) for number in numbers]
    if len(rates) != NUMBERS.get(kind) or None in rates:
        raise ValueError(text)
    if kind not in ("hard_cap", "min_max"):
        return inf
    rate = rates[-1] or 0
    if not 0 < rate <= WHOLE:
        raise ValueError(text)
    return rate / WHOLE


def detect(system: System) -> Iterator[Limit | Note]:
    try:
        text = system.fact(CALL)
    except OSError as error:
        yield unreadable(CALL, error)
        return
    if text is None:  # in no job
        return
    try:
        rate = parse_rate(text)
        count = system.fact("GetActiveProcessorCount") or system.fact("cpus") or ""
        online = whole_number(count)
        cpus = rate * online if online else inf
        yield Limit("job-object", "rate", cpus, CALL, text)
    except ValueError:
        yield malformed(CALL, text, FORM)
    yield note("job-parents-hidden")
