"""What real runtimes believe under a real quota, and a process that is really throttled."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import skip_real

from real.conftest import MakeGroup
from real.host import TIMEOUT, Group, environment, in_groups, kumo, needs_two_cpus

pytestmark = [pytest.mark.real, pytest.mark.programs]

COMMANDS = {
    "nproc": "nproc",
    "Node": "node",
    "Java": "java",
    "Go": "go",
    "Rust": "rustc",
    "Ruby": "ruby",
    "R": "Rscript",
}
SPIN = """\
import ctypes, hashlib, sys, threading
block = bytes(1 << 22)
def spin(number):
    ctypes.CDLL(None).prctl(15, b"worker-%d" % number)  # PR_SET_NAME
    while True:
        hashlib.sha256(block).digest()  # holds no lock of the interpreter
for number in range(int(sys.argv[1])):
    threading.Thread(target=spin, args=(number,), daemon=True).start()
print(flush=True)
input()
"""


def doctor(groups: list[Group], *arguments: str, **variables: str) -> dict[str, Any]:
    """What ``kumo doctor --json`` says in *groups*; its exit code agrees with it."""
    path = f"{os.environ['PATH']}{os.pathsep}{Path(sys.executable).parent}"
    command = kumo("doctor", "--json", *arguments)
    ran = subprocess.run(
        in_groups(groups, command) if groups else command,
        capture_output=True,
        text=True,
        timeout=4 * TIMEOUT,
        check=False,
        env={**environment(), "PATH": path} | variables,
    )
    assert ran.stderr == ""
    data: dict[str, Any] = json.loads(ran.stdout)
    assert ran.returncode == int(data["oversubscribed"])
    return data


@pytest.fixture(scope="module")
def limited() -> Iterator[dict[str, Any]]:
    """What is believed under a quota of one CPU."""
    from real.conftest import _remove
    from real.host import RUN, needs

    group = Group(needs("cpu")[0] / f"kumo-real-doctor-{RUN}")
    group.path.mkdir()
    try:
        doctor([])  # the first time Go compiles its library, which takes longer than is waited for
        group.limit(1)
        yield doctor([group])
    finally:
        _remove(group.path)


def believed(data: dict[str, Any], runtime: str) -> dict[str, Any]:
    """The first row of *runtime*; skip where it is not on this machine."""
    rows = [row for row in data["runtimes"] if row["runtime"] == runtime]
    if not rows:
        assert [row["why"] for row in data["unanswered"] if row["runtime"] == runtime] == []
        skip_real(f"{runtime} is not on this machine")
    first: dict[str, Any] = rows[0]
    return first


def test_the_quota_is_the_count(limited: dict[str, Any]) -> None:
    assert (limited["parallelism"], limited["binding"]["source"]) == (1, "quota")
    assert limited["oversubscribed"]


@pytest.mark.parametrize(
    ("runtime", "sees"),
    [("nproc", False), ("Node", False), ("Ruby", False), ("Java", True), ("Rust", True)],
)
def test_who_sees_a_quota_of_cgroup_v1(limited: dict[str, Any], runtime: str, sees: bool) -> None:
    row = believed(limited, runtime)

    if runtime == "nproc" and os.environ.get("OMP_NUM_THREADS"):
        skip_real("OMP_NUM_THREADS decides what nproc says")
    assert row["believes"] == (1 if sees else len(needs_two_cpus()))
    assert row["verdict"] == ("right" if sees else "over")


def test_go_sees_it_and_says_two_all_the_same(limited: dict[str, Any]) -> None:
    row = believed(limited, "Go")

    assert (row["believes"], row["mend"]) == (2, "kumo run -- CMD (GOMAXPROCS=1)")


def test_this_python_says_what_it_says_itself(limited: dict[str, Any]) -> None:
    row = believed(limited, "Python")

    assert os.path.realpath(row["program"]) == os.path.realpath(sys.executable)
    assert (row["asked"], row["believes"]) == ("os.cpu_count()", os.cpu_count())
    assert row["version"] == ".".join(map(str, sys.version_info[:3]))


@pytest.mark.parametrize(
    ("module", "seen"),
    [("loky", False), ("joblib", False), ("numexpr", False), ("numba", False), ("polars", True)],
)
def test_libraries(limited: dict[str, Any], module: str, seen: bool) -> None:
    pytest.importorskip(module)
    row = believed(limited, module)

    # The quota is at no cgroup that loky looks at.
    assert (row["verdict"] == "right") is seen, row


@pytest.mark.parametrize("runtime", COMMANDS)
def test_each_that_is_here_answers(limited: dict[str, Any], runtime: str) -> None:
    if shutil.which(COMMANDS[runtime]) is None:
        skip_real(f"{COMMANDS[runtime]} is not on this machine")

    assert believed(limited, runtime)["version"] != "?"


def test_what_is_said_to_mend_it_does(limited: dict[str, Any]) -> None:
    """The variables, set as kumo run would set them, make the runtimes agree."""
    mends = {
        (row["program"], row["asked"]): (advice[1], advice[2], advice[3])
        for row in limited["runtimes"]
        if (advice := re.search(r"(?:--without (\w+) )?-- CMD \((\w+)=(\S+)\)$", row["mend"] or ""))
    }
    every = {name: value for _, name, value in mends.values()}

    for without in sorted({left_out or "" for left_out, _, _ in mends.values()}):
        given = {name: value for name, value in every.items() if name != without}
        # A second time, only this Python's libraries are asked.
        path = {"PATH": os.path.dirname(sys.executable)} if without else {}
        again = doctor([], KUMO_AVAILABLE_PARALLELISM="1", **given, **path)
        asked = {call for call, (left_out, _, _) in mends.items() if (left_out or "") == without}
        believes = {
            call: row["believes"]
            for row in again["runtimes"]
            if (call := (row["program"], row["asked"])) in asked
        }
        assert believes == dict.fromkeys(asked, 1)


# --- a process


def spinning(groups: list[Group], workers: int) -> subprocess.Popen[bytes]:
    command = in_groups(groups, [sys.executable, "-c", SPIN, str(workers)])
    process = subprocess.Popen(
        command, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


def test_a_throttled_process(make_group: MakeGroup) -> None:
    outer = make_group(cpus=0.1)
    outer.write("cpu.shares", 262_144)  # throttled even if the machine is busy
    inner = make_group(outer)
    with spinning([inner], 4) as process:
        try:
            data = doctor([], "--pid", str(process.pid))
        finally:
            process.kill()

    levels = {level["where"]: level for level in data["levels"]}
    assert data["oversubscribed"]
    assert data["parallelism"] == 1
    (workers,) = [family for family in data["threads"] if family["name"] == "worker-*"]
    assert workers["number"] == 4
    assert workers["runnable"] > 2
    assert levels[str(inner.path)]["quota"] is None
    throttling = levels[str(outer.path)]["throttling"]
    assert levels[str(outer.path)]["quota"] == 0.1
    assert 0 < throttling["throttled"] <= throttling["periods"]
    assert throttling["seconds"] > 0


@pytest.mark.parametrize(("more", "oversubscribed"), [(0, False), (2, True)])
def test_a_busy_process_that_nothing_throttles(
    make_group: MakeGroup, more: int, oversubscribed: bool
) -> None:
    workers = len(os.sched_getaffinity(0)) + more
    with spinning([make_group()], workers) as process:
        try:
            data = doctor([], "--pid", str(process.pid))
        finally:
            process.kill()

    assert data["oversubscribed"] is oversubscribed
    assert sum(family["runnable"] for family in data["threads"]) > workers - 1


TREE = """\
import os, sys
for group in sys.argv[1:]:
    if os.fork() == 0:
        open(group + "/cgroup.procs", "w").write(str(os.getpid()))
        while True: pass
print(flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("below", [False, True])
def test_a_sleeping_master_whose_children_are_throttled(make_group: MakeGroup, below: bool) -> None:
    """By --all without a number, and by --pid; the quota is the master's, or of a group below."""
    outer = make_group(cpus=None if below else 0.1)
    group = make_group(outer, cpus=0.1) if below else outer
    outer.write("cpu.shares", 262_144)  # throttled even if the machine is busy
    master = subprocess.Popen(
        in_groups([outer], [sys.executable, "-c", TREE, *[str(group.path)] * 3]),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env={**environment(), "GOMAXPROCS": "7654321"},
    )  # fmt: skip
    try:
        assert master.stdout is not None
        assert master.stdout.readline() == b"\n"
        data = doctor([], "--all")
        one = doctor([], "--pid", str(master.pid))
    finally:
        for pid in [*group.read("cgroup.procs").split(), str(master.pid)]:
            os.kill(int(pid), signal.SIGKILL)
        master.communicate()

    row = next(row for row in data["groups"] if row["where"] == str(group.path))
    processes = 3 if below else 4
    assert (row["verdict"], row["count"], row["processes"]) == ("over", 1, processes), row
    assert row["runnable"] > 1.5
    assert row["throttling"]["throttled"] > 0
    assert row["fix"].startswith("at most 1 busy process at a time")
    assert "7654321" not in str(row), "an environment was read"
    assert (one["oversubscribed"], one["descendants"]) == (True, 3)
    (level,) = [level for level in one["levels"] if level["where"] == str(group.path)]
    assert level["throttling"]["throttled"] > 0
