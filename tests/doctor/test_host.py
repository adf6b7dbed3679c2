"""All processes of a host: which are one group, which are worst, and what the report says."""

from __future__ import annotations

import json
from math import inf

import pytest

from kumo._cgroups.cpu_stat import Throttling
from kumo._command.doctor_host_report import HostReport
from kumo._doctor.host import (
    HOST,
    Host,
    Look,
    Place,
    Process,
    Row,
    _look,
    judge_rows,
    libraries,
    place_of,
)
from kumo._records import Estimate, Limit
from kumo._system.process import parse_stat

MASTER, ONE, TWO, OTHER = (
    Process(pid, 1, name) for pid, name in enumerate(["master", "a", "a", "java"], 10)
)
LIMITED = Place((("/cg/web", 1.0), ("/cg", 8.0)), 64, "")
FREE = Place((), 64, "")
PINNED = Place((), 2, "/job on CPUs 0-1")
IDLE, BUSY = Look(1, ()), Look(1, ("a",))
ALWAYS, NEVER = Throttling(10, 10, 3.0), Throttling(10, 0, 0.0)


def rows(
    seen: dict[Process, Look], places: dict[Process, Place], **effects: Throttling
) -> dict[str, Row]:
    throttling = {f"/cg{'/' if name else ''}{name}": each for name, each in effects.items()}
    return {row.where: row for row in judge_rows([seen] * 10, places, throttling)}


def test_a_sleeping_master_and_its_busy_children_are_one_row_of_their_quota() -> None:
    seen = {MASTER: IDLE, ONE: BUSY, TWO: BUSY, OTHER: IDLE}
    places = {MASTER: LIMITED, ONE: LIMITED, TWO: LIMITED, OTHER: FREE}

    shown = rows(seen, places, web=ALWAYS)

    web = shown["/cg/web"]
    assert next(iter(shown)) == "/cg/web"
    assert (web.parallelism, web.quota, web.processes) == (1, 1.0, 3)
    assert (web.threads, web.runnable) == (3, 2.0)
    assert (web.verdict, web.busiest, web.throttling) == ("over", ONE, ALWAYS)
    assert web.fix.startswith("at most 1 busy process at a time")
    # "/cg" has the same processes and a larger quota: it says nothing more.
    assert set(shown) == {"/cg/web", "process 13", HOST}
    assert shown["process 13"].verdict == "within"


def test_one_thread_that_wants_more_than_its_quota_needs_a_larger_one() -> None:
    place = Place((("/cg/web", 0.5),), 64, "")

    row = rows({ONE: BUSY}, {ONE: place}, web=ALWAYS)["/cg/web"]

    assert row.verdict == "throttled"
    assert row.fix == "a larger quota: 1.0 threads want more than 0.50 CPUs"


def test_a_quota_that_never_throttles_is_no_fault() -> None:
    row = rows({ONE: Look(9, ("a",) * 4)}, {ONE: LIMITED}, web=NEVER)["/cg/web"]

    assert (row.verdict, row.fix) == ("within", "")


@pytest.mark.parametrize(
    ("name", "library", "fix"),
    [("polars-1", "Polars", "kumo run -- CMD"), ("a", "", "kumo run --view -- CMD, or")],
)
def test_threads_on_too_few_cpus(name: str, library: str, fix: str) -> None:
    row = rows({ONE: Look(9, (name,) * 4)}, {ONE: PINNED})["/job on CPUs 0-1"]

    assert (row.verdict, row.parallelism, row.library) == ("over", 2, library)
    assert row.fix.startswith(fix)


def test_too_few_looks_prove_nothing_where_nothing_is_throttled() -> None:
    looks = [{ONE: Look(9, ("a",) * 4)}] * 3

    assert {row.verdict for row in judge_rows(looks, {ONE: PINNED}, {})} == {"within"}


def test_the_tightest_of_nested_quotas_and_what_they_share() -> None:
    inner = Place((("/cg/a", 4.0), ("/cg", 2.0)), 64, "")
    beside = Place((("/cg", 2.0),), 64, "")

    shown = rows({ONE: BUSY, TWO: BUSY}, {ONE: inner, TWO: beside}, **{"": ALWAYS})

    assert (shown["/cg/a"].parallelism, shown["/cg"].parallelism) == (2, 2)
    assert shown["/cg"].processes == 2


def test_what_limits_a_process_is_read_from_its_estimate() -> None:
    limits = [
        Limit("quota", "rate", 1.5, "/cg/a/cpu.max", "150000 100000"),
        Limit("quota", "rate", inf, "/cg/cpu.max", "max 100000"),
        Limit("affinity", "set", 2, "sched_getaffinity", "0-1"),
        Limit("online", "set", 8, "/sys/devices/system/cpu/online", "0-7"),
    ]

    assert place_of(Estimate(limits, []), "0::/a\n") == Place(
        (("/cg/a", 1.5),), 2, "/a on CPUs 0-1"
    )
    assert place_of(Estimate(limits[-1:], []), "0::/a\n") == FREE._replace(cpus=8)


def test_the_libraries_of_a_process_by_its_files() -> None:
    files = ["libgomp-24e2ab19.so.1.0.0", "libscipy_openblas64_-f.so", "libc.so.6", ""]

    assert libraries(files) == ["OpenMP", "OpenBLAS"]


def test_a_process_of_one_thread_is_read_in_one_file() -> None:
    stat = parse_stat("7 (a b) R " + " ".join(["1"] * 40))

    assert _look(-1, stat, 10) == Look(1, ("a b",))


def report(*shown: Row) -> HostReport:
    return HostReport(Host(list(shown), 12, 1.04, 20, ["there are more threads: 20000 of them"]))


LONG = "/sys/fs/cgroup/system.slice/docker-" + "0123456789abcdef" * 4 + ".scope"
BAD = Row(
    LONG, Process(42, 1, "py\x1bthon"), 3, 1, 1.0, 9, 4.0, ALWAYS, "over", "OpenMP, OpenBLAS",
    "at most 1 busy process at a time, as with kumo run --workers auto -- CMD",
)  # fmt: skip
GOOD = Row("process 7", Process(7, 1, "x"), 1, 64, inf, 1, 1.0, None, "within", "", "")


def test_the_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")

    lines = report(BAD, GOOD, GOOD._replace(where="process 8", runnable=0.0)).text().splitlines()

    assert lines[0] == "12 processes, watched for 1.0 s"
    assert lines[3].split() == [
        "1", "9", "4.0", "10/10", r"py\x1bthon", "(42)", "of", "3:", "OpenMP,", "OpenBLAS",
    ]  # fmt: skip
    assert "1 more group or process not shown, none oversubscribed" in lines
    assert lines[-1] == "oversubscribed: 1 of 3 groups and processes"
    assert all(len(line) <= 80 for line in lines)
    monkeypatch.delenv("COLUMNS")
    assert f"       in {LONG}, quota 1.00" in report(BAD).text().splitlines()


def test_the_report_as_data_and_its_bound() -> None:
    many = [GOOD._replace(where=f"process {pid}") for pid in range(30)]

    assert report(BAD).oversubscribed
    assert not report(*many).oversubscribed
    assert "10 more groups or processes not shown" in report(*many).text()
    assert report().text().endswith("not oversubscribed: no group or process")
    data = json.loads(json.dumps(report(BAD, *many).data()))
    assert len(data["groups"]) == 31
    assert data["groups"][0]["throttling"]["throttled"] == 10
    assert data["groups"][1]["quota"] is None
