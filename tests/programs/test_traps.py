"""What divides the threads of its workers still does under ``kumo run``: inner threads, summed."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import skip_real
from real.host import needs_two_cpus

from programs.programs import ask, version_of
from programs.traps import EXPORTED, KUMO, TRAPS, Trap

pytestmark = pytest.mark.programs


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.name)
def test_inner_threads_are_divided_under_kumo_run(trap: Trap, tmp_path: Path) -> None:
    cpus = len(needs_two_cpus())
    if version_of(trap) is None:
        if trap.heavy:
            pytest.skip(f"{trap.name}: too much to bring for a test; the benchmark runs it")
        skip_real(f"{trap.name} is not installed: tests/programs/install.sh brings it")
    exported = {variable: str(cpus) for variable in EXPORTED}

    plain = ask(trap, tmp_path, {}, [])
    under = ask(trap, tmp_path, {}, [*KUMO, "--"])
    sprung = ask(trap, tmp_path, exported, [*KUMO, "--"])
    declared = ask(trap, tmp_path, {}, [*KUMO, "--workers", "2", "--"])
    viewed = ask(trap, tmp_path, {}, [*KUMO, "--view", "--"])

    assert under == viewed == plain
    assert sprung == 2 * cpus
    assert declared == 2 * (cpus // 2)
    assert (plain <= cpus) == trap.divides
