"""The fields of each JSON object, compared both ways with what lists them."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path
from typing import Any

import pytest

import kumo
from kumo._cgroups.cpu_stat import Throttling
from kumo._command.env import _as_dict
from kumo._command.pressure import PLAIN
from kumo._doctor.process import Family, Setting
from kumo._fleet.records import Group
from kumo._launch.plan import Decision
from kumo._measure.verdict import Measurement
from kumo._pressure.records import Gil, Lateness, Level
from kumo._records import Limit
from kumo._topology.accelerators import Accelerator
from kumo._topology.records import Core

PACKAGE = Path(kumo.__file__).parent
REFERENCE = Path(__file__).parents[2] / "docs/reference"
OF_AN_ESTIMATE = {"schema", "parallelism", "cpus", "binding", "notes"}  # in doctor's objects


@functools.cache
def parsed(module: str) -> ast.Module:
    return ast.parse((PACKAGE / f"{module}.py").read_text("utf-8"))


def made(module: str, function: str, field: str = "") -> set[str]:
    """The keys of the dictionary that *function* of a module returns, or of those in a *field*.

    Those of records are not among them.
    """
    scope: ast.AST = parsed(module)
    for name in function.split("."):
        (scope,) = (part for part in ast.walk(scope) if getattr(part, "name", "") == name)
    (value,) = (part.value for part in ast.walk(scope) if isinstance(part, ast.Return))
    dictionary = first_dictionary(value)
    if field:
        dictionary = first_dictionary(
            next(value for key, value in pairs(dictionary) if key == field)
        )
    return {key for key, _ in pairs(dictionary)}


def first_dictionary(node: ast.AST | None) -> ast.Dict:
    assert node
    return next(part for part in ast.walk(node) if isinstance(part, ast.Dict))


def pairs(dictionary: ast.Dict) -> list[tuple[str, ast.expr]]:
    both = zip(dictionary.keys, dictionary.values, strict=True)
    return [(ast.literal_eval(key), value) for key, value in both if key is not None]


def fields(*records: Any) -> set[str]:
    """The keys that come from records."""
    return {name for record in records for name in record.__match_args__}


def rows(page: str, heading: str, table: int) -> list[list[str]]:
    """The cells of the first or a further table of fields below a heading."""
    text = (REFERENCE / f"{page}.md").read_text("utf-8")
    depth = heading.index(" ")
    _, here, rest = text.partition(f"\n{heading}\n")
    assert here, heading
    part = re.split(rf"^#{{1,{depth}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]
    tables = re.findall(r"^\| (?:field|name).*\n\| -.*\n((?:\|.*\n)+)", part, re.MULTILINE)
    return [row.split("|")[1:-1] for row in tables[table].splitlines()]


def code(text: str) -> list[str]:
    return re.findall(r"`(\w+)`", text)


VARIABLES = _as_dict(1, {}, [Decision("OMP_NUM_THREADS", "set", 1, "1", "")])
DOCTOR, HOST = "_command/doctor_report", "_command/doctor_host_report"
# The page, the heading, which of the tables below it, and the fields that are printed.
TABLES: list[tuple[str, str, int, set[str]]] = [
    ("command", "### The object", 0, made("_explain", "as_dict")),
    ("command", "### A limit", 0, fields(Limit) - {"burst", "period"}),
    ("command", "### A note", 0, made("_explain", "as_dict", "notes")),
    (
        "command",
        "#### JSON of a fleet",
        0,
        made("_command/fleet", "as_dict") | made("_command/fleet", "_totals"),
    ),
    (
        "command",
        "#### JSON of a fleet",
        1,
        fields(Group) - {"nodes"} | made("_command/fleet", "_group"),
    ),
    ("run", "## kumo env", 0, {*VARIABLES}),
    ("run", "## kumo env", 1, {*VARIABLES["variables"][0]}),
    ("doctor", "### JSON", 0, OF_AN_ESTIMATE | made(DOCTOR, "RuntimesReport.data")),
    ("doctor", "### JSON", 1, made(DOCTOR, "_finding")),
    ("doctor", "### JSON of a process", 0, OF_AN_ESTIMATE | made(DOCTOR, "ProcessReport.data")),
    ("doctor", "### JSON of all processes", 0, made(HOST, "HostReport.data")),
    ("doctor", "### JSON of all processes", 1, made(HOST, "_data")),
    ("topology", "## JSON", 0, made("_command/topology", "as_dict")),
    ("pressure", "## JSON", 0, made("_command/pressure", "as_dict") | {*PLAIN}),
    ("measure", "## JSON", 0, made("_measure/verdict", "as_dict") | fields(Measurement)),
]
# The page, the heading, the field whose row lists further fields, and those.
CELLS: list[tuple[str, str, str, set[str]]] = [
    ("command", "#### JSON of a fleet", "silent", made("_command/fleet", "as_dict", "silent")),
    ("doctor", "### JSON", "unanswered", made(DOCTOR, "RuntimesReport.data", "unanswered")),
    ("doctor", "### JSON of a process", "threads", fields(Family)),
    ("doctor", "### JSON of a process", "settings", fields(Setting)),
    ("doctor", "### JSON of a process", "levels", made(DOCTOR, "_level")),
    ("topology", "## JSON", "dies", made("_command/topology", "as_dict", "dies")),
    ("topology", "## JSON", "cores", fields(Core)),
    ("topology", "## JSON", "accelerators", fields(Accelerator)),
    ("topology", "## JSON", "notes", made("_command/topology", "as_dict", "notes")),
    ("pressure", "## JSON", "lateness", fields(Lateness)),
    ("pressure", "## JSON", "gil", fields(Gil)),
    ("pressure", "## JSON", "levels", fields(Level) | made("_command/pressure", "_level")),
]


@pytest.mark.parametrize(("page", "heading", "table", "printed"), TABLES)
def test_every_field_is_in_its_table(
    page: str, heading: str, table: int, printed: set[str]
) -> None:
    shown = [name for row in rows(page, heading, table) for name in code(row[0])]

    assert sorted(shown) == sorted(printed)


@pytest.mark.parametrize(("page", "heading", "field", "printed"), CELLS)
def test_every_field_is_in_its_cell(page: str, heading: str, field: str, printed: set[str]) -> None:
    (row,) = (row for row in rows(page, heading, 0) if code(row[0]) == [field])

    assert sorted(code(row[2])) == sorted(printed)


@pytest.mark.parametrize("page", ["doctor", "pressure"])
def test_every_field_of_throttling_is_in_the_page(page: str) -> None:
    text = (REFERENCE / f"{page}.md").read_text("utf-8")
    lists = re.findall(r"`throttling` has ([^.]+)\.", text)

    assert lists
    assert [{*code(names)} for names in lists] == [fields(Throttling)] * len(lists)
