"""How the answers of runtimes are read, from what real ones printed."""

from __future__ import annotations

import pytest

from kumo._runtimes.knobs import KNOBS
from kumo._runtimes.runtimes import CALLS, RUNTIMES, Belief, Runtime, read_executable

READ = {runtime.name: runtime.read for runtime in RUNTIMES}

GO = """\
SCHED 0ms: gomaxprocs=1 idleprocs=0 threads=3 spinningthreads=0 needspinning=1 idlethreads=0
go version go1.27.3 linux/amd64
"""
PYTHON = """\
executable\t/usr/bin/python3.13
os.cpu_count()\t3.13.0\t16
os.process_cpu_count()\t3.13.0\t4
"""


PROGRAMS = [
    (
        "ffmpeg",
        "ffmpeg version 5.1.9-0+deb12u1 Copyright\n[x] detected 64 logical cores\n",
        "5.1.9-0+deb12u1",
        64,
    ),
    ("nginx", "nginx version: nginx/1.22.1\ncount 64\n", "1.22.1", 64),
    ("pigz", "count 64\npigz 2.6\n", "2.6", 64),
    (
        "xz",
        "xz (XZ Utils) 5.4.1\nliblzma 5.4.1\n  Number of processor threads:      64\n",
        "5.4.1",
        64,
    ),
]


@pytest.mark.parametrize(("runtime", "text", "version", "cpus"), PROGRAMS)
def test_a_programs_answer(runtime: str, text: str, version: str, cpus: int) -> None:
    (belief,) = READ[runtime](text)

    assert belief[1:] == (version, cpus)


@pytest.mark.parametrize(
    ("runtime", "text", "beliefs"),
    [
        ("nproc", "2\nnproc (GNU coreutils) 9.1\nLicense\n", [Belief("nproc", "9.1", 2)]),
        ("nproc", "2\nnproc: unrecognized option '--version'\n", [Belief("nproc", "?", 2)]),
        ("Java", "17.0.15\n4\n", [Belief("Runtime.availableProcessors()", "17.0.15", 4)]),
        ("Java", "25\r\n4\r\n", [Belief("Runtime.availableProcessors()", "25", 4)]),
        (
            "Java",
            "Picked up JAVA_TOOL_OPTIONS: -Xmx1g\n1.8.0_402\n4\n",
            [Belief("Runtime.availableProcessors()", "1.8.0_402", 4)],
        ),
        ("Go", GO, [Belief("GOMAXPROCS", "1.27.3", 1)]),
        (
            "Rust",
            "rustc 1.95.0 (59807616e 2026-04-14)\ncount 8\n",
            [Belief("available_parallelism()", "1.95.0", 8)],
        ),
        (".NET", "8.0.404\ncount 8\n", [Belief("Environment.ProcessorCount", "8.0.404", 8)]),
        (
            "Python",
            PYTHON,
            [
                Belief("os.cpu_count()", "3.13.0", 16),
                Belief("os.process_cpu_count()", "3.13.0", 4),
            ],
        ),
    ],
)
def test_an_answer(runtime: str, text: str, beliefs: list[Belief]) -> None:
    assert READ[runtime](text) == beliefs


@pytest.mark.parametrize("runtime", READ)
@pytest.mark.parametrize(
    "text",
    ["", "\n\n", "2 CPUs\n", "a\tb\n", "a\tb\tmany\n", "-1\n", "\x00\x01\n", "9" * 5000, "17\n"],
    ids=ascii,
)
def test_rubbish_is_no_answer(runtime: str, text: str) -> None:
    # A number alone is what nproc prints.
    expected = [Belief("nproc", "?", 17)] if (runtime, text) == ("nproc", "17\n") else []

    assert READ[runtime](text) == expected


def test_the_interpreters_own_path() -> None:
    assert read_executable(PYTHON) == "/usr/bin/python3.13"
    assert read_executable("os.cpu_count()\t3.13.0\t16\n") == ""


def test_each_call_that_a_row_reads_by_name_is_known() -> None:
    """What is missing here would be judged without a reason and a remedy."""
    named = {
        belief.call
        for runtime, text in [
            ("nproc", "2\n"),
            ("Java", "17\n4\n"),
            ("Go", GO),
            ("Rust", "count 8\n"),
            (".NET", "count 8\n"),
            *((name, text) for name, text, _, _ in PROGRAMS),
        ]
        for belief in READ[runtime](text)
    }
    written = {
        call for runtime in RUNTIMES for call in CALLS if any(call in s for s in _texts(runtime))
    }

    assert named | written | {"openblas", "mkl", "blis", "openmp"} == set(CALLS)


def test_each_runtime_says_how_its_answers_are_judged() -> None:
    assert [runtime.name for runtime in RUNTIMES if not runtime.calls] == []


def _texts(runtime: Runtime) -> list[str]:
    steps = [word for step in runtime.steps for word in step]
    files = runtime.files
    return [*steps, *(content.decode("utf-8", "replace") for _, content in files)]


def test_each_variable_that_mends_is_in_the_knob_table() -> None:
    variables = {call.variable for call in CALLS.values() if call.variable}

    assert variables <= set(KNOBS)
    assert {name for name in variables if KNOBS[name].use == "never"} == set()
