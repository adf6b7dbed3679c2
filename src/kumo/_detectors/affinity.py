"""The set of CPUs that the process's threads may use.

The union of the threads' masks, https://man7.org/linux/man-pages/man2/sched_setaffinity.2.html
If the call fails or answers nothing, the next best source, with a note.
"""

from __future__ import annotations

from kumo._cgroups.cpulist import ONLINE, format_cpulist, parse_cpulist
from kumo._cgroups.cpuset import allowed_cpus, fallbacks, isolated_cpus, online_cpus
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
        notes: list[Note] = []
        limit = _process_mask(system, own, notes)
        yield limit
        yield from notes
        yield from _balanced(system, limit.text, limit.where)
        return
    fallback = next(fallbacks(system), None)
    instead = quoted(fallback.where) if fallback is not None else "the number of online CPUs"
    yield note(code, error=error, instead=instead)
    if fallback is not None:
        yield fallback
        yield from _balanced(system, fallback.text, fallback.where)
    elif online := online_cpus(system):  # a limit of the machine's detector
        yield from _balanced(system, format_cpulist(online), ONLINE)


def _balanced(system: System, listed: str, source: str) -> Iterator[Limit | Note]:
    """Yield the number of *listed* CPUs over which the scheduler spreads threads, if fewer.

    *source* lists them. Threads that nobody pins all stay on one isolated CPU, so that these
    count as one at most.
    """
    notes: list[Note] = []
    isolated, where, text = isolated_cpus(system, notes)
    yield from notes
    mask = parse_cpulist(listed)
    cpus = mask.bit_count()
    count = max(1, (mask & ~isolated).bit_count())
    if count < cpus:
        yield Limit("isolated", "set", count, where, text)
        apart, place = (mask & isolated).bit_count(), quoted(where)
        which = "All" if apart == cpus else f"{apart} of the"
        yield note("isolated-cpus", isolated=which, cpus=cpus, count=count, where=place)
    if source.startswith("sched_getaffinity"):
        yield from _not_imposed(system, mask, isolated)


def _not_imposed(system: System, mask: int, isolated: int) -> Iterator[Note]:
    """Yield the note that the process could widen *mask* itself, if that is known.

    The kernel starts every process outside the isolated CPUs.
    """
    allowed = allowed_cpus(system, mask)
    if allowed is None:
        return
    usable, where = allowed
    if mask & ~usable or not usable & ~isolated & ~mask:
        return
    cpus = format_cpulist(usable)
    yield note(
        "affinity-not-imposed",
        cpus=mask.bit_count(),
        allowed=usable.bit_count(),
        where=quoted(where),
        list=quoted(cpus, 60),
    )


def _process_mask(system: System, own: int, notes: list[Note]) -> Limit:
    """Return the mask: a process's is the union of its threads', a thread's is its own."""
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
            notes.append(note("threads-unreadable", error=error_name(failure)))
        if bad is not None:  # the first stands for all of them
            notes.append(malformed("!threads", bad, "TID CPULIST"))
        if mask != own:
            where = "sched_getaffinity of every thread"
    return Limit("affinity", "set", mask.bit_count(), where, format_cpulist(mask))
