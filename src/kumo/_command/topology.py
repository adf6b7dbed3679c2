"""The verb ``kumo topology``: a map of the machine's cores with the process's own CPUs marked."""

from __future__ import annotations

from kumo._cgroups.cpulist import format_cpulist
from kumo._command.options import add_subject, asked_system, verb_parser
from kumo._records import fields_of
from kumo._topology.read import read_cores, read_topology
from kumo._topology.split import levels

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    from kumo._topology.records import Core, Topology

    Place = tuple[int | str | None, ...]

SCHEMA = 1
DESCRIPTION = "Show where the CPUs lie that this process may use."
EPILOG = """\
In the map each core is [CPU sibling …]; a CPU that the process may not use stands in parentheses.
With rich, pip install 'kumo-parallelism[ui]', it is folded to the width of the terminal.
"""


def main(arguments: Sequence[str]) -> int:
    """Print the topology; return the exit code. Raise as `kumo.topology` does."""
    parser = verb_parser("topology", "[--json] [--pid N | --machine FILE]", DESCRIPTION, EPILOG)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    add_subject(parser)
    options = parser.parse_args(arguments)
    system = asked_system(options)
    found = read_topology(system)
    if options.json:
        import json

        print(json.dumps(as_dict(found)))
    else:
        for line in _map(found, read_cores(system)):
            print(line)
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


def _map(found: Topology, cores: Sequence[Core]) -> Iterator[str]:
    rows = list(_rows(found, cores))
    shown = [
        column
        for column, name in enumerate(COLUMNS)
        if name == "cores" or len({row[column] for row in rows}) > 1
    ]
    header, *cells = [tuple(row[column] for column in shown) for row in (COLUMNS, *rows)]
    yield from (*_above(found), "")
    for line in _table(header, cells):
        yield line.replace(KEPT, " ").rstrip()
    yield from _below(found)


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    try:
        from rich.console import Console
        from rich.table import Table
    except ImportError:
        from kumo._text import table

        return table(header, rows)
    drawn = Table(*header, box=None, pad_edge=False, show_edge=False)
    for column in drawn.columns:
        column.overflow = "fold"
    for row in rows:
        drawn.add_row(*row)
    console = Console(highlight=False, markup=False)
    with console.capture() as captured:
        console.print(drawn)
    return captured.get().splitlines()


KEPT = "\u2800"  # within brackets; rich breaks lines at any white space, no-break ones too
COLUMNS = ("package", "node", "die", "cache", "kind", "capacity", "cores")


def _above(found: Topology) -> Iterator[str]:
    capacity = f", worth {found.capacity:.2f} of the strongest" if _uneven(found) else ""
    cpus = "1 CPU" if len(found.online) == 1 else f"{len(found.online)} CPUs"
    cores = "1 core" if found.physical_cores == 1 else f"{found.physical_cores} cores"
    yield f"{len(found.cpus)} of {cpus} on {cores}{capacity}"
    for name, those in (("isolated", found.isolated), ("off line", found.offline)):
        if those:
            yield f"{name}: {_cpulist(those)}"


def _below(found: Topology) -> Iterator[str]:
    for device in found.accelerators:
        near = "node not told" if device.node is None else f"node {device.node}"
        yield f"{device.address}  {device.vendor}:{device.device}  {near}"
    for note in found.notes:
        yield from ("", f"{note.code}: {note.text}")


def _uneven(found: Topology) -> bool:
    return found.capacity != len(found.cpus)


def _rows(found: Topology, cores: Sequence[Core]) -> Iterator[tuple[str, ...]]:
    """Yield a row for each group of cores that lie together."""
    own = {*found.cpus}
    groups: dict[Place, list[str]] = {}
    order = levels(cores)
    for core in sorted(cores, key=lambda core: (*(level(core) for level in order), core.siblings)):
        place: Place = (core.package, core.node, core.die, core.cache, core.kind, core.capacity)
        groups.setdefault(place, []).append(_core(core, own))
    for group, shown in groups.items():
        yield (*("-" if part is None else str(part) for part in group), " ".join(shown))


def _core(core: Core, own: set[int]) -> str:
    return f"[{KEPT.join(str(cpu) if cpu in own else f'({cpu})' for cpu in core.siblings)}]"


def _cpulist(cpus: Iterable[int]) -> str:
    return format_cpulist(sum(1 << cpu for cpu in cpus))
