"""Limits, throttling and pools as OpenTelemetry instruments.

It needs opentelemetry-api, which the extra ``opentelemetry`` brings. Without an SDK the
instruments do nothing:

    import kumo.opentelemetry

    kumo.opentelemetry.instrument()

The instruments are listed in docs/reference/metrics.md.
"""

from __future__ import annotations

import time

from opentelemetry.metrics import CallbackOptions, Observation, get_meter

from kumo._metrics.families import FORMS, Family, of_estimate, of_levels, of_pools

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from opentelemetry.metrics import MeterProvider

__all__ = ["instrument"]

# The callbacks of one export run one after the other; they share a reading that is not older.
FRESH = 0.05  # seconds


def instrument(meter_provider: MeterProvider | None = None, *, paths: bool = False) -> None:
    """Create the instruments in *meter_provider*, by default the global one.

    They are observable: each export reads the current values. *paths* adds the directory of a
    level to its number, which a cluster changes with every pod.

    >>> instrument()
    """
    meter = get_meter("kumo", meter_provider=meter_provider)
    reading = _Reading(paths)
    for name, (semantic, kind, unit, text) in FORMS.items():
        create: Callable[..., object] = (
            meter.create_observable_counter
            if kind == "counter"
            else meter.create_observable_up_down_counter
            if unit in ("{cpu}", "{worker}", "{task}", "{note}")
            else meter.create_observable_gauge
        )
        create(semantic, callbacks=[reading.observer(name)], unit=unit, description=text)


class _Reading:
    """The families of one moment."""

    def __init__(self, paths: bool) -> None:
        self.paths = paths
        self.taken = (0.0, dict[str, Family]())

    def observer(self, name: str) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def observe(options: CallbackOptions) -> Iterable[Observation]:
            family = self.families().get(name)
            for labels, value in family.samples if family else ():
                yield Observation(value, {f"kumo.{key}": text for key, text in labels.items()})

        return observe

    def families(self) -> dict[str, Family]:
        from kumo._pools.pool import pools
        from kumo._pressure.counters import counters
        from kumo._survey import estimate

        when, families = self.taken
        if not families or time.monotonic() - when > FRESH:
            read = [
                *of_estimate(estimate(), paths=self.paths),
                *of_levels(counters(), paths=self.paths),
                *of_pools(pools(), kumomta=False),
            ]
            families = {family.name: family for family in read}
            self.taken = time.monotonic(), families
        return families
