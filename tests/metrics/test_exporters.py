"""The exporters with the real libraries, on a real cgroup that is throttled."""

from __future__ import annotations

import doctest
import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from types import ModuleType

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, NumberDataPoint
from prometheus_client import CollectorRegistry, generate_latest
from real.conftest import MakeGroup, make_group
from real.host import Group, in_groups

import kumo
import kumo.opentelemetry
import kumo.prometheus
from kumo._metrics.families import FORMS
from kumo._pressure.host import cgroups_with_quota
from kumo._survey import open_system
from kumo.prometheus import HostCollector, KumoCollector

__all__ = ["make_group"]  # fixture


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(name, labels)


def registered(collector: KumoCollector | HostCollector) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(collector)
    return registry


@pytest.mark.parametrize("module", [kumo.prometheus, kumo.opentelemetry])
def test_the_examples(module: ModuleType) -> None:
    failed, tried = doctest.testmod(module)

    assert tried > 0
    assert failed == 0


def test_the_count_and_a_pool() -> None:
    registry = registered(KumoCollector(kumomta=True))
    with kumo.ThreadPool("metrics-test", threads=3):
        assert value(registry, "kumo_pool_size", pool="metrics-test") == 3
        assert value(registry, "thread_pool_size", pool="metrics-test") == 3
        assert value(registry, "kumo_available_parallelism") == kumo.available_parallelism()
    assert value(registry, "kumo_pool_size", pool="metrics-test") is None


def test_registering_reads_nothing() -> None:
    assert list(KumoCollector().describe()) == []


def test_a_process_that_has_gone_has_no_metrics() -> None:
    assert generate_latest(registered(KumoCollector(pid=2**22))) == b""


def test_a_malformed_override_leaves_out_the_count_and_is_logged_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("KUMO_AVAILABLE_PARALLELISM", "many")
    registry = registered(KumoCollector())
    with caplog.at_level(logging.WARNING, "kumo"):
        for _ in range(3):
            assert value(registry, "kumo_available_parallelism") is None
            assert b"kumo_cgroup_periods" in generate_latest(registry)

    assert len(caplog.records) == 1
    assert "many" in caplog.records[0].getMessage()


def test_opentelemetry_has_every_instrument_that_has_a_value() -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    kumo.opentelemetry.instrument(provider)
    with kumo.ThreadPool("otel-test", threads=2):
        data = reader.get_metrics_data()
    provider.shutdown()
    assert data is not None
    (scope,) = data.resource_metrics[0].scope_metrics
    metrics = {metric.name: metric for metric in scope.metrics}

    (point,) = metrics["process.cpu.count"].data.data_points
    assert isinstance(point, NumberDataPoint)
    assert point.value == kumo.available_parallelism()
    points = metrics["kumo.pool.size"].data.data_points
    numbers = [point for point in points if isinstance(point, NumberDataPoint)]
    assert len(numbers) == len(points)
    sizes = {(point.attributes or {})["kumo.pool"]: point.value for point in numbers}
    assert sizes["otel-test"] == 2
    assert set(metrics) <= {semantic for semantic, *_ in FORMS.values()}


@pytest.fixture
def throttled(make_group: MakeGroup) -> Iterator[tuple[Group, int]]:
    """A group with a quota so small that a busy machine delivers it too, and who spins in it."""
    group = make_group(cpus=0.02)
    spin = subprocess.Popen(in_groups([group], ["sh", "-c", "while :; do :; done"]))
    try:
        until = time.monotonic() + 60
        while not any(c.throttled_seconds for c in kumo.counters(spin.pid)):
            assert time.monotonic() < until
            time.sleep(0.05)
        yield group, spin.pid
    finally:
        spin.kill()
        spin.wait()


@pytest.mark.real
def test_a_throttled_process(throttled: tuple[Group, int]) -> None:
    group, pid = throttled
    registry = registered(KumoCollector(pid))

    assert value(registry, "kumo_cpus") == 0.02
    assert value(registry, "kumo_limit_cpus", source="quota", level="0", binds="true") == 0.02
    assert (value(registry, "kumo_cgroup_throttled_periods_total", level="0") or 0) > 0
    assert (value(registry, "kumo_cgroup_throttled_seconds_total", level="0") or 0) > 0
    assert value(registry, "kumo_cgroup_quota_cpus", level="1") is None
    with_paths = registered(KumoCollector(pid, paths=True))
    labels = {"level": "0", "where": str(group.path)}
    assert (with_paths.get_sample_value("kumo_cgroup_periods_total", labels) or 0) > 0


@pytest.mark.real
def test_every_cgroup_of_the_host_that_has_a_quota(
    throttled: tuple[Group, int], make_group: MakeGroup
) -> None:
    group, _ = throttled
    free = make_group()
    registry = registered(HostCollector())

    assert value(registry, "kumo_cgroup_quota_cpus", cgroup=str(group.path)) == 0.02
    assert (value(registry, "kumo_cgroup_throttled_periods_total", cgroup=str(group.path)) or 0) > 0
    assert value(registry, "kumo_cgroup_periods_total", cgroup=str(free.path)) is None


@pytest.mark.real
def test_the_walk_over_cgroups_has_a_bound(throttled: tuple[Group, int]) -> None:
    system = open_system("process", None, None)

    assert cgroups_with_quota(system, most=1)[1] is False
    assert cgroups_with_quota(system)[1] is True


def test_importing_kumo_loads_no_exporter() -> None:
    program = (
        "import sys, kumo; kumo.counters(); print([n for n in sys.modules if 'prometheus' in n])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == "[]\n"
