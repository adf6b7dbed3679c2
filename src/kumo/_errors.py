"""The errors with exit codes: bad usage, bad input, a command that cannot be run."""

from __future__ import annotations


class UsageError(Exception):
    """The message says what is wrong with the arguments."""


class InputError(Exception):
    """The message names what cannot be used - a process, file, variable - and what would be right.

    The command ends with exit code 3.
    """


class CannotRunError(Exception):
    """A command that is to take this process's place cannot be run. *code* is the exit code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code
