"""Nodes from files, which any tool has gathered: ansible, pdsh or kubectl.

A file is a machine file, or it has lines that ``kumo explain --json`` or `report_node` printed.
A line may begin with the host's name and a colon. *target* is a file, a folder of files, or ``-``
for stdin, which is also the default.
"""

from __future__ import annotations

import os
import re
import sys

from kumo._errors import InputError
from kumo._fleet.alike import Estimates
from kumo._fleet.reading import (
    MAX_REPORT,
    ReportError,
    check_explained,
    node_of,
    parse_report,
    silent,
)
from kumo._fleet.records import Node
from kumo._override import OverrideError
from kumo._records import fields_of
from kumo._system.machine_file import MAX_FILE_BYTES, MachineError
from kumo._text import repr_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, TextIO

SLOTS = 'the line\'s own "slots", else the online CPUs, which is what most engines take'
FIX = "the engine's own option, with $(kumo)"
ENGINE = "files"
MAX_FILES = 1_000_000
HEADING = re.compile(r"^-- [!$/][^\n]* --$", re.MULTILINE)
SHOW_EVERY = 500  # nodes


def ask(
    target: str | None,
    *,
    pressure: float | None,
    timeout: float,
    progress: Callable[[str], None],
) -> Iterator[Node]:
    """Yield a node for each machine file and each line. Raise `InputError`."""
    for count, node in enumerate(_all_nodes(target), 1):
        if count % SHOW_EVERY == 0:
            progress(f"{count} nodes read")
        yield node


def _all_nodes(target: str | None) -> Iterator[Node]:
    estimates = Estimates()
    if target is None or target == "-":
        if sys.stdin is None:
            raise InputError("files -: stdin is closed")
        yield from _nodes_of(sys.stdin, "stdin", estimates)
        return
    if not os.path.isdir(target):
        try:
            yield from _nodes_of_file(target, estimates)
        except OSError as error:
            raise InputError(f"files {repr_path(target)}: {error.strerror or error}") from None
        return
    try:
        names = sorted(name for name in os.listdir(target) if name[0] != ".")
    except OSError as error:
        raise InputError(f"files {repr_path(target)}: {error.strerror or error}") from None
    if not names:
        raise InputError(f"files {repr_path(target)}: there is no file in it")
    if len(names) > MAX_FILES:
        raise InputError(
            f"files {repr_path(target)}: {len(names)} files in it, more than {MAX_FILES}"
        )
    for name in names:
        path = os.path.join(target, name)
        try:
            if not os.path.isdir(path):
                yield from _nodes_of_file(path, estimates)
        except OSError as error:
            yield silent(_stem(name), f"{name}: {error.strerror or error}", engine=ENGINE)


def _nodes_of_file(path: str, estimates: Estimates) -> Iterator[Node]:
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)  # a pipe in the folder does not block
    with open(
        os.open(path, flags), encoding="utf-8", errors="surrogateescape", newline="\n"
    ) as file:
        yield from _nodes_of(file, _stem(path), estimates)


def _stem(path: str) -> str:
    return os.path.basename(path).partition(".")[0] or os.path.basename(path)


def _nodes_of(file: TextIO, name: str, estimates: Estimates) -> Iterator[Node]:
    """Yield the nodes of an open file; the first lines decide which form it has."""
    begun = ""
    for line in _lines(file):
        if HEADING.match(line.rstrip("\n")):
            rest = file.read(MAX_FILE_BYTES + 1)
            yield _node_of_machine(begun + line + rest, name, estimates)
            return
        place = line.find("{")
        if place >= 0 and '"schema"' in line:
            yield _node_of_line(line, place, name)
            for number, each in enumerate(_lines(file), 2):
                if each.strip():
                    yield _node_of_line(each, each.find("{"), f"{name}:{number}")
            return
        begun += line
        if len(begun) > MAX_REPORT:
            break
    why = "neither a machine file nor lines of explain --json" if begun.strip() else "it is empty"
    yield silent(name, why, engine=ENGINE)


def _lines(file: TextIO) -> Iterator[str]:
    while line := file.readline(MAX_REPORT + 1):
        yield line


def _node_of_line(line: str, place: int, name: str) -> Node:
    before = line[:place] if place >= 0 else line.partition(": ")[0] if ": " in line else ""
    host = before.strip().partition(" ")[0].rstrip(":|")[:253] or name
    try:
        report = parse_report(line[place if place >= 0 else len(before) :].lstrip(": ").rstrip())
        node = node_of(report, engine=ENGINE, host=host)
    except ReportError as error:
        return silent(host, str(error), engine=ENGINE)
    return node if node.slots is not None or node.estimate is None else _with_online(node)


def _node_of_machine(text: str, name: str, estimates: Estimates) -> Node:
    try:
        if len(text) > MAX_FILE_BYTES:
            raise MachineError(f"more than {MAX_FILE_BYTES} characters are not a machine file")
        estimate = estimates.of(text)
        check_explained(estimate)  # an override may be any number
    except (MachineError, OverrideError, ReportError, OSError) as error:
        return silent(name, str(error), engine=ENGINE)
    return Node(name, ENGINE, _online(estimate), estimate=estimate)


def _with_online(node: Node) -> Node:
    """Return *node* with the slots that an engine has there which counts the online CPUs."""
    estimate: Any = node.estimate
    return Node(**{**fields_of(node), "slots": _online(estimate)})


def _online(estimate: dict[str, Any]) -> float | None:
    """Return the online CPUs of an estimate, else those of its first set."""
    online = [limit["cpus"] for limit in estimate["limits"] if limit["source"] == "online"]
    sets = [limit["cpus"] for limit in estimate["limits"] if limit["kind"] == "set"]
    return next((cpus for cpus in (*online, *sets) if cpus is not None), None)
