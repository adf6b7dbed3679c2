"""Which libraries the Python has that a command leads to."""

from __future__ import annotations

from pathlib import Path

import pytest

from kumo._launch.beside import installed

NAMES = ("sklearn", "lightgbm")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two environments: `ml` has scikit-learn, `plain` has none."""
    for name in ("ml", "plain"):
        (tmp_path / name / "bin").mkdir(parents=True)
        (tmp_path / name / "lib/python3.13/site-packages").mkdir(parents=True)
        for program in ("python3", "python3.13"):
            (tmp_path / name / "bin" / program).write_text("")
            (tmp_path / name / "bin" / program).chmod(0o755)
    (tmp_path / "ml/lib/python3.13/site-packages/sklearn").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("program", "path", "packages"),
    [
        ("ml/bin/python3", "plain/bin", {"sklearn"}),
        ("plain/bin/python3.13", "ml/bin", set()),
        ("script of ml", "plain/bin", {"sklearn"}),
        ("script of plain", "ml/bin", set()),
        ("env script", "ml/bin", {"sklearn"}),
        ("text", "ml/bin", {"sklearn"}),
        ("nothing", "plain/bin", set()),
        (None, "ml/bin", {"sklearn"}),
        (None, "nowhere", set()),
    ],
)
def test_installed(tree: Path, program: str | None, path: str, packages: set[str]) -> None:
    (tree / "script of ml").write_text(f"#!{tree}/ml/bin/python3 -I\n")
    (tree / "script of plain").write_text(f"#!{tree}/plain/bin/python3.13\n")
    (tree / "env script").write_text("#!/usr/bin/env python3\n")
    (tree / "text").write_bytes(b"\xff#!\n" * 1000)
    asked = None if program is None else str(tree / program)

    assert installed(NAMES, asked, str(tree / path)) == packages
