"""The effect of a cgroup's quota, by its ``cpu.stat``. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

_LINES = re.compile(
    r"^(nr_periods|nr_throttled|(?:throttled|burst)_(?:usec|time)) ([0-9]{1,19})$", re.MULTILINE
)


class Throttling(NamedTuple):
    """Quota periods with something to run, those in which it was throttled, and for how long.

    *seconds* are summed over CPUs, so that they may exceed the time that passed. *burst* is the
    CPU time in seconds that was used beyond the quota.
    """

    periods: int
    throttled: int
    seconds: float
    burst: float = 0.0


def parse_cpu_stat(text: str) -> Throttling | None:
    """Read what a cgroup's quota has done; `None` if the text is about no quota.

    Format: ``nr_periods 12`` and ``nr_throttled 3``, then in v2 ``throttled_usec 4567`` and
    ``burst_usec 89`` (microseconds), in v1 ``throttled_time 4567000`` and ``burst_time 89000``
    (nanoseconds), a line each; bursts since Linux 5.15.
    https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu-interface-files
    https://docs.kernel.org/scheduler/sched-bwc.html#statistics
    """
    values = {name: int(value) for name, value in _LINES.findall(text)}
    if "nr_periods" not in values or "nr_throttled" not in values:
        return None
    if "throttled_usec" in values:
        seconds, burst = values["throttled_usec"] / 1e6, values.get("burst_usec", 0) / 1e6
    elif "throttled_time" in values:
        seconds, burst = values["throttled_time"] / 1e9, values.get("burst_time", 0) / 1e9
    else:
        return None
    return Throttling(values["nr_periods"], values["nr_throttled"], seconds, burst)


def difference(before: Throttling | None, after: Throttling | None) -> Throttling | None:
    """Return what happened between two readings of the same cgroup; `None` if one is."""
    if before is None or after is None:
        return None
    return Throttling(
        after.periods - before.periods,
        after.throttled - before.throttled,
        after.seconds - before.seconds,
        after.burst - before.burst,
    )
