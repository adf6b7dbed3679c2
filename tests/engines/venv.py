"""The virtual environment with Dask, Ray and Celery, and programs that run in cgroups there."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from conftest import skip_real
from real.host import Group

import kumo

CACHE = Path(os.environ.get("KUMO_ENGINES_CACHE", Path.home() / ".cache/kumo-engines"))
BIN = CACHE / "venv/bin"
SOURCES = Path(kumo.__file__).parents[1]


def need(program: str) -> None:
    if not (BIN / program).exists():
        skip_real(f"there is no {BIN / program}: tests/engines/install.sh")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def environment(**more: str) -> dict[str, str]:
    left_out = ("OMP_", "MKL_", "OPENBLAS_", "KUMO_", "PYTHON", "DASK_", "RAY_", "CELERY_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    path = f"{BIN}:{kept.get('PATH', '')}"
    return {**kept, "PATH": path, "PYTHONPATH": str(SOURCES), **more}


@contextmanager
def running(
    *command: Any, group: Group | None = None, log: IO[str], cwd: Path, **env: str
) -> Iterator[subprocess.Popen[str]]:
    """Run a command, in a cgroup and a session of its own, and end all of it."""
    words = [str(word) for word in command]
    if group is not None:
        script = 'echo $$ > "$0/cgroup.procs" && exec "$@"'
        words = ["sh", "-c", script, str(group.path), *words]
    process = subprocess.Popen(
        words, stdout=log, stderr=log, text=True, start_new_session=True, cwd=cwd,
        env=environment(**env),
    )  # fmt: skip
    try:
        yield process
    finally:
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
        if group is not None:
            empty(group)


def empty(group: Group) -> None:
    """End whatever is left in the cgroup, and wait until it has gone."""
    for _ in range(200):
        pids = (group.path / "cgroup.procs").read_text().split()
        if not pids:
            return
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        time.sleep(0.05)
    raise AssertionError(f"{group.path} still has processes")


def ask(engine: str, target: str, *options: str, cwd: Path, **env: str) -> dict[str, Any]:
    """Return what ``kumo fleet --json`` prints, run where the engine is installed."""
    ran = subprocess.run(
        [BIN / "python", "-m", "kumo", "fleet", engine, target, "--json", *options],
        capture_output=True, text=True, check=False, timeout=120, cwd=cwd, env=environment(**env),
    )  # fmt: skip
    assert ran.stdout, ran.stderr
    fleet: dict[str, Any] = json.loads(ran.stdout)
    return fleet


def slots(fleet: dict[str, Any]) -> list[float]:
    """The slots of each group that answered."""
    return [group["slots"] for group in fleet["groups"]]


def wait_for_slots(count: float, engine: str, target: str, *, cwd: Path, **env: str) -> None:
    """Ask until the engine believes *count*: the change has then arrived everywhere."""
    for _ in range(60):
        fleet = ask(engine, target, cwd=cwd, **env)
        if slots(fleet) == [count]:
            return
    raise AssertionError(fleet)
