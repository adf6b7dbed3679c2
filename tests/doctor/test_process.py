"""Files about one process: what is read from their texts."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from kumo._cgroups.cpu_stat import Throttling, difference, parse_cpu_stat
from kumo._doctor.process import (
    Family,
    Setting,
    families,
    is_oversubscribed,
    judge_variables,
)
from kumo._records import Estimate, Limit
from kumo._system.process import ProcessStat, parse_environ, parse_stat

ONLINE = Limit("online", "set", 8, "/sys/devices/system/cpu/online", "0-7")


def under(source: str, kind: Any, cpus: float) -> Estimate:
    """An estimate on a machine of 8 CPUs, with one more limit."""
    return Estimate([Limit(source, kind, cpus, "", ""), ONLINE], [])


def thread(name: str, state: str) -> ProcessStat:
    """A thread by its name and state."""
    return ProcessStat(name, state, ())


QUOTA = under("quota", "rate", 2)
REST = "1 4242 4242 0 -1 4194304 100 0 0 0 1 2 0 0 20 0 5 0 12345 1000000 500\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"4242 (python3) S {REST}", thread("python3", "S")),
        (f"1 (a b) c) (R) R {REST}", thread("a b) c) (R", "R")),
        (f"7 () D {REST}", thread("", "D")),
        (f"7 (new\nline) R {REST}", thread("new\nline", "R")),
        (f"7 (GC Thread#0) Z {REST}", thread("GC Thread#0", "Z")),
    ],
)
def test_a_thread(text: str, expected: ProcessStat) -> None:
    assert parse_stat(text)[:2] == expected[:2]


@pytest.mark.parametrize("text", ["", "\n", "4242 python3 S 1", "x (a) S 1", "4242 (a)"])
def test_no_thread(text: str) -> None:
    with pytest.raises(ValueError, match="not '4242"):
        parse_stat(text)


# --- families


def test_names_that_differ_in_a_final_number_are_one_family() -> None:
    sample = [thread(f"worker-{number}", "R") for number in range(8)] + [thread("python3", "S")]

    assert families([sample]) == [Family("worker-*", 8, 8.0, ""), Family("python3", 1, 0.0, "")]


def test_a_number_that_all_share_is_part_of_the_name() -> None:
    assert families([[thread("python3", "S")] * 3]) == [Family("python3", 3, 0.0, "")]


def test_numbers_alone_and_no_name() -> None:
    sample = [thread("1", "S"), thread("22", "S"), thread("", "R")]

    assert families([sample]) == [Family("*", 3, 1.0, "")]


def test_runnable_is_the_mean_and_the_number_the_most() -> None:
    few = [thread("a", "R")]
    many = [thread("a", "R"), thread("a", "S"), thread("a", "D")]

    assert families([few, many, few, []]) == [Family("a", 3, 0.75, "")]


def test_no_samples() -> None:
    assert families([]) == []


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        ("GC Thread#0", "Java"),
        ("C2 CompilerThre", "Java"),
        ("tokio-rt-worker", "Tokio"),
        ("polars-1", "Polars"),
        ("node", "Node"),
        ("python3", ""),
        ("G1", ""),
    ],
)
def test_whose_threads_they_are(name: str, owner: str) -> None:
    assert families([[thread(name, "S")]])[0].owner == owner


# --- settings


def test_settings_against_the_count() -> None:
    text = "PATH=/bin\0GOMAXPROCS=4\0PYTHON_CPU_COUNT=2\0LOKY_MAX_CPU_COUNT=1\0EMPTY=\0junk\0"

    settings = {setting.name: setting for setting in judge_variables(parse_environ(text), QUOTA)}

    assert set(settings) == {"GOMAXPROCS", "PYTHON_CPU_COUNT", "LOKY_MAX_CPU_COUNT"}
    mend = "unset GOMAXPROCS and kumo run -- CMD, or GOMAXPROCS=2"
    assert settings["GOMAXPROCS"] == Setting("GOMAXPROCS", "4", "over", 2, mend)
    assert settings["PYTHON_CPU_COUNT"].verdict == "within"
    assert settings["LOKY_MAX_CPU_COUNT"].verdict == "within"


@pytest.mark.parametrize(
    ("name", "value", "verdict"),
    [
        ("OMP_NUM_THREADS", "4,2", "over"),
        ("OMP_NUM_THREADS", "2,4", "within"),
        ("OMP_NUM_THREADS", "auto", "other"),
        ("OMP_NUM_THREADS", "", "other"),
        ("OMP_NUM_THREADS", "-4", "other"),
        ("OMP_NUM_THREADS", "9" * 5000, "other"),
        ("JAVA_TOOL_OPTIONS", "-Xmx4g -XX:ActiveProcessorCount=4 -ea", "over"),
        ("JAVA_TOOL_OPTIONS", "-XX:ActiveProcessorCount=2", "within"),
        ("JAVA_TOOL_OPTIONS", "-Xmx4g", "other"),
        ("MAKEFLAGS", " -j8 --jobserver-auth=3,4", "over"),
        ("MAKEFLAGS", "j99", "over"),
        ("MAKEFLAGS", "kj99 --no-print-directory", "over"),
        ("MAKEFLAGS", "-k -j 99", "over"),
        ("MAKEFLAGS", "--jobs=99", "over"),
        ("MAKEFLAGS", "--jobs 99", "over"),
        ("MAKEFLAGS", "-j99 -j2", "within"),
        ("MAKEFLAGS", "w -j2 --jobserver-auth=3,4 -- X=j99", "within"),
        ("MAKEFLAGS", "-j", "over"),
        ("MAKEFLAGS", "-j --no-print-directory", "over"),
        ("MAKEFLAGS", "kj", "over"),
        ("MAKEFLAGS", "--jobs", "over"),
        ("MAKEFLAGS", "--max-j8", "other"),
        ("MAKEFLAGS", "-k JOBS=8", "other"),
        ("MAKEFLAGS", "jobs", "other"),
        ("UV_THREADPOOL_SIZE", "64", "other"),
        ("GOMAXPROCS", "a=b", "other"),
    ],
)
def test_a_setting(name: str, value: str, verdict: str) -> None:
    (setting,) = judge_variables(parse_environ(f"{name}={value}\0"), QUOTA)

    assert (setting.value, setting.verdict) == (value, verdict)


def test_no_bound_is_over_by_no_number() -> None:
    (setting,) = judge_variables(parse_environ("MAKEFLAGS=-kj\0"), QUOTA)

    assert setting == Setting("MAKEFLAGS", "-kj", "over", None, "-j2 in MAKEFLAGS")


@pytest.mark.parametrize(
    ("name", "estimate", "verdict"),
    [
        # loky sees the affinity, and the quota of one level
        ("LOKY_MAX_CPU_COUNT", under("affinity", "set", 2), "within"),
        ("LOKY_MAX_CPU_COUNT", under("online", "set", 2), "within"),
        ("LOKY_MAX_CPU_COUNT", QUOTA, "over"),
        ("LOKY_MAX_CPU_COUNT", under("slurm", "allocation", 2), "over"),
        # parallelly sees both
        ("R_PARALLELLY_AVAILABLECORES_MAX", QUOTA, "within"),
        ("OPENBLAS_NUM_THREADS", under("affinity", "set", 2), "within"),
        ("OPENBLAS_DEFAULT_NUM_THREADS", under("affinity", "set", 2), "within"),
        ("OPENBLAS_NUM_THREADS", QUOTA, "over"),
        # Accelerate sees the CPUs on line alone
        ("VECLIB_MAXIMUM_THREADS", under("affinity", "set", 2), "over"),
        ("VECLIB_MAXIMUM_THREADS", under("affinity", "set", 8), "within"),
        # what sets the count is never harmless
        ("NUMEXPR_MAX_THREADS", under("affinity", "set", 2), "over"),
        ("GOMAXPROCS", under("affinity", "set", 2), "over"),
    ],
)
def test_a_high_cap_is_harmless_where_the_program_counts_right_without(
    name: str, estimate: Estimate, verdict: str
) -> None:
    (setting,) = judge_variables(parse_environ(f"{name}=64\0"), estimate)

    assert (setting.verdict, setting.by) == (verdict, 64 - estimate.parallelism)


def test_the_first_of_a_name_counts() -> None:
    (setting,) = judge_variables(parse_environ("GOMAXPROCS=1\0GOMAXPROCS=9\0"), QUOTA)

    assert setting.value == "1"


# --- throttling

V2 = """\
usage_usec 5000000
user_usec 4000000
system_usec 1000000
nr_periods 120
nr_throttled 30
throttled_usec 4567000
nr_bursts 0
burst_usec 0
"""
V1 = "nr_periods 120\nnr_throttled 30\nthrottled_time 4567000000\n"


@pytest.mark.parametrize("text", [V1, V2])
def test_throttling_is_in_seconds_whatever_the_unit(text: str) -> None:
    assert parse_cpu_stat(text) == Throttling(120, 30, 4.567)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "usage_usec 5000000\nuser_usec 4000000\nsystem_usec 1000000\n",
        "nr_periods 120\nnr_throttled 30\n",
        "nr_periods x\nnr_throttled 30\nthrottled_usec 1\n",
    ],
)
def test_no_throttling_is_told(text: str) -> None:
    assert parse_cpu_stat(text) is None


def test_what_happened_between_two_readings() -> None:
    early, late = Throttling(10, 2, 0.5), Throttling(20, 9, 1.25)

    assert difference(early, late) == Throttling(10, 7, 0.75)
    assert difference(None, late) is None
    assert difference(early, None) is None


# --- the verdict


@pytest.mark.parametrize(
    ("runnable", "throttled", "over", "expected"),
    [
        (4.0, 7, False, True),
        (4.0, 0, False, False),  # others are busy, or it has CPUs enough
        (1.0, 7, False, False),  # no fewer threads are possible
        (1.3, 7, False, False),  # a thread that woke up now and then
        (1.6, 7, False, True),
        (0.0, 0, True, True),
    ],
)
def test_oversubscribed(runnable: float, throttled: int, over: bool, expected: bool) -> None:
    threads = [Family("a", 4, runnable - 0.5, ""), Family("b", 4, 0.5, "")]
    settings = [Setting("GOMAXPROCS", "4", "over" if over else "within", 0, "")]
    levels = [Throttling(10, throttled, 1.0), Throttling(0, 0, 0.0)]
    one = under("quota", "rate", 1)

    assert is_oversubscribed(threads, settings, levels, one, 20) is expected


@pytest.mark.parametrize(
    ("estimate", "runnable", "looks", "expected"),
    [
        (under("affinity", "set", 1), 8.0, 20, True),
        (under("cpuset", "set", 2), 8.0, 20, True),
        (under("online", "set", 4), 8.0, 20, True),
        (
            Estimate([Limit("quota", "rate", 1, "", ""), Limit("affinity", "set", 1, "", "")], []),
            8.0,
            20,
            True,
        ),
        (under("affinity", "set", 1), 1.3, 20, False),
        (under("affinity", "set", 8), 8.0, 20, False),
        (under("affinity", "set", 1), 8.0, 3, False),  # a glimpse
        (under("quota", "rate", 1), 8.0, 20, False),  # more than the quota's share was idle
        (under("slurm", "allocation", 1), 8.0, 20, False),  # nothing holds it there
    ],
)
def test_oversubscribed_without_throttling(
    estimate: Estimate, runnable: float, looks: int, expected: bool
) -> None:
    """A set of CPUs holds threads back, and no file counts how often."""
    threads = [Family("a", 8, runnable, "")]

    assert is_oversubscribed(threads, [], [], estimate, looks) is expected


LONG = """\
import resource
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
from kumo._doctor.process import judge_variables
from kumo._runtimes.knobs import KNOBS
from kumo._survey import survey
from kumo._system.machine_file import Machine
estimate = survey(Machine("-- !affinity --\\n0-3\\n"))
for name in ("JAVA_TOOL_OPTIONS", "ERL_ZFLAGS", "MAKEFLAGS", "OMP_NUM_THREADS"):
    for word in (" -", "-j ", "j", "-XX:ActiveProcessorCount=1 ", "+S 1:1 ", "1,", " "):
        judge_variables({name: (word * 200_000)[:200_000]}, estimate)
print("done")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits of CPU time are POSIX's")
def test_a_long_variable_is_looked_at_once() -> None:
    """Together they take seconds; what goes back and forth takes hours, and is ended after 60 s."""
    ran = subprocess.run([sys.executable, "-c", LONG], capture_output=True, check=False)

    assert (ran.returncode, ran.stdout) == (0, b"done\n")
