"""The caps on CPU time of an illumos zone and project, in per cent of one CPU.

resource_controls(7), https://illumos.org/man/7/resource_controls
Shares (``zone.cpu-shares``) are weights, and no limit.
"""

from __future__ import annotations

from kumo._notes import malformed, unreadable
from kumo._records import Limit
from kumo._text import whole_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kumo._records import Note
    from kumo._system.live import System

CALL = "getrctl"
CAPS = ("zone.cpu-cap", "project.cpu-cap")


def parse_cap(line: str) -> tuple[str, float]:
    """Return the name of the resource control and the CPUs that it allows.

    Format: ``zone.cpu-cap 125``. Raise `ValueError` for anything else.
    """
    name, _, value = line.partition(" ")
    cap = whole_number(value)
    if name not in CAPS or cap is None:
        raise ValueError(line)
    return name, cap / 100


def detect(system: System) -> Iterator[Limit | Note]:
    try:
        text = system.fact(CALL)
    except OSError as error:
        yield unreadable(CALL, error)
        return
    bad: str | None = None
    for line in (text or "").split("\n") if text else ():
        try:
            name, cpus = parse_cap(line)
        except ValueError:
            bad = line if bad is None else bad
            continue
        yield Limit("cpu-cap", "rate", cpus, name, line.partition(" ")[2])
    if bad is not None:  # the first stands for all of them
        yield malformed(CALL, bad, "a cap such as zone.cpu-cap 125")
