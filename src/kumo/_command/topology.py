"""The verb ``kumo topology``: the machine's cores, with the process's own CPUs marked."""

from __future__ import annotations

from kumo._command.options import add_json, add_subject, add_svg, asked_system
from kumo._command.output import width, write, write_exact, write_json
from kumo._records import fields_of
from kumo._topology.picture import picture
from kumo._topology.read import read_cores, read_topology

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any

    from kumo._command.options import Parser
    from kumo._topology.records import Topology

SCHEMA = 1
NARROWEST = 40  # columns, whatever the terminal says
IN_A_PIPE = 80
DESCRIPTION = "Show the nodes, caches and cores of the CPUs that this process may use."
DETAILS = """\
In the picture each core is [CPU sibling ...], with the CPUs in parentheses that
this process may not use. On a large machine each core is one sign, and a legend
says what the signs mean.
"""


def add_arguments(parser: Parser) -> None:
    """Add the options."""
    form = parser.add_mutually_exclusive_group()
    add_json(form)
    add_svg(form)
    add_subject(parser)


def run(options: Namespace) -> int:
    """Print the topology; return the exit code. Raise as `kumo.topology` does."""
    system = asked_system(options)
    found = read_topology(system)
    if options.json:
        write_json(as_dict(found))
    elif options.svg:
        from kumo._report.drawing import topology

        write_exact(topology(found, read_cores(system), alone=True))
    else:
        columns = max(width() or IN_A_PIPE, NARROWEST)
        lines = picture(found, read_cores(system), columns)
        write("".join(f"{line}\n" for line in lines))
    return 0


def as_dict(found: Topology) -> dict[str, Any]:
    """Return what ``--json`` prints, by docs/reference/topology.md: schema 1."""
    return {
        "schema": SCHEMA,
        "cpus": list(found.cpus),
        "online": list(found.online),
        "offline": list(found.offline),
        "isolated": list(found.isolated),
        "physical_cores": found.physical_cores,
        "capacity": found.capacity,
        "nodes": _groups(found.nodes),
        "packages": _groups(found.packages),
        "dies": [
            {"package": package, "die": die, "cpus": list(cpus)}
            for (package, die), cpus in found.dies.items()
        ],
        "caches": [list(cpus) for cpus in found.caches.values()],
        "kinds": _groups(found.kinds),
        "cores": [fields_of(core) for core in found.cores],
        "accelerators": [fields_of(device) for device in found.accelerators],
        "notes": [{"code": note.code, "text": note.text} for note in found.notes],
    }


def _groups(groups: dict[Any, tuple[int, ...]]) -> dict[str, list[int]]:
    return {str(name): list(cpus) for name, cpus in groups.items()}
