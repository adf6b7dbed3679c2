"""Becoming a command: its affinity, its environment, the exec and its failures."""

from __future__ import annotations

import os
import signal
import sys
from errno import EACCES, ENODEV, ENOENT, ENOEXEC, ENOTDIR, ESTALE, ETIMEDOUT

from kumo._errors import CannotRunError, InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NoReturn

# Exit codes, as shells have them:
# https://pubs.opengroup.org/onlinepubs/9799919799/utilities/V3_chap02.html#tag_19_08_02
CANNOT_RUN = 126
SHELL = "/bin/sh"
# With these there may be another file in PATH; with others this is the one, and cannot be run:
# https://sourceware.org/git/?p=glibc.git;a=blob;f=posix/execvpe.c
PASSED_OVER = (EACCES, ENODEV, ENOENT, ENOTDIR, ESTALE, ETIMEDOUT)
NOT_FOUND = 127
# To which Python sets LC_CTYPE in the locale C: https://peps.python.org/pep-0538/
COERCED = ("C.UTF-8", "C.utf8", "UTF-8")


def pin(cpus: tuple[int, ...]) -> None:
    """Pin this process to *cpus*. Raise `InputError` if the kernel refuses."""
    if sys.platform == "linux":
        try:
            os.sched_setaffinity(0, cpus)
        except OSError as error:
            raise InputError(f"--pin: the affinity cannot be set: {error.strerror}") from None


def as_started(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without what Python itself has changed in it since the start."""
    environment = dict(environ)
    if environment.get("LC_CTYPE") not in COERCED:
        return environment
    from kumo._system.live import read_file

    try:
        block = read_file("/proc/self/environ")
    except OSError:
        return environment
    if block is not None:
        started = dict(pair.partition("=")[::2] for pair in block.split("\0"))
        del environment["LC_CTYPE"]
        environment.update({"LC_CTYPE": started["LC_CTYPE"]} if "LC_CTYPE" in started else {})
    return environment


def become(command: list[str], environment: Mapping[str, str]) -> NoReturn:
    """Replace this process by the command. Raise `CannotRunError` if that cannot be done."""
    # Python ignores these from its start on, and what is ignored stays so in the command.
    python_ignores = [signal.Signals[name] for name in ("SIGPIPE", "SIGXFSZ")]
    for number in python_ignores:
        signal.signal(number, signal.SIG_DFL)
    try:
        if command[0]:  # else exec raises ValueError
            # Python refuses to pass on a variable without a name, which nothing can read.
            _exec(command, {name: value for name, value in environment.items() if name})
        error = OSError(ENOENT, "")
    except OSError as raised:
        error = raised
    for number in python_ignores:
        signal.signal(number, signal.SIG_IGN)
    code, why = _failure(command[0], error, environment.get("PATH"))
    from kumo._text import quoted

    raise CannotRunError(f"{quoted(command[0], 200) or repr('')}: {why}", code)


def _exec(command: list[str], environment: dict[str, str]) -> NoReturn:
    """Replace this process by the command, as execvp(3) does. Raise `OSError`.

    The first file of the name in PATH that may be run is meant, and if it is a text without a
    first line ``#!``, the shell runs it. Python's own `os.execvpe` would look further instead.
    """
    name = command[0]
    directories = [""] if "/" in name else os.get_exec_path(environment)
    failure: OSError | None = None
    for file in [os.path.join(directory, name) for directory in directories]:
        try:
            os.execve(file, command, environment)
        except OSError as error:
            if error.errno == ENOEXEC:
                os.execve(SHELL, [SHELL, file, *command[1:]], environment)
            if error.errno not in PASSED_OVER:
                raise
            if failure is None or failure.errno in (ENOENT, ENOTDIR):
                failure = error
    raise failure or OSError(ENOENT, os.strerror(ENOENT))


def _failure(program: str, error: OSError, path: str | None) -> tuple[int, str]:
    """Return the exit code and what is said of a program that was not run."""
    from shutil import which

    # A directory of PATH that may not be searched, and what is not a file in one, are passed over.
    passed_over = () if "/" in program else (EACCES,)
    if error.errno in (ENOENT, ENOTDIR, *passed_over):
        if which(program, os.F_OK, path) is None:
            return NOT_FOUND, "command not found"
        if error.errno != EACCES:
            return CANNOT_RUN, "the interpreter that its first line names was not found"
    return CANNOT_RUN, error.strerror or str(error)
