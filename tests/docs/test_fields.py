"""The fields of each JSON object, compared with the tables of its page, both ways."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest

import kumo
from kumo._cgroups.cpu_stat import Throttling
from kumo._command.pressure import PLAIN
from kumo._doctor.process import Family, Setting
from kumo._fleet.records import Group
from kumo._measure.verdict import Measurement
from kumo._pressure.records import Gil, Lateness, Level
from kumo._records import Limit
from kumo._topology.accelerators import Accelerator
from kumo._topology.records import Core

PACKAGE = Path(kumo.__file__).parent
REFERENCE = Path(__file__).parents[2] / "docs/reference"
OF_AN_ESTIMATE = {"schema", "parallelism", "cpus", "binding", "notes"}  # in doctor's objects


def made(module: str, *names: str) -> set[str]:
    """The keys that a module writes out: those of the dictionaries in its functions."""
    tree = ast.parse((PACKAGE / f"{module}.py").read_text("utf-8"))
    return {
        key.value
        for part in tree.body
        if isinstance(part, (ast.FunctionDef, ast.ClassDef)) and part.name in (names or {part.name})
        for node in ast.walk(part)
        if isinstance(node, ast.Dict)
        for key in node.keys
        if isinstance(key, ast.Constant) and isinstance(key.value, str)
    }


def fields(*records: Any) -> set[str]:
    """The keys that come from records."""
    return {name for record in records for name in record.__match_args__}


def shown(page: str, heading: str) -> tuple[set[str], set[str], str]:
    """The fields of the tables below a heading, all code in these tables, and the whole text."""
    text = (REFERENCE / f"{page}.md").read_text("utf-8")
    depth = heading.index(" ")
    _, here, rest = text.partition(f"\n{heading}\n")
    assert here, heading
    part = re.split(rf"^#{{1,{depth}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]
    tables = re.findall(r"^\| (?:field|name).*\n\| -.*\n((?:\|.*\n)+)", part, re.MULTILINE)
    rows = [row.split("|") for table in tables for row in table.splitlines()]
    first = {name for row in rows for name in re.findall(r"`(\w+)`", row[1])}
    return first, set(re.findall(r"`(\w+)`", "".join(tables))), part


@pytest.mark.parametrize(
    ("page", "heading", "emitted"),
    [
        ("command", "## JSON", made("_explain") | fields(Limit) - {"burst", "period"}),
        ("command", "#### JSON of a fleet", made("_command/fleet") | fields(Group) - {"nodes"}),
        ("run", "## kumo env", made("_command/env")),
        (
            "doctor",
            "### JSON",
            OF_AN_ESTIMATE | made("_command/doctor_report", "RuntimesReport", "_finding"),
        ),
        (
            "doctor",
            "### JSON of a process",
            OF_AN_ESTIMATE
            | made("_command/doctor_report", "ProcessReport", "_level")
            | fields(Family, Setting),
        ),
        ("doctor", "### JSON of all processes", made("_command/doctor_host_report")),
        ("topology", "## JSON", made("_command/topology") | fields(Core, Accelerator)),
        (
            "pressure",
            "## JSON",
            made("_command/pressure") | {*PLAIN} | fields(Level, Lateness, Gil),
        ),
        ("measure", "## JSON", made("_measure/verdict") | fields(Measurement)),
    ],
)
def test_every_field_is_in_its_table(page: str, heading: str, emitted: set[str]) -> None:
    first, words, text = shown(page, heading)

    assert emitted | {"schema"} == first | (words & emitted)
    if "throttling" in emitted and heading != "### JSON of all processes":
        assert [name for name in fields(Throttling) if f"`{name}`" not in text] == []
