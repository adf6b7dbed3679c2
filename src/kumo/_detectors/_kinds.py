"""The shared part of the detectors of CPUs of different speed."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def fastest(levels: Sequence[tuple[str, int]]) -> str:
    """Return how many CPUs the faster levels have: ``4 or 10`` if the slowest are left out.

    *levels* begin with the fastest.
    """
    counts = [sum(cpus for _, cpus in levels[:end]) for end in range(1, len(levels))]
    return " or ".join(map(str, counts))
