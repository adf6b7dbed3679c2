"""The facts of other systems, asked of a library that has their calls, and texts of structures."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from shutil import which

import pytest
from conftest import skip_real

from kumo._cgroups.cpulist import parse_cpulist
from kumo._system import aix, native
from kumo._system import windows as win32

pytestmark = pytest.mark.programs

HERE = Path(__file__).parent
PROGRAM = """
import sys
from importlib import import_module
system = import_module(f"kumo._system.{sys.argv[1]}")
system.LIBRARY = None
try:
    print(repr(system.FACTS[sys.argv[2]](None)))
except OSError as error:
    print(error.errno, error.filename)
"""

ANSWERS = [
    ("macos", "hw.activecpu", "", "10"),
    ("macos", "hw.perflevel", "", "Performance 8\nEfficiency 2"),
    ("macos", "hw.perflevel", "intel", None),
    ("freebsd", "hw.ncpu", "", "16"),
    ("freebsd", "cpuset_getaffinity", "", "process 0-7,64\nthread 2"),
    ("freebsd", "cpuset_getaffinity", "old", "process 0-7,64\nthread 2"),
    ("freebsd", "cpuset_getaffinity", "wide", "process 0-7,64\nthread 2"),
    (
        "freebsd",
        "rctl_get_limits",
        "",
        "user:1001:pcpu:deny=300/process,jail:www:pcpu:deny=250",
    ),
    ("freebsd", "rctl_get_limits", "ENOSYS", None),
    ("netbsd", "hw.ncpuonline", "", "12"),
    ("netbsd", "sched_getaffinity_np", "", "process \nthread "),
    ("netbsd", "sched_getaffinity_np", "bound", "process 1-2,32\nthread 1"),
    ("openbsd", "hw.ncpuonline", "", "4"),
    ("sunos", "pset_info", "", "process 8-11"),
    ("sunos", "getrctl", "", "zone.cpu-cap 125"),
    ("sunos", "getrctl", "uncapped", None),
    ("sunos", "getrctl", "EINVAL", None),
    ("sunos", "SC_NPROCESSORS_ONLN", "", str(os.sysconf("SC_NPROCESSORS_ONLN"))),
    ("aix", "lpar_get_info", "", "mode=Capped ent=0.30 vcpu=3 lcpu=12"),
    ("aix", "lpar_get_info", "uncapped", "mode=Uncapped ent=0.30 vcpu=3 lcpu=12"),
    ("aix", "ra_getrset", "", "4"),
]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = which("gcc")
    if compiler is None:
        skip_real("no gcc; tests/system/install.sh brings it")
    built = tmp_path_factory.mktemp("library") / "libraries.so"
    warnings = ["-Wall", "-Wextra", "-Werror"]
    subprocess.run(
        [compiler, *warnings, "-shared", "-fPIC", HERE / "libraries.c", "-o", built], check=True
    )
    return built


def told(library: Path, system: str, fact: str, answer: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, system, fact],
        env=os.environ | {"LD_PRELOAD": str(library), "ANSWER": answer},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.rstrip("\n")


@pytest.mark.parametrize(("system", "fact", "answer", "text"), ANSWERS)
def test_a_fact(library: Path, system: str, fact: str, answer: str, text: str | None) -> None:
    assert told(library, system, fact, answer) == repr(text)


@pytest.mark.parametrize(
    ("system", "fact", "answer", "error"),
    [
        ("freebsd", "cpuset_getaffinity", "EPERM", "1 cpuset_getaffinity"),
        ("freebsd", "cpuset_getaffinity", "ERANGE", "34 cpuset_getaffinity"),
        ("freebsd", "rctl_get_limits", "EPERM", "1 rctl_get_limits"),
        ("sunos", "getrctl", "EPERM", "1 getrctl"),
    ],
)
def test_what_is_refused(library: Path, system: str, fact: str, answer: str, error: str) -> None:
    assert told(library, system, fact, answer) == error


@pytest.mark.parametrize("ask", [native.call, native.pointer])
def test_a_call_that_the_library_does_not_have(ask: Callable[[str], object]) -> None:
    with pytest.raises(OSError, match="no_such_call") as caught:
        ask("no_such_call")

    assert caught.value.errno == 38


@pytest.mark.parametrize(
    ("flags", "numbers", "text"),
    [
        (0x0, {"CpuRate": 2500}, "none"),
        (0x1, {"CpuRate": 2500}, "soft_cap 2500"),
        (0x5, {"CpuRate": 2500}, "hard_cap 2500"),
        (0xD, {"CpuRate": 10000}, "hard_cap 10000"),
        (0x3, {"Weight": 5}, "weight 5"),
        (0x11, {"MinRate": 0, "MaxRate": 5000}, "min_max 0 5000"),
        (0x11, {"MinRate": 1000, "MaxRate": 10000}, "min_max 1000 10000"),
        (0x4, {"CpuRate": 2500}, "none"),
    ],
)
def test_a_jobs_rate(flags: int, numbers: dict[str, int], text: str) -> None:
    info = win32.CpuRateControl(ControlFlags=flags)
    for name, number in numbers.items():
        setattr(info, name, number)

    assert win32.rate_text(info) == text


@pytest.mark.parametrize(
    ("active", "mask", "cpus"),
    [
        ({0: 16}, 0xF0, "4-7"),
        ({0: 16}, 0xFFFF, "0-15"),
        ({1: 64}, 2**64 - 1, "64-127"),
        ({0: 36}, 2**36 - 1, "0-35"),
        ({0: 64, 1: 64}, 0, "0-127"),
        ({0: 36, 1: 36}, 0, "0-35,64-99"),
        ({0: 64, 2: 8}, 0, "0-63,128-135"),
        ({1: 8}, 0, "64-71"),
        ({0: 8, 1: 8}, 0x3, "0-7,64-71"),
    ],
)
def test_affinity_across_groups(active: dict[int, int], mask: int, cpus: str) -> None:
    assert win32.affinity_text(active, mask) == cpus


def test_masks_of_several_groups() -> None:
    masks = [win32.GroupAffinity(Mask=0x3, Group=0), win32.GroupAffinity(Mask=2**63, Group=1)]

    assert win32.masks_text(masks) == "0-1,127"
    assert win32.masks_text([]) == ""
    assert parse_cpulist("0-1,127").bit_count() == 3


def test_the_offsets_of_a_partitions_information() -> None:
    """As <sys/dr.h> lays them out."""
    assert aix.LparInfo.lpar_flags.offset == 40
    assert aix.LparInfo.online_vcpus.offset == 48
    assert aix.LparInfo.online_lcpus.offset == 52
    assert aix.LparInfo.entitled_capacity.offset == 64
