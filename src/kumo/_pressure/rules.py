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
OVER = 0.5  # threads more than there is room for

# Several threads share one lock if all of this is so.
LOCK_MIN_THREADS = 2
LOCK_MIN_CPUS = 1.5  # that they may use: with fewer, no lock is needed to keep them from it
LOCK_MAX_USED = 1.2  # CPUs that they use: one at a time, and some code without the lock
LOCK_MIN_RUNNABLE = 0.8  # threads: less, and they wait for something else
LOCK_MAX_RUNNABLE = 0.95  # of all threads: a thread that waits for the lock is not runnable
LOCK_MIN_LATE = 0.005  # s, one wake-up in a hundred: a thread keeps it (sys.getswitchinterval)


def verdict(pressure: Pressure) -> Verdict:
    """Return what slowed the process down, by the first rule that applies."""
    for rule in RULES:
        answer = rule(pressure)
        if answer is not None:
            return answer
    return _nothing(pressure)


def steadied(pressure: Pressure, before: Pressure) -> Pressure:
    """Return *pressure* with its steady verdict, if *before* is the window before it.

    So that verdicts do not flap, one is replaced when another has come up twice in a row.
    """
    again = pressure.verdict.code in (before.verdict.code, before.steady.code)
    return Pressure(**{**fields_of(pressure), "held": None if again else before.steady})


def watched_itself(verb: str) -> Verdict:
    """Return the verdict of a command that has watched itself, which idles."""
    return Verdict(
        "idle",
        "kumo watched itself alone, and no quota of its cgroups hurts",
        f"Name the process that you ask about: kumo {verb} --pid N.",
    )


def _quota(pressure: Pressure) -> Verdict | None:
    """Nothing but a quota that is set, and that has throttled, is ever called a quota."""
    hurting = [level for level in _throttled(pressure) if _hurts(level, pressure)]
    if not hurting:
        return None
    level = max(hurting, key=lambda level: level.throttling.seconds if level.throttling else 0.0)
    late = pressure.lateness
    waking = f"; wake-ups {late.p99 * 1000:.1f} ms late (p99)" if late is not None else ""
    evidence = f"{_throttling(level)}, {_stall(level):.2f} s in {pressure.seconds:.1f} s{waking}"
    most = round_cpus(level.quota)
    if pressure.runnable is not None and pressure.runnable < IDLE:
        evidence += "; other processes in the cgroup used it"
        advice = (
            f"Run no more than {_threads(most)} in the cgroup, or raise the quota. "
            "kumo doctor --all shows which processes have more."
        )
    elif (pressure.runnable or 0.0) >= most + OVER:
        advice = f"Run no more than {_threads(most)}, or raise the quota."
    else:
        advice = "Raise the quota, or have the cgroup do less at a time."
    return Verdict("quota", evidence, advice)


def _throttled(pressure: Pressure) -> list[Level]:
    return [level for level in pressure.levels if level.quota < inf and _stall(level) > 0]


def _stall(level: Level) -> float:
    return level.throttling.seconds if level.throttling is not None else 0.0


def _throttling(level: Level) -> str:
    periods = "throttled"
    if level.throttling is not None:
        total = plural(level.throttling.periods, "period")
        periods += f" in {level.throttling.throttled} of {total}"
    return f"{periods} by the quota of {show_rate(level.quota)} CPUs at {quoted(level.where, 200)}"


def _hurts(level: Level, pressure: Pressure) -> bool:
    # The kernel sums the time over CPUs; the quota keeps about so many busy at a time.
    cpus = min(pressure.cpus, max(1, ceil(level.quota)))
    stall = _stall(level) / pressure.seconds / cpus
    late = pressure.lateness is not None and pressure.lateness.p99 >= (level.period or inf) / 4
    return stall >= STALLED or (stall >= NOTICED and late)


def _unseen(pressure: Pressure) -> Verdict | None:
    if pressure.runnable is not None:
        return None
    why = "; ".join(pressure.missing) or "this system does not report how long threads run and wait"
    return Verdict("unknown", why, "Look from the host, or as a user who may read it.")


def _idle(pressure: Pressure) -> Verdict | None:
    if (pressure.runnable or 0.0) >= IDLE:
        return None
    evidence = f"its threads used {pressure.used or 0.0:.2f} CPUs, and hardly waited for more"
    return Verdict(
        "idle", evidence, "Nothing needs doing: it waits for something other than a CPU."
    )


def _affinity(pressure: Pressure) -> Verdict | None:
    """The process may run on fewer CPUs than there are, and they are what it lacks."""
    if not _restricted(pressure):
        return None
    quota = pressure.estimate.quota or inf
    crowded = _crowded(pressure) and pressure.cpus <= quota
    beside = _waits(pressure) and (pressure.elsewhere or 0.0) >= max(0.5, pressure.waiting or 0.0)
    if not crowded and not (beside and (pressure.idle or 0.0) < (pressure.waiting or 0.0)):
        return None
    evidence = f"{_busy(pressure)} on {_cpus(pressure)}, its affinity"
    if pressure.elsewhere:
        evidence += f"; {pressure.elsewhere:.1f} other CPUs were idle"
    return Verdict(
        "affinity", evidence, "Let it run on more CPUs (taskset, cpuset), or run fewer threads."
    )


def _restricted(pressure: Pressure) -> bool:
    """Whether the process may use fewer CPUs than are online."""
    online = [limit.cpus for limit in pressure.estimate.limits if limit.source == "online"]
    return pressure.cpus < min(online, default=pressure.cpus)


def _crowded(pressure: Pressure) -> bool:
    """Whether more threads want a CPU than there are, and these are not idle."""
    most = max(pressure.cpus + OVER, pressure.cpus * 1.1)
    return (pressure.runnable or 0.0) >= most and (pressure.idle or 0.0) < pressure.cpus / 4


def _oversubscribed(pressure: Pressure) -> Verdict | None:
    if not _crowded(pressure):
        return None
    most = _threads(min(pressure.cpus, pressure.estimate.parallelism))
    advice = f"Run no more than {most}; kumo doctor --pid N shows which libraries start them."
    return Verdict("oversubscribed", f"{_busy(pressure)} on {_cpus(pressure)}", advice)


def _gil(pressure: Pressure) -> Verdict | None:
    """Several threads were at work, one at a time, though there was room for more.

    A thread that waits for the lock is not runnable: threads without one, which others keep
    from running, are so all the time.
    """
    lock, late = pressure.gil, pressure.lateness
    if lock is None or lock.threads < LOCK_MIN_THREADS:
        return None
    if min(pressure.cpus, pressure.estimate.quota or inf) < LOCK_MIN_CPUS:
        return None
    runnable = lock.used + lock.waiting
    if lock.used > LOCK_MAX_USED:
        return None
    if not LOCK_MIN_RUNNABLE <= runnable <= LOCK_MAX_RUNNABLE * lock.threads:
        return None
    if late is not None and late.p99 < LOCK_MIN_LATE:
        return None
    waking = f"; wake-ups {late.p99 * 1000:.1f} ms late (p99)" if late is not None else ""
    return Verdict(
        "gil",
        f"{lock.threads} threads of one Python process used {lock.used:.1f} CPUs, by turns{waking}",
        "Use processes, code that releases the lock, or a free-threaded Python.",
    )


def _steal(pressure: Pressure) -> Verdict | None:
    if pressure.steal is None or pressure.steal < STOLEN:
        return None
    evidence = f"the hypervisor gave {pressure.steal:.0%} of the CPUs' time to others"
    return Verdict("vm-steal", evidence, "Ask for a machine with dedicated CPUs, or a larger one.")


def _waits(pressure: Pressure) -> bool:
    return (pressure.waiting or 0.0) >= max(FELT, WAITED * (pressure.runnable or 0.0))


def _neighbours(pressure: Pressure) -> Verdict | None:
    """Threads waited: for others that ran meanwhile, or else for what cannot be seen."""
    if not _waits(pressure):
        return None
    waiting, idle = pressure.waiting or 0.0, pressure.idle
    others = None if idle is None else pressure.cpus - idle - (pressure.used or 0.0)
    if others is None or others >= waiting / 2:
        taken = "" if others is None else f"; others used {_rate(others)} of its {_cpus(pressure)}"
        advice = "Give it a larger weight or separate CPUs, or move the others."
        return Verdict("neighbours", _busy(pressure) + taken, advice)
    return Verdict(
        "unknown",
        f"{_busy(pressure)} while {_rate(idle)} of its {_cpus(pressure)} were idle: a quota that "
        "cannot be seen from here throttles it, or its threads are pinned to the same CPU",
        "Look at the affinity of each thread; ask from the host with --pid, and each child.",
    )


def _harmless(pressure: Pressure) -> Verdict | None:
    limited = [level for level in pressure.levels if level.quota < inf and level.throttling]
    if not limited:
        return None
    level = max(limited, key=_stall)
    return Verdict("quota-harmless", _throttling(level), "Nothing needs doing.")


def _nothing(pressure: Pressure) -> Verdict:
    return Verdict("none", f"{_busy(pressure)} on {_cpus(pressure)}", "Nothing needs doing.")


def _busy(pressure: Pressure) -> str:
    """How many threads ran and waited."""
    used, waiting = _rate(pressure.used), _rate(pressure.waiting)
    return f"{used} threads ran at a time and {waiting} waited for a CPU"


def _cpus(pressure: Pressure) -> str:
    return plural(pressure.cpus, "CPU")


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
