"""The verb ``kumo watch``: a line for each change, and a command that is run at each."""

from __future__ import annotations

import os
import signal
import sys
import time

from kumo._command.options import process_id, seconds, verb_parser
from kumo._command.output import write
from kumo._errors import InputError, UsageError
from kumo._survey import estimate
from kumo._text import quoted
from kumo._watch.change import Change, ProcessReadings, Readings, Settling, describe
from kumo._watch.watch import check_times

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Sequence

    from kumo._records import Estimate

USAGE = "[--json] [--interval S] [--settle S] [--pid N] [--exec COMMAND ...]"
DESCRIPTION = "Print the count, and a line at each change until interrupted."
EPILOG = """\
The command of --exec is run at each change and waited for. Its environment says what changed:
  KUMO_OLD_PARALLELISM, KUMO_NEW_PARALLELISM  the counts
  KUMO_OLD_CPUS, KUMO_NEW_CPUS                the limits that bind, in CPUs, unrounded
  KUMO_CHANGE                                 the change in words
"""


def main(arguments: Sequence[str]) -> int:
    """Print the estimate and its changes; return the exit code where the process has ended.

    Raise as `kumo.estimate` does, `InputError` where the process or the command does not exist.
    """
    options = _parse(arguments)
    try:
        read = None if options.pid is None else ProcessReadings(options.pid)
        present = read() if read else estimate()
    except ProcessLookupError:
        raise InputError(f"--pid {options.pid}: no such process") from None
    show = _as_json if options.json else _as_line
    _print(show(present, None))
    for change in _changes(read or Readings(present), present, options.interval, options.settle):
        _print(show(change.new, change))
        if options.exec:
            _run(options.exec, change)
    return 0


def _print(line: str) -> None:
    write(f"{line}\n")
    sys.stdout.flush()


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = verb_parser("watch", USAGE, DESCRIPTION, EPILOG)
    parser.add_argument("--json", action="store_true", help="print one JSON object a line instead")
    for name, default, what in (
        ("--interval", 0.1, "between readings"),
        ("--settle", 1.0, "that a growth has to hold"),
    ):
        text = f"seconds {what}, by default {default}"
        parser.add_argument(name, type=seconds, default=default, metavar="S", help=text)
    parser.add_argument("--pid", type=process_id, metavar="N", help="watch process N")
    text = "run a command at each change; takes the rest of the line"
    parser.add_argument("--exec", metavar="COMMAND ...", help=text)
    ours, command = _cut(arguments)
    options = parser.parse_args(ours)
    options.exec = command
    try:
        check_times(options.interval, options.settle)
    except ValueError as error:
        raise UsageError(f"--{error}") from None
    if command is not None:
        _check_command(command)
    return options


def _cut(arguments: Sequence[str]) -> tuple[Sequence[str], Sequence[str] | None]:
    """Return what is before the first ``--exec``, and the command after it if there is one."""
    for at, word in enumerate(arguments):
        option, _, first = word.partition("=")
        if option == "--exec":
            command = [*([first] if first else []), *arguments[at + 1 :]]
            return arguments[:at], command[1:] if command[:1] == ["--"] else command
    return arguments, None


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


def _as_line(present: Estimate, change: Change | None) -> str:
    what = describe(present.binding) if change is None else change.what
    return f"{present.parallelism}  {what}"


def _as_json(present: Estimate, change: Change | None) -> str:
    import json

    from kumo._explain import as_dict

    return json.dumps({**as_dict(present), "change": None if change is None else change.what})


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
        name = quoted(command[0], 200)
        print(f"kumo: --exec {name} {ended}", file=sys.stderr, flush=True)


def _how(code: int) -> str:
    """How a command ended, in words; nothing where it ended well."""
    if code >= 0:
        return f"ended with exit code {code}" if code else ""
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:  # a real-time signal has no name
        return f"was ended by signal {-code}"
