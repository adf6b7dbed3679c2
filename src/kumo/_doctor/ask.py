"""Finding the runtimes of this machine, and asking each of them: with a timeout, a few at a time.

Each runs in an empty directory and a session of its own, with no input. Whatever it started is
killed with it, when it has answered as well as when it has not.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from errno import EINTR
from pathlib import Path
from subprocess import DEVNULL, Popen, TimeoutExpired
from tempfile import TemporaryDirectory
from threading import Lock
from time import monotonic
from typing import NamedTuple

from kumo._runtimes.runtimes import RUNTIMES, read_executable
from kumo._text import quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from kumo._runtimes.runtimes import Belief, Runtime

TIMEOUT = 20.0
OUTPUT = "output"
NOT_FOUND = 127  # of a shell, and of the shims of pyenv and its like for a version not in use
NOT_THERE = "not there"
MOST = 100_000  # characters of an answer that are looked at


class Question(NamedTuple):
    """A runtime that was found, and the program that is to be asked."""

    runtime: Runtime
    program: str


class Answer(NamedTuple):
    """What came of a question: beliefs, or the reason why there are none."""

    question: Question
    beliefs: list[Belief]
    failure: str
    executable: str = ""


def find(path: str, own: str, runtimes: Iterable[Runtime] = RUNTIMES) -> Iterator[Question]:
    """Yield a question for each runtime in the directories of *path*, each program once.

    *own* is the Python that runs: it is the first of the Pythons, and imports the libraries.
    """
    # They are run in another directory than this one.
    directories = [os.path.abspath(each) for each in path.split(os.pathsep) if each]
    for runtime in runtimes:
        if runtime.module:
            if own and _importable(runtime.module):
                yield Question(runtime, own)
            continue
        found = [own] if own and runtime.name == "Python" else []
        found += [str(each) for where in directories for each in _programs(where, runtime)]
        distinct: dict[str, str] = {}
        for program in found:
            distinct.setdefault(os.path.realpath(program), program)
        most = len(distinct) if runtime.name == "Python" else 1
        for program in [*distinct.values()][:most]:
            yield Question(runtime, program)


def _programs(directory: str, runtime: Runtime) -> list[Path]:
    """The programs of *directory* that a runtime's patterns match, the plainest name first."""
    pattern = re.compile(rf"({'|'.join(runtime.commands)})({'.exe' if os.name == 'nt' else ''})")
    try:
        names = sorted(name for name in os.listdir(directory) if pattern.fullmatch(name))
    except OSError:
        return []  # PATH may name what is not there
    paths = [Path(directory, name) for name in names]
    return [path for path in paths if path.is_file() and os.access(path, os.X_OK)]


def _importable(module: str) -> bool:
    from importlib.util import find_spec

    with suppress(ValueError):  # something has put a bare module in its place
        return find_spec(module) is not None
    return True


class Running:
    """The processes that have been started and not been waited for, so that all can be killed."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._processes: set[Popen[bytes]] = set()
        self._stopped = False

    def run(self, command: Sequence[str], timeout: float, **how: Any) -> int:
        """Run *command* and return its exit code. Raise as `subprocess.run` does."""
        with self._lock:
            if self._stopped:
                raise InterruptedError(EINTR, "interrupted")
            process = Popen(command, start_new_session=True, **how)
            self._processes.add(process)
        try:
            return process.wait(timeout)
        finally:
            _kill(process)
            process.wait()
            self._processes.discard(process)

    def stop(self) -> None:
        """Kill them all, and let no other be started."""
        with self._lock:
            self._stopped = True
            for process in [*self._processes]:
                _kill(process)


def ask(
    questions: Sequence[Question],
    environment: Mapping[str, str],
    *,
    at_once: int,
    timeout: float = TIMEOUT,
    told: Callable[[Question], object],
) -> list[Answer]:
    """Put the questions, *at_once* of them at a time, and return an answer to each, in order.

    *told* is called with each question that is begun, by whichever thread begins it.
    """
    running = Running()

    def one(question: Question) -> Answer:
        told(question)
        return _ask(question, environment, timeout, running)

    with ThreadPoolExecutor(at_once) as pool:
        try:
            return list(_each_once([*pool.map(one, questions)]))
        except BaseException:
            running.stop()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _each_once(answers: Iterable[Answer]) -> Iterator[Answer]:
    """Leave out what turns out not to be there, or to be a Python that has answered before."""
    seen: set[str] = set()
    for answer in answers:
        if answer.executable not in seen and answer.failure != NOT_THERE:
            yield answer
        seen |= {answer.executable} - {""}


def _ask(
    question: Question, environment: Mapping[str, str], timeout: float, running: Running
) -> Answer:
    runtime = question.runtime
    try:
        with TemporaryDirectory(prefix="kumo-", ignore_cleanup_errors=True) as name:
            directory = Path(name)
            for file, content in runtime.files:
                (directory / file).write_bytes(content)
            how = {"env": _with_flags(environment, runtime), "cwd": directory, "stdin": DEVNULL}
            code = _run(question, directory, monotonic() + timeout, running, how)
            with (directory / OUTPUT).open(encoding="utf-8", errors="replace") as output:
                text = output.read(MOST)
    except TimeoutExpired:
        return Answer(question, [], f"no answer within {timeout:g} s")
    except OSError as error:
        return Answer(question, [], f"cannot be run: {error.strerror}")
    executable = read_executable(text) if runtime.name == "Python" else ""
    beliefs = runtime.read(text)
    if code == NOT_FOUND and not beliefs:
        return Answer(question, [], NOT_THERE)
    return Answer(question, beliefs, "" if beliefs else _failure(code, text), executable)


def _run(
    question: Question, directory: Path, until: float, running: Running, how: dict[str, Any]
) -> int:
    """Run the steps, up to the first that fails, and return the last one's exit code.

    Their output goes to a file: a pipe would stay open as long as what they leave behind.
    """
    code = 0
    for step in question.runtime.steps:
        command = [question.program if word == "{program}" else word for word in step]
        if command[0].startswith("./"):
            command[0] = str(directory / command[0])
        with (directory / OUTPUT).open("ab") as file:
            left = max(0.0, until - monotonic())
            code = running.run(command, left, stdout=file, stderr=file, **how)
        if code != 0:
            break
    return code


def _kill(process: Popen[bytes]) -> None:
    """Kill the process, and on POSIX its group, which may outlive it."""
    with suppress(ProcessLookupError):
        if sys.platform != "win32":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


def _with_flags(environment: Mapping[str, str], runtime: Runtime) -> dict[str, str]:
    """The environment with the runtime's flags appended to what the user has set."""
    more = {
        name: ",".join(filter(None, (environment.get(name), flag))) for name, flag in runtime.flags
    }
    return {**environment, **more}


def _failure(code: int, text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    ended = f"ended by signal {-code}" if code < 0 else f"exit code {code}"
    telling = -1 if lines and lines[0].startswith("Traceback") else 0
    return f"{quoted(lines[telling], 120) if lines else 'nothing was printed'} ({ended})"
