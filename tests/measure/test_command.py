"""The command and the call on this machine: what they say, and that nothing is left of them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import kumo
from kumo._measure import probe

COMMAND = [sys.executable, "-m", "kumo", "measure"]
TIMEOUT = 60
linux = pytest.mark.skipif(sys.platform != "linux", reason="processes as Linux shows them")


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT,
    )


def workers_of(pid: int) -> list[int]:
    """The workers of process *pid* that have not ended."""
    pids = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_text().split("\0")
        except OSError:
            continue
        if str(probe.WORKER) in words and str(pid) in words:
            pids.append(int(process.name))
    return pids


def eventually(holds: Callable[[], object]) -> bool:
    deadline = time.monotonic() + TIMEOUT
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


# --- what it says


def test_json() -> None:
    ran = run("--json", "--seconds", "0.5", KUMO_AVAILABLE_PARALLELISM="77")

    measurement = json.loads(ran.stdout)
    limits = [each for each in kumo.estimate().limits if each.kind != "override"]
    assert (ran.returncode, ran.stdout.count("\n")) == (0, 1)
    assert measurement["schema"] == 1
    assert measurement["allowed"] == min(limit.cpus for limit in limits)
    assert 0 < measurement["cpus"] <= measurement["allowed"]
    assert isinstance(measurement["hidden"], bool)
    assert measurement["period_ms"] is None or measurement["period_ms"] > 0
    assert 0.5 <= measurement["seconds"] < TIMEOUT
    assert measurement["workers"] == -(-measurement["allowed"] // 1)


@pytest.mark.slow
def test_it_says_what_it_costs_and_then_the_result() -> None:
    ran = run("--seconds", "0.5")

    assert re.fullmatch(
        r"kumo: spins on \d+ CPUs? for 0\.5 s: up to [\d.]+ s of CPU time, which may spend burst "
        r"credits\n",
        ran.stderr,
    )
    first, blank, *rows = ran.stdout.splitlines()
    assert re.match(r"\d+\.\d\d of \d+\.\d\d CPUs: ", first)
    assert blank == ""
    assert {row.split()[0] for row in rows} <= {"period", "stopped", "contention", "steal"}


@pytest.mark.slow
def test_the_cost_is_said_before_anything_is_spent() -> None:
    with subprocess.Popen(
        [*COMMAND, "--seconds", "60"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        said = process.stderr.readline()
        process.send_signal(signal.SIGINT if sys.platform != "win32" else signal.SIGTERM)
        process.wait(TIMEOUT)

    assert said.startswith("kumo: spins on ")


def chunks(terminal: int) -> Iterator[bytes]:
    """What is shown, until nobody has the other end open: EIO on Linux."""
    with contextlib.suppress(OSError):
        while chunk := os.read(terminal, 65536):
            yield chunk


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals")
def test_on_a_terminal_it_shows_the_progress() -> None:
    ours, theirs = os.openpty()
    with subprocess.Popen(
        [*COMMAND, "--seconds", "0.5", "--json"], stdout=subprocess.PIPE, stderr=theirs
    ) as process:
        os.close(theirs)
        shown = b"".join(chunks(ours)).decode()
        process.communicate(timeout=TIMEOUT)
    os.close(ours)

    assert re.search(r"measuring: \d+%", shown)
    assert shown.endswith("\r\x1b[K")


NO_SECONDS = "argument --seconds: {} is not a number of seconds from 0.5 to 60, such as 2"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seconds", "0.4"], NO_SECONDS.format("'0.4'")),
        (["--seconds", "61"], NO_SECONDS.format("'61'")),
        (["--seconds", "nan"], NO_SECONDS.format("'nan'")),
        (["--seconds", "two"], NO_SECONDS.format("'two'")),
        (["--json", "--write"], "argument --write: not allowed with argument --json"),
        (["2"], "'2' is one word too many for kumo measure"),
    ],
)
def test_wrong_options(arguments: list[str], message: str) -> None:
    ran = run(*arguments)

    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == f"kumo: {message} (see kumo measure --help)\n"


def test_a_wrong_override() -> None:
    ran = run(KUMO_AVAILABLE_PARALLELISM="many")

    assert (ran.returncode, ran.stdout) == (3, "")
    assert ran.stderr == (
        "kumo: KUMO_AVAILABLE_PARALLELISM='many' is not a positive decimal integer, such as 4\n"
    )


@pytest.mark.parametrize("seconds", [0.49, 60.1, float("nan"), -1])
def test_the_time_is_bounded(seconds: float) -> None:
    with pytest.raises(ValueError, match=r"seconds must be from 0\.5 to 60, not "):
        kumo.measure(seconds)


# --- nothing is left


@linux
def test_nothing_is_left_or_pinned() -> None:
    mask, threads, files = os.sched_getaffinity(0), threading.active_count(), open_files()
    processes = children()

    measurement = kumo.measure(seconds=0.5)

    assert measurement.workers >= 1
    assert workers_of(os.getpid()) == []
    assert (os.sched_getaffinity(0), threading.active_count()) == (mask, threads)
    assert open_files() == files
    assert children() == processes


def children() -> set[str]:
    """The processes that this one has started, those among them that have ended unwaited for."""
    pids = set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "stat").read_text().rpartition(")")[2].split()[1] == str(os.getpid()):
                pids.add(process.name)
    return pids


def open_files() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


@pytest.mark.slow
@linux
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_interrupted(ending: signal.Signals) -> None:
    with subprocess.Popen(
        [*COMMAND, "--seconds", "60"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert eventually(lambda: workers_of(process.pid))
        workers = workers_of(process.pid)
        assert eventually(lambda: all(spins(worker) for worker in workers))
        process.send_signal(ending)
        out, error = process.communicate(timeout=TIMEOUT)

    assert process.returncode == (130 if ending == signal.SIGINT else -ending)
    assert (out, error.count("\n")) == ("", 1)
    assert eventually(lambda: not workers_of(process.pid))


def spins(pid: int) -> bool:
    """Whether the process has used CPU time as no start of an interpreter does."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) / os.sysconf("SC_CLK_TCK") > 0.1


@pytest.mark.slow
@linux
def test_an_interrupt_from_the_terminal_reaches_the_workers_too() -> None:
    with subprocess.Popen(
        [*COMMAND, "--seconds", "60"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert eventually(lambda: workers_of(process.pid))
        assert eventually(lambda: all(spins(worker) for worker in workers_of(process.pid)))
        os.killpg(process.pid, signal.SIGINT)
        out, error = process.communicate(timeout=TIMEOUT)

    assert (process.returncode, out, error.count("\n")) == (130, "", 1)
    assert eventually(lambda: not workers_of(process.pid))


@linux
def test_a_worker_whose_parent_has_ended_ends() -> None:
    """It is told another's id than its parent's, and so stops at the first look."""
    window = f"{time.monotonic_ns()} {time.monotonic_ns() + 60_000_000_000}\n"

    ran = subprocess.run(
        [sys.executable, str(probe.WORKER), "1"],
        input=window,
        capture_output=True,
        text=True,
        check=True,
        timeout=TIMEOUT,
    )

    assert ran.stdout.splitlines()[0] == "ready"
    assert ran.stdout.splitlines()[-1].startswith("end ")


@linux
def test_a_worker_that_may_not_set_its_affinity_keeps_the_one_it_has() -> None:
    """A sandbox may refuse the call, as the kernel does where none of the CPUs exists."""
    ran = subprocess.run(
        [sys.executable, str(probe.WORKER), "1", "99999"],
        input=f"{time.monotonic_ns()} {time.monotonic_ns() + 1_000_000}",
        capture_output=True,
        text=True,
        check=True,
        timeout=TIMEOUT,
    )

    assert ran.stdout.startswith("ready\n")


@pytest.mark.slow
@linux
def test_a_worker_costs_one_descriptor() -> None:
    """So that a thousand CPUs can be measured where 1024 descriptors may be open."""
    program = (
        "import resource; from kumo._measure.probe import probe\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (48, 48))\n"
        "print(len(probe(32, [], [], 0.5, lambda part: None)[0]))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT,
    )

    assert (ran.stdout, ran.stderr) == ("32\n", "")


# --- what can fail


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("raise OSError('no memory')", "a worker failed: OSError: no memory"),
        (
            "import os; print('ready', flush=True); os.read(0, 64); raise OSError('!')",
            "a worker failed: OSError: !",
        ),
        ("import os; print('ready', flush=True); os._exit(1)", "a worker failed: it was ended"),
        ("print('no loader'); print('ready'); print('lost')", "a worker failed: lost"),
        (
            "import os; print('ready', flush=True); os.read(0, 64); print('1 2 3')",
            "a worker failed: it was ended",
        ),
    ],
)
def test_a_failing_worker(
    program: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = tmp_path / "worker.py"
    worker.write_text(program)
    monkeypatch.setattr(probe, "WORKER", worker)

    with pytest.raises(RuntimeError, match=re.escape(message)):
        kumo.measure(seconds=0.5)


def test_no_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "")
    with pytest.raises(RuntimeError, match="there is no Python interpreter here"):
        kumo.measure(seconds=0.5)

    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    with pytest.raises(RuntimeError, match="a worker cannot be started: No such file"):
        kumo.measure(seconds=0.5)
