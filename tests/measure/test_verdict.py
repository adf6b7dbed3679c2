"""What follows from the workers and the CPUs' ticks."""

from __future__ import annotations

import json
import pickle

import pytest

from kumo._measure.quotas import Quota
from kumo._measure.ticks import Ticks, parse_ticks
from kumo._measure.verdict import Measurement, as_dict, judge
from measure.schedules import neighbours, schedule

BUSY = Ticks(idle=0.0, steal=0.0)
STAT = """\
cpu  300 0 300 5000 50 0 0 50 0 0
cpu0 100 0 100 1000 10 0 0 20 0 0
cpu1 100 0 100 1500 10 0 0 10 0 0
cpu2 100 0 100 2500 30 0 0 20 0 0
intr 1 2 3
"""


@pytest.mark.parametrize("cpus", [0.5, 1.0, 1.5])
def test_a_hidden_quota(cpus: float) -> None:
    measurement = judge(
        schedule(2, 2.0, cpus), 2.0, Ticks(2 * (2 - cpus), 0.0), allowed=2.0, seconds=2.1
    )

    assert measurement.cpus == pytest.approx(cpus, rel=0.03)
    assert measurement.stopped == pytest.approx(2 - cpus, abs=0.05)
    assert measurement.contention == pytest.approx(0, abs=0.05)
    assert (measurement.hidden, measurement.parallelism, measurement.seconds) == (True, 1, 2.1)
    assert measurement.period_ms == pytest.approx(100, rel=0.03)


def test_a_visible_quota_is_not_hidden() -> None:
    measurement = judge(schedule(2, 2.0, 1.5), 2.0, Ticks(1.0, 0.0), allowed=1.5, seconds=2.0)

    assert (measurement.hidden, measurement.parallelism) == (False, 1)
    assert measurement.cpus == pytest.approx(1.5, rel=0.03)
    assert measurement.period_ms == pytest.approx(100, rel=0.03)


def test_nothing_that_binds() -> None:
    measurement = judge(schedule(2, 2.0), 2.0, BUSY, allowed=2.0, seconds=2.0)

    assert measurement == Measurement(2.0, 2.0, False, None, 2.0, 2, 0, 0.0, 0.0, 0.0)


def test_a_visible_quota_that_others_use_too_is_not_hidden() -> None:
    """Half of a visible quota of one CPU comes: whoever throttles is seen."""
    workers = schedule(1, 2.0, 0.5)

    def measured(*quotas: Quota) -> tuple[bool, str | None, int]:
        measurement = judge(workers, 2.0, BUSY, allowed=1.0, seconds=2.0, quotas=quotas)
        assert measurement.cpus == pytest.approx(0.5, rel=0.05)
        return measurement.hidden, measurement.shared, measurement.parallelism

    assert measured(Quota("/a", 0.1, 0), Quota("/", 0.1, 20)) == (False, "/", 1)
    assert measured(Quota("/a", 0.1, 18)) == (False, "/a", 1)
    assert measured(Quota("/a", 0.1, 5)) == (True, None, 1)
    assert measured(Quota("/a", 0.01, 20)) == (True, None, 1)  # not the period of the stops
    assert measured() == (True, None, 1)


def test_a_shared_quota_where_the_stops_keep_no_period() -> None:
    workers = schedule(2, 2.0, others=neighbours(0.5, 0.005, seed=3))

    measurement = judge(workers, 2.0, Ticks(2.0, 0.0), 2.0, 2.0, [Quota("/a", 0.1, 19)])

    assert (measurement.hidden, measurement.period_ms, measurement.shared) == (False, None, "/a")


def test_a_visible_quota_that_comes_whole_is_not_shared() -> None:
    quotas = [Quota("/a", 0.1, 20)]
    measurement = judge(schedule(2, 2.0, 1.5), 2.0, Ticks(1.0, 0.0), 1.5, 2.0, quotas)

    assert (measurement.hidden, measurement.shared) == (False, None)


def test_what_other_programs_take_is_no_limit() -> None:
    workers = schedule(2, 2.0, others=neighbours(0.5, 0.005, seed=3))

    measurement = judge(workers, 2.0, BUSY, allowed=2.0, seconds=2.0)

    assert measurement.cpus == pytest.approx(2.0)
    assert (measurement.hidden, measurement.parallelism) == (False, 2)
    assert measurement.contention == pytest.approx(1.0, abs=0.15)


def test_waiting_while_the_cpus_idle_is_a_limit_without_a_period() -> None:
    workers = schedule(2, 2.0, others=neighbours(0.5, 0.005, seed=3))

    measurement = judge(workers, 2.0, Ticks(idle=2.0, steal=0.0), allowed=2.0, seconds=2.0)

    assert (measurement.hidden, measurement.period_ms) == (True, None)
    assert measurement.cpus == pytest.approx(1.0, abs=0.15)


def test_gaps_without_waiting_are_the_hypervisors() -> None:
    workers = schedule(2, 2.0, others=neighbours(0.5, 0.005, seed=3), told=False)

    measurement = judge(workers, 2.0, Ticks(0.0, steal=1.0), allowed=2.0, seconds=2.0)

    assert (measurement.hidden, measurement.steal, measurement.contention) == (True, 0.5, 0.0)
    assert measurement.cpus == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize(
    ("cpus", "allowed", "hidden", "right"),
    [
        (0.48, 2.0, True, 1),
        (1.97, 4.0, True, 2),
        (1.8, 4.0, True, 1),
        (3.9, 4.0, False, 4),
        (1.49, 1.5, False, 1),
    ],
)
def test_the_count_that_would_be_right(
    cpus: float, allowed: float, hidden: bool, right: int
) -> None:
    measurement = Measurement(cpus, allowed, hidden, None, 2.0, 4, 0, 0.0, 0.0, None)

    assert measurement.parallelism == right


def test_as_json() -> None:
    measurement = Measurement(1.0000001, 2.0, True, 100.0, 2.1, 2, 20, 0.1, 0.9, None)

    assert json.loads(json.dumps(as_dict(measurement))) == {
        "schema": 1,
        "cpus": 1.0,
        "allowed": 2.0,
        "hidden": True,
        "period_ms": 100.0,
        "seconds": 2.1,
        "workers": 2,
        "stops": 20,
        "contention": 0.1,
        "stopped": 0.9,
        "steal": None,
        "shared": None,
        "parallelism": 1,
    }
    assert pickle.loads(pickle.dumps(measurement)) == measurement


def test_the_ticks_of_the_cpus_asked_for() -> None:
    assert parse_ticks(STAT, [1, 2], 100) == Ticks(40.4, 0.3)
    assert parse_ticks(STAT, [], 100) == Ticks(50.5, 0.5)
    assert parse_ticks(STAT, [77], 100) == Ticks(50.5, 0.5)
    assert parse_ticks("intr 1 2 3\n", [0], 100) is None
    assert parse_ticks("cpu0 1 2 3\n", [0], 100) is None
