"""``kumo.measure()``: what is really delivered.

`probe` runs the workers (`worker`) and ends them. `gaps` finds the period in which they are
stopped. `ticks` and `quotas` read what the CPUs and the visible quotas did meanwhile. `verdict`
concludes, and `command` shows it.
"""

from __future__ import annotations

from math import ceil

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from kumo._measure.verdict import Measurement
    from kumo._records import Estimate

SECONDS = 2.0
LEAST, MOST = 0.5, 60.0


def measure(seconds: float = SECONDS) -> Measurement:
    """Spin on as many CPUs as the visible limits allow, and return what was really delivered.

    It takes *seconds*, from 0.5 to 60, and as much CPU time on each CPU allowed, which may spend
    the burst credits of a machine that has them. A process is started for each CPU, and all have
    ended when it returns or raises.

    Raise `ValueError` for other *seconds*, `OverrideError` as `estimate` does, and `RuntimeError`
    if a process cannot be started or fails.

    >>> found = kumo.measure(seconds=0.5)
    >>> found.parallelism >= 1
    True
    """
    return measured(seconds, lambda part: None)


def measured(seconds: float, told: Callable[[float], None]) -> Measurement:
    """Measure, and call *told* with the part that is done, from 0 to 1. Raise as `measure` does."""
    from time import monotonic

    from kumo._measure.probe import probe
    from kumo._measure.quotas import visible_quotas
    from kumo._measure.verdict import judge
    from kumo._survey import estimate

    check_seconds(seconds)
    began = monotonic()
    found = estimate()
    allowed = allowed_by(found)
    limits = visible_quotas(found)
    workers, seen = probe(ceil(allowed), _cpus(found), limits, seconds, told)
    return judge(workers, seconds, seen.ticks, allowed, monotonic() - began, seen.quotas)


def check_seconds(seconds: float) -> None:
    """Raise `ValueError` for a time that is too short to see a period, or too long to ask for."""
    if not LEAST <= seconds <= MOST:
        raise ValueError(f"seconds must be from {LEAST:g} to {MOST:g}, not {seconds!r}")


def allowed_by(found: Estimate) -> float:
    """Return what the visible limits allow, in CPUs: an override is not one."""
    return float(min(limit.cpus for limit in found.limits if limit.kind != "override"))


def _cpus(found: Estimate) -> list[int]:
    from kumo._cgroups.cpulist import parse_cpulist

    for limit in found.limits:
        if limit.source == "affinity":
            try:
                mask = parse_cpulist(limit.text)
            except ValueError:
                break
            return [cpu for cpu in range(mask.bit_length()) if mask >> cpu & 1]
    return []
