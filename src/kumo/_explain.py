"""An estimate as text for people and as data for programs."""

from __future__ import annotations

from math import inf

from kumo._text import quoted, show_rate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from kumo._records import Estimate, Limit

SCHEMA = 1


def explain(estimate: Estimate) -> str:
    """Return the answer, the binding limit, every other limit, then the notes; no final newline."""
    binding = estimate.binding
    others = [limit for limit in estimate.limits if limit is not binding]
    rows = [("binds", binding), *(("", limit) for limit in others)]
    cells = [
        (label, limit.source, show_cpus(limit), quoted(limit.where, 200), quoted(limit.text, 60))
        for label, limit in rows
    ]
    widths = [max(len(row[column]) for row in cells) for column in range(4)]
    lines = [_headline(estimate), ""]
    for label, source, cpus, where, text in cells:
        left = f"{label:{widths[0]}}  {source:{widths[1]}}  {cpus:>{widths[2]}}"
        lines.append(f"{left}  {where:{widths[3]}}  {text}".rstrip())
    for note in estimate.notes:
        lines += ["", f"{note.code}: {note.text}"]
    return "\n".join(lines)


def _headline(estimate: Estimate) -> str:
    count = str(estimate.parallelism)
    binding = estimate.binding
    if binding.kind == "override":
        return f"{count}  (override)"
    if binding.cpus == estimate.parallelism:
        return count
    rounded = "rounded down" if binding.cpus > 1 else "but at least 1"
    return f"{count}  ({show_cpus(binding)} CPUs, {rounded})"


def show_cpus(limit: Limit) -> str:
    """Return the limit's CPUs: two decimals for a rate, ``-`` where it sets none."""
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
