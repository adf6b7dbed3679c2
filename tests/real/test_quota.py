"""CPU quotas of cgroups: where they stand, how they change, whom they hold for."""

from __future__ import annotations

import json
import os
from collections.abc import Callable

import pytest

from real.conftest import Asker, MakeGroup
from real.host import Group, codes, kumo, quotas, run

pytestmark = pytest.mark.real

Start = Callable[..., Asker]
Rate = tuple[float, int] | None


def nested(make_group: MakeGroup, rates: list[Rate]) -> Group:
    """A cgroup in a cgroup for each of *rates*, the outermost first; return the innermost."""
    group = make_group()
    for place, rate in enumerate(rates):
        group = group if place == 0 else make_group(group)
        if rate is not None:
            group.limit(*rate)
    return group


@pytest.mark.parametrize(
    ("rates", "quota"),
    [
        pytest.param([(1.5, 100_000)], 1.5, id="own"),
        pytest.param([None, (1.25, 100_000)], 1.25, id="own, parent without"),
        pytest.param([(1.25, 100_000), None], 1.25, id="parent"),
        pytest.param([(1.75, 100_000), None, None, None], 1.75, id="far ancestor"),
        pytest.param([(1.75, 100_000), (1.25, 100_000)], 1.25, id="tighter inside"),
        pytest.param([(1.5, 100_000), (1.5, 100_000)], 1.5, id="the same"),
        pytest.param([(1.5, 10_000), (1.4, 1_000_000)], 1.4, id="tighter inside, longer period"),
        pytest.param([(1.25, 1_000_000), None, (1.25, 4_000)], 1.25, id="the same, periods differ"),
        pytest.param([(1.0, 50_000)], 1.0, id="one CPU"),
        pytest.param([None, None], None, id="none"),
    ],
)
def test_tightest_level_counts(
    make_group: MakeGroup, rates: list[Rate], quota: float | None
) -> None:
    group = nested(make_group, rates)

    answer = json.loads(run([group], *kumo("--json")))

    assert answer["quota"] == quota
    assert quotas(answer) == group.levels()
    assert answer["notes"] == []
    if quota is not None:
        assert (answer["parallelism"], answer["cpus"]) == (1, quota)
        assert answer["binding"]["source"] == "quota"
        assert (answer["binding"]["where"], quota) in group.levels()
    else:
        assert answer["parallelism"] == len(os.sched_getaffinity(0))


def test_tightest_of_equal_levels_is_the_outermost(make_group: MakeGroup) -> None:
    group = nested(make_group, [(1.5, 100_000), (1.5, 100_000)])

    answer = json.loads(run([group], *kumo("--json")))

    assert group.parent is not None
    assert answer["binding"]["where"] == group.parent.quota_file


def test_below_one_cpu(make_group: MakeGroup) -> None:
    answer = json.loads(run([make_group(cpus=0.25)], *kumo("--json")))

    assert (answer["parallelism"], answer["cpus"], answer["quota"]) == (1, 0.25, 0.25)
    assert codes(answer) == ["quota-below-one"]


def test_more_than_the_machine_has(make_group: MakeGroup) -> None:
    cpus = len(os.sched_getaffinity(0))

    answer = json.loads(run([make_group(cpus=cpus + 1.5)], *kumo("--json")))

    assert (answer["parallelism"], answer["quota"]) == (cpus, cpus + 1.5)
    assert answer["binding"]["kind"] == "set"


def test_a_fraction_is_rounded_by_purpose(make_group: MakeGroup, start: Start) -> None:
    answer = start(make_group(cpus=1.5)).ask()

    assert (answer["parallelism"], answer["independent"], answer["cpus"]) == (1, 2, 1.5)


@pytest.mark.parametrize("scope", ["process", "thread"])
def test_quota_changes_between_two_calls(make_group: MakeGroup, start: Start, scope: str) -> None:
    group = make_group()
    asker = start(group)
    seen = []

    for cpus in (1.5, 1.0, None, 0.5):
        group.limit(cpus)
        seen.append(asker.ask(scope)["quota"])

    assert seen == [1.5, 1.0, None, 0.5]


def test_process_moves_between_two_calls(make_group: MakeGroup, start: Start) -> None:
    one, other = make_group(cpus=1.5), make_group(make_group(cpus=1.25))
    asker = start(one)

    before = asker.ask()
    asker.do("join", str(other.path), alone=False)
    after = asker.ask()

    assert (before["quota"], quotas(before)) == (1.5, one.levels())
    assert (after["quota"], quotas(after)) == (1.25, other.levels())


def test_burst_is_not_added(make_group: MakeGroup, start: Start) -> None:
    group = make_group(cpus=1.0)
    group.burst(75_000)

    answer = start(group).ask()

    assert (answer["parallelism"], answer["quota"], answer["burst"]) == (1, 1.0, 0.75)
    assert codes(answer) == ["burst-allowed"]


@pytest.mark.parametrize("scope", ["process", "thread"])
def test_unprivileged_user(make_group: MakeGroup, start: Start, scope: str) -> None:
    group = nested(make_group, [(1.5, 100_000), None])
    asker = start(group)
    asker.do("become", 65534)

    answer = asker.ask(scope)

    assert (answer["quota"], answer["notes"]) == (1.5, [])
    assert quotas(answer) == group.levels()


def test_level_that_the_user_may_not_read(make_group: MakeGroup, start: Start) -> None:
    parent = make_group(cpus=1.5)
    own = make_group(parent, cpus=1.25)
    own.path.chmod(0o700)
    asker = start(own)
    asker.do("become", 65534)

    answer = asker.ask()

    assert quotas(answer) == [(own.levels()[0][0], None), *parent.levels()]
    assert (answer["quota"], codes(answer)) == (1.5, ["unreadable"])
