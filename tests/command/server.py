"""One Python that answers many command lines, each in a fork of its own.

The start of Python is what most tests of the command would take their time for. Here it is
started once: each question is a process of its own, which has the arguments, the environment, the
directory and the three streams that it is given. Under ``--installed`` the same tests start the
installed command each time.

Run as a program, it is the server, over the socket at its first argument's descriptor. A question
is the length of a line of JSON and the line, with the streams; the answer is the process's number,
and later how it has ended.
"""

from __future__ import annotations

import array
import gc
import io
import json
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

POSSIBLE = hasattr(os, "fork") and hasattr(socket, "SCM_RIGHTS")
HEAD = struct.Struct("!I")
CLOSED = -1  # a stream that the process does not have
# What the interpreter reads when it starts.
AT_START = ("PYTHON", "LC_", "LANG")


class Server:
    """The process that answers, and this end of its socket."""

    def __init__(self, python: str, environment: Mapping[str, str]) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [python, str(Path(__file__)), str(theirs.fileno())],
                env=environment,
                pass_fds=[theirs.fileno()],
            )
        self.socket = ours

    def close(self) -> None:
        self.socket.close()
        self.process.wait()

    def ask(
        self,
        arguments: Sequence[str],
        streams: Sequence[int],
        environment: Mapping[str, str],
        timeout: float,
        *,
        whole: bool,
    ) -> int:
        """Run the command, and return its exit code as `subprocess` has it.

        With *whole* it ends as the interpreter does, which takes as long as all that it does.
        """
        question = json.dumps(
            {
                "arguments": list(arguments),
                "environment": dict(environment),
                "directory": os.getcwd(),
                "closed": [number for number, stream in enumerate(streams) if stream == CLOSED],
                "whole": whole,
            }
        ).encode()
        given = array.array("i", [stream for stream in streams if stream != CLOSED])
        self.socket.settimeout(timeout)
        self.socket.sendmsg(
            [HEAD.pack(len(question))], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, given)]
        )
        self.socket.sendall(question)
        (pid,) = HEAD.unpack(exactly(self.socket, HEAD.size))
        try:
            (status,) = HEAD.unpack(exactly(self.socket, HEAD.size))
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            self.socket.settimeout(None)
            exactly(self.socket, HEAD.size)
            raise subprocess.TimeoutExpired(["kumo", *arguments], timeout) from None
        return os.waitstatus_to_exitcode(status)


def can_answer(environment: Mapping[str, str], usual: Mapping[str, str]) -> bool:
    """Whether a process with *environment* would read nothing else than the server when it starts.

    ``PYTHONUNBUFFERED`` is followed here.
    """
    return all(
        environment.get(name) == usual.get(name) or name == "PYTHONUNBUFFERED"
        for name in {*environment, *usual}
        if name.startswith(AT_START)
    )


def exactly(connection: socket.socket, count: int) -> bytes:
    text = b""
    while len(text) < count:
        part = connection.recv(count - len(text))
        if not part:
            raise EOFError("the server has ended")
        text += part
    return text


# --- in the server


def serve(connection: socket.socket) -> dict[str, Any]:
    """Answer until nobody asks; in a process for a question return that question."""
    size = 3 * array.array("i").itemsize
    while True:
        head, ancillary, *_ = connection.recvmsg(HEAD.size, socket.CMSG_SPACE(size))
        if not head:
            os._exit(0)
        streams = array.array("i")
        for _, _, data in ancillary:
            streams.frombytes(data)
        (length,) = HEAD.unpack(head)
        question: dict[str, Any] = json.loads(exactly(connection, length))
        pid = os.fork()
        if pid == 0:
            connection.close()
            take(streams, question["closed"])
            return question
        for stream in streams:
            os.close(stream)
        connection.sendall(HEAD.pack(pid))
        connection.sendall(HEAD.pack(os.waitpid(pid, 0)[1]))


def take(streams: Sequence[int], closed: Sequence[int]) -> None:
    """Let *streams* be the first three descriptors but for those in *closed*."""
    numbers = [number for number in range(3) if number not in closed]
    for stream, number in zip(streams, numbers, strict=True):
        os.dup2(stream, number)
    for descriptor in (*streams, *closed):
        os.close(descriptor)


def become(question: dict[str, Any]) -> None:
    """Have the arguments, environment, directory and streams as a Python that has just started."""
    os.environ.clear()
    os.environ.update(question["environment"])
    os.chdir(question["directory"])
    sys.argv[1:] = question["arguments"]
    buffered = not os.environ.get("PYTHONUNBUFFERED")
    closed = question["closed"]
    sys.stdin = None if 0 in closed else stream(0, "r", "surrogateescape", True)
    sys.stdout = None if 1 in closed else stream(1, "w", "surrogateescape", buffered)
    sys.stderr = None if 2 in closed else stream(2, "w", "backslashreplace", buffered)


def stream(number: int, mode: str, errors: str, buffered: bool) -> io.TextIOWrapper:
    """A stream as the interpreter opens it in the locale C.UTF-8."""
    raw = open(number, f"{mode}b", -1 if buffered else 0, closefd=False)  # noqa: SIM115
    lines = buffered and (number == 2 or raw.isatty())
    return io.TextIOWrapper(
        raw, "utf-8", errors, "\n", line_buffering=lines, write_through=not buffered
    )


def load() -> None:
    """Import what most questions need."""
    import difflib  # noqa: F401

    import kumo._cgroups.unmounted
    import kumo._command.dispatch
    import kumo._detectors.platforms
    import kumo._snapshot
    import kumo._survey
    import kumo._system.machine_file  # noqa: F401
    from kumo._command.options import make_parser
    from kumo._command.verbs import VERBS

    for verb in VERBS:
        make_parser(verb)


def answer() -> NoReturn:
    from kumo._command.main import main

    load()
    connection = socket.socket(fileno=int(sys.argv.pop(1)))
    gc.freeze()
    question = serve(connection)
    become(question)
    code = main()
    if question["whole"]:
        sys.exit(code)
    for each in (sys.stdout, sys.stderr):
        each.flush()
    os._exit(code)


if __name__ == "__main__":
    answer()
