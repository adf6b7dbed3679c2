"""What `kumo run` decides, from a count and an environment alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import MACHINES

import kumo
from kumo._errors import InputError
from kumo._launch.plan import (
    FIXED,
    MARKER,
    Decision,
    Outer,
    as_rows,
    bounded,
    plan,
    read_outer,
    variables,
)
from kumo._override import OverrideError
from kumo._runtimes.knobs import KNOBS

OWN = "KUMO_AVAILABLE_PARALLELISM"
DEFAULTS = {n for n, knob in KNOBS.items() if knob.use == "default" and not knob.at_one}
INNER = {name for name, knob in KNOBS.items() if knob.use == "inner"}


def decided(count: int, environ: dict[str, str] | None = None, **asked: Any) -> dict[str, Decision]:
    environ = environ or {}
    return {d.name: d for d in plan(count, environ, read_outer(environ), **asked)}


def after(count: int, environ: dict[str, str] | None = None, **asked: Any) -> dict[str, str]:
    """The environment that the command has."""
    environ = environ or {}
    return {
        **environ,
        **variables(count, plan(count, environ, read_outer(environ), **asked)),
    }


def machine(name: str) -> Path:
    (path,) = (path for path in MACHINES if path.stem == name)
    return path


# --- the count


@pytest.mark.parametrize(
    ("cpus", "asked", "count"),
    [
        (4, {}, 4),
        (3.99, {}, 3),
        (3.99, {"rounding": "ceil"}, 4),
        (0.5, {}, 1),
        (4, {"share": (1, 2)}, 2),
        (3, {"share": (1, 2)}, 1),
        (3, {"share": (1, 2), "rounding": "ceil"}, 2),
        (3.5, {"share": (1, 2), "rounding": "ceil"}, 2),
        (3, {"share": (1, 3)}, 1),
        (6, {"share": (2, 3)}, 4),
        (1, {"share": (1, 100)}, 1),
        (8, {"share": (1, 1)}, 8),
        (8, {"most": 3}, 3),
        (2, {"most": 3}, 2),
        (8, {"share": (1, 2), "most": 3}, 3),
        (8, {"share": (1, 4), "most": 3}, 2),
        (2.5, {"most": 2, "rounding": "ceil"}, 2),
        (2**64 - 1, {}, 2**64 - 1),
    ],
)
def test_count(cpus: float, asked: dict[str, Any], count: int) -> None:
    assert bounded(cpus, None, **asked) == count


@pytest.mark.parametrize(
    ("cpus", "asked", "count"),
    [
        (8, {}, 3),
        (2.5, {}, 2),
        (2.5, {"rounding": "ceil"}, 3),
        (8, {"most": 99}, 3),
        (8, {"share": (1, 3)}, 1),
        (8, {"rounding": "ceil"}, 3),
    ],
)
def test_count_is_never_more_than_the_outer_gave(
    cpus: float, asked: dict[str, Any], count: int
) -> None:
    assert bounded(cpus, Outer(3, {}), **asked) == count


@pytest.mark.parametrize("path", MACHINES, ids=lambda path: path.stem)
def test_count_of_a_machine_is_the_estimates(path: Path) -> None:
    try:
        estimate = kumo.estimate(machine=path)
    except OverrideError:
        return
    cpus = estimate.binding.cpus

    assert bounded(cpus, None) == estimate.parallelism
    assert bounded(cpus, None, rounding="ceil") == estimate.workers("independent")
    assert bounded(cpus, None, most=1) == 1


def test_rounding_is_of_the_unrounded() -> None:
    cpus = kumo.estimate(machine=machine("coreutils-108-399pct")).binding.cpus

    assert cpus == 3.99
    assert bounded(cpus, None, share=(1, 2)) == 1
    assert bounded(cpus, None, share=(1, 2), rounding="ceil") == 2


# --- what is set


def test_defaults_are_set_and_nothing_else() -> None:
    made = after(4)

    assert set(made) == DEFAULTS | {MARKER}
    assert {made[name] for name in DEFAULTS} == {"4"}


@pytest.mark.parametrize("name", sorted(KNOBS))
@pytest.mark.parametrize("value", ["7", "4", "auto", "-j9 --load-average=2"])
def test_what_the_user_set_is_never_overwritten(name: str, value: str) -> None:
    groups = {knob.group for knob in KNOBS.values() if knob.group}

    made = after(4, {name: value}, workers=2, chosen=[*groups, name])

    assert made[name] == value
    assert f":{name}=" not in made[MARKER]


@pytest.mark.parametrize("name", sorted(set(KNOBS) - {OWN}))
def test_empty_is_set_too(name: str) -> None:
    assert after(4, {name: ""}, workers=2, chosen=[name])[name] == ""


def test_empty_override_is_the_same_as_none() -> None:
    assert after(4, {OWN: ""})[OWN] == "4"


@pytest.mark.parametrize(
    ("name", "other"), [(n, other) for n, knob in KNOBS.items() for other in knob.unless]
)
def test_what_would_beat_the_users_is_not_set(name: str, other: str) -> None:
    decision = decided(4, {other: "2"}, workers=2, chosen=[name])[name]

    assert (decision.action, decision.value) == ("skip", None)
    assert decision.why == f"{other} is set in the environment"
    assert decided(4, {}, workers=2, chosen=[name])[name].action == "set"


def test_mesons_older_name_is_one_of_them() -> None:
    assert "MESON_NUM_PROCESSES" not in after(4, {"MESON_TESTTHREADS": "2"})


@pytest.mark.parametrize(("count", "value"), [(1, "1"), (15, "15"), (16, None), (96, None)])
def test_numexpr_is_never_raised_to_where_it_would_stop(count: int, value: str | None) -> None:
    """Alone it stops at 16; a pool of 16 would refuse what joblib may ask of it."""
    assert after(count).get("NUMEXPR_MAX_THREADS") == value


@pytest.mark.parametrize(
    ("count", "workers", "value"), [(8, 1, "8"), (96, 1, "16"), (96, 4, "16"), (96, 8, "12")]
)
def test_a_value_is_at_most_where_the_program_stops(count: int, workers: int, value: str) -> None:
    made = after(count, workers=workers)

    assert made["NUMEXPR_NUM_THREADS"] == value
    assert f"NUMEXPR_NUM_THREADS={value}" in made[MARKER].split(":")
    assert read_outer(made) is not None


@pytest.mark.parametrize(
    ("count", "workers", "each"), [(8, 1, 8), (8, 2, 4), (8, 3, 2), (8, 8, 1), (2, 5, 1)]
)
def test_workers_divide_the_inner_pools_alone(count: int, workers: int, each: int) -> None:
    made = after(count, workers=workers)

    assert {made[name] for name in INNER} == {str(each)}
    assert {made[name] for name in DEFAULTS} == {str(count)}


def test_groups_and_names_are_added() -> None:
    assert set(after(4, chosen=["make", "blas", "ZSTD_NBTHREADS"])) - set(after(4)) == {
        "MAKEFLAGS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "BLIS_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
        "ZSTD_NBTHREADS",
    }
    assert after(4, chosen=["omp"])["OMP_NUM_THREADS"] == "4"
    assert after(4, chosen=["omp"], workers=2)["OMP_NUM_THREADS"] == "2"


def test_names_and_groups_are_left_out() -> None:
    left_out = ["GOMAXPROCS", "blas"]
    made = after(4, workers=2, left_out=left_out)

    assert set(after(4, workers=2)) - set(made) == {
        "GOMAXPROCS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "BLIS_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
    }
    assert "MAKEFLAGS" not in after(4, chosen=["make"], left_out=["MAKEFLAGS"])


def test_each_row_has_a_reason() -> None:
    environ = {**after(4), "GOMAXPROCS": "2", "MAKEFLAGS": "-k"}
    decisions = plan(3, environ, read_outer(environ))

    assert [d.name for d in decisions] == list(KNOBS)
    assert all(d.why for d in decisions)
    assert {d.action for d in decisions} == {"lower", "keep", "skip"}


@pytest.mark.parametrize(
    ("name", "count", "asked", "number", "why"),
    [
        ("GOMAXPROCS", 4, {}, 4, "Go"),
        ("GOMAXPROCS", 4, {"left_out": ["GOMAXPROCS"]}, None, "--without"),
        ("OMP_NUM_THREADS", 8, {"workers": 1}, 8, "{}: for the only worker"),
        ("OMP_NUM_THREADS", 8, {"workers": 2}, 4, "{}: for each of 2 workers"),
        ("OMP_NUM_THREADS", 1, {}, 1, "{}: nothing is left to divide at 1"),
        ("OMP_NUM_THREADS", 4, {}, None, "--with omp: "),
        ("OMP_NUM_THREADS", 4, {"chosen": ["omp"]}, 4, "{}"),
        ("BLIS_NUM_THREADS", 1, {}, None, "--with blas: "),
        ("PRE_COMMIT_NO_CONCURRENCY", 1, {}, 1, "{}: one process at a time"),
        ("PRE_COMMIT_NO_CONCURRENCY", 4, {}, None, "{}: a switch, for a count of 1"),
        ("OMP_NUM_THREADS_ALL", 1, {}, None, "nothing is left to divide at 1"),
        ("OMP_NUM_THREADS_ALL", 2, {}, 2, "{}"),
        ("NUMEXPR_MAX_THREADS", 16, {}, None, "{} stops at 16 by itself"),
        ("NUMEXPR_MAX_THREADS", 15, {}, 15, "{}"),
        ("WEB_CONCURRENCY", 4, {}, None, "--workers auto: "),
        ("WEB_CONCURRENCY", 4, {"workers": 4}, None, "--workers auto: "),
        ("WEB_CONCURRENCY", 4, {"workers": 4, "servers": True}, 4, "{}: as many workers as CPUs"),
        ("WEB_CONCURRENCY", 4, {"chosen": ["WEB_CONCURRENCY"]}, 4, "{}"),
        ("CELERY_WORKER_CONCURRENCY", 4, {"servers": True}, 4, "{}: as many workers as CPUs"),
        ("CELERY_WORKER_CONCURRENCY", 4, {}, None, "--with celery: "),
        ("MAKEFLAGS", 4, {}, None, "--with make: "),
        ("MAKEFLAGS", 4, {"chosen": ["make"]}, 4, "{}"),
        ("GHCRTS", 4, {"chosen": ["GHCRTS"]}, None, "never: "),
        (
            "PYTHON_CPU_COUNT",
            4,
            {"beside": ["lightgbm"]},
            5,
            "{}; one more than 4, for loky's sake",
        ),
    ],
)
def test_the_reason_of_a_row(
    name: str, count: int, asked: dict[str, Any], number: int | None, why: str
) -> None:
    """A reason that ends in a colon is followed by the table's own words."""
    knob, decision = KNOBS[name], decided(count, **asked)[name]

    assert (decision.action, decision.number) == ("set" if number else "skip", number)
    assert decision.value == (knob.value(number) if number else None)
    assert decision.why == why.format(knob.reader) + (knob.why if why.endswith(": ") else "")


def test_what_the_user_and_the_outer_set_has_its_reason_too() -> None:
    outer = after(4)
    decisions = decided(3, {**outer, "MAKEFLAGS": "-k", "GOMAXPROCS": "9"})

    assert decisions["MAKEFLAGS"] == Decision(
        "MAKEFLAGS", "keep", None, "-k", "set in the environment"
    )
    assert decisions["GOMAXPROCS"].why == "set in the environment"
    assert decisions["MAX_JOBS"] == Decision(
        "MAX_JOBS", "lower", 3, "3", "the outer kumo run set 4"
    )
    assert decided(5, outer)["MAX_JOBS"] == Decision(
        "MAX_JOBS", "keep", 4, "4", "set by the outer kumo run"
    )


def test_a_long_value_is_cut_in_the_text() -> None:
    rows = as_rows(
        [Decision("LONG_NAME", "keep", None, "x" * 61, "y"), Decision("A", "set", 4, "4", "z")]
    )

    assert rows == [("set", "A", "4", "z"), ("keep", "LONG_NAME", "x" * 60 + "...", "y")]


def test_the_text_has_a_row_for_each() -> None:
    rows = as_rows(plan(4, {"GOMAXPROCS": "2\x1b[31m"}))

    assert len(rows) == len(KNOBS)
    assert [row[0] for row in rows] == sorted(
        (row[0] for row in rows), key=["set", "lower", "keep", "skip"].index
    )
    (own,) = (row for row in rows if row[1] == "GOMAXPROCS")
    assert own[2:] == ("2\\x1b[31m", "set in the environment")
    assert all("".join(row).isprintable() for row in rows)


def test_the_text_has_what_is_lowered_too() -> None:
    outer = after(4)
    rows = as_rows(plan(2, outer, read_outer(outer)))

    assert rows[0][0] == "lower"
    assert len(rows) == len(KNOBS)


# --- nested


def test_the_marker_says_what_was_given() -> None:
    first, *others = after(4, chosen=["make"], workers=2)[MARKER].split(":")

    assert first == "4"
    assert {"PYTHON_CPU_COUNT=4", "MAKEFLAGS=4", "OMP_NUM_THREADS=2"} <= set(others)
    assert len(others) == len(DEFAULTS) + len(INNER) + 1


def test_the_inner_lowers_what_the_outer_set() -> None:
    outer = after(4, chosen=["make", "erlang"], workers=2)
    inner = after(3, outer)
    innermost = after(1, inner)

    assert {inner[name] for name in DEFAULTS} == {"3"}
    assert (inner["MAKEFLAGS"], inner["ERL_ZFLAGS"]) == ("-j3", "+S 3:3")
    assert {inner[name] for name in INNER} == {"2"}
    assert {innermost[name] for name in DEFAULTS | INNER} == {"1"}
    assert innermost["MAKEFLAGS"] == "-j1"
    assert read_outer(innermost) is not None


def test_the_inner_keeps_what_is_no_less_than_the_outers() -> None:
    outer = after(4, workers=2)
    inner = decided(4, outer, workers=2)

    assert {inner[name].action for name in DEFAULTS | INNER} == {"keep"}
    assert {inner[name].why for name in DEFAULTS | INNER} == {"set by the outer kumo run"}


def test_the_inner_lowers_what_the_outer_bounded_or_left_out() -> None:
    outer = after(96, workers=1, chosen=["inductor"])
    same = after(96, outer, workers=1)
    inner = after(8, outer, workers=1)

    assert {n: same[n] for n in outer} == outer
    assert "NUMEXPR_MAX_THREADS" not in outer
    assert outer["TORCHINDUCTOR_COMPILE_THREADS"] == "32"
    for name in ("NUMEXPR_MAX_THREADS", "NUMEXPR_NUM_THREADS", "TORCHINDUCTOR_COMPILE_THREADS"):
        assert inner[name] == "8"


def test_the_inner_never_raises() -> None:
    outer = after(2, workers=2)

    assert after(8, outer, workers=1)["PYTHON_CPU_COUNT"] == "2"
    assert after(8, outer, workers=1)["OMP_NUM_THREADS"] == "1"


def test_the_inner_workers_divide_further() -> None:
    assert after(4, after(8, workers=2), workers=4)["OMP_NUM_THREADS"] == "1"


def test_what_the_user_changed_in_between_is_the_users() -> None:
    outer = {**after(4), "PYTHON_CPU_COUNT": "3", "GOMAXPROCS": "9"}
    inner = after(2, outer)

    assert (inner["PYTHON_CPU_COUNT"], inner["GOMAXPROCS"]) == ("3", "9")
    assert inner["RAYON_NUM_THREADS"] == "2"
    given = read_outer(inner)
    assert given is not None
    assert "PYTHON_CPU_COUNT" not in given.given


def test_what_the_user_unset_in_between_is_set_again() -> None:
    outer = after(4)
    del outer["PYTHON_CPU_COUNT"]

    assert after(3, outer)["PYTHON_CPU_COUNT"] == "3"


def test_the_inner_leaves_out_as_it_found() -> None:
    made = after(2, after(4), left_out=["GOMAXPROCS"])

    assert made["GOMAXPROCS"] == "4"
    assert after(1, made)["GOMAXPROCS"] == "1"


def test_the_outers_own_does_not_stand_in_the_way_of_what_it_would_beat() -> None:
    assert after(4, after(4, workers=2), chosen=["blas"])["MKL_NUM_THREADS"] == "2"


def test_what_is_kept_is_no_addition() -> None:
    outer = after(4)
    kept = {**outer, "GOMAXPROCS": "2"}

    assert set(variables(4, plan(4, {"GOMAXPROCS": "2"}))) == {*DEFAULTS, MARKER} - {"GOMAXPROCS"}
    assert set(variables(4, plan(4, kept, read_outer(kept)))) == {MARKER}


def test_no_marker_is_no_outer() -> None:
    assert read_outer({}) is None
    assert read_outer({MARKER: ""}) is None
    assert read_outer({MARKER: "4"}) == Outer(4, {})
    assert read_outer({MARKER: f"{2**64 - 1}"}) == Outer(2**64 - 1, {})
    assert read_outer({MARKER: "4:LATER_VERSIONS=4"}) == Outer(4, {})


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "0",
        "-1",
        "4:",
        "4:A",
        "4:A=",
        "4:A=0",
        "4:A=x",
        ":A=1",
        "\u0664",
        "4;A=1",
        "9" * 99,
        "9" * 21,
        "4:A=" + "9" * 21,
        "4:A=1=2",
    ],
)
def test_malformed_marker(text: str) -> None:
    with pytest.raises(
        InputError,
        match=r"^KUMO_RUN_SET='.*' is not what kumo run writes, "
        "such as 4:KUMO_AVAILABLE_PARALLELISM=4; unset it$",
    ):
        read_outer({MARKER: text})


# --- loky's rule, workers, following


@pytest.mark.parametrize(
    ("count", "beside", "value"),
    [
        (4, {"sklearn"}, "5"),
        (4, {"lightgbm"}, "5"),
        (4, set(), "4"),
        (1, {"sklearn"}, "1"),
        (1, {"lightgbm"}, "2"),
    ],
)
def test_python_gets_one_more_where_loky_would_count_the_machines_cores(
    count: int, beside: set[str], value: str
) -> None:
    decisions = decided(count, beside=beside)

    assert decisions["PYTHON_CPU_COUNT"].value == value
    assert ("one more than" in decisions["PYTHON_CPU_COUNT"].why) is (value != str(count))
    assert decisions["LOKY_MAX_CPU_COUNT"].value == str(count)


@pytest.mark.parametrize(
    ("asked", "environ"),
    [
        ({"workers": 2}, {}),
        ({"chosen": ["omp"]}, {}),
        ({"viewed": True}, {}),
        ({}, {"OMP_NUM_THREADS": "1"}),
    ],
    ids=["--workers", "--with omp", "a view", "set by the user"],
)
@pytest.mark.parametrize(("beside", "value"), [("sklearn", "4"), ("lightgbm", "5")])
def test_scikit_learn_needs_no_room_if_openmp_has_its_number(
    asked: dict[str, Any], environ: dict[str, str], beside: str, value: str
) -> None:
    assert decided(4, environ, beside={beside}, **asked)["PYTHON_CPU_COUNT"].value == value


def test_scikit_learn_needs_room_at_1_without_openmps_number() -> None:
    decisions = decided(1, beside={"sklearn"}, left_out=["omp"])

    assert decisions["PYTHON_CPU_COUNT"].value == "2"


def test_one_more_is_not_one_more_again_below() -> None:
    outer = after(4, beside={"sklearn"})

    assert decided(4, outer, beside={"sklearn"})["PYTHON_CPU_COUNT"].value == "5"
    assert decided(4, outer)["PYTHON_CPU_COUNT"].value == "4"


SERVERS = ("WEB_CONCURRENCY", "GRANIAN_WORKERS", "PET_NPROC_PER_NODE", "CELERY_WORKER_CONCURRENCY")


def test_servers_are_started_on_request_alone() -> None:
    one_each = after(4, workers=4, servers=True)

    assert {name: one_each[name] for name in SERVERS} == dict.fromkeys(SERVERS, "4")
    assert {one_each[k.name] for k in KNOBS.values() if k.use == "inner"} == {"1"}
    assert set(SERVERS).isdisjoint(after(4, workers=4))
    assert after(4, chosen=["WEB_CONCURRENCY"])["WEB_CONCURRENCY"] == "4"


def test_what_would_fix_the_count_can_be_left_out() -> None:
    assert set(FIXED).isdisjoint(after(4, left_out=FIXED))
    assert after(4, left_out=FIXED)["GOMAXPROCS"] == "4"
