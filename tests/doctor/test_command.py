"""The command, as it is run: what it prints where, its exit code, and how it is interrupted."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from bare import MEASURED, PLAIN, SOURCE
from conftest import skip_real

from doctor.programs import TIMEOUT, wait_until_asleep, wait_until_gone, write
from kumo._command.doctor_report import ProcessReport
from kumo._doctor.checkup import check

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes as Linux shows them")
COMMAND = [*PLAIN, "doctor"]


def environment(directory: Path, **variables: str) -> dict[str, str]:
    return {**MEASURED, "PATH": str(directory), "LC_ALL": "C.UTF-8", **variables}


def doctor(directory: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        env=environment(directory, **variables),
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT,
    )


@contextlib.contextmanager
def started(program: str, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """A Python that runs *program*, which tells when it is ready."""
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", program],
        env={"LC_ALL": "C", **variables},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        wait_until_asleep(process.pid)
        yield process
        process.kill()


WAITING = "print(flush=True); input()"
PIN = "import os; os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])"
# Four threads that compute without Python's lock.
BUSY = """\
import hashlib, threading
def work():
    while True: hashlib.pbkdf2_hmac("sha256", b"", b"", 1_000_000)
for number in range(4): threading.Thread(target=work, daemon=True).start()
print(flush=True)
input()
"""


@pytest.fixture
def sleeping() -> Iterator[subprocess.Popen[bytes]]:
    """A process that waits, with variables that ask for much."""
    with started(WAITING, GOMAXPROCS="4096", UV_THREADPOOL_SIZE="64") as process:
        yield process


def test_more_than_the_count_is_exit_code_1(tmp_path: Path) -> None:
    write(tmp_path, "nproc", "echo 1000")

    ran = doctor(tmp_path, KUMO_AVAILABLE_PARALLELISM="999")

    assert (ran.returncode, ran.stderr) == (1, "")
    assert ran.stdout.startswith("999  (override 999 at $KUMO_AVAILABLE_PARALLELISM)\n\n")
    assert ran.stdout.endswith("\noversubscribed: 1 of those asked would use more than 999\n")


def test_no_more_than_the_count_is_exit_code_0(tmp_path: Path) -> None:
    write(tmp_path, "nproc", "echo 999")

    ran = doctor(tmp_path, "--json", KUMO_AVAILABLE_PARALLELISM="999")

    assert (ran.returncode, ran.stderr, ran.stdout.count("\n")) == (0, "", 1)
    data = json.loads(ran.stdout)
    verdicts = [(row["runtime"], row["verdict"]) for row in data["runtimes"]]
    assert verdicts[:2] == [("nproc", "right"), ("Python", "under")]
    assert "ray" in data["missing"]


@pytest.mark.skipif(sys.version_info < (3, 13), reason="PYTHON_CPU_COUNT is of Python 3.13")
def test_the_advice_about_a_variable_that_is_set_helps(tmp_path: Path) -> None:
    def python(*prefix: str, **variables: str) -> tuple[int, list[tuple[str, str | None]]]:
        """The count, and the verdicts and advice about what this Python's functions say."""
        ran = subprocess.run(
            [*prefix, *COMMAND, "--json"],
            env=environment(tmp_path, **variables),
            capture_output=True,
            check=False,
            timeout=TIMEOUT,
        )
        data = json.loads(ran.stdout)
        rows = [row for row in data["runtimes"] if row["asked"].endswith("cpu_count()")]
        return data["parallelism"], [(row["verdict"], row["mend"]) for row in rows]

    count, belief = python(PYTHON_CPU_COUNT="4096")
    mend = f"unset PYTHON_CPU_COUNT and kumo run -- CMD, or PYTHON_CPU_COUNT={count}"

    assert belief == [("over", mend)] * 2
    assert python(PYTHON_CPU_COUNT=str(count)) == (count, [("right", None)] * 2)
    assert python(*COMMAND[:-1], "run", "--") == (count, [("right", None)] * 2)


def test_a_failing_runtime_leaves_the_exit_code_to_the_others(tmp_path: Path) -> None:
    write(tmp_path, "nproc", "exit 3")

    ran = doctor(tmp_path, KUMO_AVAILABLE_PARALLELISM="999")

    assert ran.returncode == 0
    assert f"no answer from nproc ({tmp_path}/nproc): nothing was printed (exit code 3)" in (
        ran.stdout
    )


HAS = "it has --help, --json, --pid, --all (see kumo doctor --help)"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--bogus"], 2, f"--bogus is not an option of kumo doctor: {HAS}"),
        (["--js"], 2, f"--js is not an option of kumo doctor (did you mean --json?): {HAS}"),
        (["7"], 2, "'7' is one word too many for kumo doctor (see kumo doctor --help)"),
        (
            ["--pid", "x"],
            2,
            "argument --pid: 'x' is not a process id, such as 1234 (see kumo doctor --help)",
        ),
        (["--pid", "4194305"], 3, "--pid 4194305: no such process"),
    ],
)
def test_wrong_arguments(tmp_path: Path, arguments: list[str], code: int, message: str) -> None:
    ran = doctor(tmp_path, *arguments)

    assert (ran.returncode, ran.stdout, ran.stderr) == (code, "", f"kumo: {message}\n")


def test_a_malformed_override(tmp_path: Path) -> None:
    ran = doctor(tmp_path, KUMO_AVAILABLE_PARALLELISM="many")

    assert (ran.returncode, ran.stdout) == (3, "")
    assert ran.stderr.startswith("kumo: KUMO_AVAILABLE_PARALLELISM='many' is not a positive")


def test_help(tmp_path: Path) -> None:
    ran = doctor(tmp_path, "--help")

    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("usage: kumo doctor [-h] [--json] [--pid N | --all]\n")


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_ends_those_who_are_asked(tmp_path: Path, name: str) -> None:
    number = signal.Signals[name]
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    body = f"/bin/sleep 600 & echo $$ $! > {tmp_path}/now; mv {tmp_path}/now {tmp_path}/pids; wait"
    write(tmp_path, "nproc", f"PATH=/bin:/usr/bin; {body}")
    with subprocess.Popen(
        COMMAND,
        env=environment(tmp_path, TMPDIR=str(temporary)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        deadline = time.monotonic() + TIMEOUT
        while not (tmp_path / "pids").exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(number)
        printed = process.communicate(timeout=TIMEOUT)

    code = 130 if name == "SIGINT" else -number
    assert (process.returncode, printed[1]) == (code, b"")
    assert printed[0].endswith(b"\nbelieves  verdict     asked\n"), "a row was printed"
    assert list(temporary.iterdir()) == []
    wait_until_gone(tmp_path / "pids")


def test_an_ignored_signal_stays_ignored(tmp_path: Path) -> None:
    body = f"echo > {tmp_path}/asked; until [ -e {tmp_path}/go ]; do sleep 0.05; done; echo 1"
    write(tmp_path, "nproc", f"PATH=/bin:/usr/bin; {body}")
    nohup = ["/bin/sh", "-c", "trap '' HUP; exec \"$@\"", "sh"]
    with subprocess.Popen(
        [*nohup, *COMMAND, "--json"], env=environment(tmp_path), stdout=subprocess.PIPE
    ) as process:
        deadline = time.monotonic() + TIMEOUT
        while not (tmp_path / "asked").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGHUP)
        (tmp_path / "go").touch()
        printed, _ = process.communicate(timeout=TIMEOUT)

    assert json.loads(printed)["unanswered"] == []


def test_progress_is_told_on_a_terminal_and_wiped(tmp_path: Path) -> None:
    import pty

    write(tmp_path, "nproc", "echo 1")
    reading, writing = pty.openpty()
    ran = subprocess.run(
        COMMAND,
        env=environment(tmp_path),
        stdout=subprocess.DEVNULL,
        stderr=writing,
        check=False,
        timeout=TIMEOUT,
    )
    os.close(writing)
    told = os.read(reading, 10_000)
    os.close(reading)

    assert ran.returncode in (0, 1)
    assert told.startswith(b"\r\x1b[Kasking ")
    assert b"\r\x1b[Kasking nproc (1 of 2)" in told  # the threads begin in any order
    assert told.endswith(b"\r\x1b[K")


def test_a_reader_that_has_gone(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    ran = subprocess.run(
        COMMAND,
        env=environment(tmp_path),
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
        timeout=TIMEOUT,
    )
    os.close(writing)

    assert (ran.returncode, ran.stderr) == (141, b"")


# --- a process


def test_a_process(tmp_path: Path, sleeping: subprocess.Popen[bytes]) -> None:
    ran = doctor(tmp_path, "--pid", str(sleeping.pid), "--json")

    data = json.loads(ran.stdout)
    assert (ran.returncode, ran.stderr) == (1, "")
    assert data["pid"] == sleeping.pid
    assert [(t["number"], t["runnable"]) for t in data["threads"]] == [(1, 0.0)]
    settings = {setting["name"]: setting["verdict"] for setting in data["settings"]}
    assert settings == {"GOMAXPROCS": "over", "UV_THREADPOOL_SIZE": "other"}
    assert data["window"] >= 1.0


@pytest.mark.slow
def test_a_process_whose_caps_are_harmless(tmp_path: Path) -> None:
    with started(
        f"{PIN}; {WAITING}", LOKY_MAX_CPU_COUNT="4096", OPENBLAS_NUM_THREADS="4096"
    ) as process:
        ran = doctor(tmp_path, "--pid", str(process.pid), "--json")

    settings = {s["name"]: s["verdict"] for s in json.loads(ran.stdout)["settings"]}
    assert settings == {"LOKY_MAX_CPU_COUNT": "within", "OPENBLAS_NUM_THREADS": "within"}
    assert ran.returncode == 0


@pytest.mark.slow
def test_threads_that_share_one_cpu(tmp_path: Path) -> None:
    with started(f"{PIN}\n{BUSY}") as process:
        ran = doctor(tmp_path, "--pid", str(process.pid), "--json")

    data = json.loads(ran.stdout)
    assert data["parallelism"] == 1
    assert sum(family["runnable"] for family in data["threads"]) > 3
    assert (data["oversubscribed"], ran.returncode) == (True, 1)


# Three children that compute while their parent sleeps, as under a web server's master.
MASTER = """\
parent = os.getpid()
for number in range(3):
    if os.fork() == 0:
        while os.getppid() == parent: pass
        os._exit(0)
"""


@pytest.mark.slow
def test_the_processes_below_count_too(tmp_path: Path) -> None:
    with started(f"{PIN}\n{MASTER}{WAITING}") as process:
        ran = doctor(tmp_path, "--pid", str(process.pid), "--json")

    data = json.loads(ran.stdout)
    assert (data["parallelism"], data["descendants"]) == (1, 3)
    assert sum(family["number"] for family in data["threads"]) == 4
    assert sum(family["runnable"] for family in data["threads"]) > 2
    assert (data["oversubscribed"], ran.returncode) == (True, 1)


def test_a_process_that_ends_meanwhile(sleeping: subprocess.Popen[bytes]) -> None:
    def end() -> None:
        sleeping.kill()
        sleeping.wait()

    checkup = check(sleeping.pid, window=600, looked=end)

    (remark,) = ProcessReport(checkup).data()["remarks"]
    assert re.fullmatch(r"the process ended after [\d.]+ s", remark)


@pytest.mark.slow
def test_a_process_of_another_user(tmp_path: Path, sleeping: subprocess.Popen[bytes]) -> None:
    if os.geteuid() != 0:
        skip_real("becoming another user needs root")

    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-c", AS_NOBODY, SOURCE, str(sleeping.pid)],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT,
    )

    assert (ran.returncode, ran.stderr) == (0, "")
    assert "\nits environment could not be read (EACCES)\n" in ran.stdout
    assert ran.stdout.endswith("\nnot oversubscribed, as seen for 1.0 s\n")


# Root goes before, so that all is loaded where the user can read neither Python nor kumo.
AS_NOBODY = """\
import io, os, sys
sys.path.insert(0, sys.argv[1])
from kumo._command.main import main
sys.stdout, shown = io.StringIO(), sys.stdout
main(["doctor", "--pid", sys.argv[2]])
sys.stdout = shown
os.setgid(65534)
os.setuid(65534)
sys.exit(main(["doctor", "--pid", sys.argv[2]]))
"""
