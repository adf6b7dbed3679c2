"""How long CPUs have idled and been stolen, by /proc/stat."""

from __future__ import annotations

from typing import NamedTuple

from kumo._pressure.parsers import parse_stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection


class Ticks(NamedTuple):
    """Seconds, summed over CPUs."""

    idle: float
    steal: float


def during(before: Ticks | None, after: Ticks | None, part: float) -> Ticks | None:
    """Return *part* of the time between two readings; `None` if one is."""
    if before is None or after is None:
        return None
    return Ticks((after.idle - before.idle) * part, (after.steal - before.steal) * part)


def parse_ticks(text: str, cpus: Collection[int], hertz: int) -> Ticks | None:
    """Return the idle and stolen time of *cpus*, of all if none of them is listed.

    *text* is of ``/proc/stat``, in ticks of which a second has *hertz*. `None` if it names no CPU.
    """
    times_by_cpu = parse_stat(text)
    rows = [times for cpu, times in times_by_cpu.items() if cpu in cpus]
    rows = rows or list(times_by_cpu.values())
    if not rows:
        return None
    return Ticks(sum(row.idle for row in rows) / hertz, sum(row.steal for row in rows) / hertz)
