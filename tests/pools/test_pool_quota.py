"""A real quota that changes at random under a pool with tasks flowing."""

from __future__ import annotations

import pytest
from real.conftest import MakeGroup, make_group  # noqa: F401 - a fixture

from pools.quota_program import run_for_pool_seconds

pytestmark = pytest.mark.real


def test_a_pool_follows_a_quota_that_changes_at_random(
    make_group: MakeGroup,  # noqa: F811 - the fixture
    pytestconfig: pytest.Config,
) -> None:
    report = run_for_pool_seconds("flow.py", make_group, pytestconfig)

    assert report["stderr"] == ""
    assert report["tasks"] == report["once"] == report["ran"] > 100
    assert report["wrong"] == []
    assert report["healthy"], "a shutdown in the middle went wrong"
    assert report["rounds"] > 0
