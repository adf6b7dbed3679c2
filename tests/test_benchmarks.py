"""The benchmarks answer ``--help`` and do nothing else; their harness shows figures as it says."""

from __future__ import annotations

import json
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

if sys.platform != "linux":
    pytest.skip("the benchmarks are for Linux", allow_module_level=True)

import harness
import mutants
import reach
from _mutants_explained import EXPLAINED
from _reach_programs import PROGRAMS

BENCHMARKS = Path(harness.__file__).parent

SCRIPTS = sorted(
    path.name
    for path in BENCHMARKS.glob("*.py")
    if path.name[0] != "_" and path.name != "harness.py"
)


@pytest.mark.slow  # some load what they measure
@pytest.mark.parametrize("script", SCRIPTS)
def test_help_says_what_it_asks_and_how_long_it_takes(script: str, tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, str(BENCHMARKS / script), "--help"],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip

    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith(f"usage: {script}")
    assert re.search(r"\bIt takes (a|some|\d+) (second|minute|hour)", " ".join(ran.stdout.split()))
    assert list(tmp_path.iterdir()) == []


def test_arms_take_turns_in_each_round_and_groups_stay_together() -> None:
    calls: list[tuple[str, str]] = []
    names = ("a", "b", "c")
    groups = {
        group: {name: lambda group=group, name=name: calls.append((group, name)) for name in names}
        for group in ("one", "two")
    }

    taken = harness.take_group_turns(groups, 10, warm=1)

    rounds = [calls[start : start + 6] for start in range(0, 66, 6)]
    assert len(calls) == 66
    for each in rounds:
        assert sorted(each) == [(group, name) for group in ("one", "two") for name in names]
        assert len({group for group, _ in each[:3]}) == 1
    assert len({tuple(each) for each in rounds}) > 1
    assert taken == {group: dict.fromkeys(names, [None] * 10) for group in ("one", "two")}


def test_a_row_is_marked_if_its_rounds_differ_by_a_fifth() -> None:
    steady, wide = [100, 100, 101, 110, 119], [100, 100, 100, 121, 150]

    rows = [harness.marked(["steady", "1"], steady), harness.marked(["wide", "2"], steady, wide)]
    text = harness.table(("what", "median"), rows)

    assert text.splitlines() == [
        "| what | median |",
        "| --- | --: |",
        "| steady | 1 |",
        r"| wide \* | 2 |",
        "",
        r"\* The middle half of the rounds spans more than 20 % of the median.",
    ]
    assert harness.MARK_MEANS not in harness.table(("what", "median"), rows[:1])


@pytest.mark.parametrize(
    ("script", "option"),
    [
        ("counters.py", "--scrapes"),
        ("mutants.py", "--count"),
        ("mutants.py", "--processes"),
        ("reach.py", "--cpus"),
        ("watch.py", "--changes"),
    ],
)
def test_an_option_that_counts_refuses_0(script: str, option: str) -> None:
    ran = subprocess.run(
        [sys.executable, str(BENCHMARKS / script), f"{option}=0"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ran.returncode, ran.stdout) == (2, "")
    assert f"argument {option}: '0' is not a number of 1 or more" in ran.stderr


def test_a_run_keeps_each_figure_and_describes_the_machine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(harness, "end_cleanly", lambda: None)  # pytest has its own handlers
    parser = harness.parser("What?\n\nMore.", takes="a moment", rounds=9, first=False)
    options = parser.parse_args(["--rounds", "3", "--results", str(tmp_path)])

    run = harness.begin("tried", options, unit="ms")
    times = harness.take_turns({"it": lambda: 5.0}, options.rounds)
    code = run.end(harness.signature, times=times)

    kept = json.loads((tmp_path / "tried.json").read_text())
    assert (code, kept["question"], kept["rounds"], kept["unit"]) == (0, "What?", 3, "ms")
    assert kept["times"] == {"it": [5.0] * 3}
    assert {"cpu", "cpus", "kernel", "python", "load before", "load after"} <= {*kept["host"]}
    assert (tmp_path / "tried.md").read_text() == capsys.readouterr().out
    assert "3 rounds" in (tmp_path / "tried.md").read_text()


@pytest.mark.parametrize("words", [["--rounds", "0"], ["--rounds", "many"]])
def test_a_bad_number_of_rounds_is_one_line(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        harness.parser("What?", takes="a moment", rounds=9).parse_args(words)

    assert ended.value.code == 2
    assert "is not a number of 1 or more" in capsys.readouterr().err.splitlines()[-1]


def test_a_run_is_first_unless_it_shall_be_as_it_is_or_never_would(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = ""
    first: list[str] = []
    monkeypatch.setattr(harness, "end_cleanly", lambda: None)
    monkeypatch.setattr(harness, "go_first", lambda: first.append(name))
    may, never = (harness.parser("What?", takes="a moment", first=may) for may in (True, False))

    for name, parser, words in (
        ("plain", may, []), ("as it is", may, ["--as-it-is"]), ("never", never, []),
    ):  # fmt: skip
        harness.begin(name, parser.parse_args(words))

    assert first == ["plain"]
    with pytest.raises(SystemExit):
        never.parse_args(["--as-it-is"])
    assert "unrecognized arguments: --as-it-is" in capsys.readouterr().err


RIGHT = {"most": 6, "late": False, "code": 0}


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({}, ""),
        ({"most": 7}, ""),
        ({"most": 8}, "more"),
        ({"most": 4}, ""),
        ({"most": 3}, "fewer"),
        ({"code": 1}, "failed"),
        ({"late": True, "code": -9}, "late"),
    ],
)
def test_a_program_is_right_only_if_it_did_its_work_with_as_many_threads(
    changes: dict[str, int], fault: str
) -> None:
    row = {"right": RIGHT, "run": RIGHT | changes}

    assert reach.fault(row, "run") == fault


def test_a_program_that_no_run_lets_end_is_right_by_its_threads() -> None:
    late = RIGHT | {"late": True, "code": -9}

    assert reach.fault({"right": late, "run": late}, "run") == ""


REACHED = {
    path.stem: json.loads(path.read_text("utf-8"))
    for path in sorted(harness.RESULTS.glob("reach-*.json"))
}


def test_each_wrong_program_of_the_kept_results_has_its_reason_and_no_right_one_has() -> None:
    wrong = {
        (row["name"], mode)
        for results in REACHED.values()
        for row in reach.measured(results)
        for mode in results["modes"]
        if mode != "bare" and reach.fault(row, mode)
    }
    explained = {(program.name, mode) for program in PROGRAMS for mode in program.wrong}

    assert (wrong - explained, explained - wrong) == (set(), set())


@pytest.mark.parametrize("name", REACHED)
def test_the_table_of_programs_is_what_was_measured(name: str) -> None:
    kept = harness.RESULTS.joinpath(f"{name}.md").read_text("utf-8")

    assert reach.as_markdown(REACHED[name]) + "\n" == kept


def test_the_readme_has_the_measured_shares() -> None:
    readme = BENCHMARKS.with_name("README.md").read_text("utf-8")
    one, four = (reach.shares(REACHED[name]) for name in ("reach-1", "reach-4"))
    of = len(reach.measured(REACHED["reach-1"]))

    assert f"1 CPU on a machine that shows 64, {one['bare']} of {of} [programs]" in readme
    assert f" right, {one['run']} with `kumo run`, {one['view']} with `--view`." in readme
    assert f"4 CPUs it is {four['bare']}, {four['run']} and {four['view']}." in readme


def test_the_table_of_survivors_is_what_was_measured_and_says_why_of_each() -> None:
    results = json.loads(harness.RESULTS.joinpath("mutants.json").read_text("utf-8"))
    kept = harness.RESULTS.joinpath("mutants.md").read_text("utf-8")
    survivors = {(function, after) for function, _, after in results["survivors"].values()}

    assert mutants.as_markdown(results) + "\n" == kept
    assert survivors - EXPLAINED.keys() == set()
    for function, _ in EXPLAINED.keys() - survivors:  # as a new run would name it
        assert pkgutil.resolve_name(f"kumo.{function}")
