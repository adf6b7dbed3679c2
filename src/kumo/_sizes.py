"""Sizes of pools that need more than the limits: cores, capacities, memory.

They are asked of the system that the estimate is about, when they are asked for: an estimate
alone reads neither the topology nor the memory.

- v2: ``memory.max``, https://docs.kernel.org/admin-guide/cgroup-v2.html#memory-interface-files
- v1: ``memory.limit_in_bytes``, https://docs.kernel.org/admin-guide/cgroup-v1/memory.html
- the machine: ``MemTotal`` of ``/proc/meminfo``,
  https://man7.org/linux/man-pages/man5/proc_meminfo.5.html, on other systems the fact ``memory``
"""

from __future__ import annotations

from math import inf

from kumo._cgroups.levels import V2, levels, read_own
from kumo._notes import settled
from kumo._records import Estimate, Limit
from kumo._text import error_name, is_whole, repr_short, whole_number
from kumo._topology.read import capacities, read_topology

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kumo._system.live import System

MEMINFO, MEMORY = "/proc/meminfo", "memory"
FILES = {V2: "memory.max", "memory": "memory.limit_in_bytes"}
# v1 writes "no limit" as the largest number of pages; no machine has this much.
UNLIMITED = 1 << 60
UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
MAX_DIGITS = 18
SIZE_FORM = "a size such as 2G or 512M"


def parse_size(text: str) -> int:
    """Return the bytes of ``2G``, ``1.5G``, ``512Mi`` or ``1073741824``. Raise `ValueError`.

    Units are powers of 1024; an ``i``, a ``B`` or both may follow.
    """
    body = text.strip().upper().removesuffix("B").removesuffix("I")
    unit = body[-1:] if body[-1:].isalpha() else ""
    whole, _, part = body.removesuffix(unit).partition(".")
    digits = whole + part
    size = 0
    if unit in UNITS and whole and is_whole(digits) and digits.strip("0"):
        short = len(digits) <= MAX_DIGITS
        size = int(digits) * UNITS[unit] // 10 ** len(part) if short else UNLIMITED
    if not size:
        raise ValueError(f"{repr_short(text)} is not {SIZE_FORM}")
    if size >= UNLIMITED:
        raise ValueError(f"{repr_short(text)} is too large for a size")
    return size


def physical(system: System) -> int:
    """Return how many cores have CPUs of the process."""
    return max(1, read_topology(system).physical_cores)


def lockstep(system: System, count: int) -> int:
    """Return how many threads, up to *count*, do most work if all wait for the slowest.

    That is *count* if the system shows no capacities.
    """
    return best_team(capacities(system), count) if count > 1 else count


def best_team(speeds: Sequence[int], count: int) -> int:
    """Return the n up to *count* for which n times the nth fastest of *speeds* is greatest.

    The smallest such n, as a smaller team waits less; *count* if they are all alike or not known.
    """
    fastest = sorted(speeds, reverse=True)[:count]
    if len(set(fastest)) < 2:
        return count
    work = [size * speed for size, speed in enumerate(fastest, 1)]
    return work.index(max(work)) + 1


def with_memory(estimate: Estimate, system: System, each: int) -> Estimate:
    """Return *estimate* bounded by the memory as well, for workers of *each* bytes.

    The memory of each level and of the machine is a limit of the kind ``"memory"``, in workers.
    """
    limits = list(memory_limits(system, each))
    place = sum(limit.kind == "override" for limit in estimate.limits)
    head, rest = estimate.limits[:place], estimate.limits[place:]
    limits = [*head, *limits, *rest]
    count = Estimate(limits, ()).parallelism
    return Estimate(limits, settled(estimate.notes, limits, count))


def memory_limits(system: System, each: int) -> Iterator[Limit]:
    """Yield how many workers of *each* bytes fit: each level of the cgroup, then the machine."""
    for where, text in _levels(system):
        digits = text.strip()
        size = whole_number(digits)
        workers = inf if size is None or size >= UNLIMITED else size / each
        yield Limit("memory", "memory", workers, where, digits or "(empty)")
    try:
        total = _total(system.read(MEMINFO) or "")
    except OSError as error:
        yield Limit("memory", "memory", inf, MEMINFO, f"({error_name(error)})")
        return
    if total is not None:
        yield Limit("memory", "memory", total * 1024 / each, MEMINFO, f"MemTotal: {total} kB")
        return
    known = whole_number(system.fact(MEMORY) or "")
    workers = known / each if known else inf
    text = f"{known} bytes" if known else "(unknown)"
    yield Limit("memory", "memory", workers, "the machine's memory", text)


def _levels(system: System) -> Iterator[tuple[str, str]]:
    paths, mounts = read_own(system)
    home = "memory" if "memory" in paths else V2
    if home not in paths:
        return
    for directories in levels(system, home, paths[home], mounts).directories:
        for directory in directories:
            where = f"{directory}/{FILES[home]}"
            try:
                text = system.read(where)
            except OSError as error:
                text = f"({error_name(error)})"
            if text is not None:
                yield where, text
                break


def _total(meminfo: str) -> int | None:
    """Return the machine's memory in kB.

    Format: ``MemTotal:       16303428 kB``
    """
    for line in meminfo.split("\n"):
        name, _, value = line.partition(":")
        if name == "MemTotal":
            return whole_number(value.removesuffix("kB").strip())
    return None
