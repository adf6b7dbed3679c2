"""The quotas that can be seen, and how often they throttled while the workers spun."""

from __future__ import annotations

import os
from math import inf
from typing import NamedTuple

from kumo._pressure.counters import quota_limits, read_throttling

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from kumo._records import Estimate, Limit


class Quota(NamedTuple):
    """A visible quota: its cgroup's directory, its period in seconds, the periods throttled."""

    where: str
    period: float
    throttled: int


def visible_quotas(estimate: Estimate) -> list[Limit]:
    """Return the limits that are a quota of a cgroup, from the process's own up."""
    return [limit for limit in quota_limits(estimate.limits) if limit.cpus < inf]


def read_quotas(limits: Sequence[Limit]) -> list[Quota]:
    """Return what has been throttled so far; a level without it is left out."""
    quotas = []
    for limit in limits:
        where, period = os.path.dirname(limit.where), limit.period
        throttling = read_throttling(where)  # without it, it is as a hidden quota
        if throttling is not None and period is not None:
            quotas.append(Quota(where, period, throttling.throttled))
    return quotas


def between(before: Sequence[Quota], after: Sequence[Quota]) -> list[Quota]:
    """Return the quotas with the periods that were throttled from one reading to the other."""
    so_far = {quota.where: quota.throttled for quota in before}
    return [
        quota._replace(throttled=quota.throttled - so_far[quota.where])
        for quota in after
        if quota.where in so_far
    ]
