"""The hot path gives the survey's answer through everything that happens to a process."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
import v1
from conftest import skip_real

pytestmark = pytest.mark.real


def names() -> list[str]:
    """The events' names: the functions of `groups`, found without importing what acts."""
    return [
        node.name
        for file in ("events.py", "trials.py")
        for node in ast.parse((HERE / file).read_text()).body
        if isinstance(node, ast.FunctionDef) and [a.arg for a in node.args.args] == ["groups"]
    ]


def run(*arguments: str) -> None:
    if reason := v1.why_not() if sys.platform == "linux" else "not Linux":
        skip_real(reason)
    child = subprocess.Popen(
        [sys.executable, str(HERE / "run.py"), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        out, err = child.communicate(timeout=600)
        assert (child.returncode, out) == (0, "right\n"), err[-2000:]
    finally:
        child.kill()
        v1.remove_tree(child.pid)


@pytest.mark.parametrize("name", names())
def test_event(name: str) -> None:
    run("event", name)


def test_random_history(request: pytest.FixtureRequest) -> None:
    run("history", str(request.config.getoption("history_steps")), "20260101")


def test_random_history_under_a_watch() -> None:
    run("watched", "100", "20260101")


def test_random_histories_on_machine_files(request: pytest.FixtureRequest) -> None:
    run("staged", str(request.config.getoption("history_steps")), "20260101")
