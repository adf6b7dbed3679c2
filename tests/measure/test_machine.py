"""A virtual machine whose emulator has a quota: the guest has no file that could say so."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from conftest import skip_real

from measure import staged

pytestmark = [pytest.mark.kernel, pytest.mark.quiet]
ROUNDS = 2
TRIES = 8
DISTURBED = 0.15  # CPUs of the host


@pytest.fixture(scope="module")
def machine() -> Iterator[staged.Machine]:
    if reason := staged.missing():
        skip_real(reason)
    with staged.machine() as machine:
        yield machine


@pytest.mark.parametrize("cpus", [1.0, 1.5, None])
def test_the_emulators_quota(machine: staged.Machine, cpus: float | None) -> None:
    right = 0
    for _ in range(TRIES):
        staged.until_quiet()
        measurement = machine.measured(cpus)
        if measurement["others"] > DISTURBED:
            continue  # what they took of the host is not the emulator's: the guest is right
        assert measurement["allowed"] == 2
        assert measurement["cpus"] == pytest.approx(cpus or 2, rel=0.15), measurement
        assert measurement["hidden"] is (cpus is not None)
        right += 1
        if right == ROUNDS:
            return
    skip_real(f"other programs keep the CPUs busy: {right} of {ROUNDS} rounds were undisturbed")
