"""Boots virtual machines and collects what their guest programs found."""

import contextlib
import json
import os
import platform
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
# What is tested: the checkout, or a folder that holds another kumo package.
SOURCE = os.environ.get("KUMO_KERNEL_SOURCE") or str(HERE.parents[1] / "src")
INSTALL = f"run {HERE / 'install.sh'} as root"
CACHE = Path(os.environ.get("KUMO_KERNEL_CACHE") or Path.home() / ".cache/kumo-kernel")
SECONDS = int(os.environ.get("KUMO_KERNEL_TIMEOUT") or 1200)
MIN_TREES = 60  # 200 by hand, before a release
TREES = max(MIN_TREES, int(os.environ.get("KUMO_KERNEL_TREES") or MIN_TREES))
SEED = int(os.environ.get("KUMO_KERNEL_SEED") or 1)
# The first release whose rule is the one that kernel_rust.py lists the errors of.
OLDEST_RUST = (1, 74)

# What timeout(1) exits with when it had to end, or to kill, the machine.
TIMED_OUT = (124, 137, -signal.SIGKILL)
# An emulated kernel sometimes stops for ever while it boots, before anything of kumo has run: a
# machine whose guest program has not begun by then is booted again, this many times in all.
BEGIN_SECONDS = 240
BOOTS = 3

MACHINE = {
    "v2": ["--numa", "512M,cpus=0-3", "--numa", "512M,cpus=4-7"],
    "hybrid": [],
    # The init process of the guest mounts cgroup v1 alone when it finds this variable.
    "v1": ["--append", "SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1"],
}


@dataclass
class Ran:
    """What a guest program wrote, why its machine failed, and the end of the console."""

    records: list[dict[str, Any]]
    failure: str | None
    console: str

    def until(self, last: str) -> list[dict[str, Any]]:
        """Give the records if the last one has this name; raise AssertionError if not."""
        if [record["name"] for record in self.records][-1:] != [last]:
            raise AssertionError(
                "\n".join([str(self.failure), *map(str, self.records), self.console])
            )
        return self.records


@dataclass
class Boot:
    """What one boot gave: its records, or why there are none."""

    layout: str
    records: list[dict[str, Any]] = field(default_factory=list)
    failure: str | None = None
    rust: str | None = None

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        """Give the records of one kind."""
        return [record for record in self.records if record["kind"] == kind]


def kernel() -> Path | None:
    """Find the newest unpacked kernel."""
    return max(CACHE.glob("kernel/boot/vmlinuz-*"), default=None)


def missing() -> str | None:
    """Say what a boot lacks; None if it lacks nothing."""
    if platform.machine() != "x86_64":
        return f"the kernel is for x86_64 and this is {platform.machine()}"
    if not shutil.which("qemu-system-x86_64"):
        return f"no emulator qemu-system-x86_64: {INSTALL}"
    if not (CACHE / "venv/bin/vng").exists():
        return f"no virtme-ng in {CACHE}: {INSTALL}"
    if kernel() is None:
        return f"no kernel in {CACHE}: {INSTALL}"
    return None


def rust_missing() -> str | None:
    """Say why Rust cannot be asked; None if it can."""
    if not shutil.which("rustc"):
        return "no rustc to compile the probe with"
    ran = subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=False)
    # rustc 1.95.0 (59807616e 2026-04-14)
    version = re.match(r"rustc (\d+)\.(\d+)", ran.stdout)
    if version is None:
        return f"rustc --version says {ran.stdout + ran.stderr!r}"
    if (int(version[1]), int(version[2])) < OLDEST_RUST:
        return f"{ran.stdout.strip()} is older than {OLDEST_RUST}"
    return None


def _compile_probe(folder: Path) -> Path:
    probe = folder / "probe"
    command = [
        "rustc",
        "-O",
        "-C",
        "target-feature=+crt-static",
        "-C",
        "strip=symbols",
        "-o",
        str(probe),
        str(HERE / "probe.rs"),
    ]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return probe


def _begin(command: list[str], console: Path, begun: Path, seconds: float) -> str | None:
    """Run the machine in a process group of its own; say how it failed."""
    path = f"{CACHE / 'venv/bin'}:{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    with console.open("wb") as output:
        machine = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            start_new_session=True, env=os.environ | {"PATH": path},
        )  # fmt: skip
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                machine.wait(seconds)
            if not begun.exists():
                return f"the guest program did not begin within {seconds} s"
            # Any other exit code says nothing: vng cannot tell how the guest's command ended.
            late = machine.wait() in TIMED_OUT
            return f"the machine did not end within {SECONDS} s" if late else None
        finally:
            if machine.poll() is None:
                os.killpg(machine.pid, signal.SIGKILL)
                machine.wait()


def _collect(results: Path) -> list[dict[str, Any]]:
    """Read the complete lines; a machine that died may have left half a one."""
    if not results.exists():
        return []
    lines = results.read_text().splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def run(
    guest: list[str],
    *options: str,
    cpus: int = 8,
    path: str = SOURCE,
    seconds: float = BEGIN_SECONDS,
) -> Ran:
    """Boot a machine and run a Python program there; its last argument is the file to write to.

    guest is what follows the interpreter's name, options are vng's, path is PYTHONPATH. If the
    program has not begun after *seconds*, or when the machine has ended, it is booted again.
    """
    with tempfile.TemporaryDirectory(prefix="kumo-kernel-") as name:
        shared, console = Path(name) / "shared", Path(name) / "console"
        shared.mkdir()
        words = [sys.executable, "-B", *guest, str(shared / "results")]
        command = f": >{shared}/begun; cd / && PYTHONPATH={shlex.quote(path)} {shlex.join(words)}"
        # Emulation answers everywhere alike; a nested KVM may hang.
        vng = [
            # The emulator must not outlive even a test run that was killed.
            "timeout", "--kill-after=5", str(SECONDS),
            str(CACHE / "venv/bin/vng"), "--disable-kvm", "--force-9p", "--verbose",
            "--run", str(kernel()), "--cpus", str(cpus), "--memory", "1G", *options,
            "--user", "root", f"--rwdir={shared}", "--exec", command,
        ]  # fmt: skip
        for attempt in range(BOOTS):
            failure = _begin(vng, console, shared / "begun", seconds)
            tail = "\n".join(console.read_text(errors="replace").splitlines()[-60:])
            if (shared / "begun").exists():
                break
            print(f"boot {attempt + 1} of {BOOTS}: {failure}\n{tail}")
        return Ran(_collect(shared / "results"), failure, tail)


def boot(layout: str, trees: int = TREES, seed: int = SEED, only: str = "") -> Boot:
    """Boot one layout, run its guest program and give the records."""
    booted = Boot(layout, rust=rust_missing())
    guest = ["-m", "kernel_guest", "--layout", layout, "--seed", str(seed)]
    guest += ["--trees", str(trees), "--only", only]
    with tempfile.TemporaryDirectory(prefix="kumo-probe-") as name:
        if not booted.rust:
            guest += ["--probe", str(_compile_probe(Path(name)))]
        ran = run([*guest, "--results"], *MACHINE[layout], path=f"{SOURCE}:{HERE}")
    booted.records = ran.records
    if ran.failure or not booted.of_kind("end"):
        why = ran.failure or "the guest program did not end"
        booted.failure = f"{layout}: {why}\n{ran.console}"
    return booted
