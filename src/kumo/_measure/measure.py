"""``kumo.measure()``: what is really delivered.

`probe` runs the workers (`worker`) and ends them. `gaps` finds the period in which they are
stopped. `ticks` and `quotas` read what the CPUs and the visible quotas did meanwhile. `verdict`
concludes.

Its guarantees, with what each rests on:

- No process is left, whether it returns, raises or is interrupted: see `probe`.
- Nothing of the calling program is changed: all that spins is a separate process.
- *hidden* is reported only if no visible quota explains what is missing: see `verdict`.
"""

from __future__ import annotations

from math import ceil

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from kumo._measure.verdict import Measurement
    from kumo._records import Estimate

DEFAULT_SECONDS = 2.0
MIN_SECONDS, MAX_SECONDS = 0.5, 60.0


def measure(seconds: float = DEFAULT_SECONDS) -> Measurement:
    """Spin on as many CPUs as the visible limits allow, and return what was really delivered.

    It takes *seconds*, from 0.5 to 60, and as much CPU time on each CPU allowed, which may spend
    the burst credits of a machine that has them. A process is started for each CPU, and all have
    ended when it returns or raises.

    Raise `ValueError` for other *seconds*, `OverrideError` as `estimate` does, and `RuntimeError`
    if a process cannot be started or fails.

    >>> measurement = kumo.measure(seconds=0.5)
    >>> measurement.parallelism >= 1
    True
    """
    return measured(seconds, lambda part: None)


def measured(seconds: float, progress: Callable[[float], None]) -> Measurement:
    """Measure as `measure` does, and call *progress* with the part that is done, from 0 to 1."""
    from time import monotonic

    from kumo import _survey
    from kumo._measure.probe import probe
    from kumo._measure.quotas import visible_quotas
    from kumo._measure.verdict import judge

    check_seconds(seconds)
    began = monotonic()
    estimate = _survey.estimate()
    allowed = allowed_by(estimate)
    limits = visible_quotas(estimate)
    workers, readings = probe(ceil(allowed), _cpus(estimate), limits, seconds, progress)
    return judge(workers, seconds, readings.ticks, allowed, monotonic() - began, readings.quotas)


def check_seconds(seconds: float) -> None:
    """Raise `ValueError` for a time that is too short to see a period, or too long to ask for."""
    if not MIN_SECONDS <= seconds <= MAX_SECONDS:
        raise ValueError(
            f"seconds must be from {MIN_SECONDS:g} to {MAX_SECONDS:g}, not {seconds!r}"
        )


def allowed_by(estimate: Estimate) -> float:
    """Return what the visible limits allow, in CPUs: an override is not one."""
    return float(min(limit.cpus for limit in estimate.limits if limit.kind != "override"))


def _cpus(estimate: Estimate) -> list[int]:
    from kumo._cgroups.cpulist import parse_cpulist

    for limit in estimate.limits:
        if limit.source == "affinity":
            try:
                mask = parse_cpulist(limit.text)
            except ValueError:
                break
            return [cpu for cpu in range(mask.bit_length()) if mask >> cpu & 1]
    return []
