"""At a change `kumo watch` can run a command and send a signal."""

from __future__ import annotations

import os
import signal
import sys

from kumo._command.output import say
from kumo._errors import InputError, UsageError
from kumo._system.process import start_time
from kumo._text import file_name, quoted, repr_short, whole_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from kumo._watch.change import Change


def check_command(command: Sequence[str]) -> None:
    """Raise `UsageError` without a command, `InputError` if it does not exist."""
    from shutil import which

    if not command:
        raise UsageError("--exec needs a command after it")
    if which(command[0]) is None:
        raise InputError(f"--exec {file_name(command[0])}: no such program that can be run")


def run_command(command: Sequence[str], change: Change) -> None:
    """Run the command of ``--exec``, wait for it, and report how it failed."""
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
    """Return how a command ended, in words; nothing if it ended well."""
    if code >= 0:
        return f"ended with exit code {code}" if code else ""
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:  # a real-time signal has no name
        return f"was ended by signal {-code}"


def parse_signal(text: str) -> int:
    """Return the number of a signal: ``HUP``, ``SIGHUP``, ``1``, ``RTMIN+1``.

    Raise `ValueError` if there is none of that name here.
    """
    name, plus, offset = text.upper().removeprefix("SIG").partition("+")
    number = whole_number(name, 3)
    if number is None:
        known = getattr(signal.Signals, f"SIG{name}", None)
        if known is None:
            raise ValueError(f"{repr_short(text, 40)} is not a signal, such as HUP or USR1")
        number = int(known)
    if plus:
        number += whole_number(offset, 3) or 0
    if number not in signal.valid_signals() or (plus and name != "RTMIN"):
        raise ValueError(f"{repr_short(text, 40)} is not a signal, such as HUP or USR1")
    return number


class Target:
    """The process that ``--signal`` is for: that one, and none that gets its number later."""

    def __init__(self, pid: int, number: int) -> None:
        """Raise `InputError` if it does not exist, or may not be sent a signal."""
        self.pid = pid
        self.number = number
        self._descriptor: int | None = None
        try:
            if sys.platform == "linux" and hasattr(os, "pidfd_open"):
                try:
                    self._descriptor = os.pidfd_open(pid)
                except PermissionError:  # a sandbox that does not know the call
                    self._descriptor = None
            self._started = start_time(pid)
            if self._started is None and self._descriptor is None:
                raise InputError("--signal needs Linux: only there a process is known again")
            self._send(0)
        except ProcessLookupError:
            raise InputError(f"--signal: process {pid} does not exist") from None
        except PermissionError:
            raise InputError(
                f"--signal: no right to send process {pid} a signal; run kumo as its user"
            ) from None
        except OSError as error:
            raise InputError(f"--signal: process {pid}: {error.strerror}") from None

    def notify(self) -> None:
        """Send the signal, and report on stderr if that fails. Nothing if the process has ended."""
        try:
            self._send(self.number)
        except ProcessLookupError:
            return  # the next reading ends the watch
        except OSError as error:
            say(f"--signal: process {self.pid} could not be sent a signal: {error.strerror}")

    def _send(self, number: int) -> None:
        if sys.platform == "linux" and self._descriptor is not None:
            # The descriptor is of the process, not of its number.
            signal.pidfd_send_signal(self._descriptor, number)
            return
        if start_time(self.pid) != self._started:
            raise ProcessLookupError(self.pid)
        os.kill(self.pid, number)
