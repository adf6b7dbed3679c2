"""The verb ``kumo version``."""

from __future__ import annotations

from kumo._command.options import version
from kumo._command.output import write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

    from kumo._command.options import Parser

DESCRIPTION = "Print the version."


def add_arguments(parser: Parser) -> None:
    """There is none."""


def run(options: Namespace) -> int:
    """Print the version; return the exit code."""
    write(version())
    return 0
