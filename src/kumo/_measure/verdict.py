"""What a measurement says: CPUs delivered, and whether something binds that cannot be seen."""

from __future__ import annotations

from kumo._measure.gaps import periods
from kumo._records import Record, round_cpus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from kumo._measure.gaps import Worker
    from kumo._measure.ticks import Ticks

SCHEMA = 1
SHORT = 0.9  # of what is allowed: below it something binds
NEAR = 1.05  # what is delivered may be this much more than was measured


class Measurement(Record):
    """What was really delivered, and what the visible limits allow. In CPUs where not said else.

    *cpus*: what the probe's workers got, or would have without other programs here.
    *allowed*: the tightest visible limit, an override aside.
    *hidden*: whether less is delivered because of something that cannot be seen from here.
    *period_ms*: the period in which all workers were stopped, in milliseconds; `None` without one.
    *seconds*: how long the measurement took.
    *workers*: how many processes spun; *stops*: how many times all of them stood still in step.
    *contention*: what other programs here took; *stopped*: what was lost and they did not take.
    *steal*: what the hypervisor says it took, `None` where it cannot be read.
    """

    __slots__ = (
        "cpus",
        "allowed",
        "hidden",
        "period_ms",
        "seconds",
        "workers",
        "stops",
        "contention",
        "stopped",
        "steal",
    )
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

    def __init__(
        self,
        cpus: float,
        allowed: float,
        hidden: bool,
        period_ms: float | None,
        seconds: float,
        workers: int,
        stops: int,
        contention: float,
        stopped: float,
        steal: float | None,
    ) -> None:
        self._set(cpus=cpus, allowed=allowed, hidden=hidden, period_ms=period_ms, seconds=seconds)
        self._set(workers=workers, stops=stops, contention=contention, stopped=stopped, steal=steal)

    @property
    def parallelism(self) -> int:
        """The count that would be right: from *cpus* where something hidden binds, or *allowed*."""
        return round_cpus(min(self.allowed, self.cpus * NEAR) if self.hidden else self.allowed)


def judge(
    workers: Sequence[Worker], window: float, ticks: Ticks | None, allowed: float, seconds: float
) -> Measurement:
    """Return what *workers* saw in a *window* of seconds; *ticks* are the CPUs' over it."""
    number = len(workers)
    found = periods(workers, window)
    missing = sum(gap.length for worker in workers for gap in worker.gaps)
    waited = min(missing, sum(worker.waited for worker in workers))
    # A CPU that idles while a worker waits for one has no other program to run: a quota stops it.
    idle = 0.0 if ticks is None else min(waited, ticks.idle)
    stopped = missing - waited + idle
    if found is not None:
        stopped = max(stopped, number * sum(end - begin for begin, end in found.stops))
        cpus = found.cpus
    else:
        cpus = number - stopped / window
    cpus = min(cpus, allowed)
    return Measurement(
        cpus=cpus,
        allowed=allowed,
        hidden=cpus < SHORT * allowed,
        period_ms=None if found is None else found.length * 1e3,
        seconds=seconds,
        workers=number,
        stops=0 if found is None else len(found.stops),
        contention=max(0.0, missing - stopped) / window,
        stopped=stopped / window,
        steal=None if ticks is None else ticks.steal / window,
    )


def as_dict(found: Measurement) -> dict[str, Any]:
    """Return what ``--json`` prints, by docs/measure.md: schema 1."""
    fields = {name: getattr(found, name) for name in found.__slots__}
    return {
        "schema": SCHEMA,
        **{k: round(v, 6) if isinstance(v, float) else v for k, v in fields.items()},
        "parallelism": found.parallelism,
    }
