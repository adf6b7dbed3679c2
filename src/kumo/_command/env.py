"""``kumo env [options]``: print what ``kumo run`` would set, for a shell or a program to set."""

from __future__ import annotations

import os

from kumo._command.launch_options import add_choice, check_names
from kumo._command.options import add_json
from kumo._command.output import write, write_json
from kumo._command.run import decide
from kumo._command.view import view_of
from kumo._launch.plan import variables

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping
    from typing import Any

    from kumo._command.options import Parser
    from kumo._launch.plan import Decision

SCHEMA = 1
ASSIGNMENT = {"sh": "export {}={}", "fish": "set -gx {} {}"}

DESCRIPTION = "Print the environment that kumo run gives, for a shell or a program."
DETAILS = """\
NAME is a variable or a group: see kumo run --print.

  eval "$(kumo env)"                  in sh, bash, zsh
  kumo env --shell fish | source      in fish
"""


def add_arguments(parser: Parser) -> None:
    """Add the options."""
    add_choice(parser, files=False)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--shell", choices=("sh", "fish"), default="sh", help="for which shell (sh)")
    add_json(form)


def run(options: Namespace) -> int:
    """Print the environment; return the exit code."""
    check_names(options)
    _, count, decisions = decide(options, os.environ)
    changed = {**variables(count, decisions), **view_of(options, count, os.environ)}
    if options.json:
        write_json(_as_dict(count, changed, decisions))
    else:
        write(as_shell(changed, options.shell))
    return 0


def as_shell(changed: Mapping[str, str], shell: str) -> str:
    """Return a line for each variable; fish quotes as sh does what has no quote or backslash."""
    from shlex import quote

    return "".join(ASSIGNMENT[shell].format(n, quote(value)) + "\n" for n, value in changed.items())


def _as_dict(count: int, changed: Mapping[str, str], decisions: list[Decision]) -> dict[str, Any]:
    """Return the object by docs/reference/run.md: schema 1."""
    rows = [{"name": d.name, "action": d.action, "value": d.value, "why": d.why} for d in decisions]
    return {"schema": SCHEMA, "parallelism": count, "environment": changed, "variables": rows}
