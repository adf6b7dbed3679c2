"""What the screen is to show of recorded readings."""

from __future__ import annotations

import pytest

from kumo._pressure.counters import Counters
from kumo._pressure.parsers import CpuTimes
from kumo._records import Estimate, Limit
from kumo._top.model import (
    BLOCKS,
    Model,
    Process,
    Sample,
    changes,
    head_lines,
    next_interval,
    ordered,
    pool_lines,
    sparkline,
    status_line,
    thread_lines,
)
from kumo._top.pools import is_address, parse_pools
from top.recorded import APP, POD, THREADS, TOP, host, reading


def model_of(*samples: Sample) -> Model:
    model = Model()
    for sample in samples:
        model.add(sample, "17:02:11")
    return model


def test_a_row_is_what_happened_between_two_readings() -> None:
    model = model_of(reading(1), reading(2), reading(3))
    app, pod, top = model.rows()

    assert (app.where, app.quota, app.throttled, app.binds) == (APP, 2.0, 0.0, False)
    assert (pod.quota, pod.throttled, pod.binds) == (1.5, 0.4, True)
    assert pod.used == pytest.approx(1.35)
    assert pod.share == pytest.approx(0.9)
    assert pod.history == ((1.0, 2.0, 0.4), (2.0, 3.0, 0.4))
    assert (top.quota, top.share, top.throttled, top.used) == (None, None, None, 11.0)
    assert [row.depth for row in (app, pod, top)] == [3, 2, 0]


def test_the_lines_around_the_table() -> None:
    model = model_of(reading(1), reading(2))
    head, machine = head_lines(model, model.rows())

    assert head == ("web (4242)  1.50 CPUs → 1  quota at pod7.slice binds, throttled 40%")
    assert machine == "affinity 0-15 (16)   uses 1.25 CPUs   online 16   steal 2%   host waits 12%"
    assert thread_lines(model) == [
        "threads 5, count 1",
        " 1 python3, 1.0 want a CPU",
        " 4 tokio-rt-worker* Tokio",
    ]
    assert pool_lines(model.now)[1].split() == ["web", "1", "1", "37"]


def test_each_change_is_a_line() -> None:
    before, now = reading(1), reading(2, pod=3.0, busy=3)

    assert [*changes(before, now)] == [
        "count 1 → 2 (CPUs 1.50 → 2.00)",
        f"quota 1.50 → 3.00 at {POD}",
        "workers of pool web: 1 → 3",
    ]
    assert [*changes(host(1, 2), host(2, 1))] == [f"no quota any more: {TOP}/job0001"]
    assert [*changes(host(1, 1), host(2, 2))] == [f"new cgroup with quota 1.00: {TOP}/job0001"]


def test_a_cgroup_of_the_same_name_that_is_another_one() -> None:
    model = model_of(reading(9), reading(2))

    assert [row.throttled for row in model.rows()] == [None, None, None]
    assert [row.used for row in model.rows()] == [None, None, None]


def test_the_most_throttled_come_first() -> None:
    rows = model_of(host(1), host(2)).rows()

    by_throttling = ordered(rows, "throttled", tree=False, reverse=False, only="")
    assert by_throttling[0].name == "job0039"
    assert ordered(rows, "throttled", tree=False, reverse=True, only="")[0].name == "job0000"
    assert len(ordered(rows, "level", tree=True, reverse=False, only="JOB000")) == 10


def test_two_minutes_in_so_many_characters() -> None:
    history = [(100.0, 110.0, 0.0), (110.0, 119.0, 0.001), (119.0, 120.0, 1.0)]

    assert sparkline(history, 120.0, 12) == " " * 10 + BLOCKS[0] + BLOCKS[-1]
    assert sparkline(history[:2], 120.0, 12)[-1] == BLOCKS[1]  # any throttling can be seen
    assert sparkline(history, 500.0, 12) == " " * 12


def test_many_cgroups_are_read_less_often_and_it_says_so() -> None:
    assert next_interval(0.005, 1.0) == 1.0
    assert next_interval(0.12, 1.0) == 12.0
    assert next_interval(5.0, 1.0) == 60.0
    assert status_line(host(2, 2000, cost=0.12), 12.0, 1.0, paused=False) == (
        "a reading every 12 s: one takes 120 ms of CPU time for 2000 cgroups"
    )


def test_what_controls_a_terminal_is_escaped() -> None:
    evil = Sample(1.0, (Counters("/sys/\x1b[31m\n", 1.0),))
    (row,) = model_of(evil).rows()

    assert row.name.isprintable()
    assert "\x1b" not in "".join(changes(Sample(0.0, ()), evil))


def test_pools_are_read_from_the_metrics() -> None:
    text = (
        "# HELP kumo_pool_size Workers that the pool may have.\n"
        'kumo_pool_size{pool="a \\"b\\" {c}, d"} 4.0\n'
        'kumo_pool_busy{instance="x",pool="web"} 3.0\n'
        'kumo_pool_queued{pool="web"} 1.2.3\n'
        'kumo_pool_size{pool="web"} NaN\n'
        'other{pool="no"} 1.0\n'
    )

    assert parse_pools(text) == {'a "b" {c}, d': {"size": 4.0}, "web": {"busy": 3.0}}
    assert is_address("http://127.0.0.1:9464/metrics")
    assert not is_address("file:///etc/passwd")
    assert not is_address("http://host /x")


def test_what_has_changed_of_the_machine_and_the_process() -> None:
    before = reading(1)
    few = Estimate([Limit("affinity", "set", 1, "sched_getaffinity", "3")], [])
    process = Process(4242, "web", few, 2.5, THREADS)
    now = Sample(2.0, before.groups, process, {0: CpuTimes(1, 1, 1)})

    assert [*changes(before, now)] == [
        "count 1 → 1 (CPUs 1.50 → 1.00)",
        "what binds: quota → affinity",
        "affinity 0-15 → 3",
        "online CPUs 16 → 1",
    ]


def test_the_head_before_the_first_reading_and_of_a_host() -> None:
    assert head_lines(Model(), []) == ("reading…", "")
    assert Model().rows() == []
    assert status_line(None, 1.0, 1.0, paused=False) == ""
    model = model_of(host(1, 4), host(2, 4))

    head, _ = head_lines(model, model.rows())

    assert head == "this host: 4 cgroups with a quota, 3 throttled"
    assert (thread_lines(model), pool_lines(model.now)) == ([], [])
