"""Truths to be measured: quotas that the kernel holds to and that no file tells the measurer of."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kernel_boot
from real.host import PERIOD, Group, environment, needs

missing = kernel_boot.missing
SHARES = 262_144  # the most there are: other programs of this machine hardly take part
TIMEOUT = 60
HIDING = """
echo $$ > "$1/cgroup.procs" && shift && exec unshare -C -m sh -c '
umount --lazy "$1" && mount -t cgroup -o "$2" cgroup "$1" && shift 2 && exec "$@"' sh "$@"
"""


class Outer(Group):
    """A cgroup with a quota, and one below it, ``inner``, that has none."""

    @property
    def inner(self) -> Path:
        return self.path / "inner"

    def hidden(self, command: list[str]) -> list[str]:
        """The command line that runs *command* in ``inner``, for it the hierarchy's root."""
        point, controllers = needs("cpu")
        return ["sh", "-c", HIDING, "sh", str(self.inner), str(point), controllers, *command]


@contextlib.contextmanager
def outer(cpus: float | None = None, period: int = PERIOD) -> Iterator[Outer]:
    """Make the two cgroups, the outer one with a quota of *cpus*; end what runs there after all."""
    path = needs("cpu")[0] / f"kumo-m-{os.getpid()}-{time.monotonic_ns()}"
    path.mkdir()
    group = Outer(path)
    try:
        group.inner.mkdir()
        group.write("cpu.shares", SHARES)
        group.limit(cpus, period)
        yield group
    finally:
        for each in (group.inner, path):
            _remove(each)


def _remove(path: Path) -> None:
    for _ in range(500):
        try:
            path.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            for pid in (path / "cgroup.procs").read_text().split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            time.sleep(0.02)
        else:
            return
    raise OSError(f"{path} stays busy")


def until_quiet(seconds: float = 20) -> None:
    """Wait, not forever, until the CPUs have idled for a moment.

    Programs that take what a quota leaves hide it: no one can measure a limit that is not met.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        before, began = _idle(), time.monotonic()
        time.sleep(0.5)
        if _idle() - before > 0.9 * (time.monotonic() - began) * (os.cpu_count() or 1):
            return


def _idle() -> float:
    fields = Path("/proc/stat").read_text().split()
    return (int(fields[4]) + int(fields[5])) / os.sysconf("SC_CLK_TCK")


def _busy() -> float:
    """How long the CPUs have run programs: user, nice and system of the first line."""
    fields = Path("/proc/stat").read_text().split()
    return sum(map(int, fields[1:4])) / os.sysconf("SC_CLK_TCK")


def measured(group: Outer) -> dict[str, Any]:
    """What ``kumo measure --json`` says where the quota of *group* is hidden from it."""
    kumo = [sys.executable, "-m", "kumo", "measure", "--json"]
    ran = subprocess.run(
        group.hidden(kumo),
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT,
        env=environment(),
    )
    assert ran.returncode == 0, ran.stderr
    measurement: dict[str, Any] = json.loads(ran.stdout)
    return measurement


@contextlib.contextmanager
def spinning(number: int) -> Iterator[None]:
    """Other programs: *number* processes that spin in a cgroup of their own, as heavy as ours."""
    with outer() as group:
        program = "import os, sys; open(sys.argv[1], 'w').write(str(os.getpid()))\nwhile True: pass"
        procs = str(group.inner / "cgroup.procs")
        spinners = [
            subprocess.Popen([sys.executable, "-I", "-S", "-c", program, procs])
            for _ in range(number)
        ]
        try:
            yield
        finally:
            for spinner in spinners:
                spinner.kill()
                spinner.wait()


class Machine:
    """A virtual machine of two CPUs, whose emulator is in a cgroup of the host's."""

    def __init__(self, folder: Path, group: Outer) -> None:
        self.group = group
        self.shared = folder / "shared"
        self.console = folder / "console"
        self.rounds = 0
        self.shared.mkdir()
        words = [sys.executable, "-B", str(Path(__file__).with_name("guest.py")), str(self.shared)]
        guest = f"cd / && PYTHONPATH={shlex.quote(kernel_boot.SOURCE)} {shlex.join(words)}"
        vng = [
            "timeout", "--kill-after=5", "1800",
            str(kernel_boot.CACHE / "venv/bin/vng"), "--disable-kvm", "--force-9p", "--verbose",
            "--run", str(kernel_boot.kernel()), "--cpus", "2", "--memory", "1G", "--user", "root",
            f"--rwdir={self.shared}", "--exec", guest,
        ]  # fmt: skip
        path = f"{kernel_boot.CACHE / 'venv/bin'}:{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
        joined = 'echo $$ > "$1/cgroup.procs" && shift && exec "$@"'
        with self.console.open("wb") as output:
            self.process = subprocess.Popen(
                ["sh", "-c", joined, "sh", str(group.inner), *vng],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=environment() | {"PATH": path},
            )

    def records(self) -> list[dict[str, Any]]:
        """What the guest has written."""
        return kernel_boot._collect(self.shared / "results")

    def wait(self, number: int, seconds: float) -> None:
        """Wait until the guest has written *number* records."""
        deadline = time.monotonic() + seconds
        while len(self.records()) < number:
            if self.process.poll() is not None or time.monotonic() > deadline:
                tail = self.console.read_text(errors="replace").splitlines()[-40:]
                raise AssertionError("\n".join(["the machine did not answer", *tail]))
            time.sleep(0.2)

    def measured(self, cpus: float | None) -> dict[str, Any]:
        """What `kumo.measure` says in the guest where the emulator has *cpus* CPUs.

        ``others`` is how many CPUs of the host other programs used meanwhile.
        """
        self.group.limit(cpus)
        self.rounds += 1
        began, busy, ran = time.monotonic(), _busy(), self._ran()
        (self.shared / f"go-{self.rounds}").touch()
        self.wait(self.rounds + 1, 120)
        record = self.records()[self.rounds]
        assert "error" not in record, record["error"]
        others = _busy() - busy - (self._ran() - ran)
        return {**record, "others": others / (time.monotonic() - began)}

    def _ran(self) -> float:
        """How long the emulator's threads have run. Format of a schedstat: ``RUN WAITED SLICES``,
        the times in nanoseconds.
        """
        ran = 0
        for task in (self.group.inner / "tasks").read_text().split():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
                ran += int(Path(f"/proc/{task}/schedstat").read_text().split()[0])
        return ran / 1e9

    def end(self) -> None:
        """Let the guest end, else end the emulator."""
        self.group.limit(None)
        (self.shared / "end").touch()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@contextlib.contextmanager
def machine() -> Iterator[Machine]:
    """Boot the machine; the quota on its emulator is set once it has."""
    with outer() as group, tempfile.TemporaryDirectory(prefix="kumo-measure-") as name:
        booted = Machine(Path(name), group)
        try:
            booted.wait(1, 600)
            yield booted
        finally:
            booted.end()
