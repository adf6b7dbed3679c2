"""The verb ``kumo watch``: a line for each change, and a command that is run at each."""

from __future__ import annotations

import argparse
import os
import signal
import time

from kumo._command.options import add_json, add_pid, seconds
from kumo._command.output import say, write, write_json
from kumo._errors import InputError, UsageError
from kumo._survey import estimate
from kumo._text import quoted
from kumo._watch.change import Change, ProcessReadings, Readings, Settling, describe
from kumo._watch.watch import check_times

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from kumo._command.options import Parser
    from kumo._records import Estimate

DESCRIPTION = "Print the count, and a line at each change until interrupted."
DETAILS = """\
The command of --exec is run at each change, and kumo waits until it has ended.
Its environment says what changed:
  KUMO_OLD_PARALLELISM, KUMO_NEW_PARALLELISM  the counts
  KUMO_OLD_CPUS, KUMO_NEW_CPUS                the binding limits, unrounded
  KUMO_CHANGE                                 the change in words
"""


def add_arguments(parser: Parser) -> None:
    """Add the options."""
    add_json(parser, "print one JSON object a line instead")
    for name, default, what in (
        ("--interval", 0.1, "between readings"),
        ("--settle", 1.0, "that a growth has to hold"),
    ):
        text = f"seconds {what}, by default {default}"
        parser.add_argument(name, type=seconds, default=default, metavar="S", help=text)
    add_pid(parser, "watch process N, until it ends")
    parser.add_argument(
        "--exec",
        nargs=argparse.REMAINDER,
        metavar="COMMAND ...",
        help="run a command at each change; takes the rest of the line",
    )


def run(options: argparse.Namespace) -> int:
    """Print the estimate and its changes; return the exit code when the process has ended.

    Raise as `kumo.estimate` does, `InputError` if the command does not exist.
    """
    try:
        check_times(options.interval, options.settle)
    except ValueError as error:
        raise UsageError(f"--{error}") from None
    if options.exec is not None:
        _check_command(options.exec)
    read = None if options.pid is None else ProcessReadings(options.pid)
    present = read() if read else estimate()
    _print(present, None, options.json)
    for change in _changes(read or Readings(present), present, options.interval, options.settle):
        _print(change.new, change, options.json)
        if options.exec:
            _run(options.exec, change)
    return 0


def _print(present: Estimate, change: Change | None, json: bool) -> None:
    if json:
        write_json(_as_dict(present, change))
    else:
        what = describe(present.binding) if change is None else change.what
        write(f"{present.parallelism}  {what}\n")


def _check_command(command: Sequence[str]) -> None:
    from shutil import which

    if not command:
        raise UsageError("--exec needs a command after it")
    if which(command[0]) is None:
        raise InputError(f"--exec {command[0]}: no such program that can be run")


def _changes(
    read: Callable[[], Estimate], present: Estimate, interval: float, settle: float
) -> Iterator[Change]:
    """Yield the changes as a watch tells them; end with the process that is read."""
    settling = Settling(present, settle)
    while True:
        time.sleep(interval)
        try:
            change = settling.tell(read(), time.monotonic())
        except ProcessLookupError:
            return
        if change is not None:
            yield change


def _as_dict(present: Estimate, change: Change | None) -> dict[str, Any]:
    from kumo._explain import as_dict

    return {**as_dict(present), "change": None if change is None else change.what}


def _run(command: Sequence[str], change: Change) -> None:
    import subprocess

    environment = {
        **os.environ,
        "KUMO_OLD_PARALLELISM": str(change.old.parallelism),
        "KUMO_NEW_PARALLELISM": str(change.new.parallelism),
        "KUMO_OLD_CPUS": str(change.old.cpus),
        "KUMO_NEW_CPUS": str(change.new.cpus),
        "KUMO_CHANGE": change.what,
    }
    try:
        ended = _how(subprocess.call(command, env=environment))
    except OSError as error:
        ended = f"could not be run: {error.strerror}"
    if ended:
        say(f"--exec {quoted(command[0], 200)} {ended}")


def _how(code: int) -> str:
    """How a command ended, in words; nothing where it ended well."""
    if code >= 0:
        return f"ended with exit code {code}" if code else ""
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:  # a real-time signal has no name
        return f"was ended by signal {-code}"
