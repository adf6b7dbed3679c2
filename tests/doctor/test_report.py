"""What is printed: the text's tables and the fields of the JSON."""

from __future__ import annotations

import json
from math import inf

import pytest

from kumo._cgroups.cpu_stat import Throttling
from kumo._command.doctor_report import ProcessReport, RuntimesReport, head, lines_of
from kumo._command.output import table
from kumo._doctor.ask import Answer, Question
from kumo._doctor.checkup import Checkup, QuotaLevel
from kumo._doctor.process import Family, Setting
from kumo._notes import note
from kumo._records import Estimate, Limit
from kumo._runtimes.runtimes import RUNTIMES, Belief

ROWS = {runtime.name: runtime for runtime in RUNTIMES}
QUOTA = Limit("quota", "rate", 1.0, "/sys/fs/cgroup/a/cpu.max", "100000 100000")
AFFINITY = Limit("affinity", "set", 2, "sched_getaffinity", "0-1")
ESTIMATE = Estimate([QUOTA, AFFINITY], [note("burst-allowed", where="/a", burst="0.50")])


def runtimes(*cpus: int) -> RuntimesReport:
    """A report on nproc's belief in each of *cpus*, and on a Ruby that failed."""
    answers = [
        Answer(Question(ROWS["nproc"], "/bin/nproc"), [Belief("nproc", "9.1", count)], "")
        for count in cpus
    ]
    silent = Answer(Question(ROWS["Ruby"], "/bin/ruby"), [], "no answer within 20 s")
    return RuntimesReport(
        ESTIMATE, [*answers, silent], ["R", "joblib", ".NET", "joblib, physical cores"], {}
    )


def text_of(report: RuntimesReport) -> str:
    """What the command prints, one part after the other."""
    rows = [line for answer in report.answers for line in lines_of(answer, report.estimate, {})]
    return "\n".join([head(report.estimate), *rows, report.rest()])


def process(**changes: object) -> ProcessReport:
    checkup = Checkup(
        42,
        "a\tb",
        ESTIMATE,
        1.0004,
        20,
        0,
        [Family("worker-*", 4, 3.456, ""), Family("GC Thread#*", 2, 0.0, "Java")],
        [Setting("GOMAXPROCS", "4", "over", 3, "GOMAXPROCS=1")],
        [
            QuotaLevel("/sys/fs/cgroup/a", 1.0, Throttling(10, 9, 0.75)),
            QuotaLevel("/sys/fs/cgroup", inf, None),
        ],
        ["its environment could not be read (EACCES)"],
    )
    return ProcessReport(checkup._replace(**changes))  # type: ignore[arg-type]  # fields of several types


def test_the_columns_are_aligned_and_numbers_to_the_right() -> None:
    assert table(("name", "n"), [("a", "1"), ("long name", "12.5"), ("b", "-")]) == [
        ["name          n"],
        ["a             1"],
        ["long name  12.5"],
        ["b             -"],
    ]


def test_the_runtimes_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    lines = text_of(runtimes(2, 1)).splitlines()

    assert lines[0] == "1  (quota 1.00 at /sys/fs/cgroup/a/cpu.max)"
    assert lines[2].split() == ["believes", "verdict", "asked"]
    assert lines[3] == "       2  over by 1   nproc (nproc 9.1)"
    assert lines[4].startswith(" " * 22 + "fix: kumo run --view -- CMD")
    assert lines[5].startswith(" " * 22 + "why: quota 1.00 binds; ")
    assert lines[6].split() == ["1", "right", "nproc", "(nproc", "9.1)"]
    assert "no answer from Ruby (/bin/ruby): no answer within 20 s" in lines
    assert "not found: R, joblib, .NET" in lines
    assert any(line.startswith("burst-allowed: ") for line in lines)
    assert lines[-1] == "oversubscribed: 1 of those asked would use more than 1"


def test_two_pythons_are_told_apart() -> None:
    answers = [
        Answer(Question(ROWS[name], program), [Belief(name, "1", 1)], "")
        for name, program in [("nproc", "/bin/nproc"), ("Python", "/a/py"), ("Python", "/b/py")]
    ]

    lines = text_of(RuntimesReport(ESTIMATE, answers, [], {})).splitlines()

    assert [line[22:] for line in lines[3:6]] == [
        "nproc (nproc 1)", "Python (Python 1, /a/py)", "Python (Python 1, /b/py)",
    ]  # fmt: skip


def test_the_rows_fit_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")

    lines = text_of(runtimes(2, 1)).splitlines()

    assert max(map(len, lines)) <= 80
    assert "".join(lines).count("over by 1") == 1


def test_the_runtimes_as_data() -> None:
    report = runtimes(2)

    assert json.loads(json.dumps(report.data())) == {
        "schema": 1,
        "parallelism": 1,
        "cpus": 1.0,
        "binding": {
            "source": "quota",
            "kind": "rate",
            "cpus": 1.0,
            "where": "/sys/fs/cgroup/a/cpu.max",
            "text": "100000 100000",
        },
        "notes": [{"code": "burst-allowed", "text": ESTIMATE.notes[0].text}],
        "oversubscribed": True,
        "runtimes": [
            {
                "runtime": "nproc",
                "program": "/bin/nproc",
                "version": "9.1",
                "asked": "nproc",
                "believes": 2,
                "verdict": "over",
                "by": 1,
                "why": "quota 1.00 binds; goes by the affinity, "
                "and from 9.8 on by quotas of cgroup v2 too",
                "mend": "kumo run --view -- CMD, or $(kumo) in its place",
            }
        ],
        "unanswered": [{"runtime": "Ruby", "program": "/bin/ruby", "why": "no answer within 20 s"}],
        "missing": ["R", "joblib", ".NET", "joblib, physical cores"],
        "empty_path_entries": 0,
    }


def test_what_is_right_or_under_is_not_oversubscribed() -> None:
    report = runtimes(1)

    assert not report.oversubscribed
    assert text_of(report).endswith("not oversubscribed: none of those asked would use more than 1")
    assert report.data()["runtimes"][0]["why"] is None


def test_nothing_was_found() -> None:
    report = RuntimesReport(ESTIMATE, [], ["R"], {})

    assert not report.oversubscribed
    assert "believes" in text_of(report)
    assert report.data()["runtimes"] == []


def test_sentences_about_a_process_are_folded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")

    lines = process().text().splitlines()

    assert lines[0] == r"process 42 (a\tb): 1  (quota"
    assert "its environment could not be" in lines


def test_a_process_as_text() -> None:
    lines = process().text().splitlines()

    assert lines[0] == r"process 42 (a\tb): 1  (quota 1.00 at /sys/fs/cgroup/a/cpu.max)"
    assert lines[3].split() == ["worker-*", "4", "3.5"]
    assert lines[5].split() == ["all", "6", "3.5"]
    cells = [line.split() for line in lines]
    assert ["GOMAXPROCS", "4", "1", "over", "by", "3"] in [row[:6] for row in cells]
    assert ["/sys/fs/cgroup/a", "1.00", "10", "9", "0.750", "s"] in cells
    assert ["/sys/fs/cgroup", "-", "-", "-", "not", "reported"] in cells
    assert "its environment could not be read (EACCES)" in lines
    assert lines[-1] == "oversubscribed, as seen for 1.0 s"


def test_a_process_as_data() -> None:
    data = process().data()

    assert data["threads"][0] == {
        "name": "worker-*", "number": 4, "runnable": 3.46, "owner": None,
    }  # fmt: skip
    assert data["levels"] == [
        {
            "where": "/sys/fs/cgroup/a",
            "quota": 1.0,
            "throttling": {"periods": 10, "throttled": 9, "seconds": 0.75, "burst": 0.0},
        },
        {"where": "/sys/fs/cgroup", "quota": None, "throttling": None},
    ]
    assert data["settings"][0]["mend"] == "GOMAXPROCS=1"
    assert (data["pid"], data["name"], data["window"]) == (42, "a\tb", 1.0)
    assert json.loads(json.dumps(data)) == data


def test_no_bound_has_no_number() -> None:
    report = process(settings=[Setting("MAKEFLAGS", "-j", "over", None, "-j1 in MAKEFLAGS")])

    cells = [line.split() for line in report.text().splitlines()]
    assert ["MAKEFLAGS", "-j", "1", "over,", "no", "bound", "-j1", "in", "MAKEFLAGS"] in cells
    assert report.data()["settings"][0]["by"] is None


def test_a_process_that_has_no_more_to_tell() -> None:
    report = process(threads=[], settings=[], levels=[], remarks=["the process ended after 0.10 s"])

    assert not report.oversubscribed
    assert report.text().endswith("not oversubscribed, as seen for 1.0 s")


@pytest.mark.parametrize(
    ("throttled", "runnable", "said"),
    [
        (9, 3.456, "oversubscribed, as seen"),
        (10, 3.456, "oversubscribed, and throttled in every period, as seen"),
        (10, 0.9, "throttled in every period, as seen"),
        (0, 0.9, "not oversubscribed, as seen"),
    ],
)
def test_a_quota_that_always_throttles_is_never_passed_over(
    throttled: int, runnable: float, said: str
) -> None:
    report = process(
        threads=[Family("python", 1, runnable, "")],
        settings=[],
        levels=[QuotaLevel("/sys/fs/cgroup/a", 1.0, Throttling(10, throttled, 0.75))],
    )

    assert report.text().splitlines()[-1].startswith(said)
    assert report.oversubscribed is not said.startswith("not")
    assert report.data()["throttled"] is (throttled == 10)


def test_the_processes_below_are_counted_in_the_first_line() -> None:
    assert process(descendants=3).text().startswith("process 42 (a\\tb) and 3 below it: ")


def test_the_files_that_were_run_and_an_empty_entry_of_path() -> None:
    answer = Answer(Question(ROWS["Ruby"], "/odd\x1b/ruby"), [], "no answer within 20 s")

    skipped = RuntimesReport(ESTIMATE, [answer], [], {"PATH": "/bin:"})
    plain = RuntimesReport(ESTIMATE, [answer], [], {"PATH": "/bin"})

    assert r"  Ruby: /odd\x1b/ruby" in text_of(skipped).split("\n")
    assert "PATH has an empty entry" in text_of(skipped)
    assert "PATH has" not in text_of(plain)
    assert (skipped.data()["empty_path_entries"], plain.data()["empty_path_entries"]) == (1, 0)
