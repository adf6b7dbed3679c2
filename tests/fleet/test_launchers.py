"""Slurm and MPI with programs that only look like theirs: what is asked, and every way to fail."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from late import interrupted_late

import kumo.fleet
from fleet.nodes import explained, online, quota
from kumo._errors import InputError
from kumo._fleet import commands, mpi, slurm
from kumo._fleet.commands import node_program, reports_in, run_all

REPORT = json.dumps({"schema": 1, "host": "HOST", "explain": explained(quota(1.0), online(2))})
PRINT = f"printf '%s\\n' '{REPORT}' | sed \"s/HOST/$node/\""
Program = Callable[..., None]

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the programs are shell scripts")


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Make a shell script that stands for a program."""
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    for name in ("SLURM_JOB_ID", "SLURM_JOB_CPUS_PER_NODE"):
        monkeypatch.delenv(name, raising=False)

    def make(name: str, text: str) -> None:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    return make


@pytest.fixture
def cluster(program: Program, tmp_path: Path) -> None:
    """Five nodes, of which one hangs, one fails and one is down."""
    nodes = (
        "good 2 idle\\ngood 2 idle\\nhangs 2 mixed\\nfails 2 idle\\ndead 2 down*\\nfree 1 idle\\n"
    )
    program("sinfo", f'echo "$@" >>"{tmp_path}/sinfo.log"; printf "{nodes}"')
    program("scancel", f'echo "$@" >>"{tmp_path}/scancel.log"')
    program(
        "srun",
        'for word; do case "$word" in --nodelist=*) node="${word#*=}" ;; esac; done\n'
        'case "$node" in\n'
        f'hangs) echo $$ >"{tmp_path}/hangs"; echo "srun: job 1 queued" >&2; exec sleep 600 ;;\n'
        'fails) echo noise; echo "srun: error: no such node" >&2; echo later >&2; exit 1 ;;\n'
        f"*) echo a banner; {PRINT} ;;\nesac",
    )


@pytest.mark.usefixtures("cluster")
def test_each_node_of_a_cluster_and_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wait(process: subprocess.Popen[bytes], deadline: float, stopping: Any) -> int | None:
        """The time is up for the one that hangs when it does, and for no other."""
        if "--nodelist=hangs" in cast("list[str]", process.args):
            while not (hanging.exists() and hanging.read_text()):
                time.sleep(0.01)
            deadline = time.monotonic()
        return waited(process, deadline, stopping)

    hanging, waited = tmp_path / "hangs", commands._wait
    monkeypatch.setattr(commands, "_wait", wait)

    fleet = kumo.fleet.gather("slurm", "-p debug --qos=low", timeout=600)

    answered = {node.host: node.slots for node in fleet.nodes if node.estimate}
    assert answered == {"good": 2, "free": 1}
    assert {node.host: node.reason for node in fleet.silent} == {
        "hangs": "no answer within 600 s: srun: job 1 queued",
        "fails": "srun: error: no such node",
        "dead": "Slurm has it as down*",
    }
    assert (tmp_path / "sinfo.log").read_text().split()[-2:] == ["-p", "debug"]
    assert (tmp_path / "scancel.log").read_text().startswith("--quiet --name=kumo-")
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "hangs").read_text()), 0)


@pytest.mark.usefixtures("cluster")
def test_an_interrupt_ends_what_was_started(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "kumo", "fleet", "slurm", "--timeout", "600"],
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    started = tmp_path / "hangs"
    while not (started.exists() and started.read_text()):
        assert process.poll() is None
        time.sleep(0.02)

    process.send_signal(signal.SIGINT)

    assert process.wait(60) == 130
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)


def test_an_allocation_is_asked_by_one_srun(
    program: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program("scontrol", "printf 'n1\\nn2\\nn3\\n'")
    one, two = (
        REPORT.replace("HOST", "h").replace("{", '{"schema": 1, "host": "h", '
        f'"environment": {{"SLURMD_NODENAME": "{name}"}}, ', 1)
        for name in ("n1", "n2")
    )  # fmt: skip
    program("srun", f"echo \"$@\" >'{tmp_path}/srun.log'; echo '{one}'; echo '{two}'; exit 1")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_JOB_CPUS_PER_NODE", "4(x2),8")

    fleet = kumo.fleet.gather("slurm", "--mem=0")

    assert [(node.workers, node.slots) for node in fleet.nodes] == [
        (("n1",), 4), (("n2",), 4), (("n3",), 8),
    ]  # fmt: skip
    assert [node.reason for node in fleet.silent] == ["no answer"]
    words = (tmp_path / "srun.log").read_text().split()
    assert words[:2] == ["--overlap", "--nodes=3"]
    assert "--mem=0" in words


@pytest.mark.parametrize("engine", ["slurm", "mpi"])
def test_an_engine_that_is_not_there(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")

    with pytest.raises(RuntimeError, match=r"^(sinfo|mpirun): command not found: "):
        kumo.fleet.gather(engine)
    with pytest.raises(RuntimeError, match="quotation"):
        kumo.fleet.gather(engine, "it's")


def test_mpi_asks_alone_those_that_a_failure_has_silenced(program: Program) -> None:
    program(
        "mpirun",
        '[ "$1" = --version ] && { echo "mpirun (Open MPI) 4.1.4"; exit; }\n'
        'while [ "$1" != --host ]; do shift; done; node="${2%%:*}"\n'
        'case "$2" in *,* | dead*) echo ---- >&2; echo "cannot reach dead" >&2; exit 1 ;; esac\n'
        f"{PRINT}",
    )

    fleet = kumo.fleet.gather("mpi", "--mca x y --host a:2,dead,b")

    # They are asked at the same time, and listed as they answer.
    assert {node.host for node in fleet.nodes if node.estimate} == {"a", "b"}
    assert [(node.host, node.reason) for node in fleet.silent] == [("dead", "cannot reach dead")]


def test_a_node_without_python_says_so() -> None:
    _, _, script, *_ = node_program(None)

    ran = subprocess.run(
        ["/bin/sh", "-c", script, "source", "/nonexistent"],
        capture_output=True, text=True, check=True, env={"PATH": "/nonexistent"},
    )  # fmt: skip

    (report,) = reports_in(ran.stdout)
    assert report["reason"] == "there is no Python"


def test_a_lost_newline_between_two_reports() -> None:
    assert [report["host"] for report in reports_in(f"x\n{REPORT}{REPORT}\n\n")] == ["HOST"] * 2


def test_the_formats_of_slurm() -> None:
    assert slurm.parse_sinfo("a 64 idle\na 64 idle\nb 8+ mixed\n\nodd\n") == {
        "a": (64, "idle"), "b": (8, "mixed"),
    }  # fmt: skip
    sizes = {"SLURM_JOB_CPUS_PER_NODE": "64(x2),32,1(x99999999)"}
    assert slurm.allocation(sizes, "a\nb\nc\nd") == {"a": 64, "b": 64, "c": 32, "d": 1}
    assert slurm.allocation({}, "a") == {"a": None}


def test_the_hosts_that_options_of_mpirun_name(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_text("# comment\na slots=4 max_slots=8\nb:2\n\nc # x\n")

    assert mpi.named_hosts(["-n", "3", "--hostfile", str(path)]) == {
        "a": "a:4", "b": "b:2", "c": "c",
    }  # fmt: skip
    assert mpi.named_hosts(["--host", "a:2,b,", "-H", "c"]) == {"a": "a:2", "b": "b", "c": "c"}
    assert mpi.named_hosts(["-n", "3"]) == {}


@pytest.mark.parametrize(("engine", "launcher"), [("mpi", "mpirun"), ("slurm", "srun")])
def test_options_with_an_open_quote(engine: str, launcher: str) -> None:
    with pytest.raises(RuntimeError, match=f"the options of {launcher}: No closing quotation"):
        kumo.fleet.gather(engine, "--host 'a")


@pytest.mark.parametrize(
    ("engine", "example"), [("mpi", "--hostfile hosts"), ("slurm", "--partition debug")]
)
def test_a_target_that_the_launcher_would_run_as_a_program(engine: str, example: str) -> None:
    with pytest.raises(RuntimeError, match=f"'hosts' is not an option of .*'{example}'"):
        kumo.fleet.gather(engine, "hosts")


def test_without_threads_a_reason_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit on threads or processes is reached."""

    def refused(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)

    with pytest.raises(InputError, match=r"^true: can't start new thread$"):
        commands.output_of(["true"], 60)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("exit 3", "mpirun: no answer$"),
        ("echo 'cannot reach a' >&2; exit 1", "mpirun: cannot reach a$"),
        ("echo", "mpirun: no answer$"),
    ],
)
def test_an_mpirun_that_answers_nothing(program: Program, script: str, message: str) -> None:
    program("mpirun", f'[ "$1" = --version ] && exit\n{script}')

    with pytest.raises(RuntimeError, match=message):
        kumo.fleet.gather("mpi", timeout=600)


def test_a_report_that_cannot_be_used_is_a_silent_host(program: Program) -> None:
    bad = json.dumps({"schema": 1, "host": "a", "environment": {"MPI_LOCALNRANKS": "3"}})
    program("mpirun", f"[ \"$1\" = --version ] && exit\necho '{bad}'")

    (node,) = kumo.fleet.gather("mpi", timeout=600).silent

    assert (node.host, node.slots) == ("a", 3)
    assert node.reason == "its answer has no estimate"


def test_hostfiles_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mpi, "MAX_HOSTS", 2)
    (tmp_path / "hosts").write_text("a\nb\nc\n")

    with pytest.raises(InputError, match="mpi: more than 2 hosts"):
        mpi.named_hosts(["--hostfile", str(tmp_path / "hosts")])
    with pytest.raises(InputError, match="absent': No such file or directory"):
        mpi.named_hosts(["-f", str(tmp_path / "absent")])


def test_a_program_that_ignores_the_end_is_killed_with_its_session(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "END_SECONDS", 0.01)
    program("stubborn", f"trap '' TERM; echo $$ >'{tmp_path}/pid'; sleep 600 & wait; wait")
    answers = commands.run_all({"one": ["stubborn"]}, 600)

    def wait(process: subprocess.Popen[bytes], deadline: float, stopping: Any) -> int | None:
        while not ((tmp_path / "pid").exists() and (tmp_path / "pid").read_text()):
            time.sleep(0.01)
        return original(process, time.monotonic(), stopping)

    original = commands._wait
    monkeypatch.setattr(commands, "_wait", wait)

    (answer,) = answers

    assert (answer.key, answer.code) == ("one", None)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


@pytest.mark.skipif(sys.platform != "linux", reason="looks in /proc for a thread that waits")
def test_an_interrupt_just_before_the_wait_for_a_node(tmp_path: Path) -> None:
    command = ["sh", "-c", f"echo $$ > {tmp_path}/started; exec sleep 600"]

    with interrupted_late(tmp_path / "started"):
        list(run_all({"node": command}, 600))
