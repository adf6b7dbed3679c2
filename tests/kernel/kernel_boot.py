"""Boots a virtual machine for each layout and collects what its guest program found."""

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

MACHINE = {
    "v2": ["--numa", "512M,cpus=0-3", "--numa", "512M,cpus=4-7"],
    "hybrid": [],
    # The init process of the guest mounts cgroup v1 alone when it finds this variable.
    "v1": ["--append", "SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1"],
}


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


def _guest_command(
    layout: str, folder: Path, probe: Path | None, seed: int, trees: int, only: str
) -> str:
    words = [sys.executable, "-B", "-m", "kernel_guest", "--layout", layout]
    words += [
        "--results",
        str(folder / "results"),
        "--seed",
        str(seed),
        "--trees",
        str(trees),
        "--only",
        only,
    ]
    if probe:
        words += ["--probe", str(probe)]
    return f"cd / && PYTHONPATH={shlex.quote(f'{SOURCE}:{HERE}')} {shlex.join(words)}"


def _vng_command(layout: str, folder: Path, command: str) -> list[str]:
    # Emulation answers everywhere alike; a nested KVM may hang.
    return [
        # The emulator must not outlive even a test run that was killed.
        "timeout", "--kill-after=5", str(SECONDS),
        str(CACHE / "venv/bin/vng"), "--disable-kvm", "--force-9p", "--verbose",
        "--run", str(kernel()),
        "--cpus", "8", "--memory", "1G", *MACHINE[layout], "--user", "root",
        f"--rwdir={folder}", "--exec", command,
    ]  # fmt: skip


def _run(command: list[str], console: Path) -> str | None:
    """Run the machine in a process group of its own; say how it failed."""
    path = f"{CACHE / 'venv/bin'}:{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    with console.open("wb") as output:
        machine = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            start_new_session=True, env=os.environ | {"PATH": path},
        )  # fmt: skip
        try:
            # Any other exit code says nothing: vng cannot tell how the guest's command ended.
            return (
                f"the machine did not end within {SECONDS} s"
                if machine.wait() in TIMED_OUT
                else None
            )
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


def boot(layout: str, trees: int = TREES, seed: int = SEED, only: str = "") -> Boot:
    """Boot one layout, run its guest program and give the records."""
    booted = Boot(layout, rust=rust_missing())
    with tempfile.TemporaryDirectory(prefix="kumo-kernel-") as name:
        folder = Path(name)
        console = folder / "console"
        (folder / "shared").mkdir()
        probe = None if booted.rust else _compile_probe(folder)
        command = _guest_command(layout, folder / "shared", probe, seed, trees, only)
        failure = _run(_vng_command(layout, folder / "shared", command), console)
        booted.records = _collect(folder / "shared/results")
        if failure or not booted.of_kind("end"):
            tail = console.read_text(errors="replace").splitlines()[-60:]
            booted.failure = "\n".join(
                [f"{layout}: {failure or 'the guest program did not end'}", *tail]
            )
    return booted
