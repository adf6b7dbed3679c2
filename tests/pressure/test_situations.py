"""Staged situations on real cgroups: what holds a program back is told, and nothing is left."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import skip_real
from real.host import needs

if sys.platform != "linux":
    pytest.skip("cgroups are Linux's", allow_module_level=True)

from pressure.stages import PROGRAM, STAGES, stage

pytestmark = [pytest.mark.real, pytest.mark.quiet]
ROUNDS = 3
TRIES = 4


@pytest.mark.parametrize("name", STAGES)
def test_the_verdict(name: str) -> None:
    what = STAGES[name]
    top, _ = needs("cpu")
    windows: list[dict[str, Any]] = []
    for _ in range(TRIES):
        windows += [window for window in stage(what, top, ROUNDS) if what.is_staged(window)]
        if len(windows) >= ROUNDS:
            break
    else:
        skip_real("others keep the CPUs so busy that the quota is not what the program lacks")
    verdicts = [window["verdict"] for window in windows]

    assert verdicts.count(what.verdict) >= len(verdicts) - len(verdicts) // ROUNDS, [
        window["evidence"] for window in windows
    ]
    if what.verdict == "quota":
        assert max(window["headroom"] for window in windows) < 0.1
    if what.kind == "children":
        least = 0.8 * min(what.workers, what.quota or what.workers)
        assert max(window["used"] for window in windows) > least
    if what.quota is None:
        assert not {"quota", "quota-harmless"} & {*verdicts}


def test_nothing_is_left() -> None:
    top, _ = needs("cpu")
    before = here(top)
    stage(STAGES["a noisy neighbour"], top, 1, 0.2)

    assert here(top) <= before


def here(top: Path) -> set[str]:
    """The groups of stages and the processes of their program, a killed run's among them."""
    listed = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True)
    processes = {line for line in listed.stdout.splitlines() if str(PROGRAM) in line}
    return processes | {str(group) for group in top.glob("kumo-pressure-*")}
