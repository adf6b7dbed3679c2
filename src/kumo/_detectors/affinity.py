"""The set of CPUs that the process's threads may use.

The union of the threads' masks, https://man7.org/linux/man-pages/man2/sched_setaffinity.2.html
Where the call fails or answers nothing, the next best source, with a note.
"""

from __future__ import annotations

from kumo._cgroups.cpulist import format_cpulist, parse_cpulist
from kumo._cgroups.cpuset import fallbacks
from kumo._notes import malformed, note
from kumo._records import Limit
from kumo._text import error_name, quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kumo._records import Note
    from kumo._system.live import System

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
    fallback = next(fallbacks(system), None)
    instead = quoted(fallback.where, 200) if fallback is not None else "the number of CPUs on line"
    yield note(code, error=error, instead=instead)
    if fallback is not None:
        yield fallback


def _process_mask(system: System, own: int) -> Iterator[Limit | Note]:
    """The process is as wide as the union of its threads; a thread is as wide as itself."""
    mask, where = own, "sched_getaffinity"
    if system.scope == "process":
        bad: str | None = None
        try:
            for line in (system.fact("threads") or "").split("\n"):
                try:
                    mask |= parse_cpulist(line.partition(" ")[2])
                except ValueError:
                    bad = line if bad is None else bad
        except OSError as failure:
            yield note("threads-unreadable", error=error_name(failure))
        if bad is not None:  # the first stands for all of them
            yield malformed("!threads", bad, "TID CPULIST")
        if mask != own:
            where = "sched_getaffinity of every thread"
    yield Limit("affinity", "set", mask.bit_count(), where, format_cpulist(mask))
