"""How long CPUs have idled and been stolen, by /proc/stat."""

from __future__ import annotations

import re
from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection


class Ticks(NamedTuple):
    """Seconds, summed over CPUs."""

    idle: float
    steal: float


def during(before: Ticks | None, after: Ticks | None, part: float) -> Ticks | None:
    """Return what *part* of the time between two readings holds; `None` where one is."""
    if before is None or after is None:
        return None
    return Ticks((after.idle - before.idle) * part, (after.steal - before.steal) * part)


def parse_ticks(text: str, cpus: Collection[int], hertz: int) -> Ticks | None:
    """Return the idle and stolen time of *cpus*, of all where none of them is listed.

    Format: ``cpu0 516904 0 127556 1462758 1031 0 303 374 22 0``: user, nice, system, idle, iowait,
    irq, softirq, steal, …, in ticks of which a second has *hertz*. `None` where there is no such
    line. https://man7.org/linux/man-pages/man5/proc_stat.5.html
    """
    found = {
        int(cpu): [int(number) for number in numbers.split()]
        for cpu, numbers in re.findall(r"^cpu(\d+)((?: \d+){8,})$", text, re.MULTILINE)
    }
    rows = [row for cpu, row in found.items() if cpu in cpus] or list(found.values())
    if not rows:
        return None
    idle = sum(row[3] + row[4] for row in rows)
    return Ticks(idle / hertz, sum(row[7] for row in rows) / hertz)
