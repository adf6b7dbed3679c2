"""``kumo env [options]``: print what ``kumo run`` would set, for a shell or a program to set."""

from __future__ import annotations

import os

from kumo._command.launch_options import env_options
from kumo._command.output import write
from kumo._command.run import decide
from kumo._command.view import view_of
from kumo._launch.plan import variables

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kumo._launch.plan import Decision

SCHEMA = 1
ASSIGNMENT = {"sh": "export {}={}", "fish": "set -gx {} {}"}


def main(arguments: Sequence[str]) -> int:
    """Print the environment as *arguments* ask for it."""
    options = env_options(arguments)
    _, count, decisions = decide(options, os.environ)
    changed = {**variables(count, decisions), **view_of(options, count, os.environ)}
    if options.json:
        return write(_as_json(count, changed, decisions))
    return write(as_shell(changed, options.shell))


def as_shell(changed: Mapping[str, str], shell: str) -> str:
    """Return a line for each variable; fish quotes as sh does what holds no quote or backslash."""
    from shlex import quote

    return "".join(ASSIGNMENT[shell].format(n, quote(value)) + "\n" for n, value in changed.items())


def _as_json(count: int, changed: Mapping[str, str], decisions: list[Decision]) -> str:
    """Return the object by docs/reference/run.md: schema 1."""
    import json

    rows = [{"name": d.name, "action": d.action, "value": d.value, "why": d.why} for d in decisions]
    answer = {"schema": SCHEMA, "parallelism": count, "environment": changed, "variables": rows}
    return json.dumps(answer) + "\n"
