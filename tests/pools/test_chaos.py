"""Pools and watches while everything goes wrong at random: each task runs once, nothing is left.

``--pool-seconds 600`` makes it ten minutes.
"""

from __future__ import annotations

import pytest
from real.conftest import MakeGroup, make_group  # noqa: F401 - a fixture

from pools.quota_program import run_for_pool_seconds

pytestmark = pytest.mark.real


def test_every_task_runs_once_and_nothing_is_left(
    make_group: MakeGroup,  # noqa: F811 - the fixture
    pytestconfig: pytest.Config,
) -> None:
    report = run_for_pool_seconds("chaos.py", make_group, pytestconfig)

    assert report["tasks"] > 100
    for what in ("twice", "lost", "unasked", "ran though cancelled"):
        assert report[what] == 0, (what, report)
    # Those that kumo keeps may be open or not at the moment; a leak would be one a fault.
    assert {name: more for name, more in report["descriptors"].items() if more > 3} == {}, report
    assert (report["wrong"], report["left"]) == ([], [])
