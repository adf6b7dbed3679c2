"""The view that `kumo run --view` and `kumo env --view` give a command, and what is said of it."""

from __future__ import annotations

import os
import sys

from kumo._cgroups.cpulist import format_cpulist, parse_cpulist
from kumo._command.output import say, stderr_is_terminal
from kumo._system.calls import VIEW, affinity_mask
from kumo._text import plural

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping


def view_of(options: Namespace, count: int, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of the view that the command is to get, or that it is in and is to keep.

    Raise `InputError` if a view is asked for that cannot be had.
    """
    if not options.view and not environ.get(VIEW):
        return {}
    from kumo._launch.view import library, lowered, view_variables

    if not options.view:
        return lowered(count, environ)
    return view_variables(count, environ, library(), _isolated())


def _isolated() -> str:
    """Return the list of CPUs outside load balancing, which are shown last.

    If all of this cgroup's are isolated, there are no others, and the list is empty.
    """
    from kumo._cgroups.cpuset import EVERY_CPU, isolated_cpus
    from kumo._survey import open_system

    mask, _, _ = isolated_cpus(open_system("process", None, None), [])
    return format_cpulist(mask) if mask not in (0, EVERY_CPU) else ""


def show(options: Namespace, count: int, environment: dict[str, str]) -> None:
    """Replace the files if that is asked for, and say what the view does not reach.

    That they are replaced is put into *environment*, by which kumo knows it.
    """
    from kumo._launch.beside import find
    from kumo._launch.view import binding, library, readable_by_others, unreached

    if sys.platform == "win32":
        return  # view_of has refused
    program = find(options.command[0], environment.get("PATH"))
    why = unreached(program) if program is not None else None
    missed = None
    if options.view == "files" and why is None:
        missed = _cover(count, environment)
        if missed is None:
            from kumo._system.view import FILES

            environment[FILES] = "1"
    if options.quiet:
        return
    if why is not None:
        # Files that say one number and a mask that says another make MKL abort.
        without = "; its files stay as they are" if options.view == "files" else ""
        say(f"{options.command[0]} {why}; --view does not reach it{without}")
        return
    if missed is not None:
        say(f"cannot replace the CPU files here ({missed}); only library calls are covered")
    name = binding(environment)
    if name is not None:
        say(
            f"{name} is set, so that threads are bound to the CPUs that --view shows; "
            "--pin is the option for programs that bind their threads"
        )
    if stderr_is_terminal():
        every = os.sysconf("SC_NPROCESSORS_ONLN")
        shown = f"{min(count, every)} of {plural(every, 'CPU')}"
        say(f"showing {shown} to this command (nothing is pinned)")
        if os.geteuid() == 0 and not readable_by_others(library()):
            say(f"other users cannot read {library()}; --view does not reach what runs as them")


def _cover(count: int, environment: Mapping[str, str]) -> str | None:
    """Replace the files; return why that cannot be done."""
    from kumo._launch.files import NODES, cover, file_texts
    from kumo._launch.view import ISOLATED as GIVEN
    from kumo._launch.view import first

    try:
        isolated = parse_cpulist(environment.get(GIVEN) or "")
        shown = first(count, affinity_mask(0), isolated)
        nodes = [name for name in os.listdir(NODES) if name[:4] == "node" and name[4:].isdigit()]
    except (OSError, ValueError):
        return "the CPUs cannot be found out"
    try:
        texts = file_texts(shown, _text, sorted(nodes))
    except ValueError as error:
        return str(error)
    return cover(texts)


def _text(path: str) -> str | None:
    from kumo._system.live import read_file

    try:
        return read_file(path)
    except OSError:
        return None
