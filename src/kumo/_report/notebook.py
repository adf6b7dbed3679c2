"""Records as they show themselves in a notebook. Pure: a record in, HTML out.

A notebook that is not trusted drops the style sheet, and the pictures show without it.
"""

from __future__ import annotations

from html import escape

from kumo._report import drawing
from kumo._text import quoted
from kumo._topology.picture import headline

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from kumo._pressure.records import Pressure
    from kumo._records import Estimate
    from kumo._topology.records import Topology

MAX_LINES = 200
MAX_LINE = 400  # characters


def of_estimate(estimate: Estimate) -> str:
    """Return the limits as a picture, and the explanation below it."""
    count, *lines = str(estimate).split("\n")
    return _block(count, drawing.limits(estimate), lines)


def of_topology(record: Topology) -> str:
    """Return the cores as a picture. CPUs that are not the process's are cores by themselves."""
    notes = [f"{note.code}: {note.text}" for note in record.notes]
    counts = next(headline(record, record.cores, MAX_LINE))
    return _block(counts, drawing.topology(record), notes)


def of_pressure(seen: Pressure) -> str:
    """Return the verdict, and what each level used of its quota."""
    held = seen.steady
    picture = drawing.levels(seen.levels) if seen.levels else ""
    return _block(
        f"{held.code}: {held.evidence}", f"{_paragraph(held.advice)}{picture}", seen.missing
    )


def of_pool(name: str, text: str, size: int, busy: int, queued: int) -> str:
    """Return a pool's workers as a bar. *text* is what the pool says of itself."""
    return _block(text, drawing.workers(name, size, busy, queued), ())


def _block(strong: str, body: str, lines: Iterable[str]) -> str:
    kept = list(lines)[:MAX_LINES]
    text = "\n".join(quoted(line, MAX_LINE) for line in kept).strip("\n")
    details = f"<details><summary>Details</summary><pre>{escape(text)}</pre></details>"
    first = f"<strong>{escape(quoted(strong, MAX_LINE))}</strong>"
    return f"<div>{_paragraph_of(first)}{body}{details if text else ''}</div>"


def _paragraph(text: str) -> str:
    return _paragraph_of(escape(quoted(text, MAX_LINE)))


def _paragraph_of(markup: str) -> str:
    return f"<p>{markup}</p>"
