"""The cumulative counters of each level: from text, and of a real cgroup that is throttled."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import MACHINES
from real.conftest import MakeGroup, make_group
from real.host import in_groups

import kumo
from kumo._pressure import counters as counters_module
from kumo._pressure.counters import Counters, quota_limits, read_counters, read_levels
from kumo._records import Limit
from kumo._survey import KERNEL_LINUX, survey
from kumo._system.machine_file import Machine, read_machine

__all__ = ["make_group"]  # fixture

V2 = {
    "/sys/fs/cgroup/a/cpu.stat": "usage_usec 5000000\nuser_usec 1\nsystem_usec 1\nnr_periods 12\n"
    "nr_throttled 3\nthrottled_usec 4500000\nnr_bursts 1\nburst_usec 250000\n",
    "/sys/fs/cgroup/a/cpu.pressure": "some avg10=0.00 avg60=0.00 avg300=0.00 total=1500000\n"
    "full avg10=0.00 avg60=0.00 avg300=0.00 total=500000\n",
}
V1 = {
    "/cg/cpu.stat": "nr_periods 12\nnr_throttled 3\nthrottled_time 4500000000\n",
    "/cg/cpuacct.usage": "5000000000\n",
}


def test_everything_of_cgroup_v2() -> None:
    limit = Limit("quota", "rate", 1.5, "/sys/fs/cgroup/a/cpu.max", "150000 100000", period=0.1)

    assert read_counters(limit, lambda path: V2.get(path, "")) == Counters(
        "/sys/fs/cgroup/a", 1.5, 0.1, 12, 3, 4.5, 0.25, 5.0, 1.5, 0.5
    )


def test_everything_of_cgroup_v1() -> None:
    limit = Limit("quota", "rate", 0.5, "/cg/cpu.cfs_quota_us", "50000 100000", period=0.1)

    assert read_counters(limit, lambda path: V1.get(path, "")) == Counters(
        "/cg", 0.5, 0.1, 12, 3, 4.5, 0.0, 5.0, None, None
    )


def test_what_is_absent_is_absent_and_not_zero() -> None:
    limit = Limit("quota", "rate", float("inf"), "/sys/fs/cgroup/cpu.max", "(absent)")

    counters = read_counters(limit, lambda path: "")

    assert counters == Counters("/sys/fs/cgroup")
    assert counters.throttling is None


def text(machine: Machine) -> Callable[[str], str]:
    def read(path: str) -> str:
        try:
            return machine.read(path) or ""
        except OSError:
            return ""

    return read


@pytest.mark.parametrize("path", MACHINES, ids=lambda path: path.stem)
def test_the_levels_are_those_of_the_estimate(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters_module, "_last", ("", "", []))
    if read_machine(path).fact("platform") not in KERNEL_LINUX:
        return  # other systems have no such files
    estimate = survey(read_machine(path))
    due = quota_limits(estimate.limits)
    real_time = any(note.code == "real-time" for note in estimate.notes)

    for _ in range(2):  # the second time the tables are known
        machine = read_machine(path)
        levels = read_levels(machine, machine.read)
        assert [level.where for level in levels] == [
            limit.where.rpartition("/")[0] for limit in due
        ]
        # For a real-time process no quota counts, but its cgroups have theirs all the same.
        assert real_time or levels == [read_counters(limit, text(machine)) for limit in due]


def test_a_process_that_does_not_exist() -> None:
    with pytest.raises(ProcessLookupError):
        kumo.counters(pid=2**22)


@pytest.mark.real
def test_a_real_cgroup_that_is_throttled(make_group: MakeGroup) -> None:
    outer = make_group(cpus=0.02)  # so little that a busy machine delivers it too
    inner = make_group(outer)
    spin = subprocess.Popen(in_groups([inner], ["sh", "-c", "while :; do :; done"]))
    try:
        levels: tuple[Counters, ...] = ()
        until = time.monotonic() + 60
        while len(levels) < 3 or not levels[1].throttled_seconds:
            assert time.monotonic() < until, levels
            time.sleep(0.05)
            levels = kumo.counters(pid=spin.pid)
        raw = dict(line.split() for line in Path(outer.path, "cpu.stat").read_text().splitlines())
    finally:
        spin.kill()
        spin.wait()

    assert [level.where for level in levels[:2]] == [str(inner.path), str(outer.path)]
    assert (levels[0].quota_cpus, levels[0].period_seconds) == (None, None)
    assert (levels[1].quota_cpus, levels[1].period_seconds) == (0.02, 0.1)
    assert 0 < (levels[1].throttled_periods or 0) <= int(raw["nr_throttled"])
    assert 0 < (levels[1].throttled_seconds or 0) <= int(raw["throttled_time"]) / 1e9
    assert kumo.counters(os.getpid())[-1].where == levels[-1].where
