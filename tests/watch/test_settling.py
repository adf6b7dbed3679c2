"""When a watch tells of a reading, by a clock of the test's own; and in which words."""

from __future__ import annotations

import pytest

import kumo
from kumo import Change, Estimate, Limit
from kumo._watch.change import Settling


def of(cpus: float, where: str = "/sys/fs/cgroup/a/cpu.max") -> Estimate:
    return Estimate([Limit("quota", "rate", cpus, where, "")], [])


def told(settle: float, *readings: tuple[float, float]) -> list[tuple[float, float, float]]:
    """When, from what and to what a watch that began at 2 CPUs tells, by (time, CPUs)."""
    settling = Settling(of(2), settle)
    changes = [(now, settling.tell(of(cpus), now)) for now, cpus in readings]
    return [(now, change.old.cpus, change.new.cpus) for now, change in changes if change]


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        pytest.param([(0, 2), (9, 2)], [], id="nothing changes"),
        pytest.param([(0, 1.5), (0.1, 0.5)], [(0, 2, 1.5), (0.1, 1.5, 0.5)], id="shrinks at once"),
        pytest.param([(0, 4), (0.9, 4), (1, 4), (2, 4)], [(1, 2, 4)], id="growth that held"),
        pytest.param([(0, 4), (0.9, 2), (1, 4), (1.9, 4)], [], id="growth that did not hold"),
        pytest.param([(0, 4), (0.9, 2), (1, 4), (2, 4)], [(2, 2, 4)], id="and then held"),
        pytest.param([(0, 4), (0.5, 1), (1, 4)], [(0.5, 2, 1)], id="shrink amid a growth"),
        pytest.param([(0, 4), (0.5, 3), (1, 8)], [(1, 2, 3)], id="the least of it"),
        pytest.param([(0, 4), (1, 8), (2, 8)], [(1, 2, 4)], id="the rest is a growth anew"),
        pytest.param([(0, 4), (1, 8), (2, 8), (3, 8)], [(1, 2, 4), (3, 4, 8)], id="and is told"),
    ],
)
def test_a_shrink_is_told_at_once_and_a_growth_when_it_has_held(
    readings: list[tuple[float, float]], expected: list[tuple[float, float, float]]
) -> None:
    assert told(1, *readings) == expected


def test_without_settling_a_growth_is_told_at_once() -> None:
    assert told(0, (5, 4), (5.1, 3)) == [(5, 2, 4), (5.1, 4, 3)]


def test_the_estimate_told_is_the_latest_of_as_many_cpus() -> None:
    settling, latest = Settling(of(2), 1), of(2, "/sys/fs/cgroup/cpu.max")

    assert settling.tell(latest, 0) is None
    assert settling.reported is latest


def test_what_is_told_is_settled_unless_a_growth_has_begun() -> None:
    first = of(2)
    settling = Settling(first, 1)

    assert settling.settled(first)
    settling.tell(of(4), 0)
    assert not settling.settled(first)


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        pytest.param(
            of(2), of(0.5), "quota 2.00 -> 0.50 at /sys/fs/cgroup/a/cpu.max", id="the same place"
        ),
        pytest.param(
            of(2), of(1, "/b"), "quota 2.00 at /sys/fs/cgroup/a/cpu.max -> quota 1.00 at /b",
            id="another place",
        ),
        pytest.param(
            of(1.501, "/b"), of(1.502, "/b"), "quota 1.501 -> 1.502 at /b", id="little"
        ),
        pytest.param(of(2, "/\n"), of(1, "/\n"), r"quota 2.00 -> 1.00 at /\n", id="one line"),
    ],
)  # fmt: skip
def test_what_changed_is_one_line(old: Estimate, new: Estimate, what: str) -> None:
    assert Change(old, new).what == what


def test_a_change_is_a_record() -> None:
    change = kumo.Change(of(2), of(1))

    assert change == Change(of(2), of(1)) != Change(of(1), of(2))
    with pytest.raises(AttributeError, match="read-only"):
        change.old = of(3)  # type: ignore[misc]  # it is wrong
