"""The installed command, and a terminal to run it in."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest
from command.conftest import TIMEOUT, Kumo, environment, kumo, wheel
from conftest import skip_real
from real.conftest import make_group

__all__ = ["kumo", "make_group", "wheel"]  # fixtures


class Ended(NamedTuple):
    """How a process ended: its exit status as `os.wait` has it, and what the terminal showed."""

    status: int
    shown: str


class Terminal:
    """A process that leads a session on a pseudo-terminal of its own."""

    def __init__(self, command: list[str]) -> None:
        import pty

        self.shown = ""
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            try:
                os.execve(command[0], command, environment())
            finally:
                os._exit(99)

    def write(self, text: str) -> None:
        os.write(self.terminal, text.encode())

    def wait_for(self, text: str) -> None:
        """Read until *text* has been shown."""
        import select

        end = time.monotonic() + TIMEOUT
        while text not in self.shown:
            assert time.monotonic() < end, (text, self.shown)
            if select.select([self.terminal], [], [], 1)[0]:
                self.shown += os.read(self.terminal, 4096).decode("utf-8", "replace")

    def end(self) -> Ended:
        """Read until the terminal is closed, and wait for the process."""
        try:
            while part := os.read(self.terminal, 4096):
                self.shown += part.decode("utf-8", "replace")
        except OSError:
            pass  # EIO is how Linux says that nobody has it open any more
        _, status = os.waitpid(self.pid, 0)
        self.pid = 0
        return Ended(status, self.shown)

    def close(self) -> None:
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.terminal)


@pytest.fixture
def terminal() -> Iterator[Callable[[list[str]], Terminal]]:
    """Start a command on a terminal of its own."""
    if sys.platform == "win32":
        skip_real("pseudo-terminals are POSIX's")
    made: list[Terminal] = []

    def start(command: list[str]) -> Terminal:
        made.append(Terminal(command))
        return made[-1]

    yield start
    for one in made:
        one.close()


@pytest.fixture
def in_both(kumo: Kumo) -> Callable[[list[str]], tuple[list[str], list[str]]]:
    """The command line of a command by itself and under `kumo run`."""

    def both(command: list[str]) -> tuple[list[str], list[str]]:
        return command, [kumo.script, "run", "--", *command]

    return both
