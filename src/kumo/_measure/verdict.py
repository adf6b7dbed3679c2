"""The verdict of a measurement: CPUs delivered, and whether something binds that cannot be seen.

Its guarantees, with what each rests on:

- Less than is allowed is called hidden only if nothing visible explains it.
- Other programs here explain the time for which a worker waited, unless one of its CPUs was idle:
  then a quota stopped it.
- A visible quota explains it if it throttled meanwhile.
- It is pure: the same observations give the same verdict.
"""

from __future__ import annotations

from kumo._measure.gaps import periods
from kumo._records import Record, fields_of, round_cpus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from kumo._measure.gaps import Observed, Periods
    from kumo._measure.quotas import Quota
    from kumo._measure.ticks import Ticks

SCHEMA = 1
DELIVERED = 0.9  # of what is allowed: below it something binds
# A visible quota explains the stops if it throttled in this share of them, or of all periods.
THROTTLED_SHARE = 0.8
PERIOD_TOLERANCE = 0.15  # of a quota's period, by which that of its stops may differ
UNDERMEASURED = 1.05  # what is delivered may be this much more than was measured


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

    >>> measurement = kumo.measure(seconds=0.5)
    >>> measurement.hidden, measurement.cpus, measurement.allowed  # doctest: +ELLIPSIS
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
        return round_cpus(
            min(self.allowed, self.cpus * UNDERMEASURED) if self.hidden else self.allowed
        )


def judge(
    workers: Sequence[Observed],
    window: float,
    ticks: Ticks | None,
    allowed: float,
    seconds: float,
    quotas: Sequence[Quota] = (),
) -> Measurement:
    """Return what *workers* saw in a *window* of seconds; *ticks* and *quotas* are those in it."""
    stopping = periods(workers, window)
    missing = sum(gap.length for worker in workers for gap in worker.gaps)
    stopped = _stopped(workers, missing, ticks, stopping)
    cpus = min(allowed, len(workers) - stopped / window if stopping is None else stopping.cpus)
    less = cpus < DELIVERED * allowed
    shared = _shared(quotas, stopping, window) if less else None
    return Measurement(
        cpus=cpus,
        allowed=allowed,
        hidden=less and shared is None,
        period_ms=None if stopping is None else stopping.length * 1e3,
        seconds=seconds,
        workers=len(workers),
        stops=0 if stopping is None else len(stopping.stops),
        contention=max(0.0, missing - stopped) / window,
        stopped=stopped / window,
        steal=None if ticks is None else ticks.steal / window,
        shared=shared,
    )


def _stopped(
    workers: Sequence[Observed], missing: float, ticks: Ticks | None, stopping: Periods | None
) -> float:
    """Return the seconds, of those *missing*, that no other program here is known to have taken."""
    waited = min(missing, sum(worker.waited for worker in workers))
    # A CPU that idles while a worker waits for one has no other program to run: a quota stops it.
    idle = 0.0 if ticks is None else min(waited, ticks.idle)
    stops = () if stopping is None else stopping.stops
    return max(missing - waited + idle, len(workers) * sum(end - begin for begin, end in stops))


def _shared(quotas: Sequence[Quota], stopping: Periods | None, window: float) -> str | None:
    """Return the cgroup whose visible quota stopped the workers, though they did not use it up."""
    for quota in quotas:
        number = window / quota.period
        if (
            stopping is not None
            and abs(stopping.length - quota.period) <= PERIOD_TOLERANCE * quota.period
        ):
            number = len(stopping.stops)
        if quota.throttled >= THROTTLED_SHARE * number:
            return quota.where
    return None


def as_dict(measurement: Measurement) -> dict[str, Any]:
    """Return what ``--json`` prints, by docs/reference/measure.md: schema 1."""
    fields = fields_of(measurement)
    return {
        "schema": SCHEMA,
        **{k: round(v, 6) if isinstance(v, float) else v for k, v in fields.items()},
        "parallelism": measurement.parallelism,
    }
