"""The command ``kumo watch``: its lines, its program to run, its ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import skip_real
from real.conftest import MakeGroup, make_group  # noqa: F401 - a fixture
from real.host import (
    CGROUP_NAMESPACE,
    TIMEOUT,
    Group,
    environment,
    in_groups,
    kumo,
    needs_two_cpus,
    run,
)

from kumo._command import notify
from kumo._errors import InputError
from kumo._system.process import start_time
from kumo._watch import change
from kumo._watch.bell import Bell

Start = Callable[..., "subprocess.Popen[str]"]
NO_INTERVAL = (
    "argument --interval: {} is not a number of seconds above 0 and at most "
    f"{int(threading.TIMEOUT_MAX)}, such as 0.5"
)
TOLD = (
    "import os; print(*(os.environ['KUMO_' + n] for n in ('OLD_PARALLELISM', 'NEW_PARALLELISM',"
    " 'OLD_CPUS', 'NEW_CPUS', 'CHANGE')), os.environ.get('KUMO_AVAILABLE_PARALLELISM'), sep='|')"
)


@pytest.fixture
def start() -> Iterator[Start]:
    """Start ``kumo watch`` in cgroups; it is ended in any case."""
    started: list[subprocess.Popen[str]] = []

    def begin(
        *arguments: str, groups: tuple[Group, ...] = (), **variables: str
    ) -> subprocess.Popen[str]:
        command = in_groups(groups, kumo("watch", *arguments))
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment() | variables,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def error_line(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    return process.stderr.readline()


def interrupt(process: subprocess.Popen[str]) -> tuple[int, str]:
    process.send_signal(signal.SIGINT)
    return process.wait(TIMEOUT), process.stderr.read() if process.stderr else ""


@pytest.mark.real
def test_it_prints_a_line_for_each_change_of_a_quota(
    make_group: MakeGroup,  # noqa: F811 - the fixture
    start: Start,
) -> None:
    group = make_group(cpus=1.75)
    process = start("--settle", "0.05", groups=(group,))
    where = f"at {group.path}/cpu.cfs_quota_us\n"

    assert line(process) == f"1  quota 1.75 {where}"
    group.limit(0.5)
    assert line(process) == f"1  quota 1.75 -> 0.50 {where}"
    group.limit(1.5)
    assert line(process) == f"1  quota 0.50 -> 1.50 {where}"
    assert interrupt(process) == (130, "")


@pytest.mark.real
def test_a_path_that_cannot_be_printed_is_escaped(
    make_group: MakeGroup,  # noqa: F811 - the fixture
    start: Start,
) -> None:
    group = make_group(cpus=1.5, name="\xe9")
    process = start(groups=(group,), PYTHONIOENCODING="ascii")
    where = f"{group.path}/cpu.cfs_quota_us".replace("\xe9", r"\xe9")

    assert line(process) == f"1  quota 1.50 at {where}\n"
    assert interrupt(process) == (130, "")


@pytest.mark.real
def test_json_is_the_object_of_the_estimate_and_the_change(
    make_group: MakeGroup,  # noqa: F811 - the fixture
    start: Start,
) -> None:
    group = make_group(cpus=1.5)
    process = start("--json", "--settle", "0", groups=(group,))
    first = json.loads(line(process))
    group.limit(0.5)
    second = json.loads(line(process))

    where = f"{group.path}/cpu.cfs_quota_us"
    assert first.pop("change") is None
    group.limit(1.5)
    assert first == json.loads(run([group], *kumo("--json")))
    assert (second["schema"], second["cpus"]) == (1, 0.5)
    assert second["change"] == f"quota 1.50 -> 0.50 at {where}"


@pytest.mark.real
def test_a_command_is_run_at_each_change(
    make_group: MakeGroup,  # noqa: F811 - the fixture
    start: Start,
) -> None:
    group = make_group(cpus=1.5)
    process = start("--exec", sys.executable, "-c", f"{TOLD}; raise SystemExit(7)", groups=(group,))
    line(process)
    group.limit(0.5)
    change = line(process).partition("  ")[2].strip()

    assert line(process) == f"1|1|1.5|0.5|{change}|None\n"
    code, stderr = interrupt(process)
    assert code == 130
    assert stderr in (f"kumo: --exec {sys.executable} ended with exit code 7\n", "")


@pytest.mark.parametrize(
    ("words", "ran"),
    [
        (["--exec", "{}", "log", "--", "file"], "log -- file"),
        (["--exec", "--", "{}", "--", "--json"], "-- --json"),
        (["--exec={}", "--exec", "-h"], "--exec -h"),
    ],
)
def test_all_that_follows_is_the_commands(
    start: Start, tmp_path: Path, words: list[str], ran: str
) -> None:
    cpus = needs_two_cpus()
    process = start("--interval", "0.02", *(word.format(echo(tmp_path)) for word in words))
    line(process)
    os.sched_setaffinity(process.pid, cpus[:1])
    line(process)

    assert line(process) == f"{ran}\n"
    assert interrupt(process) == (130, "")


def echo(directory: Path, then: str = "") -> str:
    script = directory / "echo.sh"
    script.write_text(f'#!/bin/sh\necho "$@"\n{then}\n')
    script.chmod(0o755)
    return str(script)


def test_how_a_command_ends_is_reported_and_the_watch_goes_on(start: Start, tmp_path: Path) -> None:
    cpus = needs_two_cpus()
    script = echo(tmp_path, "kill -KILL $$")
    process = start("--interval", "0.02", "--settle", "0", "--exec", script, "ran")
    line(process)
    os.sched_setaffinity(process.pid, cpus[:1])
    line(process)
    assert line(process) == "ran\n"
    assert error_line(process) == f"kumo: --exec {script} was ended by SIGKILL\n"
    os.unlink(script)
    os.sched_setaffinity(process.pid, cpus[:2])
    line(process)
    gone = f"kumo: --exec {script} could not be run: No such file or directory\n"
    assert error_line(process) == gone
    os.sched_setaffinity(process.pid, cpus[:1])
    assert line(process).startswith("1  ")


def test_a_closed_stdout_is_an_error() -> None:
    command = ["sh", "-c", 'exec "$@" >&-', "sh", *kumo("watch")]
    ran = subprocess.run(
        command, stderr=subprocess.PIPE, text=True, timeout=TIMEOUT, check=False, env=environment()
    )

    assert (ran.returncode, ran.stderr) == (3, "kumo: cannot write the output: stdout is closed\n")


def test_it_watches_another_process_to_its_end(start: Start) -> None:
    cpus = needs_two_cpus()
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        os.sched_setaffinity(other.pid, cpus[:2])
        process = start("--pid", str(other.pid), "--interval", "0.02")
        assert line(process).startswith("2  ")
        os.sched_setaffinity(other.pid, cpus[:1])
        assert line(process).endswith(" -> affinity 1 at sched_getaffinity\n")
    finally:
        other.communicate(b"\n", TIMEOUT)

    assert process.communicate(timeout=TIMEOUT) == ("", "")
    assert process.returncode == 0


def test_a_reader_that_has_gone_ends_it(start: Start) -> None:
    cpus = needs_two_cpus()
    process = start("--interval", "0.02")
    line(process)
    assert process.stdout is not None
    process.stdout.close()
    os.sched_setaffinity(process.pid, cpus[:1])

    assert process.wait(TIMEOUT) == 141
    process.stdout = None


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            ["--interval", "1e300"],
            2,
            NO_INTERVAL.format("'1e300'"),
        ),
        (["--interval", "0"], 2, NO_INTERVAL.format("'0'")),
        (["--interval", "x"], 2, NO_INTERVAL.format("'x'")),
        (
            ["--settle", "-1"],
            2,
            "argument --settle: '-1' is not a number of seconds of 0 or more, such as 1.5",
        ),
        (["--exec"], 2, "--exec needs a command after it"),
        (["--exec="], 2, "--exec needs a command after it"),
        (["--exec", "--"], 2, "--exec needs a command after it"),
        (["--exec=/no/such", "x"], 3, "--exec /no/such: no such program that can be run"),
        (["--exec", "--", "/no/such"], 3, "--exec /no/such: no such program that can be run"),
        (["--pid", "x"], 2, "argument --pid: 'x' is not a process id, such as 1234"),
        (["--exec", ""], 3, "--exec '': no such program that can be run"),
        (["--exec", "/no/such"], 3, "--exec /no/such: no such program that can be run"),
        (["--signal", "HUP"], 2, "--signal needs --pid N, the process to send it to"),
        (["--signal", "x"], 2, "argument --signal: 'x' is not a signal, such as HUP or USR1"),
        (["--pid", "4194304"], 3, "--pid 4194304: no such process"),
    ],
)
def test_wrong_options(start: Start, arguments: list[str], code: int, message: str) -> None:
    process = start(*arguments)
    stdout, stderr = process.communicate(timeout=TIMEOUT)

    hint = " (see kumo watch --help)" if code == 2 else ""
    assert (process.returncode, stdout, stderr) == (code, "", f"kumo: {message}{hint}\n")


SIGNALLED = """
import signal, sys, time
got = []
signal.signal(signal.SIGUSR1, lambda *_: got.append(1))
print("ready", flush=True)
while not got: time.sleep(0.01)
print("got it", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def target() -> Iterator[subprocess.Popen[str]]:
    """A process that waits for SIGUSR1."""
    with subprocess.Popen(
        [sys.executable, "-c", SIGNALLED], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert line(process) == "ready\n"
        yield process
        process.kill()


@pytest.mark.parametrize("name", ["USR1", "sigusr1", str(int(signal.SIGUSR1))])
def test_a_process_is_sent_a_signal_at_a_change(
    start: Start, target: subprocess.Popen[str], name: str
) -> None:
    """After the command has run; and the watch ends with the process."""
    cpus = needs_two_cpus()
    pid = str(target.pid)
    watching = start("--pid", pid, "--interval", "0.02", "--signal", name, "--exec", "echo", "ran")
    line(watching)
    os.sched_setaffinity(target.pid, cpus[:1])
    assert line(watching).startswith("1  ")
    assert line(watching) == "ran\n"
    assert line(target) == "got it\n"
    target.communicate("")
    assert watching.wait(TIMEOUT) == 0


@pytest.mark.real
def test_a_process_in_other_namespaces_is_notified_by_events_alone(
    make_group: MakeGroup,  # noqa: F811 - the fixture
    start: Start,
) -> None:
    """As a sidecar watches: the process has its own mounts, and its cgroup is that view's root."""
    group = make_group(cpus=1.5)
    inside = 'mount -t cgroup -o cpu none /mnt && mount --bind /mnt "$0" && exec "$@"'
    point = str(group.path.parent)
    command = [*CGROUP_NAMESPACE, "sh", "-c", inside, point, sys.executable, "-c", SIGNALLED]
    with subprocess.Popen(
        in_groups([group], command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert line(process) == "ready\n"
            with_events = Bell(process.pid)
            interval = "10000" if with_events.how == "events" else "0.1"
            with_events.close()
            pid = str(process.pid)
            watching = start("--pid", pid, "--interval", interval, "--signal", "USR1")
            assert line(watching).startswith("1  quota 1.50 ")
            group.limit(0.5)
            assert line(process) == "got it\n"
        finally:
            process.kill()
        assert watching.wait(TIMEOUT) == 0


def test_a_signal_is_for_the_process_and_not_for_its_number(
    monkeypatch: pytest.MonkeyPatch, target: subprocess.Popen[str]
) -> None:
    """Without a descriptor of the process, by the time at which it was started."""
    monkeypatch.delattr(os, "pidfd_open")
    aim = notify.Target(target.pid, signal.SIGUSR1)
    with monkeypatch.context() as patch:
        patch.setattr(notify, "start_time", lambda pid: "another time")
        aim.notify()
        with pytest.raises(ProcessLookupError):
            aim._send(signal.SIGUSR1)
    aim.notify()
    assert line(target) == "got it\n"


def test_without_the_right_to_signal_it_ends_at_once(target: subprocess.Popen[str]) -> None:
    pid = os.fork()
    if pid == 0:
        if os.geteuid() != 0:
            os._exit(3)
        os.setuid(65534)
        try:
            notify.Target(target.pid, signal.SIGUSR1)
        except InputError as error:
            os._exit("no right to send" not in str(error))
        os._exit(2)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code == 3:
        skip_real("this user cannot become another one")
    assert code == 0


@pytest.mark.parametrize(
    ("text", "number"),
    [("HUP", 1), ("sigterm", 15), ("9", 9), ("RTMIN+1", int(signal.SIGRTMIN) + 1)],
)
def test_names_of_signals(text: str, number: int) -> None:
    assert notify.parse_signal(text) == number


@pytest.mark.parametrize("text", ["", "SIG", "0x1", "-1", "999", "HUP+1", "RTMIN+99", "NAME"])
def test_what_is_no_signal(text: str) -> None:
    with pytest.raises(ValueError, match="is not a signal, such as HUP"):
        notify.parse_signal(text)


STRANGER = """
import os, signal, sys
pid, ready = int(sys.argv[1]), False
os.kill(pid, signal.SIGKILL)
for _ in range(1000):
    while os.path.exists(f"/proc/{pid}"):
        pass
    with open("/proc/sys/kernel/ns_last_pid", "w") as file:
        file.write(str(pid - 1))
    child = os.fork()
    if child == 0:
        if os.getpid() == pid:
            print("here", flush=True)
            signal.pause()
        os._exit(0)
    if child == pid:
        break
    os.waitpid(child, 0)
os.waitpid(child, 0)
"""


@pytest.mark.real
def test_it_ends_if_the_number_is_given_to_another_process(start: Start) -> None:
    needs_two_cpus()
    if not os.access("/proc/sys/kernel/ns_last_pid", os.W_OK):
        skip_real("the next process number cannot be chosen here")
    with subprocess.Popen(["sleep", "1000"]) as sleeper:
        process = start("--pid", str(sleeper.pid), "--interval", "0.5")
        line(process)
        reaper = threading.Thread(target=sleeper.wait)
        reaper.start()
        command = [sys.executable, "-c", STRANGER, str(sleeper.pid)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as stranger:
            assert stranger.stdout is not None
            assert stranger.stdout.readline() == "here\n"
            try:
                assert process.wait(TIMEOUT) == 0
                assert process.communicate() == ("", "")
            finally:
                os.kill(sleeper.pid, signal.SIGKILL)
        reaper.join()


def test_another_process_of_the_same_number_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    read = change.ProcessReadings(os.getpid())
    assert read().parallelism >= 1
    monkeypatch.setattr(change, "start_time", lambda pid: "another time")
    with pytest.raises(ProcessLookupError):
        read()


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_the_time_at_which_a_process_was_started() -> None:
    """It is there for a name with spaces and brackets in it too, and not for no process."""
    script = (
        "import ctypes, os; ctypes.CDLL(None).prctl(15, b') S 1 (x'); print(flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as odd:
        assert odd.stdout is not None
        odd.stdout.readline()
        started = start_time(odd.pid)
        assert started is not None
        assert started >= (start_time(os.getpid()) or 0)
        odd.communicate("\n")
    assert start_time(2**22 + 1) is None
