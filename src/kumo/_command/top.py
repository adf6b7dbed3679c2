"""The verb ``kumo top``: a live view of quotas and throttling, in a terminal."""

from __future__ import annotations

import os
import signal
import sys

from kumo._command import output
from kumo._command.options import add_pid
from kumo._errors import InputError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from kumo._command.options import Parser

DESCRIPTION = "Watch quotas and throttling of every cgroup level in a terminal."
DETAILS = """\
Without --pid it shows every cgroup of this host that has a quota, the most
throttled first. F1 shows the keys. It needs a terminal, and Textual, which the
extra "top" brings. Without them use kumo pressure --watch and kumo metrics.
"""
EXITS = {0: "the view was left", 3: "there is no terminal, no Textual, or no such process"}
INSTEAD = "use kumo pressure --watch or kumo metrics"
KERNEL_LINUX = ("linux", "android")


def add_arguments(parser: Parser) -> None:
    """Add the options."""
    add_pid(parser, "show the levels of process N, its threads and pools")
    parser.add_argument(
        "--metrics", metavar="URL", help="with --pid: the address of the process's own metrics"
    )


def run(options: argparse.Namespace) -> int:
    """Show the view until it is left; return the exit code. Raise `InputError`."""
    from kumo._top.pools import is_address

    if options.metrics is not None and options.pid is None:
        raise UsageError("--metrics goes with --pid alone")
    if options.metrics is not None and not is_address(options.metrics):
        raise UsageError(
            f"--metrics {options.metrics[:60]!a}: not an address such as http://host:9464/metrics"
        )
    if sys.platform not in KERNEL_LINUX:
        raise InputError("kumo top needs the cgroups of Linux: use kumo explain")
    if not output.in_terminal():
        raise InputError(f"kumo top needs a terminal: {INSTEAD}")
    try:
        from kumo._top.app import Top
    except ImportError:
        raise InputError(f"kumo top needs Textual: pip install textual, or {INSTEAD}") from None
    from kumo._top.read import reader

    app = Top(reader(options.pid, options.metrics), host=options.pid is None)
    code = app.run()
    if app.killed_by:
        signal.signal(app.killed_by, signal.SIG_DFL)
        os.kill(os.getpid(), app.killed_by)
    return 1 if code is None else code
