"""Beliefs against estimates: the verdict, its reason, what mends it."""

from __future__ import annotations

import pytest

from kumo._doctor.judge import judge
from kumo._records import Estimate, Limit
from kumo._runtimes.runtimes import Belief

AFFINITY = Limit("affinity", "set", 8, "sched_getaffinity", "0-7")

VIEW = "kumo run --view -- CMD"


def under(*limits: Limit) -> Estimate:
    return Estimate([*limits, AFFINITY], [])


def quota(cpus: float) -> Limit:
    return Limit("quota", "rate", cpus, "/sys/fs/cgroup/cpu.max", "")


@pytest.mark.parametrize(
    ("cpus", "verdict", "by"), [(8, "over", 6), (3, "over", 1), (2, "right", 0), (1, "under", -1)]
)
def test_the_verdict(cpus: int, verdict: str, by: int) -> None:
    finding = judge(Belief("nproc", "9.1", cpus), under(quota(2)), {})

    assert (finding.verdict, finding.by) == (verdict, by)


@pytest.mark.parametrize(("call", "cpus"), [("ThreadPoolExecutor()", 12), ("libuv pool", 1)])
def test_pools_for_input_and_output_are_not_judged(call: str, cpus: int) -> None:
    finding = judge(Belief(call, "3.13.0", cpus), under(quota(2)), {})

    assert (finding.verdict, finding.why, finding.mend) == ("io", "", "")


@pytest.mark.parametrize(
    ("call", "version", "cpus", "limit", "why"),
    [
        ("nproc", "9.1", 8, 2, "quota 2.00 binds; goes by the affinity, "),
        ("os.cpu_count()", "3.11.2", 8, 2, "quota 2.00 binds; goes by the CPUs online"),
        ("Runtime.availableProcessors()", "17", 2, 1.5, "quota 1.50 binds; rounds it up"),
        ("GOMAXPROCS", "1.27.3", 2, 1.5, "quota 1.50 binds; rounds it up"),
        ("GOMAXPROCS", "1.27.3", 2, 1.0, "quota 1.00 binds; goes by the affinity, and from 1.25"),
        ("nproc", "9.1", 2, 1.5, "quota 1.50 binds; goes by the affinity"),
        ("unheard of", "1", 2, 1.5, "quota 1.50 binds; goes by nothing that kumo knows"),
    ],
)
def test_the_reason(call: str, version: str, cpus: int, limit: float, why: str) -> None:
    assert judge(Belief(call, version, cpus), under(quota(limit)), {}).why.startswith(why)


def test_a_version_may_be_as_long_as_a_program_prints_it() -> None:
    belief = Belief("os.cpu_count()", "Python " + "9" * 5000, 8)

    assert judge(belief, under(quota(2)), {"PYTHON_CPU_COUNT": "8"}).verdict == "over"


@pytest.mark.parametrize(
    ("call", "version", "cpus", "variable", "value", "heeded"),
    [
        ("nproc", "9.1", 4, "OMP_NUM_THREADS", "4", True),
        ("nproc", "9.1", 1, "OMP_NUM_THREADS", "1", True),
        ("nproc", "9.1", 8, "OMP_NUM_THREADS", "4", False),
        ("nproc", "9.1", 4, "OMP_NUM_THREADS", "14", False),
        ("os.cpu_count()", "3.13.0", 4, "PYTHON_CPU_COUNT", "4", True),
        ("os.cpu_count()", "3.12.9", 4, "PYTHON_CPU_COUNT", "4", False),
        ("openblas in numpy.libs", "0.3.31", 4, "OPENBLAS_NUM_THREADS", "4", True),
        (
            "Runtime.availableProcessors()",
            "17",
            64,
            "JAVA_TOOL_OPTIONS",
            "-Xmx1g -XX:ActiveProcessorCount=64",
            True,
        ),
    ],
)
def test_a_variable_is_the_reason_where_it_is_read_and_says_the_same(
    call: str, version: str, cpus: int, variable: str, value: str, heeded: bool
) -> None:
    finding = judge(Belief(call, version, cpus), under(quota(2)), {variable: value})

    assert (finding.why == f"{variable}={value} is set") is heeded


@pytest.mark.parametrize(
    ("call", "version", "mend"),
    [
        ("os.cpu_count()", "3.13.0", "kumo run -- CMD (PYTHON_CPU_COUNT=2)"),
        ("os.cpu_count()", "3.14.0", "kumo run -- CMD (PYTHON_CPU_COUNT=2)"),
        ("os.cpu_count()", "3.9.18", f"{VIEW}, or kumo.available_parallelism() in its place"),
        ("nproc", "9.1", f"{VIEW}, or $(kumo) in its place"),
        ("os.availableParallelism()", "20.20.2 (libuv 1.46.0)", VIEW),
        ("ray.init()", "2.60.0 (Python 3.12.1)", f"{VIEW}, or ray.init(num_cpus=2) in its place"),
        ("ray.init()", "2.60.0 (Python 3.13.0)", "kumo run -- CMD (PYTHON_CPU_COUNT=2)"),
        ("dask.system.CPU_COUNT", "2026.8.0 (Python 3.12.1)", VIEW),
        (
            "dask.system.CPU_COUNT",
            "2026.8.0 (Python 3.13.0)",
            "kumo run -- CMD (PYTHON_CPU_COUNT=2)",
        ),
        (
            "Runtime.availableProcessors()",
            "17.0.15",
            VIEW,
        ),
        (
            "joblib.cpu_count(only_physical_cores=True)",
            "1.6.0",
            "kumo run --without PYTHON_CPU_COUNT -- CMD (LOKY_MAX_CPU_COUNT=2)",
        ),
        ("unheard of", "1", ""),
    ],
)
def test_what_mends_it(call: str, version: str, mend: str) -> None:
    assert judge(Belief(call, version, 8), under(quota(2)), {}).mend == mend


CELERY = "celery's worker processes"


@pytest.mark.parametrize(
    ("given", "why", "mend"),
    [
        (
            "4:PYTHON_CPU_COUNT=5",
            "kumo run gives Python one more, for scikit-learn or LightGBM",
            "celery worker -c 4 in its place",
        ),
        (
            "5:PYTHON_CPU_COUNT=5",
            "PYTHON_CPU_COUNT=5 is set",
            "unset PYTHON_CPU_COUNT and kumo run -- CMD, or PYTHON_CPU_COUNT=4",
        ),
        (
            "not a marker",
            "PYTHON_CPU_COUNT=5 is set",
            "unset PYTHON_CPU_COUNT and kumo run -- CMD, or PYTHON_CPU_COUNT=4",
        ),
    ],
)
def test_the_one_more_that_kumo_run_gives_is_explained(given: str, why: str, mend: str) -> None:
    environment = {"KUMO_RUN_SET": given, "PYTHON_CPU_COUNT": "5"}

    finding = judge(Belief(CELERY, "5.7.0 (Python 3.13.0)", 5), under(quota(4)), environment)

    assert (finding.verdict, finding.why, finding.mend) == ("over", why, mend)


@pytest.mark.parametrize("call", ["openblas", "mkl", "openmp"])
def test_at_one_the_variables_are_enough(call: str) -> None:
    """Above, a view leaves the division among workers alone, which the variables switch off."""
    one = judge(Belief(call, "1", 8), under(quota(1)), {}).mend

    assert one.startswith("kumo run -- CMD (")
    assert one.endswith("_NUM_THREADS=1)")
    assert judge(Belief(call, "1", 8), under(quota(2)), {}).mend == VIEW


def test_nothing_needs_mending_where_the_count_is_not_exceeded() -> None:
    assert judge(Belief("nproc", "9.1", 1), under(quota(2)), {}).mend == ""


@pytest.mark.parametrize(
    ("call", "version", "cpus", "variables", "mend"),
    [
        (
            "os.process_cpu_count()",
            "3.13.0",
            8,
            {"PYTHON_CPU_COUNT": "8"},
            "unset PYTHON_CPU_COUNT and kumo run -- CMD, or PYTHON_CPU_COUNT=2",
        ),
        # It is set, though not what is believed: a cap, or what cannot be read.
        (
            "loky.cpu_count()",
            "3.7.0",
            8,
            {"LOKY_MAX_CPU_COUNT": "64"},
            "unset LOKY_MAX_CPU_COUNT and kumo run -- CMD, or LOKY_MAX_CPU_COUNT=2",
        ),
        (
            "os.cpu_count()",
            "3.13.0",
            8,
            {"PYTHON_CPU_COUNT": ""},
            "unset PYTHON_CPU_COUNT and kumo run -- CMD, or PYTHON_CPU_COUNT=2",
        ),
        # Another one is set, which kumo run does not beat.
        ("numexpr.nthreads", "2.14", 8, {"OMP_NUM_THREADS": "8"}, "OMP_NUM_THREADS=2"),
        ("openblas in numpy.libs", "0.3", 8, {"GOTO_NUM_THREADS": "64"}, "GOTO_NUM_THREADS=2"),
        ("blis in x", "1", 8, {"BLIS_NT": "8"}, "BLIS_NT=2"),
        ("nproc", "9.1", 8, {"OMP_NUM_THREADS": "8"}, "OMP_NUM_THREADS=2"),
        ("nproc", "9.1", 8, {"OMP_NUM_THREADS": "4"}, f"{VIEW}, or $(kumo) in its place"),
        # A variable of flags may hold others.
        (
            "Runtime.availableProcessors()",
            "17",
            8,
            {"JAVA_TOOL_OPTIONS": "-Xmx1g"},
            "-XX:ActiveProcessorCount=2 in JAVA_TOOL_OPTIONS",
        ),
        # This one does not read it.
        (
            "os.cpu_count()",
            "3.12.1",
            8,
            {"PYTHON_CPU_COUNT": "8"},
            f"{VIEW}, or kumo.available_parallelism() in its place",
        ),
    ],
)
def test_a_variable_that_is_set_has_to_be_changed(
    call: str, version: str, cpus: int, variables: dict[str, str], mend: str
) -> None:
    """`kumo run` keeps it, and would change nothing."""
    assert judge(Belief(call, version, cpus), under(quota(2)), variables).mend == mend
