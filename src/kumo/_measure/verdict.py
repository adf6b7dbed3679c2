"""The verdict of a measurement: CPUs delivered, and whether something binds that cannot be seen."""

from __future__ import annotations

from kumo._measure.gaps import periods
from kumo._records import Record, fields_of, round_cpus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from kumo._measure.gaps import Periods, Worker
    from kumo._measure.quotas import Quota
    from kumo._measure.ticks import Ticks

SCHEMA = 1
SHORT = 0.9  # of what is allowed: below it something binds
ALIKE = 0.15  # by which the period of the stops may differ from that of the quota that makes them
MOST = 0.8  # of the stops, or of all periods: those in which a quota throttled that makes them
NEAR = 1.05  # what is delivered may be this much more than was measured


class Measurement(Record):
    """The CPUs that were really delivered, and those that the visible limits allow.

    Numbers are CPUs unless noted.

    *cpus*: what the probe's workers got, or would have without other programs here.
    *allowed*: the tightest visible limit, an override aside.
    *hidden*: whether less is delivered because of a limit that cannot be seen from here.
    *period_ms*: the period in which all workers were stopped, in milliseconds; `None` without one.
    *seconds*: how long the measurement took.
    *workers*: how many processes spun; *stops*: how many times all of them stopped in step.
    *contention*: what other programs here took; *stopped*: what was lost and they did not take.
    *steal*: what the hypervisor says it took, `None` if it cannot be read.
    *shared*: the cgroup whose visible quota was used up with less than *allowed* here, so that
    other programs in it used the rest; `None` without one.

    >>> found = kumo.measure(seconds=0.5)
    >>> found.hidden, found.cpus, found.allowed  # doctest: +ELLIPSIS
    (...)
    """

    cpus: float
    allowed: float
    hidden: bool
    period_ms: float | None
    seconds: float
    workers: int
    stops: int
    contention: float
    stopped: float
    steal: float | None
    shared: str | None = None

    @property
    def parallelism(self) -> int:
        """The count that would be right: from *cpus* if something hidden binds, or *allowed*."""
        return round_cpus(min(self.allowed, self.cpus * NEAR) if self.hidden else self.allowed)


def judge(
    workers: Sequence[Worker],
    window: float,
    ticks: Ticks | None,
    allowed: float,
    seconds: float,
    quotas: Sequence[Quota] = (),
) -> Measurement:
    """Return what *workers* saw in a *window* of seconds; *ticks* and *quotas* are those in it."""
    found = periods(workers, window)
    missing = sum(gap.length for worker in workers for gap in worker.gaps)
    stopped = _stopped(workers, missing, ticks, found)
    cpus = min(allowed, len(workers) - stopped / window if found is None else found.cpus)
    less = cpus < SHORT * allowed
    shared = _shared(quotas, found, window) if less else None
    return Measurement(
        cpus=cpus,
        allowed=allowed,
        hidden=less and shared is None,
        period_ms=None if found is None else found.length * 1e3,
        seconds=seconds,
        workers=len(workers),
        stops=0 if found is None else len(found.stops),
        contention=max(0.0, missing - stopped) / window,
        stopped=stopped / window,
        steal=None if ticks is None else ticks.steal / window,
        shared=shared,
    )


def _stopped(
    workers: Sequence[Worker], missing: float, ticks: Ticks | None, found: Periods | None
) -> float:
    """Return the seconds, of those *missing*, that no other program here is known to have taken."""
    waited = min(missing, sum(worker.waited for worker in workers))
    # A CPU that idles while a worker waits for one has no other program to run: a quota stops it.
    idle = 0.0 if ticks is None else min(waited, ticks.idle)
    stops = () if found is None else found.stops
    return max(missing - waited + idle, len(workers) * sum(end - begin for begin, end in stops))


def _shared(quotas: Sequence[Quota], found: Periods | None, window: float) -> str | None:
    """Return the cgroup whose visible quota stopped the workers, though they did not use it up."""
    for quota in quotas:
        number = window / quota.period
        if found is not None and abs(found.length - quota.period) <= ALIKE * quota.period:
            number = len(found.stops)
        if quota.throttled >= MOST * number:
            return quota.where
    return None


def as_dict(found: Measurement) -> dict[str, Any]:
    """Return what ``--json`` prints, by docs/reference/measure.md: schema 1."""
    fields = fields_of(found)
    return {
        "schema": SCHEMA,
        **{k: round(v, 6) if isinstance(v, float) else v for k, v in fields.items()},
        "parallelism": found.parallelism,
    }
