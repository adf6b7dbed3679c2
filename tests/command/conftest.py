"""The command: this environment's, or with ``--installed`` as users have it, from the wheel."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from conftest import skip_real

CHECKOUT = Path(__file__).parents[2]
MACHINES = Path(__file__).parents[1] / "machines"
TIMEOUT = 60
VARIABLE = "KUMO_AVAILABLE_PARALLELISM"


class Ran(NamedTuple):
    """How a command ended, and all that it printed."""

    code: int
    stdout: str
    stderr: str


class Kumo:
    """The installed command; call it with its arguments."""

    def __init__(self, directory: Path) -> None:
        scripts = directory / ("Scripts" if sys.platform == "win32" else "bin")
        self.directory = directory
        self.script = str(scripts / "kumo")
        self.python = str(scripts / "python")

    def __call__(self, *arguments: str, prefix: Sequence[str] = (), **variables: str) -> Ran:
        return run([*prefix, self.script, *arguments], **variables)


def environment(**variables: str) -> dict[str, str]:
    """A small environment, so that the developer's own does not matter."""
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    return {**kept, "LC_ALL": "C.UTF-8", **variables}


def run(command: Sequence[str], **variables: str) -> Ran:
    ran = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=TIMEOUT,
        env=environment(**variables),
    )
    texts = (stream.decode("utf-8", "surrogateescape") for stream in (ran.stdout, ran.stderr))
    return Ran(ran.returncode, *texts)


def machine(name: str) -> str:
    """The path of a machine file."""
    return str(MACHINES / f"{name}.txt")


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    ran = subprocess.run(command, capture_output=True, check=False, text=True)
    if ran.returncode != 0:
        lines = ran.stderr.strip().splitlines() or ["it says nothing"]
        skip_real(f"pip {arguments[0]} failed, which needs pip and hatchling: {lines[-1]}")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout."""
    directory = tmp_path_factory.mktemp("wheel")
    command = ("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir")
    _pip(*command, str(directory), str(CHECKOUT))
    (path,) = directory.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def kumo(
    request: pytest.FixtureRequest,
    pytestconfig: pytest.Config,
    tmp_path_factory: pytest.TempPathFactory,
) -> Kumo:
    """The command."""
    if not pytestconfig.getoption("--installed"):
        return Kumo(Path(sys.prefix))
    wheel = request.getfixturevalue("wheel")
    installed = Kumo(tmp_path_factory.mktemp("installed"))
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(installed.directory)], check=True
    )
    _pip("--python", installed.python, "install", "--no-deps", "--no-index", str(wheel))
    return installed
