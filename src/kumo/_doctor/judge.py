"""Beliefs against the count: which are wrong, by how much, why, and how to fix them. Pure."""

from __future__ import annotations

import re
from math import ceil
from typing import NamedTuple

from kumo._errors import InputError
from kumo._explain import show_cpus
from kumo._launch.plan import PYTHON, read_outer
from kumo._runtimes.knobs import KNOBS
from kumo._runtimes.runtimes import CALLS, MASK, ONLINE, Call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    from kumo._records import Estimate, Limit
    from kumo._runtimes.runtimes import Belief

    Verdict = Literal["right", "over", "under", "io"]


class Finding(NamedTuple):
    """A belief and the verdict on it. *by* is how far it is above or below the count."""

    belief: Belief
    verdict: Verdict
    by: int
    why: str
    mend: str


def judge(belief: Belief, estimate: Estimate, environment: Mapping[str, str]) -> Finding:
    """Return the finding on the *belief* of a program in *environment*.

    ``"over"`` and ``"under"`` are above and below the count, ``"io"`` is a pool that waits for
    input and output, which no count of CPUs bounds.
    """
    call = CALLS.get(belief.call.partition(" in ")[0], Call("nothing that kumo knows"))
    by = belief.cpus - estimate.parallelism
    if call.io:
        return Finding(belief, "io", by, "", "")
    if by == 0:
        return Finding(belief, "right", by, "", "")
    cause = _cause(belief, call, environment)
    if cause == PYTHON and by == 1 and _has_room(environment):
        why = "kumo run gives Python one more, for scikit-learn or LightGBM"
        return Finding(belief, "over", by, why, _instead(call, estimate.parallelism))
    why = f"{cause}={environment[cause]} is set" if cause else _why(belief, call, estimate)
    if by < 0:
        return Finding(belief, "under", by, why, "")
    mend = _mend(belief, call, estimate.parallelism, environment, cause)
    return Finding(belief, "over", by, why, mend)


def _has_room(environment: Mapping[str, str]) -> bool:
    """Return whether the kumo run around this gave Python one CPU more than the count."""
    try:
        outer = read_outer(environment)
    except InputError:
        return False
    return outer is not None and outer.given.get(PYTHON) == outer.count + 1


def _cause(belief: Belief, call: Call, environment: Mapping[str, str]) -> str:
    """Return the variable that is set to what is believed, ``""`` without one."""
    names = [call.variable] if _reads_variable(belief, call) else []
    for name in (*names, *call.heeds):
        if re.fullmatch(rf"(.*\D)?{belief.cpus}", environment.get(name, "")):
            return name
    return ""


def _why(belief: Belief, call: Call, estimate: Estimate) -> str:
    binding = estimate.binding
    bound = f"{limit_in_words(binding)} binds"
    if "rounded" in call.goes_by and binding.cpus % 1 and ceil(binding.cpus) == belief.cpus:
        return f"{bound}; rounds it up"
    return f"{bound}; goes by {call.goes_by}"


def limit_in_words(limit: Limit) -> str:
    """Return the limit in a few words: ``quota 1.50``, ``affinity 2``."""
    return f"{limit.source} {show_cpus(limit)}"


def _mend(
    belief: Belief, call: Call, count: int, environment: Mapping[str, str], cause: str
) -> str:
    """Return the line or setting that brings the belief down to *count*."""
    # A view reaches what asks the C library, and leaves the division among workers alone.
    view = "kumo run --view -- CMD" if MASK in call.goes_by or ONLINE in call.goes_by else ""
    if _reads_variable(belief, call):
        knob = KNOBS[call.variable]
        # `kumo run` keeps what is set, and sets nothing that would beat it.
        for name in (cause, knob.name, *knob.unless):
            if name in environment:
                return mend_set(name, count)
        default = knob.use == "default" or (knob.at_one and count == 1)
        if view and not default:
            return view
        chosen = "" if default else f" --with {knob.group}"
        chosen += f" --without {call.without}" if call.without else ""
        return f"kumo run{chosen} -- CMD ({knob.name}={knob.value(count)})"
    if cause:
        return mend_set(cause, count)
    return ", or ".join(filter(None, (view, _instead(call, count))))


def _instead(call: Call, count: int) -> str:
    return f"{call.instead.format(count=count)} in its place" if call.instead else ""


def mend_set(variable: str, count: int) -> str:
    """Return what to do about *variable*, which is set too high and which `kumo run` keeps."""
    knob = KNOBS.get(variable)
    if knob is None:
        return f"{variable}={count}"
    if knob.form != "{}":
        return f"{knob.value(count)} in {variable}"  # it may contain other flags
    unset = f"unset {variable} and kumo run -- CMD, or " if knob.use == "default" else ""
    return f"{unset}{variable}={knob.value(count)}"


def _reads_variable(belief: Belief, call: Call) -> bool:
    words = belief.version.partition("Python ")[2] or belief.version
    version = tuple(int(part) for part in re.findall(r"\d{1,9}", words)[:2])
    return bool(call.variable) and version >= call.since
