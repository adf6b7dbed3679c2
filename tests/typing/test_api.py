"""The typed file uses every public name."""

from __future__ import annotations

import ast
from pathlib import Path

import kumo


def test_each_public_name_has_a_typed_use() -> None:
    tree = ast.parse(Path(__file__).with_name("api.py").read_text())
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "kumo"
    }

    assert set(kumo.__all__) - used == set()
