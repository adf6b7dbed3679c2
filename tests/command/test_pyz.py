"""The command in one file: every verb of it runs out of the archive."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from command.conftest import CHECKOUT, NEEDS, TIMEOUT, Ran, environment, machine
from command.test_streams import ARGUMENTS, BEFORE
from kumo._command.verbs import VERBS

SOME = machine("ecs-66-task-level-v1")


@pytest.fixture(scope="module")
def pyz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pyz") / "kumo.pyz"
    subprocess.run([sys.executable, CHECKOUT / "make_pyz.py", path], check=True, timeout=TIMEOUT)
    return path


def run(pyz: Path, *arguments: str) -> Ran:
    ran = subprocess.run(
        [sys.executable, "-I", "-S", str(pyz), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT,
        cwd=pyz.parent,  # not where the sources are
        env=environment(PATH="/nonexistent"),
    )
    return Ran(ran.returncode, ran.stdout, ran.stderr)


@pytest.mark.slow
@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "watch"])
def test_every_verb_runs_out_of_the_archive(pyz: Path, verb: str) -> None:
    arguments = ["--help"] if verb in NEEDS else ARGUMENTS[verb]  # the archive is kumo alone

    ran = run(pyz, verb, *arguments)

    # Python itself may believe in more than the count here, and so may the nodes of the tests.
    assert ran.code == 0 or (verb in ("doctor", "fleet") and ran.code == 1)
    assert BEFORE.sub("", ran.stderr) == ""
    assert ran.stdout


def test_the_template_of_the_report_is_in_the_archive(pyz: Path) -> None:
    assert "kumo/_report/page.html" in ZipFile(pyz).namelist()


def test_a_command_is_run_and_an_exit_code_handed_on(pyz: Path) -> None:
    script = "import os; print(os.environ['KUMO_AVAILABLE_PARALLELISM']); raise SystemExit(7)"

    ran = run(pyz, "run", "--max", "1", "--", sys.executable, "-c", script)

    assert ran == (7, "1\n", "")
    assert run(pyz, "--machine", SOME) == (0, "1\n", "")
    assert run(pyz, "exlpain").code == 2


def test_it_is_made_the_same_twice_and_runs_by_itself(pyz: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.pyz"
    subprocess.run([sys.executable, CHECKOUT / "make_pyz.py", again], check=True, timeout=TIMEOUT)

    assert again.read_bytes() == pyz.read_bytes()
    assert again.read_bytes().startswith(b"#!/usr/bin/env python3\n")
    assert again.stat().st_mode & 0o111 == 0o111
