"""The installed command, a terminal to run it in, and the view's library with programs for it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from command.conftest import TIMEOUT, Kumo, environment, kumo, wheel
from conftest import skip_real
from real.conftest import make_group

__all__ = ["kumo", "make_group", "wheel"]  # fixtures

SOURCES = Path(__file__).with_name("sources")
LIBRARY = "kumo/_launch/libkumo_view.so"


@pytest.fixture(scope="session")
def shared() -> Iterator[Path]:
    """A directory that every user may read."""
    with tempfile.TemporaryDirectory(prefix="kumo-view-") as directory:
        os.chmod(directory, 0o755)
        yield Path(directory)


@pytest.fixture(scope="session")
def library(wheel: Path, shared: Path) -> str:
    """The library out of the wheel."""
    if sys.platform != "linux":
        skip_real("the view is Linux's")
    if os.cpu_count() == 1 or len(os.sched_getaffinity(0)) < 2:
        skip_real("a view needs two CPUs, to show one of them")
    with zipfile.ZipFile(wheel) as archive:
        if LIBRARY not in archive.namelist():
            skip_real("the wheel was built without a C compiler")
        (shared / "libkumo_view.so").write_bytes(archive.read(LIBRARY))
    (shared / "libkumo_view.so").chmod(0o755)
    return str(shared / "libkumo_view.so")


@pytest.fixture(scope="session")
def needs() -> Callable[[str], str]:
    """The path of a program, without which the test is skipped."""

    def find(name: str) -> str:
        path = shutil.which(name)
        if path is None:
            skip_real(f"{name} is not installed: tests/launch/install.sh")
        return path

    return find


@pytest.fixture(scope="session")
def compiled(shared: Path, needs: Callable[[str], str]) -> Callable[..., str]:
    """Compile one of the sources, or more files, and return the program."""
    made: dict[tuple[str, ...], str] = {}

    def build(source: str, *flags: str, compiler: str = "gcc") -> str:
        key = (source, compiler, *flags)
        if key not in made:
            path = str(shared / f"{source.removesuffix('.c')}-{len(made)}")
            command = [
                needs(compiler),
                "-O1",
                "-o",
                path,
                str(SOURCES / source),
                "-pthread",
                *flags,
            ]
            ran = subprocess.run(command, capture_output=True, text=True, check=False)
            if ran.returncode:
                skip_real(f"{' '.join(command)}: {ran.stderr.strip().splitlines()[-1:]}")
            made[key] = path
        return made[key]

    return build


@pytest.fixture(scope="session")
def machine_64(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What to put before a command that is to find itself on a machine of 64 CPUs."""
    if sys.platform != "linux":
        skip_real("the stand-in is Linux's")
    from many_cpus import prepare

    before = prepare(tmp_path_factory.mktemp("machine"), 64)
    ran = subprocess.run([*before, "nproc"], capture_output=True, text=True, check=False)
    if ran.stdout != "64\n":
        skip_real(f"no machine of 64 CPUs can be made here: {ran.stderr.strip()}")
    return before


Seen = Callable[..., str]


@pytest.fixture
def seen(library: str) -> Seen:
    """What a command prints under the library, as it is preloaded by hand."""

    def look(
        command: Sequence[str], cpus: str = "1", before: Sequence[str] = (), **variables: str
    ) -> str:
        given = {
            "PATH": os.environ["PATH"],
            "LC_ALL": "C.UTF-8",
            "OMP_WAIT_POLICY": "PASSIVE",
            "KMP_BLOCKTIME": "0",
            "KUMO_VIEW_CPUS": cpus,
            "LD_PRELOAD": library,
            **variables,
        }
        hidden = {"env": [f"{name}={given.pop(name)}" for name in ("LD_PRELOAD", "KUMO_VIEW_CPUS")]}
        line = [*before, "env", *hidden["env"], *command]
        ran = subprocess.run(
            line, env=given, capture_output=True, text=True, check=False, timeout=TIMEOUT * 2
        )
        assert (ran.returncode, ran.stderr) == (0, ""), (line, ran)
        return ran.stdout

    return look


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
