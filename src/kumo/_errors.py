"""What the command turns into exit codes: bad usage and bad input."""

from __future__ import annotations


class UsageError(Exception):
    """The message says what is wrong with the arguments."""


class InputError(Exception):
    """The message names what cannot be used - a process, file, variable - and what would be right.

    The command ends with exit code 3.
    """
