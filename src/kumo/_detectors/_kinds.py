"""Kinds of CPUs: names and thresholds that detectors and the topology share."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# The performance monitoring units of Intel's hybrid processors name the CPUs of each kind.
HYBRID = {
    "performance": "/sys/devices/cpu_core/cpus",
    "efficiency": "/sys/devices/cpu_atom/cpus",
    "low-power": "/sys/devices/cpu_lowpower/cpus",
}

# A new kind begins at a gap: the next slower CPU of the same kind has at least this part of a
# CPU's capacity or highest frequency. CPUs of one kind differ a little, in steps, since firmware
# gives each its own highest frequency. The best and the worst core of one Zen 4 are further apart
# than a tenth, but no two neighbours among them are. Zen 4 beside Zen 4c has 4.9 and 3.5 GHz,
# 0.71, and the two kinds of Intel's Arrow Lake have 5.5 and 4.6 GHz, 0.84.
CAPACITY_ALIKE = 0.9
FREQUENCY_ALIKE = 0.85


def fastest(levels: Sequence[tuple[str, int]]) -> str:
    """Return how many CPUs the faster levels have: ``4 or 10`` if the slowest are left out.

    *levels* begin with the fastest.
    """
    counts = [sum(cpus for _, cpus in levels[:end]) for end in range(1, len(levels))]
    return " or ".join(map(str, counts))
