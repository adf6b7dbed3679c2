"""``kumo run [options] -- CMD…``: become a command whose environment states the count."""

from __future__ import annotations

import argparse
import os
import sys

from kumo._cgroups.cpulist import format_cpulist
from kumo._command.launch_options import add_choice, check_names
from kumo._command.output import table, write
from kumo._command.view import show, view_of
from kumo._errors import InputError, UsageError
from kumo._launch.exec import as_started, become, pin
from kumo._launch.plan import FIXED, PHYSICAL, as_rows, bounded, plan, read_outer, variables
from kumo._override import VARIABLE
from kumo._text import quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Collection, Mapping

    from kumo._command.options import Parser
    from kumo._launch.plan import Decision, Outer
    from kumo._records import Estimate

DESCRIPTION = "Run a command whose environment states how many CPUs it can use."
DETAILS = """\
The command replaces this process, and keeps its terminal, signals and exit
status. Variables that are set already stay as they are. NAME is a variable or
a group: see --print.
The exit code is the command's own, or one of these.
"""
EXITS = {
    0: "--print: the answer was printed",
    3: "an override, KUMO_RUN_SET, --pin or --view that cannot be used",
    126: "the command cannot be run",
    127: "the command was not found",
    130: "",
    141: "",
}


def add_arguments(parser: Parser) -> None:
    """Add the options and the command."""
    add_choice(parser, files=True)
    parser.add_argument("--pin", action="store_true", help="narrow the affinity to so many CPUs")
    parser.add_argument("--quiet", action="store_true", help="say nothing about the view")
    parser.add_argument("--print", action="store_true", help="print what is set; run nothing")
    parser.add_argument(
        "command",
        nargs=argparse.REMAINDER,
        metavar="-- COMMAND ...",
        help="the command with its arguments",
    )


def run(options: Namespace) -> int:
    """Become the command. Return for ``--print`` alone. Raise `CannotRunError`."""
    check_names(options)
    if not options.command and not options.print:
        raise UsageError("a command is missing, as in kumo run -- make")
    how, count, decisions = decide(options, os.environ)
    cpus = _cpus_to_pin(count) if options.pin else None
    view = view_of(options, count, os.environ)
    if options.print:
        pinned = "" if cpus is None else f"\npinned to {_shown(cpus)}"
        showing = "".join(f"\nview: {name}={quoted(value, 300)}" for name, value in view.items())
        rows = [line for lines in table(None, as_rows(decisions), (2,)) for line in lines]
        write("\n".join([f"{how}{pinned}{showing}", "", *rows, ""]))
        return 0
    if sys.platform == "win32":
        raise InputError("run takes the command's place, which Windows cannot do: use kumo env")
    if cpus is not None:
        pin(cpus)
    environment = {**as_started(os.environ), **variables(count, decisions), **view}
    if options.view:
        show(options, count, environment)
    return become(options.command, environment)


def decide(options: Namespace, environ: Mapping[str, str]) -> tuple[str, int, list[Decision]]:
    """Return how the count came about, the count, and what becomes of each variable.

    Raise `InputError` for a malformed marker, `OverrideError` for a malformed override.
    """
    outer = read_outer(environ)
    estimate = _survey(outer)
    count = bounded(estimate.binding.cpus, outer, options.share, options.max, options.round)
    decisions = plan(
        count,
        environ,
        outer,
        workers=count if options.workers == "auto" else options.workers,
        servers=options.workers == "auto",
        chosen=options.chosen,
        left_out=[*options.left_out, *(FIXED if options.follow else ())],
        beside=_beside(options, environ),
        viewed=bool(options.view),
    )
    return _headline(options, estimate, outer, count), count, decisions


def _beside(options: Namespace, environ: Mapping[str, str]) -> Collection[str]:
    """Return the libraries that loky's rule matters to, as far as the command's Python has them."""
    from kumo._launch.beside import find, installed

    command = getattr(options, "command", None)
    path = environ.get("PATH")
    return installed(PHYSICAL, find(command[0], path) if command else None, path)


def _survey(outer: Outer | None) -> Estimate:
    """Return the estimate; an override that the outer kumo run set is not the user's word."""
    from kumo._survey import open_system, survey

    system = open_system("process", None, None)
    if outer is not None and VARIABLE in outer.given:
        system.asked[f"${VARIABLE}"] = None
    return survey(system, notes=False)


def _headline(options: Namespace, estimate: Estimate, outer: Outer | None, count: int) -> str:
    from kumo._explain import show_cpus

    steps = [f"{estimate.binding.source} {show_cpus(estimate.binding)}"]
    if outer is not None:
        steps.append(f"the outer kumo run gave {outer.count}")
    if options.share is not None:
        steps.append(f"--share {options.share[0]}/{options.share[1]}")
    if options.max is not None:
        steps.append(f"--max {options.max}")
    return f"{count}  ({', '.join([*steps, f'--round {options.round}'])})"


def _cpus_to_pin(count: int) -> tuple[int, ...]:
    if sys.platform != "linux":
        raise InputError("--pin needs Linux, which alone lets a process choose its CPUs")
    from kumo._topology.read import topology
    from kumo._topology.split import choose

    own_topology = topology()
    return choose(own_topology.cores, count, own_topology.isolated)


def _shown(cpus: tuple[int, ...]) -> str:
    return f"CPUs {format_cpulist(sum(1 << cpu for cpu in cpus))}"
