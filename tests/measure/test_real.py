"""Real quotas on this machine, which the one that measures cannot see."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from real.host import environment, in_groups

from measure.staged import TIMEOUT, Outer, measured, outer, spinning, until_quiet

pytestmark = [pytest.mark.real, pytest.mark.quiet]
ROUNDS = 2


@pytest.mark.parametrize("cpus", [0.5, 1.0, 1.5])
def test_a_hidden_ancestors_quota(cpus: float) -> None:
    with outer(cpus) as group:
        for _ in range(ROUNDS):
            until_quiet()
            measurement = measured(group)

            assert measurement["allowed"] >= 2
            assert measurement["cpus"] == pytest.approx(cpus, rel=0.15), measurement
            assert (measurement["hidden"], measurement["parallelism"]) == (True, 1)
            assert measurement["period_ms"] == pytest.approx(100, rel=0.05)


def test_no_limit() -> None:
    with outer() as group:
        for _ in range(ROUNDS):
            until_quiet()
            measurement = measured(group)

            assert measurement["cpus"] == pytest.approx(measurement["allowed"], rel=0.15), (
                measurement
            )
            assert measurement["hidden"] is False


def test_other_programs_are_no_limit() -> None:
    """As many as there are CPUs, and each as heavy as the measuring."""
    until_quiet()
    with spinning(2), outer() as group:
        measurement = measured(group)

    assert measurement["cpus"] == pytest.approx(measurement["allowed"], rel=0.15), measurement
    assert measurement["hidden"] is False
    assert measurement["contention"] > 0.3


def test_a_hidden_quota_among_other_programs() -> None:
    until_quiet()
    with spinning(1), outer(0.5) as group:
        measurement = measured(group)

    assert measurement["cpus"] == pytest.approx(0.5, rel=0.15), measurement
    assert measurement["hidden"] is True


def test_another_period() -> None:
    until_quiet()
    with outer(1.0, period=20_000) as group:
        measurement = measured(group)

    assert measurement["cpus"] == pytest.approx(1.0, rel=0.15), measurement
    assert measurement["period_ms"] == pytest.approx(20, rel=0.05)


def test_a_visible_quota_is_not_hidden() -> None:
    until_quiet()
    with outer(1.5) as group:
        ran = run_in(group, "--json")

    measurement = json.loads(ran.stdout)
    assert (measurement["allowed"], measurement["hidden"], measurement["parallelism"]) == (
        1.5,
        False,
        1,
    )
    assert measurement["cpus"] == pytest.approx(1.5, rel=0.15), measurement


def test_a_visible_quota_that_others_use_too() -> None:
    """A spinner in the group takes half of its quota: that is seen, and no line is suggested."""
    until_quiet()
    spinner = [sys.executable, "-I", "-S", "-c", "while True: pass"]
    with outer(1.0) as group:
        inside = in_groups([Outer(group.inner)], spinner)
        with subprocess.Popen(inside) as other:
            try:
                measurement = json.loads(run_in(group, "--json").stdout)
                line = run_in(group, "--write")
                shown = run_in(group)
            finally:
                other.kill()

    assert (measurement["allowed"], measurement["hidden"], measurement["parallelism"]) == (
        1.0,
        False,
        1,
    )
    assert measurement["shared"] == str(group.path)
    assert measurement["cpus"] < 0.7
    assert line.stdout == ""
    assert f"other programs use the quota of {group.path} too" in shown.stdout.splitlines()[0]


def test_the_line_that_would_make_the_count_right() -> None:
    """With it in the environment the count is the hidden quota's; without a limit there is none."""
    until_quiet()
    with outer(1.0) as group:
        line = subprocess.run(
            group.hidden([sys.executable, "-m", "kumo", "measure", "--write"]),
            capture_output=True,
            text=True,
            check=True,
            timeout=TIMEOUT,
            env=environment(),
        ).stdout
        group.limit(None)
        visible = run_in(group, "--write")

    assert line == "KUMO_AVAILABLE_PARALLELISM=1\n"
    assert visible.stdout == ""
    assert "no KUMO_AVAILABLE_PARALLELISM is needed" in visible.stderr


def run_in(group: Outer, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in the inner group, all of whose levels it sees."""
    return subprocess.run(
        in_groups([Outer(group.inner)], [sys.executable, "-m", "kumo", "measure", *arguments]),
        capture_output=True,
        text=True,
        check=True,
        timeout=TIMEOUT,
        env=environment(),
    )
