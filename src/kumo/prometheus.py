"""Limits, throttling and pools for Prometheus, read at each scrape.

It needs prometheus-client, which the extra ``prometheus`` brings:

    import kumo.prometheus

    kumo.prometheus.register()

The metrics are listed in docs/reference/metrics.md. A process that several workers serve
(gunicorn) exports the limits in each worker alike, but each worker's pools are its own; and
``PROMETHEUS_MULTIPROC_DIR`` calls no custom collectors. The same page says what to do then.
"""

from __future__ import annotations

import logging

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from kumo._metrics.families import Family, of_cgroups, of_estimate, of_levels, of_pools
from kumo._override import OverrideError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["KumoCollector", "register"]

_LOGGER = logging.getLogger("kumo")


class KumoCollector(Collector):
    """A collector for prometheus-client, which reads the current values at each scrape.

    *pid* asks for another process, whose pools cannot be seen. Levels are labelled by their
    distance from the process; *paths* adds the directory, which a cluster changes with every pod.
    *kumomta* also exports pools as ``thread_pool_size`` and ``thread_pool_parked``, as KumoMTA
    does.

    >>> from prometheus_client import CollectorRegistry, generate_latest
    >>> registry = CollectorRegistry()
    >>> registry.register(KumoCollector())
    >>> b"kumo_available_parallelism" in generate_latest(registry)
    True
    """

    def __init__(
        self, pid: int | None = None, *, paths: bool = False, kumomta: bool = False
    ) -> None:
        self._pid, self._paths, self._kumomta = pid, paths, kumomta
        self._warned = ""

    def describe(self) -> Iterable[Metric]:
        """Return nothing, so that registering reads nothing."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics as they are now.

        If the process has gone there are none. If the override is malformed there is no count, and
        the log says so once.
        """
        from kumo._pools.pool import pools
        from kumo._pressure.counters import counters
        from kumo._survey import estimate

        try:
            families = [*of_estimate(estimate(pid=self._pid), paths=self._paths)]
        except ProcessLookupError:
            return
        except OverrideError as error:
            families = []
            if self._warned != str(error):
                self._warned = str(error)
                _LOGGER.warning("no count is exported: %s", error)
        try:
            families += of_levels(counters(self._pid), paths=self._paths)
        except ProcessLookupError:
            return
        if self._pid is None:
            families += of_pools(pools(), kumomta=self._kumomta)
        yield from map(_metric, families)


class HostCollector(Collector):
    """Exports the counters of every cgroup of this host that has a quota, by its directory.

    *progress* is called with how many cgroups have been looked at.
    """

    def __init__(self, progress: Callable[[int], None] | None = None) -> None:
        self._progress = progress

    def describe(self) -> Iterable[Metric]:
        """Return nothing, so that registering reads nothing."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield the counters as they are now."""
        from kumo._pressure.host import MAX_CGROUPS, cgroups_with_quota
        from kumo._survey import open_system

        groups, complete = cgroups_with_quota(
            open_system("process", None, None), MAX_CGROUPS, self._progress
        )
        if not complete:
            _LOGGER.warning("only the first %d cgroups were looked at", MAX_CGROUPS)
        yield from map(_metric, of_cgroups(groups))


def register(
    registry: CollectorRegistry = REGISTRY, *, paths: bool = False, kumomta: bool = False
) -> KumoCollector:
    """Register a `KumoCollector` for this process in *registry*, and return it.

    >>> from prometheus_client import CollectorRegistry
    >>> collector = register(CollectorRegistry())
    """
    collector = KumoCollector(paths=paths, kumomta=kumomta)
    registry.register(collector)
    return collector


def _metric(family: Family) -> Metric:
    make = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    metric = make(family.name, family.help, labels=family.labels)
    for labels, value in family.samples:
        metric.add_metric([labels[name] for name in family.labels], value)
    return metric
