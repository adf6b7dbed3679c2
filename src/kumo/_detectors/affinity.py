"""The set of CPUs that the process's threads may use.

The union of the threads' masks, https://man7.org/linux/man-pages/man2/sched_setaffinity.2.html
Where the call fails or answers nothing: ``Cpus_allowed_list`` of
https://man7.org/linux/man-pages/man5/proc_pid_status.5.html, else the effective cpuset of
https://docs.kernel.org/admin-guide/cgroup-v2.html, each cut to the CPUs on line.
"""

from __future__ import annotations

from kumo._cgroup import V2, levels, parse_membership, read_mounts
from kumo._cpulist import format_cpulist, parse_cpulist
from kumo._detectors.machine import ONLINE
from kumo._notes import error_name, malformed, note
from kumo._records import Limit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kumo._records import Note
    from kumo._system import System

CPULIST_FORM = "a list of CPUs such as 0-3"


def detect(system: System) -> Iterator[Limit | Note]:
    try:
        text = system.fact("affinity")
        if text is None:  # not a call that this system has
            return
        own = parse_cpulist(text)
        code, error = "affinity-empty", ""
    except ValueError:
        yield malformed("sched_getaffinity", text or "", CPULIST_FORM)
        own, code, error = 0, "affinity-empty", ""
    except OSError as failure:
        own, code, error = 0, "affinity-failed", error_name(failure)
    if own:
        yield from _process_mask(system, own)
        return
    fallback = next(_fallbacks(system), None)
    instead = fallback.where if fallback is not None else "the number of CPUs on line"
    yield note(code, error=error, instead=instead)
    if fallback is not None:
        yield fallback


def _process_mask(system: System, own: int) -> Iterator[Limit | Note]:
    """The process is as wide as the union of its threads; a thread is as wide as itself."""
    mask, where = own, "sched_getaffinity"
    if system.scope == "process":
        try:
            for line in (system.fact("threads") or "").split("\n"):
                try:
                    mask |= parse_cpulist(line.partition(" ")[2])
                except ValueError:
                    yield malformed("!threads", line, "TID CPULIST")
        except OSError as failure:
            yield note("threads-unreadable", error=error_name(failure))
        if mask != own:
            where = "sched_getaffinity of every thread"
    yield Limit("affinity", "set", mask.bit_count(), where, format_cpulist(mask))


def _fallbacks(system: System) -> Iterator[Limit]:
    online = _cpus(system, ONLINE)
    for source, where, text in _other_sources(system):
        try:
            mask = parse_cpulist(text)
        except ValueError:
            continue
        mask &= online or mask
        if mask:
            yield Limit(source, "set", mask.bit_count(), where, format_cpulist(mask))


def _other_sources(system: System) -> Iterator[tuple[str, str, str]]:
    status = system.proc("status")
    for line in (_text(system, status) or "").split("\n"):
        name, _, value = line.partition(":")
        if name == "Cpus_allowed_list":
            yield "affinity", status, value
    try:
        mounts = read_mounts(system)[0]
    except OSError:
        return
    paths = parse_membership(_text(system, system.proc("cgroup")) or "")[0]
    for controller, name in (("cpuset", "cpuset.effective_cpus"), (V2, "cpuset.cpus.effective")):
        own = levels(system, controller, paths[controller], mounts) if controller in paths else None
        for directory in own.directories[0] if own and own.directories else ():
            yield "cpuset", f"{directory}/{name}", _text(system, f"{directory}/{name}") or ""


def _cpus(system: System, path: str) -> int:
    try:
        return parse_cpulist(_text(system, path) or "")
    except ValueError:
        return 0


def _text(system: System, path: str) -> str | None:
    try:
        return system.read(path)
    except OSError:
        return None
