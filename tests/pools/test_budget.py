"""Division by largest remainder, and budgets that follow."""

from __future__ import annotations

import logging
from itertools import pairwise
from queue import SimpleQueue
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kumo
from kumo._pools.budget import Share, as_share, divide

WEIGHTS = st.dictionaries(
    st.text(max_size=3), st.floats(1e-3, 1e3) | st.integers(1, 1000), min_size=1, max_size=12
)


def set_parallelism(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setenv("KUMO_AVAILABLE_PARALLELISM", str(count))


@pytest.mark.parametrize(
    ("count", "weights", "parts"),
    [
        (8, {"web": 2, "batch": 1}, {"web": 5, "batch": 3}),
        (3, {"web": 2, "batch": 1}, {"web": 2, "batch": 1}),
        (7, {"a": 1, "b": 1, "c": 1}, {"a": 3, "b": 2, "c": 2}),
        (4, {"big": 100, "small": 1, "other": 1}, {"big": 2, "small": 1, "other": 1}),
        (10, {"a": 0.7, "b": 0.2, "c": 0.1}, {"a": 7, "b": 2, "c": 1}),
        # b is due one CPU until those that are due less have got theirs.
        (
            7,
            {"a": 6, "b": 1.01} | dict.fromkeys("cdef", 0.001),
            {"a": 2} | dict.fromkeys("bcdef", 1),
        ),
        (1, {"web": 2, "batch": 1}, {"web": 1, "batch": 1}),
        (5, {"one": 0.001}, {"one": 5}),
        # 1.5 and 4.5: at a tie the heavier comes first, then the earlier.
        (6, {"light": 1, "heavy": 3}, {"light": 1, "heavy": 5}),
        (3, {"first": 1, "second": 1}, {"first": 2, "second": 1}),
        # 8.6 and 2.4 of the 11 that are left.
        (12, {"a": 8.6, "b": 2.4, "c": 0.9}, {"a": 9, "b": 2, "c": 1}),
    ],
)
def test_a_division(count: int, weights: dict[str, float], parts: dict[str, int]) -> None:
    assert divide(count, weights) == parts


@given(st.integers(1, 500), WEIGHTS)
def test_the_parts_are_the_whole(count: int, weights: dict[str, float]) -> None:
    parts = divide(count, weights)

    assert list(parts) == list(weights)
    assert sum(parts.values()) == max(count, len(weights))
    assert min(parts.values()) >= 1


@given(st.integers(1, 500), WEIGHTS)
def test_the_heavier_gets_no_less(count: int, weights: dict[str, float]) -> None:
    parts = divide(count, weights)

    by_weight = sorted(weights, key=lambda name: weights[name])
    for lighter, other in pairwise(by_weight):
        assert weights[lighter] == weights[other] or parts[lighter] <= parts[other]


@given(st.integers(1, 500), WEIGHTS)
def test_where_each_would_get_one_none_is_a_cpu_off(count: int, weights: dict[str, float]) -> None:
    total = sum(weights.values())
    exact = {name: count * weight / total for name, weight in weights.items()}
    if min(exact.values()) >= 1.001 and len(weights) < count:
        parts = divide(count, weights)

        assert all(abs(parts[name] - exact[name]) < 1.001 for name in weights)


def test_a_budget_is_recomputed_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    set_parallelism(monkeypatch, 9)
    budget = kumo.Budget(web=2, batch=1)
    part = budget.part("web")

    assert (budget["web"], budget["batch"], part.size) == (6, 3, 6)
    assert (list(budget), len(budget)) == (["web", "batch"], 2)

    set_parallelism(monkeypatch, 3)
    assert (budget.parts, part.size) == ({"web": 2, "batch": 1}, 2)


def test_a_budget_of_names_that_are_no_words(monkeypatch: pytest.MonkeyPatch) -> None:
    set_parallelism(monkeypatch, 4)

    assert kumo.Budget({"my pool": 1}, other=1).parts == {"my pool": 2, "other": 2}


@pytest.mark.parametrize("weight", [0, -1, float("inf"), float("nan"), "2", None])
def test_a_weight_has_to_be_positive(weight: Any) -> None:
    with pytest.raises(ValueError, match="web must have a positive weight, such as 1, not"):
        kumo.Budget(web=weight)


def test_a_share_and_a_part_say_what_they_are() -> None:
    part = kumo.Budget(web=2, batch=1).part("web")

    assert repr(part) == "Budget({'web': 2, 'batch': 1}).part('web')"
    assert repr(Share(0.5)) == "Share(0.5)"


def test_a_budget_needs_a_part() -> None:
    with pytest.raises(
        ValueError, match=r"^a budget needs a part at least, as in Budget\(web=2, batch=1\)$"
    ):
        kumo.Budget()


def test_another_name_is_a_key_error() -> None:
    budget = kumo.Budget(web=1)

    with pytest.raises(KeyError, match="other"):
        budget["other"]
    with pytest.raises(KeyError, match="other"):
        budget.part("other")


def test_more_parts_than_cpus_are_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    set_parallelism(monkeypatch, 2)
    with caplog.at_level(logging.WARNING, "kumo"):
        assert kumo.Budget(a=1, b=5, c=1).parts == {"a": 1, "b": 1, "c": 1}

    assert caplog.messages == [
        "budget: 3 parts of 1 CPU each exceed the parallelism, which is 2",
    ]


def test_as_many_parts_as_cpus_are_no_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    set_parallelism(monkeypatch, 3)

    assert kumo.Budget(a=1, b=5, c=1).parts == {"a": 1, "b": 1, "c": 1}
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("fraction", "parallelism", "size"),
    [
        (1, 4, 4),
        (0.5, 5, 2),
        (0.1, 4, 1),
        (0.29, 100, 29),
        (2, 3, 6),
        (1 / 3, 3, 1),
        (0.7, 4, 2),
        (0.9999999998, 2, 2),
    ],
)
def test_a_share_is_rounded_down(fraction: float, parallelism: int, size: int) -> None:
    assert Share(fraction).of(parallelism) == size


@pytest.mark.parametrize(
    ("text", "fraction"),
    [("0.5", 0.5), ("1/2", 0.5), ("3/4", 0.75), ("2", 2.0), ("10/1", 10.0), ("1.25", 1.25)],
)
def test_a_share_that_is_written(text: str, fraction: float) -> None:
    assert as_share(text).fraction == fraction


@pytest.mark.parametrize("text", ["", "0", "0.0", "1/0", "0.5/2", "1/2/3", "-1", "1e3", "1" * 10])
def test_no_share(text: str) -> None:
    with pytest.raises(ValueError, match=f"^share must be a positive number.*, not .*{text}"):
        as_share(text)


def test_a_share_that_is_one_already() -> None:
    share = Share(0.5)

    assert as_share(share) is share
    assert as_share(0.25).fraction == 0.25


def test_a_share_that_is_followed_reports_what_has_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_parallelism(monkeypatch, 4)
    changes: SimpleQueue[str] = SimpleQueue()
    with Share(0.5).follow(changes.put):
        set_parallelism(monkeypatch, 2)

        assert changes.get(timeout=60) == "override 4 -> 2 at $KUMO_AVAILABLE_PARALLELISM"
