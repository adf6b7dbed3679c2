"""Programs that run in a cgroup of their own, whose quota they change at random themselves."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from real.conftest import MakeGroup
from real.host import environment, in_groups


def run_for_pool_seconds(name: str, make_group: MakeGroup, config: pytest.Config) -> dict[str, Any]:
    """Run the program of that *name* here for ``--pool-seconds``; return what it has printed."""
    group = make_group(cpus=2)
    seconds = config.getoption("--pool-seconds")
    seed = config.getoption("--fuzz-seed")
    script = str(Path(__file__).with_name(name))
    program = [sys.executable, "-W", "ignore", script, str(group.path), str(seconds), str(seed)]
    ran = subprocess.run(
        in_groups([group], program),
        capture_output=True,
        text=True,
        timeout=seconds + 300,
        check=False,
        env=environment(),
    )
    assert ran.returncode == 0, ran.stderr
    print(ran.stdout)
    report: dict[str, Any] = json.loads(ran.stdout)
    return report | {"stderr": ran.stderr}
