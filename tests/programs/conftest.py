"""Cgroups for the programs: those of the real limits."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from real.conftest import MakeGroup
from real.conftest import make_group as real_group
from real.host import Group

__all__ = ["make_group", "real_group"]
PATIENCE = 60


@pytest.fixture
def make_group(real_group: MakeGroup) -> Iterator[MakeGroup]:
    """As for real limits; workers may take a moment longer to end than what started them."""
    made: list[Group] = []

    def make(**options: Any) -> Group:
        made.append(real_group(**options))
        return made[-1]

    yield make
    deadline = time.monotonic() + PATIENCE
    while left := [pid for group in made for pid in group.read("cgroup.procs").split()]:
        assert time.monotonic() < deadline, f"processes that did not end: {left}"
        time.sleep(0.05)
