"""Programs of an engine that carry the question: run side by side, each until a common deadline.

All output until then counts. At the deadline, at an interrupt and after any error, every program
that was started is ended. Each is in a separate session, so that a terminal's Ctrl-C reaches kumo
alone, which then ends them.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from contextlib import suppress
from signal import SIGTERM

from kumo._errors import InputError
from kumo._fleet import node
from kumo._fleet.reading import MAX_REPORT, ReportError, parse_report
from kumo._records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from concurrent.futures import Future
    from typing import Any

AT_ONCE = 32
BEGIN = f'{{"schema": {node.SCHEMA}, "host": '  # of a report
AS_TARGET = {"mpirun": "--hostfile hosts", "srun": "--partition debug"}
END_SECONDS = 2.0  # from a request to end to the kill
LATEST = 0.2  # seconds until a signal is seen that came just before a wait, which it does not end
MAX_STDERR = 2**16
# Runs the text of `node`, which is $0, with the first Python that there is.
RUN_NODE = "\n".join(
    (
        'for python in "$1" python3 python',
        "do",
        '    if command -v "$python" >/dev/null 2>&1',
        "    then",
        '        exec "$python" -c "$0" $2',
        "    fi",
        "done",
        """printf '{"schema": 1, "host": "%s", "environment": {"SLURMD_NODENAME": "%s"}, ' \\""",
        '    "$(cat /proc/sys/kernel/hostname)" "${SLURMD_NODENAME:-}"',
        """printf '"reason": "%s"}\\n' "there is no Python\"""",
    )
)


class Answer(Record):
    """The output of one program. *code* is `None` if it was ended at the deadline."""

    key: str
    stdout: str
    stderr: str
    code: int | None

    @property
    def why(self) -> str:
        """The line of stderr that says most: the last of Slurm's own, else the first in words."""
        lines = [line.strip() for line in self.stderr.splitlines()]
        own = [line for line in lines if line.startswith(("srun:", "slurmstepd:"))]
        words = [line for line in lines if any(map(str.isalpha, line))]
        return own[-1] if own else words[0] if words else ""


def node_program(pressure: float | None, before: str = "") -> list[str]:
    """Return the command that an engine is to run on a node; *before* is shell text before it."""
    import inspect

    source = inspect.getsource(node)
    seconds = [] if pressure is None else [repr(pressure)]
    return ["sh", "-c", before + RUN_NODE, source, sys.executable, *seconds]


def options_of(launcher: str, target: str | None) -> list[str]:
    """Return the words of *target*, options of *launcher*.

    Raise `InputError` for an open quote, and for a first word that the launcher would run as a
    program.
    """
    try:
        words = shlex.split(target or "")
    except ValueError as error:
        raise InputError(f"the options of {launcher}: {error}") from None
    if words and not words[0].startswith("-"):
        raise InputError(
            f"{words[0][:60]!a} is not an option of {launcher}: "
            f"the target is its options in quotes, such as '{AS_TARGET[launcher]}'"
        )
    return words


def reports_in(text: str) -> Iterator[dict[str, Any]]:
    """Yield the reports among the lines of *text*, which may also have other lines."""
    for line in text.splitlines():
        if line.startswith(BEGIN):
            # A launcher may have lost a newline between two.
            for part in line.split(BEGIN)[1:]:
                try:
                    yield parse_report(BEGIN + part)
                except ReportError as error:
                    yield {"schema": node.SCHEMA, "reason": str(error)}


def output_of(command: Sequence[str], seconds: float) -> str:
    """Return the output of an engine's program. Raise `InputError` if it fails."""
    (answer,) = run_all({command[0]: command}, seconds)
    if answer.code != 0:
        late = f"no answer within {seconds:g} s"
        raise InputError(f"{command[0]}: {late if answer.code is None else answer.why}")
    return answer.stdout


def run_all(
    commands: Mapping[str, Sequence[str]], seconds: float, answers: int = 1
) -> Iterator[Answer]:
    """Run each command, and yield its answer when it ends. Raise `InputError` without a program.

    *answers* is how many reports one command may print.
    """
    from concurrent.futures import ThreadPoolExecutor
    from queue import Empty, SimpleQueue
    from threading import Event

    stopping = Event()
    ended: SimpleQueue[Future[Answer]] = SimpleQueue()
    deadline = time.monotonic() + seconds
    most = answers * MAX_REPORT

    def run(key: str) -> Answer:
        return _run(key, commands[key], deadline, most, stopping)

    threads = ThreadPoolExecutor(min(AT_ONCE, len(commands)) or 1, "kumo-fleet")
    try:
        try:
            running = [threads.submit(run, key) for key in commands]
        except RuntimeError as error:  # a limit on threads or processes is reached
            raise InputError(f"{next(iter(commands.values()))[0]}: {error}") from None
        for future in running:
            future.add_done_callback(ended.put)
        left = len(running)
        while left:
            with suppress(Empty):
                answer = ended.get(timeout=LATEST).result()
                left -= 1
                yield answer
    finally:
        stopping.set()
        threads.shutdown(cancel_futures=True)


def _run(key: str, command: Sequence[str], deadline: float, most: int, stopping: Any) -> Answer:
    from tempfile import TemporaryFile

    if deadline <= time.monotonic() or stopping.is_set():
        return Answer(key, "", "", None)
    with TemporaryFile() as stdout, TemporaryFile() as stderr:
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr,
                start_new_session=True,
            )  # fmt: skip
        except FileNotFoundError:
            text = "command not found: run kumo fleet on a node that has it"
            raise InputError(f"{command[0]}: {text}") from None
        except OSError as error:
            raise InputError(f"{command[0]}: {error.strerror or error}") from None
        code = _wait(process, deadline, stopping)
        texts = []
        for file, limit in ((stdout, most), (stderr, MAX_STDERR)):
            file.seek(0)
            texts.append(file.read(limit).decode("utf-8", "surrogateescape"))
        return Answer(key, texts[0], texts[1], code)


def _wait(process: subprocess.Popen[bytes], deadline: float, stopping: Any) -> int | None:
    """Return the exit code, `None` if the process had to be ended."""
    while True:
        left = deadline - time.monotonic()
        try:
            return process.wait(min(0.2, max(0.0, left)))
        except subprocess.TimeoutExpired:
            if left > 0 and not stopping.is_set():
                continue
        _end(process)
        return None


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask the process to end, and kill its session if it does not."""
    process.send_signal(SIGTERM)
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        if sys.platform == "win32":  # which has no process groups to send a signal to
            process.kill()
        else:
            with suppress(ProcessLookupError):  # it has just ended
                os.killpg(process.pid, 9)
        process.wait()
