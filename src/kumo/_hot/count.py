"""The count of this process, recomputed at every call, cheaply from the second one on.

A survey says which files decide. `Kept` holds descriptors to them and reads the same rule
anew at each call; whatever it does not expect makes it answer `None`, and a survey follows.
"""

from __future__ import annotations

import _thread
import os
import sys

from kumo._override import VARIABLE, parse_override
from kumo._records import round_cpus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kumo._records import Estimate
    from kumo._system.live import Scope

_ENCODED = VARIABLE.encode()
if sys.platform == "linux":
    if TYPE_CHECKING:
        from kumo._hot.kept import Kept
    _kept: Kept | None = None
    _gate = (os.getpid(), _thread.allocate_lock())


def available_parallelism(scope: Scope = "process") -> int:
    """Return the default amount of parallelism that this program should use, in CPUs; at least 1.

    The least of the CPUs that the process's threads may use, of every CPU quota from its
    cgroup up, and of the CPUs on line, rounded down. ``KUMO_AVAILABLE_PARALLELISM``
    in the environment overrides it. Nothing is cached: every call asks the kernel.
    ``scope="thread"`` is for the calling thread alone.

    Raise `OverrideError` where the override is not a positive decimal integer, `ValueError`
    for another *scope*.
    """
    override = _override()
    if override and scope in ("process", "thread"):
        return parse_override(override)
    if sys.platform == "linux" and scope == "process":
        kept = _kept  # another thread may exchange it at any moment
        cpus = None if kept is None else kept.cpus()
        if cpus is not None:
            return cpus if cpus.__class__ is int else round_cpus(cpus)
    return _survey(scope).parallelism


def available_cpus() -> float:
    """Return the process's binding limit in CPUs, unrounded, as cheaply. Raise `OverrideError`."""
    override = _override()
    if override:
        return float(parse_override(override))
    if sys.platform == "linux":
        kept = _kept
        cpus = None if kept is None else kept.cpus()
        if cpus is not None:
            return float(cpus)
    return _survey("process").cpus


def _override() -> str | None:
    if sys.platform == "linux":
        try:
            # The dictionary behind os.environ, keyed by bytes except on Windows: absence costs
            # a look-up there, not two exceptions. It is no public attribute.
            if _ENCODED not in os.environ._data:  # type: ignore[attr-defined]
                return None
        except AttributeError:
            return os.environ.get(VARIABLE)  # somebody has put another mapping in its place
    return os.environ.get(VARIABLE)


def _survey(scope: Scope) -> Estimate:
    """Survey, and keep descriptors to what decided."""
    from kumo._survey import open_system, survey

    system = open_system(scope, None, None)
    if sys.platform != "linux" or scope == "thread":
        return survey(system)
    else:  # noqa: RET505 - what type checkers of other platforms leave out
        from kumo._hot.kept import keep

        # Another thread that is at it, or reads what is kept, is not waited for.
        global _kept, _gate
        pid = os.getpid()
        if _gate[0] != pid:  # a forked child may have got it locked
            _gate = (pid, _thread.allocate_lock())
        gate = _gate[1]
        if not gate.acquire(False):
            return survey(system)
        try:
            old = _kept
            if old is not None and old.pid == pid and not old.lock.acquire(False):
                return survey(system)
            _kept = None
            if old is not None:
                old.close()
            made, _kept = keep(system)
            return made
        finally:
            gate.release()
