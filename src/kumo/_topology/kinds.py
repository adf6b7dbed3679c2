"""Kinds of cores: as the system names them, else by capacity or by highest frequency.

https://www.kernel.org/doc/Documentation/ABI/testing/sysfs-devices-system-cpu: ``cpu_capacity``
is relative to the strongest CPU of the machine, which has 1024, and ``cpuinfo_max_freq`` is in
kHz (https://docs.kernel.org/admin-guide/pm/cpufreq.html).
A new kind begins at a gap. Cores of one kind differ a little, in steps: firmware gives each its
own highest frequency, by how good the silicon came out.
"""

from __future__ import annotations

from kumo._detectors._kinds import CAPACITY_ALIKE, FREQUENCY_ALIKE, HYBRID
from kumo._topology.reader import CPU
from kumo._topology.records import KINDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from kumo._topology.reader import Reader

NAMES = (
    (),
    ("performance",),
    ("performance", "efficiency"),
    ("performance", "balanced", "efficiency"),
    KINDS,
)


def ranks(speeds: Iterable[int], alike: float) -> dict[int, int]:
    """Return the rank of each speed: 0 for those of the fastest kind, and so on."""
    rank_of: dict[int, int] = {}
    rank, above = -1, 0
    for speed in sorted(set(speeds), reverse=True):
        if rank < 0 or speed < alike * above:
            rank += 1
        rank_of[speed] = rank
        above = speed
    return rank_of


def names(speeds: Iterable[int], alike: float) -> dict[int, str]:
    """Return the kind of each speed; nothing if all are of one kind. The slowest share a name."""
    rank_of = ranks(speeds, alike)
    number = max(rank_of.values(), default=0) + 1
    if number < 2:
        return {}
    known = NAMES[min(number, len(KINDS))]
    return {speed: known[min(rank, len(known) - 1)] for speed, rank in rank_of.items()}


def kinds_of(
    reader: Reader, firsts: Sequence[int], capacities: Mapping[int, int]
) -> Mapping[int, str]:
    """Return the kind of each core by its first CPU: by name, by capacity, or by frequency."""
    named = {kind: cpus for kind, path in HYBRID.items() if (cpus := reader.cpus(path))}
    if named:
        return {cpu: kind for cpu in firsts for kind, cpus in named.items() if cpus >> cpu & 1}
    speeds, kinds = capacities, names(capacities.values(), CAPACITY_ALIKE)
    if not kinds:
        speeds = speeds_of(reader, firsts, "cpufreq/cpuinfo_max_freq")
        kinds = names(speeds.values(), FREQUENCY_ALIKE)
    return {cpu: kinds[speed] for cpu, speed in speeds.items()} if kinds else {}


def speeds_of(reader: Reader, firsts: Sequence[int], name: str) -> dict[int, int]:
    """Return the number in *name* for each CPU that has one; nothing if the first has none."""
    speeds: dict[int, int] = {}
    for cpu in firsts:
        speed = reader.number(f"{CPU}/cpu{cpu}/{name}")
        if speed:
            speeds[cpu] = speed
        elif not speeds:
            break
    return speeds
