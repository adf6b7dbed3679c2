"""Nomad: the cores that a task has reserved.

https://developer.hashicorp.com/nomad/docs/reference/runtime-environment-settings
``NOMAD_CPU_CORES`` is a list of CPUs, and blank if the task reserves none.
``NOMAD_CPU_LIMIT`` is in MHz and becomes a weight; a hard limit is a quota of the cgroup.
"""

from __future__ import annotations

from kumo._cgroups.cpulist import parse_cpulist
from kumo._detectors._grants import left_out, whose
from kumo._notes import malformed
from kumo._records import Limit, inf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kumo._records import Note
    from kumo._system.live import System

SOURCE = "Nomad"
ANNOUNCED = ("NOMAD_ALLOC_ID",)
SCHEDULERS = {"NOMAD": SOURCE}
CORES, MEGAHERTZ = "NOMAD_CPU_CORES", "NOMAD_CPU_LIMIT"


def detect(system: System) -> Iterator[Limit | Note]:
    text = (system.env(CORES) or "").strip()
    if not text:
        megahertz = system.env(MEGAHERTZ)
        if megahertz:
            granted = f"{megahertz} (Nomad: MHz, a weight and no limit)"
            yield Limit("nomad", "allocation", inf, f"${MEGAHERTZ}", granted)
        return
    try:
        cores = parse_cpulist(text)
    except ValueError:
        yield malformed(whose(CORES), text, "a list of CPUs such as 0,5-7")
        return
    if _elsewhere(system, cores):
        yield left_out(system, CORES, "the process may use none of these CPUs")
        return
    granted = f"{text} (Nomad: cores reserved for the task)"
    yield Limit("nomad", "allocation", cores.bit_count(), f"${CORES}", granted)


def _elsewhere(system: System, cores: int) -> bool:
    """Whether the list is about another host: reserved cores are in the task's cpuset."""
    try:
        return not cores & parse_cpulist(system.fact("affinity") or "0-1048575")
    except (OSError, ValueError):
        return False
