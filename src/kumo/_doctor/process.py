"""One process, by the files about it: its threads, its settings, its verdict. Pure."""

from __future__ import annotations

import re
from collections import Counter
from math import inf
from typing import NamedTuple

from kumo._doctor.judge import mend_set
from kumo._runtimes.knobs import KNOBS
from kumo._text import quoted, whole_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Literal

    from kumo._cgroups.cpu_stat import Throttling
    from kumo._records import Estimate
    from kumo._runtimes.knobs import Knob
    from kumo._system.process import ProcessStat

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
MAX_FAMILIES = 40
OTHERS = "(others)"
LOOKS = 10  # half of a second's: fewer prove nothing
MAX_WINDOW = 10.0  # seconds, if a look takes long


class Family(NamedTuple):
    """Threads whose names differ in a final number alone, as ``worker-*``.

    *number* is how many there were at most at one moment, *runnable* how many on average ran or
    waited for a CPU, *owner* the library that names its threads so, if it is known.
    """

    name: str
    number: int
    runnable: float
    owner: str


class Setting(NamedTuple):
    """A variable of the knob table in the process's environment, against the count.

    *by* is how far it is above the count, `None` if it sets no bound.
    """

    name: str
    value: str
    verdict: Literal["over", "within", "other"]
    by: int | None
    mend: str


def families(samples: Sequence[Sequence[ProcessStat]]) -> list[Family]:
    """Return the families of threads seen in *samples*, the busiest first."""
    stems: dict[str, set[str]] = {}
    for sample in samples:
        for thread in sample:
            stems.setdefault(thread.name.rstrip("0123456789"), set()).add(thread.name)
    most: Counter[str] = Counter()
    runnable: Counter[str] = Counter()
    for sample in samples:
        most |= Counter(thread.name.rstrip("0123456789") for thread in sample)
        runnable.update(t.name.rstrip("0123456789") for t in sample if t.state == "R")
    known = []
    for stem, names in stems.items():
        name = min(names)
        shown = f"{stem}*" if len(names) > 1 else name
        known.append(Family(shown, most[stem], runnable[stem] / len(samples), owner_of(name)))
    known.sort(key=lambda each: (-each.runnable, -each.number, each.name))
    return known if len(known) <= MAX_FAMILIES else _with_others(known, samples)


def _with_others(known: list[Family], samples: Sequence[Sequence[ProcessStat]]) -> list[Family]:
    """Leave the busiest, and one for all the others: a process may give each thread its name."""
    kept, others = known[: MAX_FAMILIES - 1], known[MAX_FAMILIES - 1 :]
    number = max(len(sample) for sample in samples) - sum(family.number for family in kept)
    runnable = sum(family.runnable for family in others)
    return [*kept, Family(OTHERS, max(number, 1), runnable, "")]


def family_rows(threads: Sequence[Family], most: int | None = None) -> list[tuple[str, ...]]:
    """Return the cells of *most* families, by default all, and at the end those of all threads."""
    number, runnable = sum(f.number for f in threads), sum(f.runnable for f in threads)
    rows = [(quoted(f.name, 60), f.number, f.runnable, f.owner) for f in threads[:most]]
    cells = [*rows, ("all", number, runnable, "")]
    return [(name, str(n), f"{mean:.1f}", owner) for name, n, mean, owner in cells]


def owner_of(name: str) -> str:
    """Return the library that names its threads so, `""` if none is known."""
    return next((owner for pattern, owner in OWNERS if re.match(pattern, name)), "")


def judge_variables(values: Mapping[str, str], estimate: Estimate) -> list[Setting]:
    """Return the variables of the knob table that are set, in the table's order."""
    return [
        _setting(knob, values[name], estimate) for name, knob in KNOBS.items() if name in values
    ]


def _setting(knob: Knob, value: str, estimate: Estimate) -> Setting:
    number = None if knob.use == "never" else _number_in(knob, value)
    if number is None:
        return Setting(knob.name, value, "other", 0, "")
    by = None if number == inf else int(number) - estimate.parallelism
    if number <= estimate.parallelism or (knob.effect == "cap" and _counts_right(knob, estimate)):
        return Setting(knob.name, value, "within", by, "")
    return Setting(knob.name, value, "over", by, mend_set(knob.name, estimate.parallelism))


def _number_in(knob: Knob, value: str) -> float | None:
    """Return the number that the value sets, `inf` for no bound, `None` if it is not a count."""
    if knob.name == "MAKEFLAGS":
        return _make_jobs(value)
    forms = knob.form.split()
    words = value.split() if knob.form != "{}" else [value]
    # A variable of flags may contain others: the last that is a count is the one that counts.
    patterns = [re.compile(re.escape(f).replace(r"\{\}", r"(\d{1,9})(?:,\d+)*")) for f in forms]
    for at in range(len(words) - len(forms), -1, -1):
        pairs = zip(patterns, words[at : at + len(forms)], strict=True)
        matches = [pattern.fullmatch(word) for pattern, word in pairs]
        if None not in matches:
            # OMP_NUM_THREADS may be a list, whose first number is for the outermost level.
            return next(int(each[1]) for each in matches if each is not None and each.re.groups)
    return None


def _make_jobs(value: str) -> float | None:
    """Return the number of jobs in MAKEFLAGS, `inf` for no bound, `None` if it sets none.

    ``-j4`` or ``-j 4``, ``--jobs=4`` or ``--jobs 4``, letters without a dash in the first word, no
    number for no bound; the last of them counts.
    https://www.gnu.org/software/make/manual/html_node/Options_002fRecursion.html
    """
    jobs: float | None = None
    words = value.split()
    for at, word in enumerate(words):
        following = whole_number(words[at + 1], 9) if at + 1 < len(words) else None
        name, equals, number = word.partition("=")
        letters = word.rstrip("0123456789")
        if name == "--jobs":
            number_of_jobs = whole_number(number, 9) if equals else following
            if equals and number_of_jobs is None:
                continue
        elif letters[-1:] == "j" and letters[:2] != "--" and (letters[0] == "-" or at == 0):
            digits = word[len(letters) :]
            if len(digits) > 9 or not letters.removeprefix("-").replace("_", "").isalpha():
                continue
            number_of_jobs = whole_number(digits) if digits else following
        else:
            continue
        jobs = inf if number_of_jobs is None else number_of_jobs
    return jobs


def _counts_right(knob: Knob, estimate: Estimate) -> bool:
    """Whether the program counts right without the variable, so that no cap is needed."""
    count = estimate.parallelism
    sets = {x.source for x in estimate.limits if x.kind == "set" and x.cpus <= count}
    sets -= {"isolated"}  # no program but kumo counts without these CPUs
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

    That many threads are too many if a quota throttles them, and if a set of CPUs is what
    limits them, as *looks* at them show.
    """
    count = estimate.parallelism
    full = any(
        limit.kind == "set" and limit.source != "isolated" and limit.cpus <= count
        for limit in estimate.limits
    )
    held = any(level.throttled > 0 for level in levels) or (full and looks >= LOOKS)
    runnable = sum(family.runnable for family in threads)
    return (held and round(runnable) > count) or any(x.verdict == "over" for x in settings)
