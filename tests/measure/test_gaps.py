"""From gaps to a period and to what is delivered, over schedules that are made here."""

from __future__ import annotations

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from kumo._measure.gaps import Gap, Observed, common_stops, find_period, parse_worker, periods
from measure.schedules import STEP, neighbours, schedule

seeds = st.integers(0, 2**32)


def test_a_workers_output() -> None:
    text = (
        "1000000 51000000 2000000\n"
        "100000000 2500000000 7000000\n"
        "2600000000 2700000000 7000000\n"
        "end 9000000\n"
    )

    observed = parse_worker(text, seconds=2.0)

    assert observed == Observed((Gap(0.001, 0.051, 0.002), Gap(0.1, 2.0, 0.005)), 0.009)


@pytest.mark.parametrize("text", ["", "1 2 3\n", "Traceback\n", "end\n", "1 2\nend 3\n"])
def test_what_a_worker_did_not_finish_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"ended early|invalid literal|not enough values"):
        parse_worker(text, 2.0)


def test_all_stand_still_where_the_gaps_overlap() -> None:
    one = Observed((Gap(0.1, 0.2, 0), Gap(0.3, 0.4, 0), Gap(0.6, 0.9, 0)), 0)
    other = Observed((Gap(0.15, 0.35, 0), Gap(0.5, 0.65, 0), Gap(0.7, 0.8, 0)), 0)

    assert common_stops([one, other]) == [(0.15, 0.2), (0.3, 0.35), (0.6, 0.65), (0.7, 0.8)]
    assert common_stops([one]) == [(gap.begin, gap.end) for gap in one.gaps]
    assert common_stops([one, Observed((), 0)]) == []


@settings(deadline=None, derandomize=True, max_examples=30)
@given(
    number=st.integers(1, 6),
    share=st.floats(0.08, 0.92),
    period=st.sampled_from([0.02, 0.05, 0.08, 0.1, 0.25]),
    offset=st.floats(0, 1),
    told=st.booleans(),
)
@example(number=2, share=0.25, period=0.1, offset=0.0, told=True)
def test_a_quota_is_found(
    number: int, share: float, period: float, offset: float, told: bool
) -> None:
    assume(period * (1 - share) > 0.004)  # a stop that is seen
    assume(share * period > 0.004)
    cpus = share * number

    stopping = periods(
        schedule(number, 2.0, cpus, period, offset=offset * period, told=told), seconds=2.0
    )

    assert stopping is not None
    assert stopping.length == pytest.approx(period, rel=0.03)
    assert stopping.cpus == pytest.approx(cpus, rel=0.08, abs=number * STEP / period)


@settings(deadline=None, derandomize=True, max_examples=20)
@given(share=st.floats(0.1, 0.4), slice_=st.floats(0.003, 0.008), seed=seeds)
def test_a_quota_is_found_among_neighbours(share: float, slice_: float, seed: int) -> None:
    """What they take inside a period is made up for before the quota is spent."""
    workers = schedule(2, 2.0, 0.5, others=neighbours(share, slice_, seed))

    stopping = periods(workers, seconds=2.0)

    assert stopping is not None
    assert stopping.cpus == pytest.approx(0.5, rel=0.15)


@settings(deadline=None, derandomize=True, max_examples=30)
@given(
    number=st.integers(2, 4),
    share=st.floats(0.05, 0.7),
    slice_=st.floats(0.003, 0.03),
    seed=seeds,
)
def test_neighbours_are_no_quota(number: int, share: float, slice_: float, seed: int) -> None:
    workers = schedule(number, 2.0, others=neighbours(share, slice_, seed))

    stopping = periods(workers, seconds=2.0)

    assert stopping is None


@settings(deadline=None, derandomize=True, max_examples=20)
@given(share=st.floats(0.3, 0.7), slice_=st.floats(0.003, 0.01), seed=seeds)
def test_many_stops_keep_no_period_by_chance(share: float, slice_: float, seed: int) -> None:
    stops = common_stops(schedule(1, 2.0, others=neighbours(share, slice_, seed)))

    assert len(stops) > 20
    assert find_period(stops, 2.0) is None


def test_a_neighbours_periods_are_not_ours() -> None:
    """One that is itself stopped each 100 ms, and shares both CPUs while it runs."""
    shared = neighbours(0.5, 0.004, 1)
    workers = schedule(2, 2.0, others=lambda time, cpu: time % 0.1 < 0.05 and shared(time, cpu))

    assert periods(workers, seconds=2.0) is None


def test_no_gap_and_few_gaps_keep_no_period() -> None:
    assert find_period([], 2.0) is None
    assert find_period([(0.1, 0.15), (0.2, 0.25)], 2.0) is None
    assert periods(schedule(2, 2.0), 2.0) is None
