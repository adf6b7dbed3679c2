"""One verdict on a pressure, with its evidence and one line of advice. Pure.

The first rule that gives a verdict decides. Rules about the process and its quota come before
those about other programs.
"""

from __future__ import annotations

from math import ceil, inf

from kumo._pressure.records import Pressure, Verdict
from kumo._records import fields_of, round_cpus
from kumo._text import plural, quoted, show_rate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from kumo._pressure.records import Level

# Shares of the window, if nothing else is said.
IDLE = 0.1  # threads that ran or waited at a time
STALLED = 0.1  # throttled, of each CPU that the quota is worth: everybody notices that
NOTICED = 0.02  # throttled: it hurts if wake-ups are late by a quarter of a period as well
WAITED = 0.1  # of the time in which threads ran or waited
FELT = 0.05  # threads that waited at a time: less is nothing to speak of
STOLEN = 0.05
# Several threads share one lock. The numbers are: the CPUs that they may use at least, and that
# they use at most. The threads that are runnable at least, and at most, as a share of all. The
# seconds by which one wake-up in a hundred is late: a thread keeps the lock for so long
# (sys.getswitchinterval).
ROOM, ONE, BUSY, ALWAYS, LATE_BY_LOCK = 1.5, 1.2, 0.8, 0.95, 0.005
TWICE = 2
OVER = 0.5  # threads more than there is room for


def verdict(seen: Pressure) -> Verdict:
    """Return what slowed the process down, by the first rule that applies."""
    for rule in RULES:
        found = rule(seen)
        if found is not None:
            return found
    return _nothing(seen)


def steadied(seen: Pressure, before: Pressure) -> Pressure:
    """Return *seen* with its steady verdict, if *before* is the window before it.

    So that verdicts do not flap, one is replaced when another has come up twice in a row.
    """
    again = seen.verdict.code in (before.verdict.code, before.steady.code)
    return Pressure(**{**fields_of(seen), "held": None if again else before.steady})


def _quota(seen: Pressure) -> Verdict | None:
    """Nothing but a quota that is set, and that has throttled, is ever called a quota."""
    hurting = [level for level in _throttled(seen) if _hurts(level, seen)]
    if not hurting:
        return None
    level = max(hurting, key=lambda level: level.throttling.seconds if level.throttling else 0.0)
    late = seen.lateness
    waking = f"; wake-ups {late.p99 * 1000:.1f} ms late (p99)" if late is not None else ""
    evidence = f"{_throttling(level)}, {_stall(level):.2f} s in {seen.seconds:.1f} s{waking}"
    most = round_cpus(level.quota)
    if seen.runnable is not None and seen.runnable < IDLE:
        evidence += "; others in the cgroup used it, this process hardly ran"
        advice = "Raise the quota, or move the process to a separate cgroup."
    elif (seen.runnable or 0.0) >= most + OVER:
        advice = f"Run no more than {_threads(most)}, or raise the quota."
    else:
        advice = "Raise the quota, or have the cgroup do less at a time."
    return Verdict("quota", evidence, advice)


def _throttled(seen: Pressure) -> list[Level]:
    return [level for level in seen.levels if level.quota < inf and _stall(level) > 0]


def _stall(level: Level) -> float:
    return level.throttling.seconds if level.throttling is not None else 0.0


def _throttling(level: Level) -> str:
    did = level.throttling
    periods = (
        f"throttled in {did.throttled} of {plural(did.periods, 'period')}" if did else "throttled"
    )
    return f"{periods} by the quota of {show_rate(level.quota)} CPUs at {quoted(level.where, 200)}"


def _hurts(level: Level, seen: Pressure) -> bool:
    # The kernel sums the time over CPUs; the quota keeps about so many busy at a time.
    cpus = min(seen.cpus, max(1, ceil(level.quota)))
    stall = _stall(level) / seen.seconds / cpus
    late = seen.lateness is not None and seen.lateness.p99 >= (level.period or inf) / 4
    return stall >= STALLED or (stall >= NOTICED and late)


def _unseen(seen: Pressure) -> Verdict | None:
    if seen.runnable is not None:
        return None
    why = "; ".join(seen.missing) or "this system does not report how long threads run and wait"
    return Verdict("unknown", why, "Look from the host, or as a user who may read it.")


def _idle(seen: Pressure) -> Verdict | None:
    if (seen.runnable or 0.0) >= IDLE:
        return None
    evidence = f"its threads used {seen.used or 0.0:.2f} CPUs, and hardly waited for more"
    return Verdict("idle", evidence, "Nothing needs doing: it waits for something else than a CPU.")


def _affinity(seen: Pressure) -> Verdict | None:
    """The process may run on fewer CPUs than there are, and they are what it lacks."""
    if not _restricted(seen):
        return None
    quota = seen.estimate.quota or inf
    crowded = _crowded(seen) and seen.cpus <= quota
    beside = _waits(seen) and (seen.elsewhere or 0.0) >= max(0.5, seen.waiting or 0.0)
    if not crowded and not (beside and (seen.idle or 0.0) < (seen.waiting or 0.0)):
        return None
    evidence = f"{_busy(seen)} on {_cpus(seen)}, its affinity"
    if seen.elsewhere:
        evidence += f"; {seen.elsewhere:.1f} other CPUs were idle"
    return Verdict(
        "affinity", evidence, "Let it run on more CPUs (taskset, cpuset), or run fewer threads."
    )


def _restricted(seen: Pressure) -> bool:
    """Whether the process may use fewer CPUs than are online."""
    online = [limit.cpus for limit in seen.estimate.limits if limit.source == "online"]
    return seen.cpus < min(online, default=seen.cpus)


def _crowded(seen: Pressure) -> bool:
    """Whether more threads want a CPU than there are, and these are not idle."""
    most = max(seen.cpus + OVER, seen.cpus * 1.1)
    return (seen.runnable or 0.0) >= most and (seen.idle or 0.0) < seen.cpus / 4


def _oversubscribed(seen: Pressure) -> Verdict | None:
    if not _crowded(seen):
        return None
    most = _threads(min(seen.cpus, seen.estimate.parallelism))
    advice = f"Run no more than {most}; kumo doctor --pid N shows which libraries start them."
    return Verdict("oversubscribed", f"{_busy(seen)} on {_cpus(seen)}", advice)


def _gil(seen: Pressure) -> Verdict | None:
    """Several threads were at work, one at a time, though there was room for more.

    A thread that waits for the lock is not runnable: threads without one, which others keep
    from running, are so all the time.
    """
    lock, late = seen.gil, seen.lateness
    if lock is None or lock.threads < TWICE or min(seen.cpus, seen.estimate.quota or inf) < ROOM:
        return None
    runnable = lock.used + lock.waiting
    if lock.used > ONE or not BUSY <= runnable <= ALWAYS * lock.threads:
        return None
    if late is not None and late.p99 < LATE_BY_LOCK:
        return None
    waking = f"; wake-ups {late.p99 * 1000:.1f} ms late (p99)" if late is not None else ""
    return Verdict(
        "gil",
        f"{lock.threads} threads of one Python process used {lock.used:.1f} CPUs, by turns{waking}",
        "Use processes, code that releases the lock, or a free-threaded Python.",
    )


def _steal(seen: Pressure) -> Verdict | None:
    if seen.steal is None or seen.steal < STOLEN:
        return None
    evidence = f"the hypervisor gave {seen.steal:.0%} of the CPUs' time to others"
    return Verdict("vm-steal", evidence, "Ask for a machine with dedicated CPUs, or a larger one.")


def _waits(seen: Pressure) -> bool:
    return (seen.waiting or 0.0) >= max(FELT, WAITED * (seen.runnable or 0.0))


def _neighbours(seen: Pressure) -> Verdict | None:
    """Threads waited: for others that ran meanwhile, or else for what cannot be seen."""
    if not _waits(seen):
        return None
    waiting, idle = seen.waiting or 0.0, seen.idle
    others = None if idle is None else seen.cpus - idle - (seen.used or 0.0)
    if others is None or others >= waiting / 2:
        taken = "" if others is None else f"; others used {_rate(others)} of its {_cpus(seen)}"
        advice = "Give it a larger weight or separate CPUs, or move the others."
        return Verdict("neighbours", _busy(seen) + taken, advice)
    return Verdict(
        "unknown",
        f"{_busy(seen)} while {_rate(idle)} of its {_cpus(seen)} were idle: a quota that "
        "cannot be seen from here throttles it, or its threads are pinned to the same CPU",
        "Look at the affinity of each thread; ask from the host with --pid, and each child.",
    )


def _harmless(seen: Pressure) -> Verdict | None:
    limited = [level for level in seen.levels if level.quota < inf and level.throttling]
    if not limited:
        return None
    level = max(limited, key=_stall)
    return Verdict("quota-harmless", _throttling(level), "Nothing needs doing.")


def _nothing(seen: Pressure) -> Verdict:
    return Verdict("none", f"{_busy(seen)} on {_cpus(seen)}", "Nothing needs doing.")


def _busy(seen: Pressure) -> str:
    """How many threads ran and waited."""
    return f"{_rate(seen.used)} threads ran at a time and {_rate(seen.waiting)} waited for a CPU"


def _cpus(seen: Pressure) -> str:
    return plural(seen.cpus, "CPU")


def _threads(number: int) -> str:
    return plural(number, "busy thread")


def _rate(value: float | None) -> str:
    return f"{value or 0.0:.1f}"


RULES: tuple[Callable[[Pressure], Verdict | None], ...] = (
    _quota,
    _unseen,
    _idle,
    _affinity,
    _oversubscribed,
    _gil,
    _steal,
    _neighbours,
    _harmless,
)
