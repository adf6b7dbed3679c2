"""The rooms of the package, from the ground up: a room imports only from those before it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import kumo

PACKAGE = Path(kumo.__file__).parent
# Rooms on one line may not import each other either.
LAYERS = (
    ("_text", "_errors"),
    ("_records",),
    ("_override",),
    ("_notes",),
    ("_cgroups",),
    ("_system",),
    ("_detectors",),
    ("_survey",),
    ("_explain",),
    ("_hot",),
    ("_runtimes",),
    ("_topology",),
    ("_sizes",),
    ("_snapshot",),
    ("_pressure",),
    ("_measure",),
    ("_launch",),
    ("_watch",),
    ("_pools",),
    ("_doctor",),
    ("_fleet", "_metrics", "_report", "_top"),
    ("_pytest", "lua", "fleet", "dask", "celery", "prometheus", "opentelemetry"),
    ("_command",),
    ("__main__",),
)
LEVEL = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}
# Imports upwards: `str(estimate)` shows the estimate, `estimate.workers` asks for cores and memory,
# and in a notebook records show themselves.
UPWARDS = {
    ("_records.py", "_explain"),
    ("_records.py", "_sizes"),
    ("_records.py", "_report"),
    ("_topology/records.py", "_report"),
    ("_pressure/records.py", "_report"),
    ("_pools/pool.py", "_report"),
}


def test_the_map_at_the_door_has_every_room_in_its_place() -> None:
    """The comment from which docs/generate_architecture.py draws the rooms."""
    lines = re.findall(r"^# - (.+?): .+$", (PACKAGE / "__init__.py").read_text("utf-8"), re.M)
    rooms = [name.strip("`") for line in lines for name in line.split(", ")]

    assert sorted(rooms) == sorted(LEVEL)
    assert [LEVEL[room] for room in rooms] == sorted(LEVEL[room] for room in rooms)


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def running_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of *tree* outside of ``if TYPE_CHECKING``."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        yield node
        yield from running_nodes(node)


def imported_rooms(path: Path) -> Iterator[str]:
    """Yield the rooms that *path* imports at any depth, but not what it names for types alone."""
    for node in running_nodes(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = (
                [node.module] if node.module != "kumo" else [f"kumo.{a.name}" for a in node.names]
            )
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            # The argument of import_module, and the lazy tables
            names = [node.value] if node.value.startswith("kumo._") else []
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "kumo" and len(parts) > 1 and parts[1] in LEVEL:
                yield parts[1]


@pytest.mark.parametrize(
    "path",
    [path for path in sorted(PACKAGE.rglob("*.py")) if path != PACKAGE / "__init__.py"],
    ids=lambda path: path.relative_to(PACKAGE).as_posix(),
)
def test_a_room_imports_only_from_those_below_it(path: Path) -> None:
    room = room_of(path)
    assert room in LEVEL, f"{room} has no place among the layers"

    upwards = {
        other
        for other in imported_rooms(path)
        if other != room
        and LEVEL[other] >= LEVEL[room]
        and (path.relative_to(PACKAGE).as_posix(), other) not in UPWARDS
    }

    assert upwards == set()


def test_no_detector_imports_another() -> None:
    for path in (PACKAGE / "_detectors").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                module = node.module.removeprefix("kumo._detectors")
                assert module == node.module or module.startswith("._"), path.name
