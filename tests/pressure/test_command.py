"""The command and the functions, as they are used: what is said where, and when it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from math import inf

import pytest
from bare import MEASURED, PLAIN, SOURCE
from doctor.programs import wait_until_asleep

import kumo
from kumo._command.main import main

COMMAND = [*PLAIN, "pressure"]
TIMEOUT = 60
linux = pytest.mark.skipif(sys.platform != "linux", reason="processes as Linux shows them")


def pressure(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        env={**MEASURED, "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT,
    )


@pytest.fixture
def sleeping() -> Iterator[subprocess.Popen[bytes]]:
    program = [sys.executable, "-I", "-S", "-c", "print(flush=True); input()"]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        if sys.platform == "linux":
            wait_until_asleep(process.pid)
        yield process
        process.kill()


@linux
def test_a_process_that_waits(sleeping: subprocess.Popen[bytes]) -> None:
    ran = pressure("--pid", str(sleeping.pid), "--seconds", "0.2")

    assert (ran.returncode, ran.stderr) == (0, "")
    lines = ran.stdout.splitlines()
    assert lines[:2] == [
        "idle  its threads used 0.00 CPUs, and hardly waited for more",
        "Nothing needs doing: it waits for something other than a CPU.",
    ]
    assert "process   0.00 CPUs used and 0.00 waited for; threads: 1" in lines
    assert not [line for line in lines if line.startswith("wake-ups")]


@linux
def test_json(sleeping: subprocess.Popen[bytes]) -> None:
    ran = pressure("--json", "--pid", str(sleeping.pid), "--seconds", "0.2")

    assert (ran.returncode, ran.stderr, ran.stdout.count("\n")) == (0, "", 1)
    data = json.loads(ran.stdout)
    assert list(data) == [
        "schema", "verdict", "evidence", "advice", "parallelism", "headroom", "seconds", "cpus",
        "threads", "used", "waiting", "idle", "elsewhere", "steal", "host", "lateness", "gil",
        "levels", "missing",
    ]  # fmt: skip
    assert (data["schema"], data["verdict"], data["threads"]) == (1, "idle", 1)
    assert data["lateness"] is None
    assert data["seconds"] >= 0.2
    assert 0 <= data["headroom"] <= data["cpus"]
    for level in data["levels"]:
        assert list(level) == ["where", "quota", "period", "throttling", "used", "some", "full"]


@linux
def test_the_command_itself_tells_how_late_it_wakes_up() -> None:
    ran = pressure("--seconds", "0.1")

    assert ran.returncode == 0
    (line,) = [line for line in ran.stdout.splitlines() if line.startswith("wake-ups")]
    assert line.startswith("wake-ups  late by ")
    assert "process  " not in ran.stdout  # the command's own threads are of no interest
    quota = [limit for limit in kumo.estimate().limits if limit.kind == "rate" and limit.cpus < inf]
    assert quota or ran.stdout.splitlines()[:2] == [
        "idle  kumo watched itself alone, and no quota of its cgroups hurts",
        "Name the process that you ask about: kumo pressure --pid N.",
    ]


def test_what_takes_longer_than_a_second_says_so() -> None:
    ran = pressure("--seconds", "1.1")

    assert (ran.returncode, ran.stderr) == (0, "kumo: watching for 1.1 s\n")


HAS = "it has --help, --json, --watch, --seconds, --pid"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        *(
            (
                ["--seconds", text],
                2,
                f"argument --seconds: '{text}' is not a number of seconds above 0 and "
                "at most 86400, such as 1.5",
            )
            for text in ("0", "nan", "x", "1e12", "inf", "86401")
        ),
        (
            ["--sec", "1"],
            2,
            f"--sec is not an option of kumo pressure (did you mean --seconds?): {HAS}",
        ),
        (["--machine", "x"], 2, f"--machine is not an option of kumo pressure: {HAS}"),
        (["--pid", "0"], 2, "argument --pid: '0' is not a process id, such as 1234"),
    ],
)
def test_wrong_arguments(arguments: list[str], code: int, message: str) -> None:
    ran = pressure(*arguments)

    assert (ran.returncode, ran.stdout) == (code, "")
    assert ran.stderr == f"kumo: {message} (see kumo pressure --help)\n"


@linux
def test_no_such_process() -> None:
    ran = pressure("--pid", "4194305")

    assert (ran.returncode, ran.stdout) == (3, "")
    assert ran.stderr == "kumo: --pid 4194305: no such process\n"


@linux
def test_a_process_that_ends_before_the_window_does(
    sleeping: subprocess.Popen[bytes],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def end(seconds: float, show: object) -> None:
        """Take the place of the window."""
        sleeping.kill()
        sleeping.wait()

    monkeypatch.setattr("kumo._pressure.pressure._wait", end)

    assert main(["pressure", "--pid", str(sleeping.pid), "--seconds", "600"]) == 3

    assert capsys.readouterr() == (
        "",
        f"kumo: watching for 600 s\nkumo: --pid {sleeping.pid}: the process has ended\n",
    )


@linux
def test_the_last_lines_are_folded_at_the_width(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.delenv("KUMO_AVAILABLE_PARALLELISM", raising=False)

    assert main(["pressure", "--seconds", "0.05"]) == 0

    facts = capsys.readouterr().out.rpartition("\n\n")[2].splitlines()
    assert facts[0].startswith("CPUs      ")
    assert facts[1].startswith(" " * 10)
    assert max(map(len, facts)) <= 40


@linux
def test_watching_ends_with_the_process(sleeping: subprocess.Popen[bytes]) -> None:
    with subprocess.Popen(
        [*COMMAND, "--pid", str(sleeping.pid), "--watch", "--seconds", "0.5"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as watching:
        assert watching.stdout is not None
        assert watching.stdout.readline() == (
            "idle  its threads used 0.00 CPUs, and hardly waited for more\n"
        )
        sleeping.kill()
        sleeping.wait()
        _, stderr = watching.communicate(timeout=TIMEOUT)

    assert (watching.returncode, stderr) == (0, "")


@pytest.mark.skipif(os.name == "nt", reason="a signal that Windows does not send")
def test_an_interrupt_ends_it_with_130() -> None:
    with subprocess.Popen(
        [*COMMAND, "--seconds", "600"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "kumo: watching for 600 s\n"
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=TIMEOUT)

    assert (process.returncode, stdout, stderr) == (130, "", "")


def test_help() -> None:
    ran = pressure("--help")

    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith(
        "usage: kumo pressure [-h] [--json] [--watch] [--seconds S] [--pid N]\n"
    )


# --- in Python


def test_this_process() -> None:
    before = threading.enumerate()

    seen = kumo.pressure(seconds=0.1)

    assert seen.seconds >= 0.1
    assert seen.lateness is not None
    assert 0 <= seen.lateness.p50 <= seen.lateness.p99 <= seen.lateness.max
    assert seen.estimate == kumo.estimate()
    assert threading.enumerate() == before


@pytest.mark.slow
@linux
def test_a_busy_thread_is_seen() -> None:
    begun = time.thread_time()
    ended = threading.Event()

    def spin() -> None:
        while not ended.is_set():
            pass

    worker = threading.Thread(target=spin)
    worker.start()
    try:
        seen = kumo.pressure(seconds=1)
    finally:
        ended.set()
        worker.join()

    assert seen.runnable is not None
    assert seen.runnable > 0.1
    assert seen.threads >= 1
    assert time.thread_time() - begun < 0.5  # the probe sleeps


@pytest.mark.slow
@linux
def test_a_descendant_is_seen() -> None:
    outer = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"
    inner = "print(flush=True)\nwhile True: pass"
    with subprocess.Popen(
        [sys.executable, "-c", outer, inner], stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            seen = kumo.pressure(pid=process.pid, seconds=1)
        finally:
            os.killpg(process.pid, signal.SIGKILL)

    assert seen.threads == 2
    assert seen.runnable is not None
    assert seen.runnable > 0.1  # a wait that has not ended is not told


def test_windows_that_follow_one_another() -> None:
    first = kumo.pressure(seconds=0.05)
    second = kumo.pressure(seconds=0.05, after=first)

    assert first.held is None
    assert second.steady.code in (first.steady.code, second.verdict.code)


def test_headroom() -> None:
    free = kumo.headroom(0.05)

    assert isinstance(free, float)
    assert 0 <= free <= kumo.estimate().cpus


@pytest.mark.parametrize("seconds", [0, -1.0, float("nan"), float("inf"), 86401, 1e30])
def test_seconds_that_cannot_be(seconds: float) -> None:
    message = f"^seconds must be above 0 and at most 86400, not {re.escape(repr(seconds))}$"
    with pytest.raises(ValueError, match=message):
        kumo.pressure(seconds=seconds)
    with pytest.raises(ValueError, match=message):
        kumo.headroom(seconds)


def test_a_process_that_does_not_exist() -> None:
    with pytest.raises(ProcessLookupError):
        kumo.pressure(pid=4194305)


def test_the_count_does_not_depend_on_it() -> None:
    program = "import sys, kumo; kumo.available_parallelism(); kumo.estimate(); print(*sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": SOURCE},
        capture_output=True,
        text=True,
        check=True,
    )

    assert not [name for name in ran.stdout.split() if name.startswith("kumo._pressure")]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="it has no such terminals")
def test_on_a_terminal_it_shows_how_far_it_is() -> None:
    master, slave = os.openpty()
    ran = subprocess.run(
        [sys.executable, "-m", "kumo", "pressure", "--seconds", "1.1", "--pid", str(os.getpid())],
        stdout=subprocess.PIPE,
        stderr=slave,
        check=False,
        timeout=60,
    )
    os.close(slave)
    shown = os.read(master, 4096).decode()
    os.close(master)

    assert (ran.returncode, ran.stdout.count(b"\n") > 3) == (0, True)
    assert "watching: 0 of 1.1 s" in shown
    assert "watching: 1 of 1.1 s" in shown
    assert shown.endswith("\r\x1b[K")  # the line is gone
