"""From facts to what the page shows: texts, numbers and pictures. Pure.

Every text from the machine is cut, and what could control anything is escaped; the template
escapes for HTML. How much is shown has a bound, so that the page has one.
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from kumo._doctor.process import family_rows
from kumo._explain import headline, show_cpus
from kumo._pressure.records import Verdict
from kumo._pressure.rules import watched_itself
from kumo._report import drawing
from kumo._report.facts import subject
from kumo._text import plural, quoted, show_rate, show_share
from kumo._topology.picture import headline as counts_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from kumo._doctor.checkup import Checkup
    from kumo._doctor.process import Setting
    from kumo._pressure.counters import Counters
    from kumo._records import Estimate, Limit, Note
    from kumo._report.facts import Facts, Sample


class Bounds(NamedTuple):
    """How much is shown. *numbers* are the levels whose bars are shown as a table as well."""

    limits: int
    levels: int
    numbers: int
    threads: int
    notes: int
    where: int  # characters of a path
    topology: bool


BOUNDS = (
    Bounds(40, 12, 8, 40, 20, 200, True),
    Bounds(16, 6, 2, 12, 8, 80, True),
    Bounds(6, 2, 0, 6, 3, 40, False),
)
WIDTHS = (drawing.WIDE, drawing.NARROW)
MAX_NOTE = 1200  # characters
MAX_REMARKS = 8
# Of a variable's value: what may set a count. Anything else may be a secret.
SHOWN = re.compile(r"[0-9][0-9,.:%*]{0,39}|auto|dynamic|max|true|false|none|all", re.IGNORECASE)


class Timeline(NamedTuple):
    """The quota of one level over time: *shares* of its periods, window by window."""

    where: str
    quota: str
    periods: int
    throttled: int
    seconds: float
    shares: list[float | None]
    changes: list[tuple[int, str]]

    @property
    def share(self) -> float:
        """The share of all periods."""
        return self.throttled / self.periods if self.periods else 0.0


def view(facts: Facts, bounds: Bounds) -> dict[str, Any]:
    """Return what the template is given, by name."""
    lines = timelines(facts.samples, len(facts.estimate.limits))
    shown = _most_throttled(lines, bounds.levels)
    return {
        "subject": subject(facts),
        "when": facts.when,
        "seconds": f"{facts.seconds:.1f}",
        "answer": answer(facts, lines),
        "verdict": _verdict(facts),
        "limits": _limits(facts.estimate, bounds),
        "limits_left": max(0, len(facts.estimate.limits) - bounds.limits),
        "nested": [drawing.limits(facts.estimate, width) for width in WIDTHS],
        "window": _window(facts.samples),
        "timelines": [_timeline(line, bounds) for line in shown],
        "timelines_left": len(lines) - len(shown),
        "numbers": _numbers(shown[: bounds.numbers], facts.samples, bounds),
        "topology": _topology(facts) if bounds.topology else [],
        "counts": next(counts_of(facts.topology, facts.cores, 10_000)),
        "judged": _judged(facts.checkup),
        "threads": _threads(facts.checkup, bounds.threads),
        "settings": [_setting(each, facts.estimate) for each in facts.settings[: bounds.threads]],
        "remarks": [quoted(each, 300) for each in _remarks(facts)[:MAX_REMARKS]],
        "notes": [_note(each) for each in facts.estimate.notes[: bounds.notes]],
        "notes_left": max(0, len(facts.estimate.notes) - bounds.notes),
    }


# --- the answer


def answer(facts: Facts, lines: Sequence[Timeline]) -> str:
    """Return the answer in one sentence: how many CPUs, which limit, and whether it throttled."""
    who = subject(facts)
    why = headline(facts.estimate)
    return f"{who[0].upper()}{who[1:]} can use {why}{_throttled(lines, facts.estimate.binding)}."


def _throttled(lines: Sequence[Timeline], binding: Limit) -> str:
    worst = max(lines, key=lambda line: line.share, default=None)
    if worst is None or not worst.periods:
        return ""
    if not worst.throttled:
        return ", and no quota throttled it"
    share = f"in {worst.share:.0%} of the periods"
    if worst.where == os.path.dirname(binding.where):
        return f", and it throttled the process {share}"
    return f", and the quota of {quoted(worst.where, 120)} throttled it {share}"


def _verdict(facts: Facts) -> Verdict | None:
    if facts.seen is None:
        return None
    verdict = facts.seen.verdict
    if facts.pid is None and verdict.code == "idle":  # the command itself idles
        return watched_itself("report")
    evidence, advice = (quoted(_nameless(each), 400) for each in (verdict.evidence, verdict.advice))
    return Verdict(verdict.code, evidence, advice)


# --- limits


def _limits(estimate: Estimate, bounds: Bounds) -> list[dict[str, object]]:
    binding = estimate.binding
    first = [binding, *(limit for limit in estimate.limits if limit is not binding)]
    return [
        {
            "source": limit.source,
            "cpus": show_cpus(limit),
            "where": quoted(limit.where, bounds.where),
            "text": quoted(limit.text, 60),
            "binds": limit is binding,
        }
        for limit in first[: bounds.limits]
    ]


# --- throttling


def timelines(samples: Sequence[Sample], most: int) -> list[Timeline]:
    """Return what each quota did, from the process's own cgroup up, at most *most*."""
    if not samples:
        return []
    readings = [{level.where: level for level in sample.levels} for sample in samples]
    wheres = dict.fromkeys(where for reading in readings for where in reading)
    lines = (_line(where, [reading.get(where) for reading in readings]) for where in wheres)
    return [line for line in lines if line is not None][:most]


def _line(where: str, readings: Sequence[Counters | None]) -> Timeline | None:
    there = [each for each in readings if each is not None and each.throttling is not None]
    if not there or all(each.quota_cpus is None for each in there):
        return None
    shares: list[float | None] = []
    changes = []
    for at in range(1, len(readings)):
        before, after = readings[at - 1], readings[at]
        shares.append(_share(before, after))
        if before and after and before.quota_cpus != after.quota_cpus:
            changes.append((at - 1, f"{_quota(before)} to {_quota(after)}"))
    first, last = there[0].throttling, there[-1].throttling
    if first is None or last is None:
        return None
    return Timeline(
        where,
        _quota(there[-1]),
        max(0, last.periods - first.periods),
        max(0, last.throttled - first.throttled),
        max(0.0, last.seconds - first.seconds),
        shares,
        changes,
    )


def _share(before: Counters | None, after: Counters | None) -> float | None:
    """Return the share of the periods between two readings; `None` if there was none."""
    old, new = (each.throttling if each else None for each in (before, after))
    if old is None or new is None or new.periods <= old.periods:
        return None
    return min(1.0, max(0.0, (new.throttled - old.throttled) / (new.periods - old.periods)))


def _quota(level: Counters) -> str:
    return "none" if level.quota_cpus is None else show_rate(level.quota_cpus)


def _most_throttled(lines: Sequence[Timeline], most: int) -> list[Timeline]:
    """Return the most throttled, in their order."""
    ranked = sorted(range(len(lines)), key=lambda at: -lines[at].share)
    return [lines[at] for at in sorted(ranked[:most])]


def _timeline(line: Timeline, bounds: Bounds) -> dict[str, object]:
    known = [share for share in line.shares if share is not None]
    span = f", from {min(known):.0%} to {max(known):.0%} of a window" if known else ""
    part = f"{line.throttled} of {plural(line.periods, 'period')}"
    title = f"Throttled in {part}{span}"
    return {
        "where": quoted(line.where, bounds.where),
        "quota": line.quota if line.quota == "none" else plural(line.quota, "CPU"),
        "words": f"throttled in {part} ({line.share:.0%})",
        "seconds": f"{line.seconds:.2f}",
        "changes": [text for _, text in line.changes[:5]],
        "picture": drawing.timeline(line.shares, [at for at, _ in line.changes], title),
    }


def _window(samples: Sequence[Sample]) -> str:
    if len(samples) < 2:
        return ""
    return f"{(samples[-1].at - samples[0].at) / (len(samples) - 1):.2f}"


def _numbers(
    lines: Sequence[Timeline], samples: Sequence[Sample], bounds: Bounds
) -> dict[str, object] | None:
    """Return the bars as a table: a row for each window, a column for each level."""
    if not lines or len(samples) < 2:
        return None
    rows = [
        (f"{samples[at].at:.1f}", [show_share(line.shares[at]) for line in lines])
        for at in range(len(samples) - 1)
    ]
    return {"heads": [quoted(line.where, bounds.where) for line in lines], "rows": rows}


# --- the process


def _topology(facts: Facts) -> list[str]:
    """Return the picture for a wide and a narrow window; one for both if it is large."""
    is_small = len(facts.topology.online) <= drawing.MAX_NUMBERED // 4
    widths = WIDTHS if is_small else WIDTHS[:1]
    return [drawing.topology(facts.topology, facts.cores, width) for width in widths]


def _judged(checkup: Checkup | None) -> str:
    if checkup is None:
        return ""
    below = f", with {checkup.descendants} below it" if checkup.descendants else ""
    return f"kumo doctor: {checkup.judged}{below}"


def _threads(checkup: Checkup | None, most: int) -> list[tuple[str, ...]]:
    return family_rows(checkup.threads, most) if checkup and checkup.threads else []


def _setting(setting: Setting, estimate: Estimate) -> tuple[str, str, str, str]:
    """Return a variable's name, its value, the verdict and the fix.

    A value that may be something other than a count is not shown: it may be a secret.
    """
    value = setting.value
    if not SHOWN.fullmatch(value):
        value = "(not shown)"
        if setting.by is not None and setting.verdict != "other":
            value = f"sets {setting.by + estimate.parallelism}"
    by = "" if setting.by is None or setting.verdict != "over" else f" by {setting.by}"
    return setting.name, value, f"{setting.verdict}{by}", setting.mend


def _remarks(facts: Facts) -> list[str]:
    return [*dict.fromkeys([*facts.remarks, *_missing(facts)])]


def _missing(facts: Facts) -> Iterator[str]:
    """Yield what could not be read, but not of which other process."""
    missing = facts.seen.missing if facts.seen is not None else ()
    yield from map(_nameless, missing)


def _nameless(text: str) -> str:
    """Return *text* without the number of any other process."""
    return re.sub(r"/proc/[0-9]+(?:/task/[0-9]+)?", "/proc/N", text)


def _note(note: Note) -> tuple[str, str]:
    return note.code, quoted(note.text, MAX_NOTE)
