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
    own_topology = read_topology(system)
    if options.json:
        write_json(as_dict(own_topology))
    elif options.svg:
        from kumo._report.drawing import topology

        write_exact(topology(own_topology, read_cores(system), alone=True))
    else:
        columns = max(width() or IN_A_PIPE, NARROWEST)
        lines = picture(own_topology, read_cores(system), columns)
        write("".join(f"{line}\n" for line in lines))
    return 0


def as_dict(topology: Topology) -> dict[str, Any]:
    """Return what ``--json`` prints, by docs/reference/topology.md: schema 1."""
    return {
        "schema": SCHEMA,
        "cpus": list(topology.cpus),
        "online": list(topology.online),
        "offline": list(topology.offline),
        "isolated": list(topology.isolated),
        "physical_cores": topology.physical_cores,
        "capacity": topology.capacity,
        "nodes": _groups(topology.nodes),
        "packages": _groups(topology.packages),
        "dies": [
            {"package": package, "die": die, "cpus": list(cpus)}
            for (package, die), cpus in topology.dies.items()
        ],
        "caches": [list(cpus) for cpus in topology.caches.values()],
        "kinds": _groups(topology.kinds),
        "cores": [fields_of(core) for core in topology.cores],
        "accelerators": [fields_of(device) for device in topology.accelerators],
        "notes": [{"code": note.code, "text": note.text} for note in topology.notes],
    }


def _groups(groups: dict[Any, tuple[int, ...]]) -> dict[str, list[int]]:
    return {str(name): list(cpus) for name, cpus in groups.items()}
