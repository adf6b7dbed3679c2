"""The verb ``kumo fleet``: what an engine believes of its nodes, against what is really there."""

from __future__ import annotations

from math import inf

from kumo._command.options import add_json, did_you_mean, positive_seconds
from kumo._command.output import Progress, paint, paragraph, table, write, write_json
from kumo._errors import InputError, UsageError
from kumo._fleet.adapters import ENGINES, load
from kumo._fleet.gather import ask_all, paired
from kumo._fleet.groups import excess_of
from kumo._fleet.setting import wanted_slots
from kumo._records import fields_of, round_cpus
from kumo._text import plural, quoted, show_rate, show_share

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    from kumo._command.options import Parser
    from kumo._fleet.records import Fleet, Group, Node

SCHEMA = 1
OVER, SILENT = 1, 4
MAX_SILENT = 20  # lines, without --hosts
DESCRIPTION = "Compare the slots that a cluster engine has on each node with the CPUs there."
EXITS = {
    OVER: "a node has more slots than CPUs",
    SILENT: "a node gave no answer, and none has more slots than CPUs",
}
COLUMNS = ("hosts", "believes", "inside", "CPUs", "bound by", "throttled", "verdict", "fix")
STYLES = {"over": "red", "under": "yellow", "fits": "green"}


DETAILS = f"""\
engines: {", ".join(ENGINES)}

The engine is asked by its own means, with its own configuration and rights.
Equal nodes are one line, the worst first.
"""


def add_arguments(parser: Parser) -> None:
    """Add the options."""
    parser.add_argument(
        "engine", metavar="ENGINE", help="the engine to ask; several with commas between"
    )
    parser.add_argument(
        "target", nargs="*", metavar="TARGET", default=[],  # else a missing ENGINE names it, too
        help="its address, file, folder, or options in quotes; one for each engine",
    )  # fmt: skip
    add_json(parser)
    parser.add_argument("--hosts", action="store_true", help="a line for each host")
    parser.add_argument(
        "--pressure", type=positive_seconds, metavar="S",
        help="also watch for S seconds how much each node is throttled",
    )  # fmt: skip
    parser.add_argument(
        "--timeout", type=positive_seconds, default=30.0, metavar="S",
        help="how long to wait for answers, by default 30 seconds",
    )  # fmt: skip
    parser.add_argument(
        "--hostfile", action="store_true", help="print a hostfile for mpirun instead"
    )
    parser.add_argument(
        "--set", action="store_true", help="give the nodes that are not right their slots (ray)"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="with --set: print the slots, and set nothing"
    )


def run(options: Namespace) -> int:
    """Print what the nodes answered; return the exit code. Raise `InputError`."""
    if options.hostfile and options.json:
        raise UsageError("--hostfile and --json exclude each other")
    for engine in options.engine.split(","):
        if engine not in ENGINES:
            raise UsageError(not_an_engine(engine))
    _check_setting(options)
    pairs = paired(options.engine, options.target)
    with Progress() as progress:
        fleet = ask_all(
            pairs, pressure=options.pressure, timeout=options.timeout, progress=progress.show
        )
    if not fleet.nodes:
        raise InputError(
            f"{options.engine}: no node was found: is a worker running, and is the target right?"
        )
    places = fleet.places
    if options.set:
        return _set_slots(options, pairs[0][1], places)
    if options.hostfile:
        write("".join(f"{line}\n" for line in hostfile(places)))
    elif options.json:
        write_json(as_dict(fleet, options.hosts))
    else:
        write("".join(f"{line}\n" for line in lines(fleet, options.hosts)))
    if any(place.excess > 0 for place in places):
        return OVER
    return SILENT if fleet.silent else 0


def not_an_engine(word: str) -> str:
    """Return what is wrong with an engine that there is not, and the list of those there are."""
    meant = did_you_mean(word, ENGINES)
    return f"{word[:60]!a} is not an engine{meant}: there are {', '.join(ENGINES)}"


def _check_setting(options: Namespace) -> None:
    """Raise `UsageError` if there is nothing that ``--set`` or ``--dry-run`` could mean."""
    if options.dry_run and not options.set:
        raise UsageError("--dry-run goes with --set")
    if not options.set:
        return
    if options.hostfile or options.json:
        raise UsageError("--set goes with neither --hostfile nor --json")
    if "," in options.engine:
        raise UsageError("--set takes one engine")
    if not hasattr(load(options.engine), "set_slots"):
        raise UsageError(
            f"--set cannot change the slots of {options.engine}; docs/guides/fleet.md has its way"
        )


def _set_slots(options: Namespace, target: str | None, places: Sequence[Group]) -> int:
    """Set the slots of the nodes that are not right; return 1 if any could not be set."""
    wanted = wanted_slots(places)
    counts = {worker: count for worker, (_, count) in wanted.items()}
    done = dict.fromkeys(counts, "would be set")
    if not options.dry_run and counts:
        adapter = load(options.engine)
        done = dict(adapter.set_slots(target, counts, timeout=options.timeout))
    for worker, (node, count) in wanted.items():
        change = f"{node.slots:g} -> {count}"
        write(f"{quoted(node.host, 60)}  {quoted(worker, 60)}  {change}  {done[worker]}\n")
    if not wanted:
        write("nothing to set: the slots of each node that answered fit\n")
    return OVER if any(text.startswith("failed") for text in done.values()) else 0


def hostfile(places: Iterable[Group]) -> Iterator[str]:
    """Yield the lines of a hostfile for mpirun: each host once, with the slots that fit."""
    slots: dict[str, int] = {}
    for place in places:
        names = list(dict.fromkeys(node.host for node in place.nodes))
        each, rest = divmod(round_cpus(place.cpus), len(names))
        for number, host in enumerate(names):  # containers of one host share its CPUs
            slots[host] = slots.get(host, 0) + max(1, each + (number < rest))
    for host in sorted(slots):
        yield f"{host} slots={slots[host]}"


def as_dict(fleet: Fleet, hosts: bool) -> dict[str, Any]:
    """Return what ``--json`` prints, by docs/reference/command.md: schema 1."""
    places = fleet.places
    groups = places if hosts else fleet.groups
    return {
        "schema": SCHEMA,
        **_totals(fleet, places),
        "groups": [_group(group) for group in groups],
        "silent": [
            {"host": node.host, "engine": node.engine, "workers": list(node.workers),
             "slots": node.slots, "reason": node.reason}
            for node in fleet.silent
        ],
    }  # fmt: skip


def _totals(fleet: Fleet, places: Sequence[Group]) -> dict[str, Any]:
    answered = [node for node in fleet.nodes if node.estimate is not None]
    believed = sum(node.slots or 0 for node in answered)
    over = excess_of(places)
    return {
        "engines": list(fleet.engines),
        "believes_by": {engine: load(engine).SLOTS for engine in fleet.engines},
        "nodes": len(fleet.nodes),
        "answered": len(answered),
        "slots": believed,
        "over": over,
        "under": -sum(len(place.hosts) * place.excess for place in places if place.excess < 0),
    }


def _group(group: Group) -> dict[str, Any]:
    fields = fields_of(group)
    del fields["nodes"]
    return {
        **fields,
        "cpus": None if group.cpus == inf else group.cpus,
        "verdict": group.verdict,
        "workers": [worker for node in group.nodes for worker in node.workers],
    }


def lines(fleet: Fleet, hosts: bool) -> Iterator[str]:
    """Yield the totals, the table and the silent nodes."""
    places = fleet.places
    totals = _totals(fleet, places)
    asked = f"{plural(totals['nodes'], 'node')} asked, {totals['answered']} answered"
    counts = f"{asked}, {len(fleet.silent)} silent"
    over = [place for place in places if place.excess > 0]
    places_over = f" on {plural(len(over), 'host')}" if over else ""
    yield from paragraph(
        f"{counts}; slots: {totals['slots']:,g}, over by {totals['over']:,g}{places_over}, "
        f"under by {totals['under']:,g}"
    )
    groups = places if hosts else fleet.groups
    if groups:
        header = ("host", *COLUMNS[1:]) if hosts else COLUMNS
        yield ""
        yield from _painted(table(header, [_cells(group, hosts) for group in groups]), groups)
    yield from _silent(fleet.silent, hosts)


def _painted(rows: list[list[str]], groups: Iterable[Group]) -> Iterator[str]:
    yield from (paint(line, "bold") for line in rows[0])
    for row, group in zip(rows[1:], groups, strict=True):
        style = STYLES.get(group.verdict)
        yield from (paint(line, style) if style else line for line in row)


def _cells(group: Group, hosts: bool) -> tuple[str, ...]:
    others = len({node.host for node in group.nodes}) - 1
    names = quoted(group.hosts[0], 60) + (f" and {others} more" if others else "")
    verdict: str = group.verdict
    if group.excess:
        verdict += f" by {abs(group.excess):g}"
    rate = group.cpus != int(group.cpus) if group.cpus < inf else False
    return (
        names if hosts else str(len(group.hosts)),
        "-" if group.slots is None else f"{group.slots:g}",
        "-" if group.inside is None else str(group.inside),
        "-" if group.cpus == inf else show_rate(group.cpus) if rate else f"{group.cpus:g}",
        quoted(f"{group.source} {group.where} {group.text}".rstrip(), 90),
        show_share(group.throttled),
        verdict,
        quoted(group.fix, 120) or "-",
    )


def _silent(nodes: Sequence[Node], all_of_them: bool) -> Iterator[str]:
    """Yield a line for each reason with the nodes that have it."""
    by_reason: dict[str, list[str]] = {}
    for node in nodes:
        names = by_reason.setdefault(node.reason or "", [])
        names.append(node.host + (f" ({', '.join(node.workers[:3])})" if node.workers else ""))
    if by_reason:
        yield ""
    for reason, names in by_reason.items():
        shown = names if all_of_them else names[:MAX_SILENT]
        more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
        yield from paragraph(quoted(f"silent: {', '.join(shown)}{more}: {reason}", 10_000))
