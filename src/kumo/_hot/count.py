"""The count of this process, recomputed at every call, cheaply from the second one on.

A survey finds the files that decide. `Kept` has descriptors to them and applies the same rule to
their text at each call. These are the guarantees, and how they are kept:

**Right.** The answer is that of a survey made during the call. Everything that decides is asked
at every call. If anything is not exactly as expected, `Kept` returns `None`, and a survey follows.

**Never raises.** Any failure while reading descriptors leads to a survey. Exceptions that a
signal handler of the program raises are its own and go through: they are known by the code that
raised them.

**Never wedges.** There is no lock, so none can be left taken: not by an exception at any bytecode,
not by a fork while another thread reads, not by a signal handler that asks as well. A `Kept`
is published by one assignment, and its parts are only ever replaced as a whole. One thing
cannot be shared: the mount table, since the kernel reports each change to each descriptor once:
a reader takes a descriptor out of a list and puts it back if nothing had changed. One that is
lost on the way is replaced, after its text is compared.

**Never switches greenlets.** No lock, no sleep, no function that gevent or eventlet replaces: the
calls come from `posix`, and `poll` from the module as the interpreter has it.

**Leaks nothing, closes nothing foreign.** `descriptors.py` says how.

**Threads do not wait for each other.** They read through the same descriptors at once. `calls.py`
says how they keep out of each other's way. After a change one of them keeps new descriptors while
the others survey.

**Without descriptors the last known limit counts.** If none can be opened, a survey is blind to
quotas: then the rate that was known last counts, and one warning says so. It is the same if a
module cannot be loaded any more, as after `chroot` or a change of user.
"""

from __future__ import annotations

import os
import sys

from kumo._override import VARIABLE, parse_override
from kumo._records import inf, round_cpus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from kumo._records import Estimate
    from kumo._system.live import Scope, System

_ENCODED = VARIABLE.encode()
if sys.platform == "linux":
    if TYPE_CHECKING:
        from kumo._hot.kept import Kept
    _kept: Kept | None = None
    _known = inf  # the tightest rate or allocation that was read last, in CPUs
    _warned = False


def available_parallelism(scope: Literal["process", "thread"] = "process") -> int:
    """Return how many CPUs this program should use by default: a whole number, at least 1.

    It is the least of the CPUs that the process's threads may use, of every CPU quota from its
    cgroup up, of a batch scheduler's grant, and of the online CPUs, rounded down.
    If ``KUMO_AVAILABLE_PARALLELISM`` is set in the environment, that is the answer instead.
    Nothing is cached: every call asks the kernel, in a few microseconds from the second call on.
    Any thread, signal handler or greenlet may call it.
    ``scope="thread"`` is for the calling thread alone.

    Raise `OverrideError` if the override is not a positive decimal integer, `ValueError`
    for another *scope*.

    >>> kumo.available_parallelism() >= 1
    True
    """
    override = _override()
    if override and scope in ("process", "thread"):
        return parse_override(override)
    if sys.platform == "linux" and scope == "process":
        kept = _kept  # another thread may replace it at any moment
        cpus = None if kept is None else kept.cpus()
        if cpus is not None:
            return cpus if cpus.__class__ is int else round_cpus(cpus)
    return round_cpus(_survey(scope))


def available_cpus() -> float:
    """Return the CPUs that this program can use, unrounded, such as 2.5 under a quota of 2.5.

    It is what `available_parallelism()` rounds down, and costs the same. Unlike the count it may
    be less than 1. Use it to divide the CPUs, or to round in another way: `round_cpus()`.

    Raise `OverrideError` if ``KUMO_AVAILABLE_PARALLELISM`` is not a positive decimal integer.

    >>> kumo.round_cpus(kumo.available_cpus()) == kumo.available_parallelism()
    True
    """
    override = _override()
    if override:
        return float(parse_override(override))
    if sys.platform == "linux":
        kept = _kept
        cpus = None if kept is None else kept.cpus()
        if cpus is not None:
            return float(cpus)
    return _survey("process")


def _override() -> str | None:
    if sys.platform == "linux":
        try:
            # The dictionary behind os.environ, keyed by bytes except on Windows: absence costs
            # a look-up there, not two exceptions. It is not a public attribute.
            if _ENCODED not in os.environ._data:  # type: ignore[attr-defined]
                return None
        except AttributeError:
            return os.environ.get(VARIABLE)  # somebody has put another mapping in its place
    return os.environ.get(VARIABLE)


def _survey(scope: Scope) -> float:
    """Survey, keep descriptors to what decided, and return the binding limit in CPUs."""
    if sys.platform == "linux" and scope == "process":
        global _kept, _known
        old, _kept = _kept, None
        if old is not None:
            _known = min(old.rate, old.grants.least)
            old = None  # so that its descriptors are closed before others are opened
        try:
            return _survey_and_keep()
        except OSError as error:  # a module may have to be loaded yet
            if not _is_exhausted(error):
                raise
            return _count_blindly(float(len(os.sched_getaffinity(0))))
        except ImportError:
            return _survey_without_keeping()
    from kumo._survey import open_system, survey

    return survey(open_system(scope, None, None), notes=False).cpus


if sys.platform == "linux":

    def _survey_and_keep() -> float:
        from kumo._hot.kept import keep
        from kumo._survey import open_system

        system = open_system("process", None, None)
        return _judged(system, keep(system, _publish))

    def _survey_without_keeping() -> float:
        """Survey if a module that keeps descriptors cannot be loaded."""
        try:
            from kumo._survey import open_system, survey

            system = open_system("process", None, None)
            return _judged(system, survey(system, notes=False))
        except ImportError:
            return _count_blindly(float(len(os.sched_getaffinity(0))), "no module could be loaded")

    def _judged(system: System, estimate: Estimate) -> float:
        """Return the binding limit in CPUs; of a survey that was blind, the last known one."""
        global _known
        from kumo._survey import MODULE

        binding = estimate.binding
        if binding.kind != "override":
            if _is_blind(system):
                return _count_blindly(binding.cpus)
            if any(MODULE in note.text for note in estimate.notes):
                return _count_blindly(binding.cpus, "no module could be loaded")
        _known = min(
            (limit.cpus for limit in estimate.limits if limit.kind in ("rate", "allocation")),
            default=inf,
        )
        return float(binding.cpus)

    def _publish(kept: Kept) -> None:
        global _kept
        _kept = kept

    def _is_blind(system: System) -> bool:
        """Whether anything could not be read because no descriptor is left."""
        answers = tuple(system.asked.values())
        return any(isinstance(answer, OSError) and _is_exhausted(answer) for answer in answers)

    def _is_exhausted(error: OSError) -> bool:
        """Whether no descriptor is left."""
        from errno import EMFILE, ENFILE  # within the interpreter: that needs no descriptor

        return error.errno in (EMFILE, ENFILE)

    def _count_blindly(cpus_of_mask: float, why: str = "no file could be opened") -> float:
        """Return the count if a survey could not read what decides, and warn of it once."""
        global _warned
        if not _warned:
            _warned = True
            cpus = "CPU" if _known == 1 else "CPUs"  # an import may need a descriptor
            stands = f"its last known limit of {_known:g} {cpus} counts"
            try:
                import logging

                logging.getLogger("kumo").warning(
                    "%s to read this process's CPU quota; %s",
                    why,
                    stands if _known < inf else "a quota may be missed",
                )
            except Exception:  # noqa: BLE001 - the program's own handler, or no file for a module
                return min(cpus_of_mask, _known)
        return min(cpus_of_mask, _known)
