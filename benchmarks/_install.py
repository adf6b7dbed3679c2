"""Installs this checkout for each Python that is here, as pip does, for what times a start."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import harness

_ROOT = Path(__file__).resolve().parent.parent
VERSIONS = ("3.10", "3.11", "3.12", "3.13")
NEEDS = (
    f"CPython {VERSIONS[0]} to {VERSIONS[-1]} on the PATH or under pyenv (each that there is), and "
    "a network or a pip that finds hatchling, to build kumo"
)


def pythons() -> dict[str, Path]:
    """The newest patch release of each version, from PATH or from pyenv."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv", "versions")
    interpreters: dict[str, Path] = {}
    for version in VERSIONS:
        named = shutil.which(f"python{version}")
        built = sorted(pyenv.glob(f"{version}.*/bin/python"), key=lambda path: path.parts[-3])
        candidates = [*([Path(named)] if named else []), *reversed(built)]
        for path in candidates:
            if full_version(path).startswith(f"{version}."):
                interpreters[version] = path
                break
    return interpreters


def full_version(python: Path) -> str:
    code = "import sys; print(sys.version.split()[0])"
    ran = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return ran.stdout.strip()


def installed(pythons: dict[str, Path], directory: Path) -> dict[str, Path]:
    """Install kumo in an environment for each Python; return the environments' programs."""
    if not pythons:
        sys.exit(f"no Python of {', '.join(VERSIONS)}")
    harness.progress("building kumo")
    newest = list(pythons.values())[-1]
    subprocess.run([str(newest), "-m", "venv", directory / "pip"], check=True)
    pip = [str(directory / "pip/bin/python"), "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", directory / "built", _ROOT], check=True)
    (wheel,) = (directory / "built").glob("*.whl")
    programs = {}
    for version, python in pythons.items():
        harness.progress(f"installing for {version}")
        home = directory / version
        subprocess.run([str(python), "-m", "venv", "--without-pip", home], check=True)
        install = ["install", "--no-deps", "--no-index", str(wheel)]
        subprocess.run([*pip, "--python", str(home / "bin/python"), *install], check=True)
        programs[version] = home / "bin"
    return programs


def start(command: list[str]) -> tuple[float, float]:
    """Run it to its end; return its wall time and its CPU time, in ms."""
    quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    started = time.perf_counter()
    pid = os.posix_spawn(command[0], command, os.environ, file_actions=quiet)
    _, status, usage = os.wait4(pid, 0)
    wall = time.perf_counter() - started
    if status:
        sys.exit(f"{command} failed: {status}")
    return round(wall * 1000, 3), round((usage.ru_utime + usage.ru_stime) * 1000, 3)
