"""What a node sends: this version's, another's, and anything else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import kumo.fleet
from fleet.nodes import explained, online, quota
from kumo._explain import as_dict
from kumo._fleet import node as sent
from kumo._fleet.reading import MAX_REPORT, read_node

SOURCE = Path(sent.__file__).read_text("utf-8")
GOOD = explained(quota(1.5), online(4))


def reason(text: str) -> str:
    node = read_node(text, engine="dask", host="a", slots=2)
    assert node.estimate is None
    assert node.host in ("a", "n1")
    assert node.slots == 2
    return node.reason or ""


def report(**fields: Any) -> str:
    return json.dumps({"schema": 1, "host": "n1", "explain": GOOD, **fields})


def test_the_report_of_this_process() -> None:
    node = read_node(kumo.fleet.report_node(), engine="dask", slots=2)

    assert node.reason is None
    assert node.estimate == json.loads(json.dumps(as_dict(kumo.estimate())))
    assert node.pressure is None


def test_with_pressure_the_levels_come_along() -> None:
    node = read_node(kumo.fleet.report_node(0.01), engine="dask")

    assert node.pressure is not None
    assert node.pressure["seconds"] >= 0.01


def test_the_text_of_the_module_is_a_program() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", SOURCE], capture_output=True, text=True, check=True, timeout=60
    )

    assert read_node(ran.stdout, engine="dask").estimate is not None


def test_a_node_without_kumo_says_so() -> None:
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-c", SOURCE],
        capture_output=True, text=True, check=True, timeout=60, env={"PATH": "/nonexistent"},
    )  # fmt: skip

    node = read_node(ran.stdout, engine="dask")
    assert node.reason == "LookupError: kumo is not installed there"
    assert node.host not in ("", "?")


def test_a_node_with_another_version_is_asked_by_the_command(tmp_path: Path) -> None:
    package = tmp_path / "kumo"
    package.mkdir()
    (package / "__init__.py").write_text("__version__ = '9'")
    answer = json.dumps({**GOOD, "schema": 7})
    (package / "__main__.py").write_text(f"print({answer!r})")

    ran = subprocess.run(
        [sys.executable, "-S", "-c", SOURCE],
        capture_output=True, text=True, check=True, timeout=60, env={"PYTHONPATH": str(tmp_path)},
    )  # fmt: skip

    node = read_node(ran.stdout, engine="dask")
    assert node.reason == "its kumo is newer: schema 7 of explain --json, and this one knows 1"


def test_the_lines_of_explain_are_understood() -> None:
    node = read_node(json.dumps(GOOD), engine="files", host="a")

    assert (node.host, node.estimate) == ("a", GOOD)


def test_the_reports_own_words_count() -> None:
    node = read_node(
        report(
            slots=3,
            boot="b",
            cgroups={"/x": "1", "/y": 2},
            environment={"OMP_NUM_THREADS": "4,2"},
        ),
        engine="files",
    )

    assert (node.host, node.slots, node.machine, node.inside) == ("n1", 3, "b", 4)
    assert node.cgroups == {"/x": "1"}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not JSON"),
        ("bash: kumo: command not found", "not JSON: 'bash: kumo"),
        ("[" * 100_000, "not JSON"),
        ("[1]", "not a JSON object"),
        (" " * (MAX_REPORT + 1), "more than"),
        ('{"schema": 0, "limits": []}', "older"),
        ('{"explain": {}}', "its report has no schema number"),
        (report(schema=2), "its kumo is newer: schema 2 of report, and this one knows 1"),
        (report(explain=None), "no estimate"),
        (report(reason="ImportError: x"), "ImportError: x"),
        (report(explain=[]), "not a JSON object"),
        (report(explain={**GOOD, "schema": 0}), "its kumo is older: schema 0 of explain"),
        (report(explain={**GOOD, "limits": []}), "no limits"),
        (report(explain={**GOOD, "limits": [3]}), "not a JSON object"),
        (report(explain={**GOOD, "limits": [{}]}), "without a source"),
        (report(explain={**GOOD, "binding": {**GOOD["binding"], "cpus": "4"}}), "not a number"),
        (report(explain={**GOOD, "binding": {**GOOD["binding"], "cpus": -1}}), "not a number"),
        (report(explain={**GOOD, "cpus": float("nan")}), "no number of CPUs"),
        (report(explain={**GOOD, "cpus": 1e300}), "no number of CPUs"),
    ],
)
def test_what_cannot_be_used_is_a_reason(text: str, why: str) -> None:
    assert why in reason(text)


@pytest.mark.parametrize(
    "pressure", [3, {"levels": 3}, {"levels": [3]}, {"levels": [{"where": "x", "periods": "1"}]}]
)
def test_pressure_of_another_form_is_left_out(pressure: object) -> None:
    node = read_node(report(pressure=pressure), engine="dask")

    assert node.estimate is not None
    assert node.pressure is None


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (None, "LookupError: kumo is not installed there"),
        ("echo '[]'", "TypeError: kumo explain --json prints no object there"),
        ("echo 'kumo: no' >&2; exit 2", "RuntimeError: kumo: no"),
        ("exit 1", "RuntimeError: no answer"),
        ("echo '{'", "JSONDecodeError: "),
        (f"echo '{json.dumps(GOOD)}'", None),
    ],
)
@pytest.mark.skipif(os.name != "posix", reason="the command is a shell script")
def test_a_node_where_only_the_command_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, why: str | None
) -> None:
    if script is not None:
        (tmp_path / "kumo").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "kumo").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "kumo", None)
    monkeypatch.setattr(sent, "ASK_SECONDS", 600)

    sent_report = json.loads(sent.report_node(None))

    assert sent_report["kumo"] is None
    if why is None:
        assert (sent_report["reason"], sent_report["explain"]) == (None, GOOD)
    else:
        assert sent_report["reason"].startswith(why)


def test_a_node_whose_kumo_has_other_modules_is_asked_by_the_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "kumo._explain", None)
    monkeypatch.setattr(sent, "ASK_SECONDS", 600)

    sent_report = json.loads(sent.report_node(None))

    assert (sent_report["kumo"], sent_report["reason"]) == (kumo.__version__, None)
    assert sent_report["explain"]["schema"] == 1
