"""A real quota that changes at random under a pool with tasks flowing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from real.conftest import MakeGroup, make_group  # noqa: F401 - a fixture
from real.host import environment, in_groups

pytestmark = pytest.mark.real


def test_a_pool_follows_a_quota_that_changes_at_random(
    make_group: MakeGroup,  # noqa: F811 - the fixture
    pytestconfig: pytest.Config,
) -> None:
    group = make_group(cpus=2)
    seconds = pytestconfig.getoption("--pool-seconds")
    seed = pytestconfig.getoption("--fuzz-seed")
    script = str(Path(__file__).with_name("flow.py"))
    program = [sys.executable, "-W", "ignore", script, str(group.path), str(seconds), str(seed)]
    ran = subprocess.run(
        in_groups([group], program),
        capture_output=True,
        text=True,
        timeout=seconds + 120,
        check=False,
        env=environment(),
    )
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stderr
    found = json.loads(ran.stdout)
    print(found)

    assert found["tasks"] == found["once"] == found["ran"] > 100
    assert found["wrong"] == []
    assert found["healthy"], "a shutdown in the middle went wrong"
    assert found["rounds"] > 0
