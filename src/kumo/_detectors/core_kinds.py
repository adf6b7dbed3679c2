"""CPUs of different speed on Linux, among those that the process may use.

Intel's hybrid processors name the CPUs of each kind. Elsewhere ``cpu_capacity`` is relative to
the strongest CPU, which has 1024, and ``cpuinfo_max_freq`` is in kHz:
https://www.kernel.org/doc/Documentation/ABI/testing/sysfs-devices-system-cpu
To keep a survey cheap, all CPUs are read only if the first and the last of the process differ, or
are not the strongest.
"""

from __future__ import annotations

from kumo._cgroups.cpulist import parse_cpulist
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
HYBRID = {
    "performance": "/sys/devices/cpu_core/cpus",
    "efficiency": "/sys/devices/cpu_atom/cpus",
    "low-power": "/sys/devices/cpu_lowpower/cpus",
}
STRONGEST = 1024
# CPUs of one kind differ a little: firmware gives each its own highest frequency. A new kind
# begins if the next slower CPU has less than this part.
ALIKE_WITHIN = {"cpu_capacity": 0.9, "cpufreq/cpuinfo_max_freq": 0.8}
MAX_CPUS = 1024  # no machine with CPUs of several kinds has more


def detect(system: System) -> Iterator[Note]:
    try:
        mask = parse_cpulist(system.fact("affinity") or "")
    except (OSError, ValueError):
        return
    if not 1 < mask.bit_count() <= MAX_CPUS:
        return
    levels = _named(system, mask) or _measured(system, mask)
    if len(levels) > 1:
        from kumo._detectors._kinds import fastest

        shown = ", ".join(f"{count} {name}" for name, count in levels)
        yield note("performance-levels", levels=shown, fast=fastest(levels))


def _named(system: System, mask: int) -> list[tuple[str, int]]:
    """Return each kind that the system names, with its number of CPUs in *mask*."""
    counts = [(kind, (_cpus(system, path) & mask).bit_count()) for kind, path in HYBRID.items()]
    return [(kind, count) for kind, count in counts if count]


def _measured(system: System, mask: int) -> list[tuple[str, int]]:
    """Return each level of capacity or frequency, the fastest first, with its number of CPUs."""
    ends = (mask & -mask).bit_length() - 1, mask.bit_length() - 1
    for name, alike in ALIKE_WITHIN.items():
        first, last = (_read_number(system, cpu, name) for cpu in ends)
        if first and last:
            strongest = first == last and (name != "cpu_capacity" or first == STRONGEST)
            return [] if strongest else _levels(system, mask, name, alike)
    return []


def _levels(system: System, mask: int, name: str, alike: float) -> list[tuple[str, int]]:
    cpus = [cpu for cpu in range(mask.bit_length()) if mask >> cpu & 1]
    speeds = sorted((_read_number(system, cpu, name) for cpu in cpus), reverse=True)
    levels: list[tuple[str, int]] = []
    above = 0
    for speed in filter(None, speeds):
        if levels and speed >= alike * above:
            levels[-1] = (levels[-1][0], levels[-1][1] + 1)
        else:
            unit = f"of capacity {speed}" if name == "cpu_capacity" else f"of {speed / 1e6:.1f} GHz"
            levels.append((unit, 1))
        above = speed
    return levels


def _cpus(system: System, path: str) -> int:
    try:
        return parse_cpulist(system.read(path) or "")
    except (OSError, ValueError):
        return 0


def _read_number(system: System, cpu: int, name: str) -> int:
    try:
        text = (system.read(f"{CPU}/cpu{cpu}/{name}") or "").strip()
    except OSError:
        return 0
    return whole_number(text, 11) or 0
