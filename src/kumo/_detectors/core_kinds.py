"""CPUs of different speed on Linux, among those that the process may use.

Intel's hybrid processors name the CPUs of each kind. Elsewhere ``cpu_capacity`` is relative to
the strongest CPU, which has 1024, and ``cpuinfo_max_freq`` is in kHz:
https://www.kernel.org/doc/Documentation/ABI/testing/sysfs-devices-system-cpu
To keep a survey cheap, all of many CPUs are read only if the first and the last of the process
differ, or are not the strongest.
"""

from __future__ import annotations

from kumo._cgroups.cpulist import parse_cpulist
from kumo._cgroups.cpuset import cpus_in, text_of
from kumo._detectors._kinds import CAPACITY_ALIKE, FREQUENCY_ALIKE, HYBRID, fastest
from kumo._notes import note
from kumo._text import whole_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kumo._records import Note
    from kumo._system.live import System

ANNOUNCING_FILES = (
    "/sys/devices/cpu_core/cpus",
    "/sys/devices/cpu_atom/cpus",
    "/sys/devices/system/cpu/cpu0/cpu_capacity",
    "/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq",
)
CPU = "/sys/devices/system/cpu"
STRONGEST = 1024
ALIKE_WITHIN = {"cpu_capacity": CAPACITY_ALIKE, "cpufreq/cpuinfo_max_freq": FREQUENCY_ALIKE}
FEW = 16  # CPUs that are all read: on some boards the first and the last are alike
MAX_CPUS = 1024  # no machine with CPUs of several kinds has more


def detect(system: System) -> Iterator[Note]:
    mask = _usable(system)
    if not 1 < mask.bit_count() <= MAX_CPUS:
        return
    levels = _named(system, mask) or _measured(system, mask)
    if len(levels) > 1:
        shown = ", ".join(f"{count} {name}" for name, count in levels)
        yield note("performance-levels", levels=shown, fast=fastest(levels))


def _usable(system: System) -> int:
    """Return the mask of the CPUs that the process or thread may use; 0 if it is not known."""
    mask = 0
    for name in ("affinity", "threads") if system.scope == "process" else ("affinity",):
        try:
            for line in (system.fact(name) or "").split("\n"):
                mask |= parse_cpulist(line.rpartition(" ")[2])
        except (OSError, ValueError):
            continue  # the detector of the affinity reports it
    return mask


def _named(system: System, mask: int) -> list[tuple[str, int]]:
    """Return each kind that the system names, with its number of CPUs in *mask*."""
    counts = [(kind, (cpus_in(system, path) & mask).bit_count()) for kind, path in HYBRID.items()]
    return [(kind, count) for kind, count in counts if count]


def _measured(system: System, mask: int) -> list[tuple[str, int]]:
    """Return each level of capacity, else of frequency, the fastest first, and its number of CPUs.

    A single level, or none, says that no difference is known.
    """
    cpus = [cpu for cpu in range(mask.bit_length()) if mask >> cpu & 1]
    levels: list[tuple[str, int]] = []
    for name, alike in ALIKE_WITHIN.items():
        first = _read_number(system, cpus[0], name)
        if not first or (len(cpus) > FEW and _is_strongest(system, cpus[-1], name, first)):
            continue
        levels = _levels([_read_number(system, cpu, name) for cpu in cpus], name, alike)
        if len(levels) > 1:
            break
    return levels


def _is_strongest(system: System, last: int, name: str, first: int) -> bool:
    """Whether the last CPU is like the first one and, if that is known, both are the strongest."""
    return _read_number(system, last, name) == first and (
        name != "cpu_capacity" or first == STRONGEST
    )


def _levels(speeds: list[int], name: str, alike: float) -> list[tuple[str, int]]:
    levels: list[tuple[str, int]] = []
    above = 0
    for speed in filter(None, sorted(speeds, reverse=True)):
        if levels and speed >= alike * above:
            levels[-1] = (levels[-1][0], levels[-1][1] + 1)
        else:
            unit = f"of capacity {speed}" if name == "cpu_capacity" else f"of {speed / 1e6:.1f} GHz"
            levels.append((unit, 1))
        above = speed
    return levels


def _read_number(system: System, cpu: int, name: str) -> int:
    return whole_number((text_of(system, f"{CPU}/cpu{cpu}/{name}") or "").strip()) or 0
