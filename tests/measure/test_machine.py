"""A virtual machine whose emulator has a quota: the guest has no file that could say so."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from conftest import skip_real

from measure import staged

pytestmark = pytest.mark.kernel
ROUNDS = 2


@pytest.fixture(scope="module")
def machine() -> Iterator[staged.Machine]:
    if reason := staged.kernel_boot.missing():
        skip_real(reason)
    with staged.machine() as machine:
        yield machine


@pytest.mark.parametrize("cpus", [1.0, 1.5, None])
def test_the_emulators_quota(machine: staged.Machine, cpus: float | None) -> None:
    for _ in range(ROUNDS):
        staged.until_quiet()
        found = machine.measured(cpus)

        assert found["allowed"] == 2
        assert found["cpus"] == pytest.approx(cpus or 2, rel=0.15), found
        assert found["hidden"] is (cpus is not None)
