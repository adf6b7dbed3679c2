"""The library of `kumo run --view`, loaded into real programs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import skip_real

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the view is Linux's")

Seen = Callable[..., str]
Compiled = Callable[..., str]
Needs = Callable[[str], str]

MUSL = {"compiler": "musl-gcc"}
# How seen.c is built: dynamic programs, all of which the one file is to reach.
BUILDS: dict[str, tuple[list[str], dict[str, str], dict[str, str]]] = {
    "glibc": ([], {}, {}),
    "musl": ([], MUSL, {}),
    "no position-independent code": (["-no-pie", "-fno-pie"], {}, {}),
    "AddressSanitizer": (["-fsanitize=address"], {}, {"ASAN_OPTIONS": "verify_asan_link_order=0"}),
    "AddressSanitizer inside": (["-fsanitize=address", "-static-libasan"], {}, {}),
    "UndefinedBehaviorSanitizer": (["-fsanitize=undefined"], {}, {}),
    "ThreadSanitizer": (["-fsanitize=thread"], {}, {}),
}


def conf() -> int:
    return os.sysconf("SC_NPROCESSORS_CONF")


@pytest.mark.parametrize("build", BUILDS)
def test_every_call_of_a_dynamic_program(seen: Seen, compiled: Compiled, build: str) -> None:
    flags, options, variables = BUILDS[build]
    program = compiled("seen.c", *flags, **options)
    # musl's _SC_NPROCESSORS_CONF is the number of CPUs in the mask, by its own system call.
    expected = f"1 1 1 1 1 1 {conf()} right right\n"

    assert seen([program], **variables) == expected
    assert seen([program], cpus="4096", **variables) == seen([program], cpus="", **variables)


@pytest.mark.parametrize("cpus", ["", "0", "x", "1x", "-1", "9999999"])
def test_without_a_number_nothing_is_cut(seen: Seen, compiled: Compiled, cpus: str) -> None:
    every = len(os.sched_getaffinity(0))

    assert seen([compiled("seen.c")], cpus=cpus).split()[0] == str(every)


@pytest.mark.parametrize("flags", [["-static"]])
@pytest.mark.parametrize("options", [{}, MUSL], ids=["glibc", "musl"])
def test_a_static_program_is_not_reached(
    seen: Seen, compiled: Compiled, flags: list[str], options: dict[str, str]
) -> None:
    assert seen([compiled("seen.c", *flags, **options)]).split()[0] != "1"


def test_the_library_needs_no_other_and_no_version(library: str, needs: Needs) -> None:
    readelf = needs("readelf")

    dynamic = subprocess.run(
        [readelf, "-dsV", library], capture_output=True, text=True, check=True
    ).stdout

    assert "NEEDED" not in dynamic
    assert "No version information" in dynamic
    undefined = [line for line in dynamic.splitlines() if " UND " in line and "NOTYPE" in line]
    assert all(" WEAK " in line or line.split()[0] == "0:" for line in undefined)
    assert "TEXTREL" not in dynamic


# --- programs of every kind

COUNTS = {
    "nproc": (["nproc"], "1\n"),
    "python": ([sys.executable, "-c", "import os; print(len(os.sched_getaffinity(0)))"], "1\n"),
    "python's sysconf": (
        [sys.executable, "-c", "import os; print(os.sysconf('SC_NPROCESSORS_ONLN'))"],
        "1\n",
    ),
    "getconf": (["getconf", "_NPROCESSORS_ONLN"], "1\n"),
    "node": (["node", "-p", "require('os').availableParallelism()"], "1\n"),
    "a shell's children": (["sh", "-c", "sh -c nproc; nproc"], "1\n1\n"),
    "a view within": (["env", "KUMO_VIEW_CPUS=1", "nproc"], "1\n"),
    "one child without": (
        ["sh", "-c", "env -u KUMO_VIEW_CPUS nproc; nproc"],
        f"{os.cpu_count()}\n1\n",
    ),
}


@pytest.mark.parametrize("name", COUNTS)
def test_programs(seen: Seen, needs: Needs, name: str) -> None:
    command, expected = COUNTS[name]
    needs(command[0])

    assert seen(command) == expected


def test_java(seen: Seen, needs: Needs, tmp_path: Path) -> None:
    needs("javac")
    source = tmp_path / "Count.java"
    source.write_text(
        "class Count { public static void main(String[] a) {"
        " System.out.println(Runtime.getRuntime().availableProcessors()); } }"
    )
    subprocess.run(["javac", str(source)], check=True, cwd=tmp_path)

    assert seen(["java", "-Xshare:auto", "-cp", str(tmp_path), "Count"]) == "1\n"


def test_numpy_starts_as_many_threads_as_it_sees(seen: Seen) -> None:
    script = "import numpy, os; print(len(os.listdir('/proc/self/task')))"

    assert seen([sys.executable, "-c", script]) == "1\n"


def test_valgrind(seen: Seen, needs: Needs, compiled: Compiled) -> None:
    program = compiled("seen.c")

    # What is wrong in it is not judged: valgrind itself answers a bad pointer.
    assert seen([needs("valgrind"), "-q", "--log-file=/dev/null", program]).startswith(
        "1 1 1 1 1 1 "
    )


@pytest.mark.parametrize("first", [True, False], ids=["ours first", "ours last"])
@pytest.mark.parametrize("other", ["libjemalloc.so.2"])
def test_another_preloaded_library(
    seen: Seen, compiled: Compiled, library: str, other: str, first: bool
) -> None:
    ldconfig = shutil.which("ldconfig") or "/sbin/ldconfig"
    listed = subprocess.run([ldconfig, "-p"], capture_output=True, text=True, check=False).stdout
    paths = [line.split()[-1] for line in listed.splitlines() if line.strip().startswith(other)]
    if not paths:
        skip_real(f"{other} is not installed: tests/launch/install.sh")
    both = [library, paths[0]] if first else [paths[0], library]

    assert seen([compiled("seen.c")], LD_PRELOAD=":".join(both)).startswith("1 1 1 1 1 1 ")


def test_fakeroot(seen: Seen, needs: Needs, compiled: Compiled) -> None:
    assert seen([needs("fakeroot"), compiled("seen.c")]).startswith("1 1 1 1 1 1 ")


def test_another_user(seen: Seen, compiled: Compiled) -> None:
    if os.geteuid() != 0:
        skip_real("only root can become another user")
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]

    assert seen([*user, compiled("seen.c")]).startswith("1 1 1 1 1 1 ")


def test_a_setuid_program_runs_unseeing(seen: Seen, compiled: Compiled, shared: Path) -> None:
    if os.geteuid() != 0:
        skip_real("only root can make a program run as root")
    program = shared / "setuid"
    shutil.copyfile(compiled("seen.c"), program)
    program.chmod(0o4755)
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]

    assert seen([*user, str(program)]).split()[0] != "1"


def test_a_32_bit_program_runs_and_its_loader_says_so(library: str, compiled: Compiled) -> None:
    program = compiled("word.c", "-m32")

    ran = subprocess.run(
        [program], env={"KUMO_VIEW_CPUS": "1", "LD_PRELOAD": library}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip

    assert ran.returncode == 0
    assert "wrong ELF class" in ran.stderr


# --- which CPUs, and pins


def test_cpus_by_their_real_numbers_without_isolated_ones(seen: Seen) -> None:
    first, second, *_ = sorted(os.sched_getaffinity(0))
    ask = [sys.executable, "-c", "import os; print(*os.sched_getaffinity(0))"]

    assert seen(ask) == f"{first}\n"
    assert seen(ask, KUMO_VIEW_ISOLATED=f"{first}") == f"{second}\n"
    assert seen(ask, KUMO_VIEW_ISOLATED="0-8191") == f"{first}\n"
    assert seen(ask, KUMO_VIEW_ISOLATED="x,-,99999999999-") == f"{first}\n"


@pytest.mark.parametrize("tool", ["taskset -c {}", "numactl -C {}", "hwloc-bind pu:{}"])
def test_a_pin_of_a_tool_holds(seen: Seen, needs: Needs, tool: str) -> None:
    true = ["grep", "Cpus_allowed_list", "/proc/self/status"]
    words = tool.split()
    needs(words[0])

    for cpu in sorted(os.sched_getaffinity(0)):
        pinned = [word.format(cpu) for word in words]
        assert seen([*pinned, *true]) == f"Cpus_allowed_list:\t{cpu}\n"


ALL = "f" * 16
MASKS = {
    "what narrows is a pin": ("get back", [ALL, "f"]),
    "save, pin, restore": ("get set 2 back", [ALL, "4", ALL]),
    "to a CPU that is not shown": ("get set 9,10 back", [ALL, "600", ALL]),
    "a pin to fewer": ("get set 0 set 1", [ALL, "1", "2"]),
    "a pin that widens": ("get set 0 set 0,1", [ALL, "1", "3"]),
    "a pin within a wider pin": ("get set 0,1,2,3,4,5 back", [ALL, "3f", "f"]),
    "nobody has asked": ("set 9 set 0,1,2,3", ["200", "f"]),
    "twice": ("get set 2 back back", [ALL, "4", ALL, "f"]),
}


@pytest.mark.parametrize("by", ["", "p", "s"], ids=["sched", "pthread", "syscall"])
@pytest.mark.parametrize("name", MASKS)
def test_the_widening_rule(
    seen: Seen, compiled: Compiled, machine_64: list[str], name: str, by: str
) -> None:
    words, expected = MASKS[name]
    steps = [by + word if word.isalpha() else word for word in words.split()]

    assert seen([compiled("masks.c"), *steps], "4", machine_64).split() == expected


def test_one_cpu_is_always_a_pin(seen: Seen, compiled: Compiled, machine_64: list[str]) -> None:
    steps = ["get", "set", "5", "back"]

    assert seen([compiled("masks.c"), *steps], "1", machine_64).split() == [ALL, "20", "1"]


@pytest.mark.parametrize("cpus", [(4, "0-3"), (1, "0"), (4, "8-11")], ids=str)
def test_taskset_to_what_is_shown(
    seen: Seen, compiled: Compiled, machine_64: list[str], cpus: tuple[int, str]
) -> None:
    count, chosen = cpus
    low, _, high = chosen.partition("-")
    mask = sum(1 << cpu for cpu in range(int(low), int(high or low) + 1))

    shown = seen(["taskset", "-c", chosen, compiled("masks.c"), "get"], str(count), machine_64)

    assert shown == f"{mask:x}\n"


# --- OpenMP

RUNTIMES = ("GNU", "LLVM")
LLVM = "/usr/lib/llvm-14/lib/libomp.so.5"  # of Debian's libomp5-14, which has no link to build by


@pytest.fixture
def team(compiled: Compiled, shared: Path, runtime: str) -> str:
    """The program of an OpenMP team."""
    if runtime == "GNU":
        return compiled("team.c", "-fopenmp")
    if not (shared / "libomp.so").exists():
        (shared / "libomp.so").symlink_to(LLVM)
    link = [f"-L{shared}", f"-Wl,-rpath,{os.path.dirname(LLVM)}"]
    return compiled("team.c", "-fopenmp=libomp", *link, compiler="clang-14")


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("cpus", ["1", "4"])
def test_teams_are_small_and_nobody_is_pinned(
    seen: Seen, team: str, machine_64: list[str], cpus: str
) -> None:
    size, *masks = seen([team], cpus, machine_64).split()

    assert (size, len(masks), {*masks}) == (cpus, int(cpus), {ALL})


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_teams_that_bind_themselves_are_pinned_to_what_is_shown(
    seen: Seen, team: str, machine_64: list[str]
) -> None:
    size, *masks = seen([team], "4", machine_64, OMP_PROC_BIND="true").split()

    assert (size, sorted(masks)) == ("4", ["1", "2", "4", "8"])


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_teams_under_a_pin(seen: Seen, team: str, machine_64: list[str]) -> None:
    assert seen(["taskset", "-c", "5", team], "4", machine_64) == "1 20\n"
    size, *masks = seen(["taskset", "-c", "2-9", team], "4", machine_64).split()
    assert (size, {*masks}) == ("4", {"3fc"})
