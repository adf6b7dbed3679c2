"""The knob table: complete, consistent, and nothing else than numbers comes out of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kumo._launch.plan import plan, read_outer, variables
from kumo._runtimes import knobs as table
from kumo._runtimes.knobs import GROUPS, KNOBS, Knob

ROOT = Path(__file__).parents[2]
ROWS = list(KNOBS.values())
FORMS = {knob.name: knob.form for knob in ROWS if knob.form != "{}"}
MOST = {knob.name: knob.most for knob in ROWS if knob.most is not None}
COUNTS = [1, 2, 63, 64, 65, 4096, 2**64 - 1]
ASKED = [*GROUPS, *(name for name, knob in KNOBS.items() if knob.use != "never")]


def name(knob: Knob) -> str:
    return knob.name


def rows(*uses: str) -> list[Knob]:
    return [knob for knob in ROWS if knob.use in uses]


def stopped(count: int) -> set[str]:
    """What is always set, but for a count that its program stops at or another row is for."""
    stops = {k.name for k in rows("default") if k.most is not None and k.most <= count}
    switches = {k.name for k in rows("default") if k.at_one and count > 1}
    return stops | switches | {k.name for k in rows("default") if count < k.least}


def alone(count: int) -> set[str]:
    """What is set besides where nothing is left to divide."""
    return {knob.name for knob in KNOBS.values() if knob.at_one and count == 1}


def test_names_are_unique() -> None:
    assert len(KNOBS) == len(table._ROWS)
    assert len({n.upper() for n in KNOBS}) == len(KNOBS)


@pytest.mark.parametrize("knob", ROWS, ids=name)
def test_a_row_is_complete(knob: Knob) -> None:
    assert re.fullmatch("[A-Z_][A-Z0-9_]*", knob.name)
    assert knob.why
    assert knob.source
    assert knob.known in ("run", "source", "document", "unverified")
    if knob.use != "never":
        assert knob.reader
        assert knob.effect in ("cap", "set")


@pytest.mark.parametrize("knob", rows("default", "inner"), ids=name)
def test_what_is_emitted_without_being_named_is_known(knob: Knob) -> None:
    assert knob.known != "unverified"
    assert knob.sees in (
        "nothing",
        "affinity",
        "quota",
        "affinity, quota",
        "affinity, quota of one level",
    )


def test_groups_are_no_variables() -> None:
    assert not set(GROUPS) & set(KNOBS)
    assert {knob.name for knob in rows("inner", "opt-in") if not knob.group} == set()
    assert {knob.name for knob in rows("default", "never") if knob.group} == set()


def test_further_columns_belong_to_rows() -> None:
    """Flags are opt-in, and what is always set is the number alone."""
    assert {KNOBS[n].use for n in FORMS} == {"opt-in"}
    assert {KNOBS[n].effect for n in MOST} == {"set"}
    assert {knob.name for knob in rows("opt-in") if knob.sees} == {
        knob.name for knob in rows("opt-in") if knob.effect == "cap"
    }
    assert not [knob.name for knob in rows("never") if knob.unless]
    assert all("{}" in form for form in FORMS.values())


@pytest.mark.parametrize("count", COUNTS)
def test_only_positive_decimal_integers_come_out(count: int) -> None:
    for workers in (None, 1, 2, 10**9):
        values = variables(count, plan(count, {}, workers=workers))
        del values["KUMO_RUN_SET"]
        assert all(re.fullmatch("[1-9][0-9]*", value) for value in values.values())
        expected = {n.name for n in rows(*(["default", "inner"] if workers else ["default"]))}
        assert set(values) == (expected - stopped(count)) | alone(count)


@pytest.mark.parametrize("count", COUNTS)
def test_what_is_asked_for_comes_out_in_its_form(count: int) -> None:
    values = variables(count, plan(count, {}, chosen=ASKED))

    flags = {n: value for n, value in values.items() if n in FORMS}
    assert flags == {
        "MAKEFLAGS": f"-j{count}",
        "JAVA_TOOL_OPTIONS": f"-XX:ActiveProcessorCount={count}",
        "JDK_JAVA_OPTIONS": f"-XX:ActiveProcessorCount={count}",
        "ERL_ZFLAGS": f"+S {count}:{count}",
        "LBZIP2": f"-n{count}",
        "PIGZ": f"-p{count}",
    }
    del values["KUMO_RUN_SET"]
    bounded = {n: value for n, value in values.items() if n in MOST}
    assert {values[n] for n in values if n not in {*FORMS, *MOST}} == {str(count)}
    assert bounded == {n: str(min(count, MOST[n])) for n in {*MOST} - stopped(count)}
    assert alone(count) <= {k.name for k in rows("inner", "default")}
    assert set(values) == {k.name for k in rows("default", "inner", "workers", "opt-in")} - stopped(
        count
    )


@pytest.mark.parametrize("given", ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"])
def test_at_one_the_users_own_threads_stay(given: str) -> None:
    decisions = {d.name: d for d in plan(1, {given: "8"})}

    assert (decisions[given].action, decisions[given].value) == ("keep", "8")
    if given == "OMP_NUM_THREADS":  # the other two would beat it
        assert {decisions[n].action for n in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")} == {
            "skip"
        }


def test_above_one_nothing_is_set_that_launchers_of_workers_take_for_the_users_word() -> None:
    values = variables(4, plan(4, {}))

    assert values["OMP_NUM_THREADS_ALL"] == "4"
    assert set(values).isdisjoint(k.name for k in rows("inner"))
    assert "OMP_NUM_THREADS_ALL" not in variables(4, plan(4, {"OMP_NUM_THREADS": "2"}))


@pytest.mark.parametrize("name", ["OMP_THREAD_LIMIT", "OPENBLAS_DEFAULT_NUM_THREADS"])
@pytest.mark.parametrize("workers", [None, 2])
def test_what_hangs_or_beats_a_launchers_one_is_set_on_request_alone(
    name: str, workers: int | None
) -> None:
    assert KNOBS[name].use == "opt-in"
    for count in COUNTS:
        assert name not in variables(count, plan(count, {}, workers=workers))


def test_a_switch_is_set_at_one_alone() -> None:
    """It has no number: whatever its value, pre-commit runs one process at a time."""
    switch = "PRE_COMMIT_NO_CONCURRENCY"
    outer = variables(4, plan(4, {}))

    assert variables(1, plan(1, {}))[switch] == "1"
    assert variables(1, plan(1, outer, read_outer(outer)))[switch] == "1"
    assert switch not in variables(2, plan(2, {}, chosen=[switch]))


def test_an_outer_count_is_lowered_to_one() -> None:
    outer = variables(4, plan(4, {}))

    inner = {d.name: d for d in plan(1, outer, read_outer(outer))}

    assert (inner["OMP_NUM_THREADS"].action, inner["OMP_NUM_THREADS"].value) == ("set", "1")
    assert (inner["OMP_NUM_THREADS_ALL"].action, inner["OMP_NUM_THREADS_ALL"].value) == (
        "lower",
        "1",
    )


def test_never_is_never() -> None:
    decisions = plan(4, {}, workers=2, chosen=[*GROUPS, *KNOBS])

    emitted = {d.name for d in decisions if d.action != "skip"}
    assert emitted.isdisjoint(knob.name for knob in rows("never"))


def test_no_value_needs_more_than_simple_quotes() -> None:
    """What `kumo env` relies on for fish."""
    for value in variables(4, plan(4, {}, chosen=ASKED)).values():
        assert not set(value) & set("'\\\n")


def test_the_page_is_made_from_the_table() -> None:
    ran = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "generate_knobs.py"), "--check"],
        capture_output=True,
        check=False,
        text=True,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )

    assert (ran.returncode, ran.stderr) == (0, "")
