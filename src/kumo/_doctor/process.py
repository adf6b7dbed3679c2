"""What the files about one process say: its threads, its settings, its verdict. Pure."""

from __future__ import annotations

import re
from math import inf
from typing import NamedTuple

from kumo._doctor.judge import mend_set
from kumo._runtimes.knobs import KNOBS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Literal

    from kumo._cgroups.cpu_stat import Throttling
    from kumo._records import Estimate
    from kumo._runtimes.knobs import Knob

# Whose threads bear which names, which the kernel cuts to 15 bytes.
OWNERS = (
    (r"(GC Thread|G1 |C[12] CompilerThre|VM Thread|VM Periodic|ForkJoinPool|Sweeper)", "Java"),
    (r"(Reference Handl|Finalizer|Common-Cleaner|Signal Dispatch|Monitor Deflati)$", "Java"),
    (r"(Service Thread|Notification Th)$", "Java"),
    (r"(node|DelayedTaskSche|V8Worker|libuv-worker|SignalInspector)", "Node"),
    (r"(tokio-runtime-w|tokio-rt-worker)", "Tokio"),
    (r"polars-", "Polars"),
    (r"(\.NET |dotnet)", ".NET"),
)  # fmt: skip


# -j4 or -j 4, --jobs=4, letters without a dash in the first word, no number for no bound:
# https://www.gnu.org/software/make/manual/html_node/Options_002fRecursion.html
MAKE_JOBS = r"(?:^|(?:^|\s)-)\w*j\s*(\d{1,9})?(?!\S)|(?:^|\s)--jobs(?:[=\s](\d{1,9}))?(?!\S)"
LOOKS = 10  # half of a second's: fewer prove nothing


class Thread(NamedTuple):
    """A thread's name and state: ``R`` runs or waits for a CPU, ``S`` sleeps."""

    name: str
    state: str


class Family(NamedTuple):
    """Threads whose names differ in a final number alone, as ``worker-*``.

    *number* is how many there were at most at one moment, *runnable* how many on average ran or
    waited for a CPU, *owner* the library that names its threads so, where it is known.
    """

    name: str
    number: int
    runnable: float
    owner: str


class Setting(NamedTuple):
    """A variable of the knob table in the process's environment, against the count.

    *by* is how far it is above the count, `None` where it sets no bound.
    """

    name: str
    value: str
    verdict: Literal["over", "within", "other"]
    by: int | None
    mend: str


def parse_stat(text: str) -> Thread:
    """Read a thread's name and state. Raise `ValueError` for another form.

    Format: ``4242 (name) S 1 …``; the name may hold blanks and parentheses.
    https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
    """
    found = re.match(r"\d+ \((.*)\) (\S) ", text, re.DOTALL)
    if found is None:
        raise ValueError("not '4242 (name) S 1 ...'")
    return Thread(found[1], found[2])


def families(samples: Sequence[Sequence[Thread]]) -> list[Family]:
    """Return the families of threads seen in *samples*, the busiest first."""
    names = {thread.name for sample in samples for thread in sample}
    stems: dict[str, list[str]] = {}
    for name in names:
        stems.setdefault(name.rstrip("0123456789"), []).append(name)
    family = {
        name: f"{stem}*" if len(members) > 1 else name
        for stem, members in stems.items()
        for name in members
    }
    found = []
    for shown in set(family.values()):
        states = [[t.state for t in sample if family[t.name] == shown] for sample in samples]
        number = max(len(sample) for sample in states)
        runnable = sum(sample.count("R") for sample in states) / len(samples)
        owner = _owner(next(name for name in names if family[name] == shown))
        found.append(Family(shown, number, runnable, owner))
    return sorted(found, key=lambda each: (-each.runnable, -each.number, each.name))


def _owner(name: str) -> str:
    return next((owner for pattern, owner in OWNERS if re.match(pattern, name)), "")


def parse_environ(text: str, estimate: Estimate) -> list[Setting]:
    """Return the variables of the knob table that *text* sets, in the table's order.

    Format: ``NAME=value`` entries, each ended by a NUL; the first of a name counts.
    https://man7.org/linux/man-pages/man5/proc_pid_environ.5.html
    """
    pairs = [entry.partition("=")[::2] for entry in text.split("\0") if "=" in entry]
    values = dict(reversed(pairs))
    return [
        _setting(knob, values[name], estimate) for name, knob in KNOBS.items() if name in values
    ]


def _setting(knob: Knob, value: str, estimate: Estimate) -> Setting:
    number = None if knob.use == "never" else _number(knob, value)
    if number is None:
        return Setting(knob.name, value, "other", 0, "")
    by = None if number == inf else int(number) - estimate.parallelism
    if number <= estimate.parallelism or (knob.effect == "cap" and _counts_right(knob, estimate)):
        return Setting(knob.name, value, "within", by, "")
    return Setting(knob.name, value, "over", by, mend_set(knob.name, estimate.parallelism))


def _number(knob: Knob, value: str) -> float | None:
    """Return the number that the value sets, `inf` for no bound, `None` where it is no count."""
    if knob.name == "MAKEFLAGS":
        jobs = [float(each[1] or each[2] or inf) for each in re.finditer(MAKE_JOBS, value)]
        return jobs[-1] if jobs else None
    # OMP_NUM_THREADS may be a list, whose first number is for the outermost level; a variable of
    # flags may hold others.
    form = re.escape(knob.form).replace(r"\{\}", r"(\d{1,9})(?:,\d+)*")
    found = re.fullmatch(form if knob.form == "{}" else rf"(?:.*\s)?{form}(?:\s.*)?", value)
    return None if found is None else int(found[1])


def _counts_right(knob: Knob, estimate: Estimate) -> bool:
    """Whether the program counts right without the variable, so that no cap is needed."""
    count = estimate.parallelism
    sets = {x.source for x in estimate.limits if x.kind == "set" and x.cpus <= count}
    seen = "online" in sets or (bool(sets) and "affinity" in knob.sees)
    return seen or (knob.redundant and estimate.binding.kind == "rate")


def is_oversubscribed(
    threads: Iterable[Family],
    settings: Iterable[Setting],
    levels: Iterable[Throttling],
    estimate: Estimate,
    looks: int,
) -> bool:
    """Whether a setting asks for more than the count, or more threads want a CPU.

    That many threads are too many where a quota throttles them, and where a set of CPUs is what
    limits them, as *looks* at them show.
    """
    count = estimate.parallelism
    full = any(limit.kind == "set" and limit.cpus <= count for limit in estimate.limits)
    held = any(level.throttled > 0 for level in levels) or (full and looks >= LOOKS)
    runnable = sum(family.runnable for family in threads)
    return (held and round(runnable) > count) or any(x.verdict == "over" for x in settings)
