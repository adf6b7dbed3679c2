"""The command: this environment's, or with ``--installed`` as users have it, from the wheel."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from bare import MEASURED
from conftest import skip_real

from command.server import CLOSED, POSSIBLE, Server, can_answer

CHECKOUT = Path(__file__).parents[2]
MACHINES = Path(__file__).parents[1] / "machines"
TIMEOUT = 60
VARIABLE = "KUMO_AVAILABLE_PARALLELISM"


class Ran(NamedTuple):
    """How a command ended, and all that it printed."""

    code: int
    stdout: str
    stderr: str


NEEDS = {"metrics": "prometheus_client", "report": "jinja2"}


class Kumo:
    """The command; call it with its arguments.

    A server answers if there is one, else, and to what is read when Python starts, a process that
    is started. ``script`` always starts one.
    """

    def __init__(self, directory: Path, server: Server | None = None) -> None:
        scripts = directory / ("Scripts" if sys.platform == "win32" else "bin")
        self.directory = directory
        self.script = str(scripts / "kumo")
        self.python = str(scripts / "python")
        self.server = server

    def skip_without_package(self, verb: str) -> None:
        """Skip a test of *verb* if its package is not there; the wheel is tested without extras."""
        if verb in NEEDS:
            pytest.importorskip(NEEDS[verb])
            if self.directory != Path(sys.prefix):
                pytest.skip(f"the wheel comes without {NEEDS[verb]}")

    def __call__(self, *arguments: str, prefix: Sequence[str] = (), **variables: str) -> Ran:
        if prefix:
            return run([*prefix, self.script, *arguments], **variables)
        return self.with_streams(arguments, variables)

    def with_streams(
        self,
        arguments: Sequence[str],
        variables: Mapping[str, str],
        *,
        stdout: int | None = None,
        stderr: int | None = None,
    ) -> Ran:
        """Run it with *stdout* and *stderr*: a descriptor, `CLOSED`, or read if they are `None`."""
        given = environment(**variables)
        with (
            open(os.devnull, "rb") as nothing,
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as err,
        ):
            streams = [
                nothing.fileno(),
                out.fileno() if stdout is None else stdout,
                err.fileno() if stderr is None else stderr,
            ]
            if self.server is not None and can_answer(given, environment()):
                whole = (stdout, stderr) != (None, None)  # then its end matters
                code = self.server.ask(arguments, streams, given, TIMEOUT, whole=whole)
            else:
                code = started([self.script, *arguments], streams, given)
            texts = []
            for file in (out, err):
                file.seek(0)
                texts.append(file.read().decode("utf-8", "surrogateescape"))
        return Ran(code, *texts)


def started(command: Sequence[str], streams: Sequence[int], variables: dict[str, str]) -> int:
    """Run *command* with *streams*, of which a shell closes those that are `CLOSED`."""
    closing = "".join(f" {number}>&-" for number, each in enumerate(streams) if each == CLOSED)
    if closing:
        command = ["/bin/sh", "-c", f'exec "$@"{closing}', "sh", *command]
    stdin, stdout, stderr = (None if each == CLOSED else each for each in streams)
    return subprocess.run(
        command,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        check=False,
        timeout=TIMEOUT,
        env=variables,
    ).returncode


def environment(**variables: str) -> dict[str, str]:
    """A small environment, so that the developer's own does not matter; coverage is measured."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in ("PATH", "SYSTEMROOT") or name.startswith("COVERAGE_")
    }
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


def _measure(python: str) -> None:
    """Have *python*, of another environment, measure its coverage with the package of this one."""
    import coverage

    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    ran = subprocess.run([python, "-c", ask], capture_output=True, check=True, text=True)
    packages = Path(ran.stdout.strip())
    (packages / "coverage").symlink_to(Path(coverage.__file__).parent)
    (packages / "coverage.pth").write_text("import coverage; coverage.process_startup()\n")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout."""
    directory = tmp_path_factory.mktemp("wheel")
    command = ("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir")
    _pip(*command, str(directory), str(CHECKOUT))
    (path,) = directory.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def kumo(request: pytest.FixtureRequest, pytestconfig: pytest.Config) -> Iterator[Kumo]:
    """The command."""
    if not pytestconfig.getoption("--installed"):
        server = Server(sys.executable, environment()) if POSSIBLE else None
        yield Kumo(Path(sys.prefix), server)
        if server is not None:
            server.close()
        return
    wheel = request.getfixturevalue("wheel")
    # Not below pytest's own directory, which other users may not read.
    with tempfile.TemporaryDirectory(prefix="kumo-installed-") as directory:
        os.chmod(directory, 0o755)
        installed = Kumo(Path(directory))
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", directory], check=True)
        _pip("--python", installed.python, "install", "--no-deps", "--no-index", str(wheel))
        if MEASURED:
            _measure(installed.python)
        yield installed
