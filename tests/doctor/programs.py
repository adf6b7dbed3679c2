"""Stand-ins for runtimes, in a directory that takes the place of PATH."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from kumo._doctor.ask import Answer, ask, find
from kumo._runtimes.runtimes import RUNTIMES

TIMEOUT = 60.0  # that of a test whose programs answer


def write(directory: Path, name: str, body: str) -> Path:
    """Write the shell script *name*, which is a stand-in for a program of that name."""
    path = directory / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def answers(
    directory: Path, *, own: str = "", at_once: int = 2, timeout: float = TIMEOUT
) -> list[Answer]:
    """What the programs of *directory* answer; its scripts find the usual commands."""
    runtimes = [runtime for runtime in RUNTIMES if not runtime.module]
    questions = list(find(str(directory), own, runtimes))
    environment = {"PATH": os.environ["PATH"]}
    return ask(
        questions, environment, at_once=at_once, timeout=timeout, begun=lambda question: None
    )


def is_alive(pid: int) -> bool:
    """Whether a process *pid* exists and is no zombie."""
    if sys.platform != "linux":
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        return True
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return text.rpartition(")")[2].split()[0] not in "ZX"


def wait_until_asleep(pid: int) -> None:
    """Wait until process *pid* waits for its input, after it has printed that it is ready."""
    deadline = time.monotonic() + TIMEOUT
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "S":
        assert time.monotonic() < deadline
        time.sleep(0.01)


def wait_until_gone(file: Path) -> None:
    """Wait for the end of the processes whose ids *file* holds: they have been sent SIGKILL."""
    deadline = time.monotonic() + TIMEOUT
    for pid in file.read_text().split():
        while is_alive(int(pid)):
            assert time.monotonic() < deadline
            time.sleep(0.01)
