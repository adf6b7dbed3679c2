"""The verb ``kumo watch``: a line for each change; a command is run and a signal sent at each."""

from __future__ import annotations

import argparse
import time
from threading import TIMEOUT_MAX

from kumo._command.notify import Target, check_command, parse_signal, run_command
from kumo._command.options import add_json, add_pid, seconds
from kumo._command.output import write, write_json
from kumo._errors import UsageError
from kumo._explain import as_dict
from kumo._survey import estimate
from kumo._watch.bell import WHILE_GROWING, Bell
from kumo._watch.change import Change, ProcessReadings, Readings, Settling, describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
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
Meanwhile nothing else is printed or run: afterwards, the latest count is.
"""


def add_arguments(parser: Parser) -> None:
    """Add the options."""
    add_json(parser, "print one JSON object a line instead")
    parser.add_argument(
        "--interval",
        type=_interval,
        metavar="S",
        help="seconds between readings, by default 1 beside events and 0.1 without",
    )
    parser.add_argument(
        "--settle",
        type=_settle,
        default=1.0,
        metavar="S",
        help="seconds that an increase has to last, by default 1.0",
    )
    add_pid(parser, "watch process N, until it ends")
    parser.add_argument(
        "--signal",
        type=_signal,
        metavar="NAME",
        help="send process N this signal at each change, such as HUP",
    )
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
    if options.exec is not None:
        check_command(options.exec)
    if options.signal is not None and options.pid is None:
        raise UsageError("--signal needs --pid N, the process to send it to")
    other = None if options.pid is None else ProcessReadings(options.pid)
    present = other() if other else estimate()
    target = None if options.signal is None else Target(options.pid, options.signal)
    bell = Bell(options.pid)
    read = other or Readings(present, bell.pause)
    _print(present, None, options.json)
    for change in _changes(read, present, bell, options.interval, options.settle):
        _print(change.new, change, options.json)
        if options.exec:
            run_command(options.exec, change)
        if target:
            target.notify()
    return 0


def _interval(text: str) -> float:
    which = f"above 0 and at most {int(TIMEOUT_MAX)}, such as 0.5"
    return seconds(text, lambda number: 0 < number <= TIMEOUT_MAX, which)


def _settle(text: str) -> float:
    return seconds(text, lambda number: number >= 0, "of 0 or more, such as 1.5")


def _signal(text: str) -> int:
    try:
        return parse_signal(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _print(present: Estimate, change: Change | None, json: bool) -> None:
    if json:
        write_json(_as_dict(present, change))
    else:
        what = describe(present.binding) if change is None else change.what
        write(f"{present.parallelism}  {what}\n")


def _changes(
    read: Readings | ProcessReadings,
    present: Estimate,
    bell: Bell,
    interval: float | None,
    settle: float,
) -> Iterator[Change]:
    """Yield the changes as a watch reports them; end with the process that is read."""
    settling = Settling(present, settle)
    while True:
        growing = settling.grows and (interval is None or interval > WHILE_GROWING)
        bell.wait(WHILE_GROWING if growing else interval)
        before = present
        try:
            present = read()
        except ProcessLookupError:
            return
        change = settling.tell(present, time.monotonic())
        bell.follow(before, present)
        if change is not None:
            yield change


def _as_dict(present: Estimate, change: Change | None) -> dict[str, Any]:
    return {**as_dict(present), "change": None if change is None else change.what}
