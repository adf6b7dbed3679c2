"""An estimate as text for people and as data for programs."""

from __future__ import annotations

from math import inf

from kumo._text import aligned, plural, quoted, show_rate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from kumo._records import Estimate, Limit

SCHEMA = 1
NUMBERS = (2,)  # the columns that are aligned to the right
# The names of sources in a sentence.


NAMES = {
    "quota": "quota",
    "cpuset": "cpuset",
    "entitlement": "entitlement",
    "cpu-cap": "CPU cap",
    "job-object": "cap of the job object",
}


def explain(estimate: Estimate) -> str:
    """Return the answer, the binding limit, every other limit, then the notes; no final newline."""
    notes = [line for note in show_notes(estimate) for line in ("", note)]
    return "\n".join([headline(estimate), "", *aligned(rows(estimate), NUMBERS), *notes])


def rows(estimate: Estimate) -> list[tuple[str, ...]]:
    """Return the cells of the table: the binding limit first, then the others in order."""
    binding = estimate.binding
    others = [limit for limit in estimate.limits if limit is not binding]
    return [
        (label, limit.source, show_cpus(limit), quoted(limit.where, 200), quoted(limit.text, 60))
        for label, limit in [("binds", binding), *(("", limit) for limit in others)]
    ]


def show_notes(estimate: Estimate) -> list[str]:
    """Return each note as a paragraph."""
    return [f"{note.code}: {note.text}" for note in estimate.notes]


def headline(estimate: Estimate) -> str:
    """Return the count and the reason for it, as one sentence without a full stop."""
    count = estimate.parallelism
    binding = estimate.binding
    unit = "worker" if binding.kind == "memory" else "CPU"
    return f"{plural(count, unit)}: {_reason(binding)}{_rounding(binding, count)}"


def _reason(limit: Limit) -> str:
    """Return which limit decides, and what it allows."""
    where, text = quoted(limit.where, 200), quoted(limit.text, 60)
    if limit.kind == "override":
        return f"{where} is {limit.cpus}, which overrides every limit"
    if limit.kind == "allocation":
        return f"{where} says {text}"
    if limit.kind == "memory":
        return f"{where} has room for {show_cpus(limit)}"
    if limit.kind == "rate":
        place = f"in {where}" if where.startswith("/") else f"from {where}"
        return f"the {NAMES.get(limit.source, 'limit')} {place} is {show_cpus(limit)}"
    if limit.source == "affinity":
        return f"the affinity of the process is {text}, from {where}"
    if limit.source == "isolated":
        return f"{where} isolates {text}, and no other limit is lower"
    if limit.source == "online":
        return "all that are online, as no other limit is lower"
    if limit.source == "nothing":
        return "nothing could be read"
    return f"the {NAMES.get(limit.source, limit.source)} in {where} is {text}"


def _rounding(limit: Limit, count: int) -> str:
    if limit.cpus == count:
        return ""
    return ", rounded down" if limit.cpus > 1 else ", and the count is at least 1"


def show_cpus(limit: Limit) -> str:
    """Return the limit's CPUs: two decimals for a rate, ``-`` if it sets none."""
    if limit.cpus == inf:
        return "-"
    if limit.kind in ("rate", "memory"):
        return show_rate(limit.cpus)
    return str(limit.cpus)


def as_dict(estimate: Estimate) -> dict[str, Any]:
    """Return what ``--json`` prints, by docs/reference/command.md: schema 1."""
    return {
        "schema": SCHEMA,
        "parallelism": estimate.parallelism,
        "cpus": estimate.cpus,
        "quota": estimate.quota,
        "binding": _limit(estimate.binding),
        "limits": [_limit(limit) for limit in estimate.limits],
        "notes": [{"code": note.code, "text": note.text} for note in estimate.notes],
    }


def _limit(limit: Limit) -> dict[str, Any]:
    return {
        "source": limit.source,
        "kind": limit.kind,
        "cpus": None if limit.cpus == inf else limit.cpus,
        "where": limit.where,
        "text": limit.text,
    }
