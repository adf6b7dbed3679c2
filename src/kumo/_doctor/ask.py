"""Finding the runtimes of this machine, and asking each of them: with a timeout, a few at a time.

Each runs in an empty directory and a separate session, with no input. Its output goes through
a pipe, of which `MAX_ANSWER_BYTES` are kept, and it is killed when it prints without an end. All
that it started is killed with it, whether it has answered or not. Processes that left its session
are killed when all programs have been asked: on Linux, a process whose parent has ended becomes
this process's child meanwhile.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from collections import deque
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from errno import EAGAIN, EINTR
from pathlib import Path
from subprocess import DEVNULL, Popen, TimeoutExpired
from tempfile import TemporaryDirectory
from threading import Lock, Thread
from time import monotonic, sleep
from typing import NamedTuple

from kumo._runtimes.runtimes import RUNTIMES, read_executable
from kumo._system.process import read_stat
from kumo._text import quoted, whole_number
from kumo._watch.locks import new_lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from kumo._runtimes.runtimes import Belief, Runtime

TIMEOUT = 20.0
PATIENCE = 2.0  # seconds for killed processes to be gone
LATEST = 0.2  # seconds until a signal is seen that came just before a wait, which it does not end
PR_SET_CHILD_SUBREAPER, PR_GET_CHILD_SUBREAPER = 36, 37
NOT_FOUND = 127  # of a shell, and of the shims of pyenv and its like for a version not in use
NOT_THERE = "not there"
MAX_ANSWER_BYTES = 100_000  # bytes of an answer that are looked at
MAX_PRINTED = 2**24  # bytes: what prints more is killed
FLOOD = f"more than {MAX_PRINTED >> 20} MB were printed"


class Question(NamedTuple):
    """A runtime that was found, and the program to ask."""

    runtime: Runtime
    program: str


class Answer(NamedTuple):
    """The result of a question: beliefs, or the reason why there are none."""

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
        programs = [own] if own and runtime.name == "Python" else []
        programs += [str(each) for where in directories for each in _programs(where, runtime)]
        distinct: dict[str, str] = {}
        for program in programs:
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
    # A link may lead into a directory of another user: `Path.is_file` raises an error then.
    return [path for path in paths if os.path.isfile(path) and os.access(path, os.X_OK)]


def _importable(module: str) -> bool:
    from importlib.util import find_spec

    with suppress(ValueError):  # something has put a bare module in its place
        return find_spec(module) is not None
    return True


class Running:
    """The processes that have been started and not been waited for, so that all can be killed."""

    def __init__(self) -> None:
        self._lock = new_lock(Lock)
        self._processes: set[Popen[bytes]] = set()
        self._stopped = False

    def run(self, command: Sequence[str], timeout: float, output: _Output, **how: Any) -> int:
        """Run *command* and return its exit code. Raise as `subprocess.run` does."""
        with self._lock:
            if self._stopped:
                raise InterruptedError(EINTR, "interrupted")
            to = output.into
            process = Popen(command, start_new_session=True, stdout=to, stderr=to, **how)
            self._processes.add(process)
        output.process = process
        try:
            return process.wait(timeout)
        finally:
            _kill(process)
            output.process = None  # its number may be another's from now on
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
    begun: Callable[[Question], object],
    answered: Callable[[Answer], object] = lambda answer: None,
) -> list[Answer]:
    """Put the questions, *at_once* of them at a time, and return an answer to each, in order.

    *begun* is called with each question that is begun, by whichever thread begins it, and
    *answered* with each answer, by this thread and in order, as soon as those before it are there.
    """
    with _adopting():
        return _ask_all(questions, environment, at_once, timeout, begun, answered)


def _ask_all(
    questions: Sequence[Question],
    environment: Mapping[str, str],
    at_once: int,
    timeout: float,
    begun: Callable[[Question], object],
    answered: Callable[[Answer], object],
) -> list[Answer]:
    answers: list[Answer] = []
    running = Running()
    left: deque[tuple[Question, Future[Answer]]] = deque((each, Future()) for each in questions)
    futures = [future for _, future in left]

    def work() -> None:
        while True:
            try:
                question, future = left.popleft()
            except IndexError:
                return
            try:
                begun(question)
                future.set_result(_ask(question, environment, timeout, running))
            except BaseException as error:  # noqa: BLE001 - it is raised where it is asked for
                future.set_exception(error)

    threads: list[Thread] = []
    try:
        _start(threads, work, min(at_once, len(left)))
        if not threads:
            work()
        for answer in _each_once(map(_result, futures)):
            answers.append(answer)
            answered(answer)
        return answers
    except BaseException:  # raised again when nothing is left
        # It may be a key, a signal's exception or a closed output: it goes on when the programs
        # have been killed and what they wrote is removed. It may come before a thread that has
        # started is in the list, so what was begun is waited for, and not the threads alone.
        with suppress(IndexError):
            while True:
                left.popleft()[1].cancel()
        running.stop()
        wait([future for future in futures if not future.cancelled()])
        raise
    finally:
        for thread in threads:
            thread.join()


def _result(future: Future[Answer]) -> Answer:
    while not future.done():
        wait([future], LATEST)
    return future.result()


def _start(threads: list[Thread], work: Callable[[], object], count: int) -> None:
    """Start *count* threads into the list, or as many as a limit on threads or memory allows."""
    with suppress(RuntimeError, MemoryError):
        for _ in range(count):
            thread = Thread(target=work)
            thread.start()
            threads.append(thread)


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
            code, text = _run(question, directory, monotonic() + timeout, running, how)
    except TimeoutExpired:
        return Answer(question, [], f"no answer within {timeout:g} s")
    except OSError as error:
        if error.errno is None:
            raise  # not the system's, but a signal handler's TimeoutError
        return Answer(question, [], f"cannot be run: {error.strerror}")
    executable = read_executable(text) if runtime.name == "Python" else ""
    beliefs = runtime.read(text)
    if code == NOT_FOUND and not beliefs:
        return Answer(question, [], NOT_THERE)
    return Answer(question, beliefs, "" if beliefs else _failure(code, text), executable)


class _Output:
    """A pipe to which programs print: `MAX_ANSWER_BYTES` are kept, the rest is read and lost.

    A thread reads. It is not waited for long: what a program leaves behind may keep the pipe open.
    """

    def __init__(self) -> None:
        self.process: Popen[bytes] | None = None
        self.printed = 0
        self._parts: list[bytes] = []
        self._out, self.into = os.pipe()
        self._thread = Thread(target=self._read, daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:
            os.close(self._out)
            os.close(self.into)
            raise OSError(EAGAIN, str(error)) from None

    def _read(self) -> None:
        kept = 0
        while part := os.read(self._out, 65536):
            self.printed += len(part)
            self._parts += [part[: MAX_ANSWER_BYTES - kept]] if kept < MAX_ANSWER_BYTES else []
            kept += len(part)
            process = self.process
            if self.printed > MAX_PRINTED and process is not None:
                _kill(process)
        os.close(self._out)

    def text(self) -> str:
        """Return what was printed, when the programs have ended."""
        os.close(self.into)
        self._thread.join(0.5)
        return b"".join([*self._parts]).decode("utf-8", "replace")


def _run(
    question: Question, directory: Path, until: float, running: Running, how: dict[str, Any]
) -> tuple[int, str]:
    """Run the steps, up to the first that fails; return the last one's exit code and the output."""
    output = _Output()
    try:
        code = _run_steps(question, directory, until, running, output, how)
    finally:
        text = output.text()
    return code, text if output.printed <= MAX_PRINTED else FLOOD


def _run_steps(
    question: Question,
    directory: Path,
    until: float,
    running: Running,
    output: _Output,
    how: dict[str, Any],
) -> int:
    code = 0
    for step in question.runtime.steps:
        command = [question.program if word == "{program}" else word for word in step]
        if command[0].startswith("./"):
            command[0] = str(directory / command[0])
        code = running.run(command, max(0.0, until - monotonic()), output, **how)
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


@contextmanager
def _adopting() -> Iterator[None]:
    """Kill at the end what left the session of its program and whose parent has ended.

    Such a process becomes the child of the nearest ancestor that asks for it, on Linux alone.
    https://man7.org/linux/man-pages/man2/PR_SET_CHILD_SUBREAPER.2const.html
    """
    if sys.platform != "linux":
        yield
        return
    import ctypes

    prctl = ctypes.CDLL(None).prctl
    was = ctypes.c_int(0)
    prctl(PR_GET_CHILD_SUBREAPER, ctypes.byref(was), 0, 0, 0)
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    before = _children()
    try:
        yield
    finally:
        end = monotonic() + PATIENCE
        # The children of those that were killed come in their turn.
        while (left := _children() - before) and monotonic() < end:
            for child in left:
                with suppress(OSError):
                    os.kill(child, signal.SIGKILL)
                    os.waitpid(child, os.WNOHANG)
            sleep(0.005)
        prctl(PR_SET_CHILD_SUBREAPER, was.value, 0, 0, 0)


def _children() -> set[int]:
    """This process's children."""
    own = os.getpid()
    numbers = [whole_number(name) for name in os.listdir("/proc")]
    stats = {number: read_stat(number) for number in numbers if number is not None}
    return {n for n, stat in stats.items() if stat is not None and stat.number(4) == own}


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
