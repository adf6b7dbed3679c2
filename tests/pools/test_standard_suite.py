"""CPython's own tests of its executor, as this Python has them, pass with the pool in its place."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pools.standard_suite import SUITE

DOCS = Path(__file__).parents[2] / "docs" / "reference" / "live.md"
# Named in the docs with the reason.
DIFFERENT = {
    "test_default_workers",
    "test_max_workers_negative",
    "test_thread_names_assigned",
    "test_thread_names_default",
}


@pytest.mark.slow
def test_the_standard_librarys_tests_pass_but_for_those_that_the_docs_name() -> None:
    if importlib.util.find_spec(SUITE) is None:
        pytest.skip("this Python is installed without its own tests")
    script = Path(__file__).with_name("standard_suite.py")
    command = [sys.executable, "-W", "ignore", str(script)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stderr

    outcomes: dict[str, str] = json.loads(ran.stdout)

    wrong = {name: text for name, text in outcomes.items() if text not in ("ok", "skipped")}
    assert {name.partition(".")[2] for name in wrong} == DIFFERENT, "\n".join(wrong.values())
    assert len([name for name, text in outcomes.items() if text == "ok"]) > 35, outcomes


def test_the_docs_name_the_tests_that_differ() -> None:
    assert set(re.findall(r"`(test_\w+)`", DOCS.read_text("utf-8"))) == DIFFERENT
