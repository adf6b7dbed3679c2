"""The variables that ``kumo run`` sets, and why: from a count and an environment, no effects."""

from __future__ import annotations

from kumo._override import VARIABLE
from kumo._records import Record, round_cpus
from kumo._runtimes.knobs import KNOBS
from kumo._text import quoted, repr_short, whole_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Literal

    from kumo._records import Rounding
    from kumo._runtimes.knobs import Knob

    Action = Literal["set", "lower", "keep", "skip"]

# The count that a kumo run gave, then what it set, each with the number in its value:
# 4:PYTHON_CPU_COUNT=4:MAKEFLAGS=4:OMP_NUM_THREADS=2
MARKER = "KUMO_RUN_SET"

# loky counts physical cores, of the whole machine, unless its limit is below what os.cpu_count
# says. If both are the count, scikit-learn's and LightGBM's OpenMP code gets a thread for each
# of these cores. So Python is given one CPU more, if one of these is installed. scikit-learn asks
# loky only if OMP_NUM_THREADS is unset, and starts no more than OpenMP's own number, which a view
# makes the count. LightGBM asks for its threads explicitly.
SCIKIT_LEARN, LIGHTGBM = "sklearn", "lightgbm"
PHYSICAL = (SCIKIT_LEARN, LIGHTGBM)
OPENMP = "OMP_NUM_THREADS"
PYTHON = "PYTHON_CPU_COUNT"
FIXED = (VARIABLE, PYTHON)  # what keeps kumo in the command from following a limit


class Outer(Record):
    """The count and the number of each variable that the kumo run around this one gave.

    A variable whose value is another by now has been set by the user since, and is not in *given*.
    """

    count: int
    given: Mapping[str, int]


class Decision(Record):
    """The decision on one variable.

    *action* is ``"set"``, ``"lower"`` (what the outer kumo run set), ``"keep"`` (the user's or
    the outer's value) or ``"skip"``.
    *number* is kumo's number in *value*, `None` if the value is not kumo's.
    *value* is `None` if the variable is not set.
    """

    name: str
    action: Action
    number: int | None
    value: str | None
    why: str


def read_outer(environ: Mapping[str, str]) -> Outer | None:
    """Return what the outer kumo run gave, `None` if there is none. Raise `InputError`."""
    text = environ.get(MARKER)
    if not text:
        return None
    count, *pairs = text.split(":")
    numbers = {"": count}
    for pair in pairs:
        name, _, number = pair.partition("=")
        numbers[name] = number
    if not all(whole_number(number, 20) for number in numbers.values()):
        from kumo._errors import InputError

        form = f"4:{VARIABLE}=4"
        raise InputError(
            f"{MARKER}={repr_short(text)} is not what kumo run writes, such as {form}; unset it"
        )
    given = {
        name: int(number)
        for name, number in numbers.items()
        if name in KNOBS and environ.get(name) == KNOBS[name].value(int(number))
    }
    return Outer(int(numbers[""]), given)


def bounded(
    cpus: float,
    outer: Outer | None,
    share: tuple[int, int] | None = None,
    most: int | None = None,
    rounding: Rounding = "floor",
) -> int:
    """Return the count of *cpus*: no more than the outer gave, of that a share, at most *most*."""
    if outer is not None:
        cpus = min(cpus, outer.count)
    if share is not None:
        cpus = cpus * share[0] / share[1]
    if most is not None:
        cpus = min(cpus, most)
    return round_cpus(cpus, rounding)


def plan(
    count: int,
    environ: Mapping[str, str],
    outer: Outer | None = None,
    *,
    workers: int | None = None,
    servers: bool = False,
    chosen: Collection[str] = (),
    left_out: Collection[str] = (),
    beside: Collection[str] = (),
    viewed: bool = False,
) -> list[Decision]:
    """Return what becomes of each variable of the knob table, in its order.

    *outer* is what `read_outer` makes of *environ*. *workers* is how many processes are going to
    share the count. *servers* says that servers are to start that many.
    *chosen* and *left_out* are names of variables or groups.
    *beside* are the libraries of `PHYSICAL` that the command's Python has.
    *viewed* says that the command gets a view of the count.
    """
    given = outer.given if outer is not None else {}
    # Empty is the same as unset for kumo's variable alone; others may make something of it.
    users = {n: v for n, v in environ.items() if n not in given and (v or n != VARIABLE)}
    wanted_of = {
        knob.name: _wanted(knob, count, workers, servers, chosen, left_out)
        for knob in KNOBS.values()
    }
    bounded_openmp = viewed or bool(environ.get(OPENMP)) or wanted_of[OPENMP][0] is not None
    decisions = []
    for knob in KNOBS.values():
        wanted, why = wanted_of[knob.name]
        if knob.name == PYTHON and wanted == count and _needs_room(beside, bounded_openmp):
            wanted, why = count + 1, f"{knob.reader}; one more than {count}, for loky's sake"
        if knob.name in given:
            out = _named(knob, left_out)
            decisions.append(_nested(knob, given[knob.name], None if out else wanted or count))
        else:
            decisions.append(_beside(knob, users, wanted, why))
    return decisions


def _needs_room(beside: Collection[str], bounded_openmp: bool) -> bool:
    return LIGHTGBM in beside or (SCIKIT_LEARN in beside and not bounded_openmp)


def _wanted(
    knob: Knob,
    count: int,
    workers: int | None,
    servers: bool,
    chosen: Collection[str],
    left_out: Collection[str],
) -> tuple[int | None, str]:
    """Return the number that the variable is to say, if any, and the reason."""
    if knob.use == "never":
        return None, f"never: {knob.why}"
    if _named(knob, left_out):
        return None, "--without"
    if knob.use == "inner" and workers is not None:
        share = max(1, count // workers)
        each = "for the only worker" if workers == 1 else f"for each of {workers} workers"
        return knob.number(share), f"{knob.reader}: {each}"
    if servers and (knob.servers or knob.use == "workers"):
        return knob.number(count), f"{knob.reader}: as many workers as CPUs"
    if knob.use == "workers" and not _named(knob, chosen):
        return None, f"--workers auto: {knob.why}"
    if knob.at_one and count == 1:
        why = "nothing is left to divide at 1" if knob.use == "inner" else "one process at a time"
        return 1, f"{knob.reader}: {why}"
    if knob.use == "default" and knob.at_one:
        return None, f"{knob.reader}: a switch, for a count of 1"
    if knob.use == "default" and count < knob.least:
        return None, f"nothing is left to divide at {count}"
    if knob.use == "default" and knob.most is not None and count >= knob.most:
        return None, f"{knob.reader} stops at {knob.most} by itself"
    if knob.use == "default" or _named(knob, chosen):
        return knob.number(count), knob.reader
    return None, f"--with {knob.group}: {knob.why}"


def _named(knob: Knob, names: Collection[str]) -> bool:
    return knob.name in names or knob.group in names


def _beside(knob: Knob, users: Mapping[str, str], wanted: int | None, why: str) -> Decision:
    """Return what becomes of a variable beside those of the user, which are never changed."""
    if knob.name in users:
        return Decision(knob.name, "keep", None, users[knob.name], "set in the environment")
    if wanted is None:
        return Decision(knob.name, "skip", None, None, why)
    for other in knob.unless:
        if other in users:
            return Decision(knob.name, "skip", None, None, f"{other} is set in the environment")
    return Decision(knob.name, "set", wanted, knob.value(wanted), why)


def _nested(knob: Knob, given: int, wanted: int | None) -> Decision:
    """Return what becomes of a variable that the outer kumo run set: it is never raised."""
    if wanted is not None and wanted < given:
        why = f"the outer kumo run set {given}"
        return Decision(knob.name, "lower", wanted, knob.value(wanted), why)
    return Decision(knob.name, "keep", given, knob.value(given), "set by the outer kumo run")


def variables(count: int, decisions: list[Decision]) -> dict[str, str]:
    """Return the additions to the environment: the variables to change, and the marker."""
    changed = {d.name: d.value for d in decisions if d.action in ("set", "lower") and d.value}
    numbers = [f"{d.name}={d.number}" for d in decisions if d.number is not None]
    return {**changed, MARKER: ":".join([str(count), *numbers])}


def as_rows(decisions: list[Decision]) -> list[tuple[str, str, str, str]]:
    """Return what becomes of each variable, what is set first: the action, name, value, reason."""
    order = ("set", "lower", "keep", "skip")
    return [
        (d.action, d.name, "-" if d.value is None else quoted(d.value, 60), d.why)
        for action in order
        for d in decisions
        if d.action == action
    ]
