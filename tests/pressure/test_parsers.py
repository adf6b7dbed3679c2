"""The files about load and waiting: what is read from their texts."""

from __future__ import annotations

import pytest

from kumo._cgroups.cpu_stat import Throttling, difference, parse_cpu_stat
from kumo._pressure.parsers import (
    CpuTimes,
    parse_cpuacct,
    parse_maps,
    parse_pressure,
    parse_process_stat,
    parse_schedstat,
    parse_stat,
    parse_usage,
)

V2 = """\
usage_usec 5000000
nr_periods 120
nr_throttled 30
throttled_usec 4567000
nr_bursts 2
burst_usec 250000
"""
V1 = """\
nr_periods 120
nr_throttled 30
throttled_time 4567000000
nr_bursts 2
burst_time 250000000
"""


@pytest.mark.parametrize("text", [V1, V2])
def test_nanoseconds_of_v1_and_microseconds_of_v2_are_told_apart(text: str) -> None:
    assert parse_cpu_stat(text) == Throttling(120, 30, 4.567, 0.25)


def test_a_kernel_without_bursts() -> None:
    assert parse_cpu_stat(V1.partition("nr_bursts")[0]) == Throttling(120, 30, 4.567, 0.0)


def test_a_difference_has_the_burst_too() -> None:
    assert difference(Throttling(1, 1, 0.5, 0.25), Throttling(3, 2, 1.5, 1.0)) == Throttling(
        2, 1, 1.0, 0.75
    )


@pytest.mark.parametrize(
    ("text", "totals"),
    [
        (
            "some avg10=66.83 avg60=53.47 avg300=50.42 total=3577893602\n"
            "full avg10=0.00 avg60=0.00 avg300=0.00 total=2500000\n",
            {"some": 3577.893602, "full": 2.5},
        ),
        ("some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n", {"some": 0.0}),
        ("", {}),
        ("some total=x\n", {}),
    ],
)
def test_pressure_stall_information(text: str, totals: dict[str, float]) -> None:
    assert parse_pressure(text) == totals


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("439885000 43928000 1\n", (0.439885, 0.043928)),
        ("0 0 0\n", (0.0, 0.0)),
        ("", None),
        ("1 2\n", None),
        ("-1 2 3\n", None),
    ],
)
def test_the_times_of_a_thread(text: str, times: tuple[float, float] | None) -> None:
    assert parse_schedstat(text) == times


def test_the_times_of_cpus() -> None:
    text = (
        "cpu  30 0 0 200 10 0 0 5 9 0\n"
        "cpu0 10 1 2 100 5 3 4 2 9 0\n"
        "cpu12 20 0 0 100 5 0 0 3\n"
        "intr 5 0\n"
        "cpu3 1 2 3\n"
    )

    assert parse_stat(text) == {0: CpuTimes(127, 105, 2), 12: CpuTimes(128, 105, 3)}


def test_what_a_cgroup_has_used() -> None:
    assert parse_usage(V2) == 5.0
    assert parse_usage(V1) is None
    assert parse_cpuacct("439885000\n") == 0.439885
    assert parse_cpuacct("") is None
    assert parse_cpuacct("-5\n") is None


LINE = "7f00-7f01 r-xp 00000000 08:01 42"


@pytest.mark.parametrize(
    ("path", "locked"),
    [
        ("/usr/bin/python3.11", True),
        ("/usr/lib/x86_64-linux-gnu/libpython3.10.so.1.0", True),
        ("/opt/bin/python3.13t", False),
        ("/opt/lib/libpython3.14t.so.1.0", False),
        ("/usr/lib/python3.11/lib-dynload/_json.cpython-311.so", None),
        ("/usr/bin/node", None),
        ("[heap]", None),
    ],
)
def test_whose_threads_share_a_lock(path: str, locked: bool | None) -> None:
    assert parse_maps(f"{LINE}    /usr/bin/env\n{LINE}    {path}\n{LINE}\n") is locked


def test_the_times_of_a_process_and_its_ended_children() -> None:
    stat = "4242 (a) b (c) S 1 4242 4242 0 -1 4194560 1 2 3 4 150 50 1200 34 20 0 1 0 99"

    assert parse_process_stat(stat) == (2.0, 12.34)


@pytest.mark.parametrize("text", ["", "4242 (a) S 1", "4242 (a) S 1 1 1 0 -1 0 1 2 3 4 x 0 0 0"])
def test_a_process_in_another_form(text: str) -> None:
    assert parse_process_stat(text) is None
