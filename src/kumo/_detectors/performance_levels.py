"""CPUs of different speed on a Mac and on Windows.

sysctl(3): ``hw.nperflevels``, ``hw.perflevelN.logicalcpu`` and ``hw.perflevelN.name``
EfficiencyClass of https://learn.microsoft.com/windows/win32/api/winnt/ns-winnt-processor_relationship
"""

from __future__ import annotations

from kumo._detectors._kinds import fastest
from kumo._notes import malformed, note, unreadable
from kumo._text import quoted, whole_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kumo._records import Note
    from kumo._system.live import System

FACT = "hw.perflevel"
FACTS = (FACT, "EfficiencyClass")


def parse_levels(text: str) -> list[tuple[str, int]]:
    """Return each level's name and its number of CPUs, the fastest level first.

    Format: a line a level, ``Performance 8``. Raise `ValueError` for anything else.
    """
    levels = []
    for line in text.split("\n"):
        name, _, cpus = line.rpartition(" ")
        number = whole_number(cpus)
        if not name or number is None:
            raise ValueError(line)
        levels.append((name, number))
    return levels


def detect(system: System) -> Iterator[Note]:
    for fact in FACTS:
        text: str | None = None
        try:
            text = system.fact(fact)
            levels = parse_levels(text) if text else []
        except OSError as error:
            yield unreadable(fact, error)
        except ValueError:
            yield malformed(fact, text or "", "lines such as Performance 8")
        else:
            if len(levels) > 1:
                shown = ", ".join(f"{cpus} {name}" for name, cpus in levels)
                fast = fastest(levels)
                yield note("performance-levels", levels=quoted(shown), fast=fast)
