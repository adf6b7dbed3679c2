"""The count of this process, recomputed at every call."""

from __future__ import annotations

from kumo._survey import estimate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kumo._system import Scope


def available_parallelism(scope: Scope = "process") -> int:
    """Return the default amount of parallelism that this program should use, in CPUs; at least 1.

    The least of the CPUs that the process's threads may use, of every CPU quota from its
    cgroup up, and of the CPUs on line, rounded down. ``KUMO_AVAILABLE_PARALLELISM``
    in the environment overrides it. Nothing is cached. ``scope="thread"`` is for the
    calling thread alone.

    Raise `OverrideError` where the override is not a positive decimal integer, `ValueError`
    for another *scope*.
    """
    return estimate(scope).parallelism
