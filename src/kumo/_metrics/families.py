"""The exported metrics with their samples. Pure: records in, records out."""

from __future__ import annotations

from math import inf

from kumo._pressure.counters import quota_limits
from kumo._records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Literal

    from kumo._pressure.counters import Counters
    from kumo._records import Estimate

    Kind = Literal["gauge", "counter"]
    Samples = tuple[tuple[dict[str, str], float], ...]


class Family(Record):
    """One metric. *name* is Prometheus' name without ``_total``, *semantic* OpenTelemetry's.

    *unit* is OpenTelemetry's too: ``s``, or a thing in braces. *labels* are the names of the
    labels that each sample has. A value that is not known has no sample.
    """

    name: str
    semantic: str
    kind: Kind
    unit: str
    help: str
    labels: tuple[str, ...]
    samples: Samples


# Prometheus' name, OpenTelemetry's, kind, unit, help; the labels and samples come with a reading.
FORMS: dict[str, tuple[str, Kind, str, str]] = {
    "kumo_available_parallelism": (
        "process.cpu.count", "gauge", "{cpu}",
        "CPUs that the process can use, rounded down, at least 1.",
    ),
    "kumo_cpus": (
        "kumo.cpus", "gauge", "{cpu}",
        "CPUs that the process can use, unrounded.",
    ),
    "kumo_limit_cpus": (
        "kumo.limit", "gauge", "{cpu}",
        "Each limit that sets a number of CPUs.",
    ),
    "kumo_cgroup_quota_cpus": (
        "kumo.cgroup.quota", "gauge", "{cpu}",
        "The quota of a cgroup divided by its period.",
    ),
    "kumo_cgroup_period_seconds": (
        "kumo.cgroup.period", "gauge", "s",
        "The period of a cgroup's quota.",
    ),
    "kumo_cgroup_periods": (
        "kumo.cgroup.periods", "counter", "{period}",
        "Periods in which a thread of the cgroup wanted to run.",
    ),
    "kumo_cgroup_throttled_periods": (
        "kumo.cgroup.throttled.periods", "counter", "{period}",
        "Periods in which the quota throttled the cgroup.",
    ),
    "kumo_cgroup_throttled_seconds": (
        "kumo.cgroup.throttled.time", "counter", "s",
        "Time for which the cgroup was throttled, summed over CPUs.",
    ),
    "kumo_cgroup_burst_seconds": (
        "kumo.cgroup.burst.time", "counter", "s",
        "CPU time that the cgroup used beyond its quota.",
    ),
    "kumo_cgroup_usage_seconds": (
        "kumo.cgroup.cpu.time", "counter", "s",
        "CPU time that the cgroup used.",
    ),
    "kumo_cgroup_stalled_some_seconds": (
        "kumo.cgroup.stalled.some.time", "counter", "s",
        "Time in which some thread of the cgroup waited for a CPU.",
    ),
    "kumo_cgroup_stalled_full_seconds": (
        "kumo.cgroup.stalled.full.time", "counter", "s",
        "Time in which all threads of the cgroup that had work waited for a CPU.",
    ),
    "kumo_pool_size": (
        "kumo.pool.size", "gauge", "{worker}",
        "Workers that the pool may have.",
    ),
    "kumo_pool_busy": (
        "kumo.pool.busy", "gauge", "{worker}",
        "Workers that have a task.",
    ),
    "kumo_pool_parked": (
        "kumo.pool.parked", "gauge", "{worker}",
        "Workers that wait for a task.",
    ),
    "kumo_pool_queued": (
        "kumo.pool.queued", "gauge", "{task}",
        "Tasks that wait for a worker.",
    ),
    "kumo_pool_running": (
        "kumo.pool.running", "gauge", "{worker}",
        "Workers whose task is running, without those that are blocked.",
    ),
    "kumo_pool_blocked": (
        "kumo.pool.blocked", "gauge", "{worker}",
        "Workers whose task waits for something other than a CPU.",
    ),
    "kumo_notes": (
        "kumo.notes", "gauge", "{note}",
        "1 for each note that the estimate has.",
    ),
}  # fmt: skip

# The metric of a level, and the field of its counters.
OF_LEVELS = {
    "kumo_cgroup_quota_cpus": "quota_cpus",
    "kumo_cgroup_period_seconds": "period_seconds",
    "kumo_cgroup_periods": "periods",
    "kumo_cgroup_throttled_periods": "throttled_periods",
    "kumo_cgroup_throttled_seconds": "throttled_seconds",
    "kumo_cgroup_burst_seconds": "burst_seconds",
    "kumo_cgroup_usage_seconds": "used_seconds",
    "kumo_cgroup_stalled_some_seconds": "stalled_some_seconds",
    "kumo_cgroup_stalled_full_seconds": "stalled_full_seconds",
}
OF_POOLS = ("size", "busy", "parked", "queued", "running", "blocked")
# KumoMTA's own names for its thread pools.
KUMOMTA = {"thread_pool_size": "kumo_pool_size", "thread_pool_parked": "kumo_pool_parked"}


def of_estimate(estimate: Estimate, *, paths: bool) -> Iterator[Family]:
    """Yield the metrics of an estimate. With *paths*, the place of each limit is a label."""
    yield _family("kumo_available_parallelism", (), (({}, estimate.parallelism),))
    yield _family("kumo_cpus", (), (({}, estimate.cpus),))
    distances = {id(limit): str(n) for n, limit in enumerate(quota_limits(estimate.limits))}
    tightest: dict[tuple[str, ...], float] = {}  # two limits may differ in their place alone
    for limit in estimate.limits:
        if limit.cpus < inf:
            binds = str(limit == estimate.binding).lower()
            labels = (limit.source, distances.get(id(limit), ""), binds, *((limit.where,) * paths))
            tightest[labels] = min(limit.cpus, tightest.get(labels, inf))
    names = ("source", "level", "binds", *(("where",) * paths))
    limits = tuple((dict(zip(names, values, strict=True)), c) for values, c in tightest.items())
    yield _family("kumo_limit_cpus", names, limits)
    codes = sorted({note.code for note in estimate.notes})
    yield _family("kumo_notes", ("code",), tuple(({"code": code}, 1.0) for code in codes))


def of_levels(levels: Sequence[Counters], *, paths: bool) -> Iterator[Family]:
    """Yield the counters of a process's levels, numbered from its own cgroup, 0, up."""
    label = "where" if paths else ""
    labelled = [
        ({"level": str(distance), **({label: level.where} if label else {})}, level)
        for distance, level in enumerate(levels)
    ]
    yield from _counters(labelled, ("level", label) if label else ("level",))


def of_cgroups(groups: Sequence[Counters]) -> Iterator[Family]:
    """Yield the counters of any cgroups, labelled by their directory."""
    yield from _counters([({"cgroup": group.where}, group) for group in groups], ("cgroup",))


def of_pools(pools: Mapping[str, object], *, kumomta: bool) -> Iterator[Family]:
    """Yield the numbers of kumo's pools; with *kumomta*, under KumoMTA's names too."""
    families = {}
    for what in OF_POOLS:
        samples = tuple(
            ({"pool": name}, float(getattr(pool, what)))
            for name, pool in sorted(pools.items())
            if hasattr(pool, what)
        )
        families[f"kumo_pool_{what}"] = _family(f"kumo_pool_{what}", ("pool",), samples)
    yield from families.values()
    if kumomta:
        for name, own in KUMOMTA.items():
            family = families[own]
            yield Family(
                name, "", family.kind, family.unit, family.help, family.labels, family.samples
            )


def _counters(
    labelled: Sequence[tuple[dict[str, str], Counters]], names: tuple[str, ...]
) -> Iterator[Family]:
    for name, field in OF_LEVELS.items():
        samples = tuple(
            (labels, float(value))
            for labels, level in labelled
            if (value := getattr(level, field)) is not None
        )
        yield _family(name, names, samples)


def _family(name: str, labels: tuple[str, ...], samples: Samples) -> Family:
    semantic, kind, unit, text = FORMS[name]
    return Family(name, semantic, kind, unit, text, labels, samples)
