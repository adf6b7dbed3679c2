"""The knob table: the variables that tell other programs a count, with provenance.

`KNOBS` maps a variable's name to its `Knob`, in the order of docs/reference/knobs.md, the
page that docs/generate_knobs.py makes from it. `kumo run` decides by it, as do tests.
The rows stand in `kumo._runtimes.table`.

*use* says when `kumo run` emits the variable:

- ``"default"``: always. It changes no output, prints nothing, and raises no program above what
  it would do on a machine of that many CPUs, but for pytest-xdist's ``-n auto`` with psutil, which
  counts cores.
- ``"inner"``: with ``--workers W``, the share of one worker, or with ``--with``. Set for all, it
  switches off the division of joblib, dask, Ray, torchrun and Spark, which keep what is set.
- ``"opt-in"``: with ``--with GROUP`` or ``--with NAME`` alone.
- ``"never"``: *why* says the reason.

*effect* is ``"cap"`` (can only lower) or ``"set"`` (replaces what the program finds). *most* is
where the program stops by itself, `None` where it does not: from there on a ``"default"`` row is
left out, and others say no more. *sees* is what the program respects by itself: where that is
``"affinity, quota"`` the variable is mostly redundant, else without it the program is wrong under
what it does not see. *known* says how: ``"run"`` on a real program, its ``"source"`` or a
``"document"`` read, or ``"unverified"``.
"""

from __future__ import annotations

from kumo._records import Record
from kumo._runtimes.table import DEFAULT, FORMS, INNER, MOST, NEVER, OPT_IN, SEES, UNLESS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    Use = Literal["default", "inner", "opt-in", "never"]


class Knob(Record):
    """One variable: who reads it, what is emitted and when, why so, and how that is known."""

    __slots__ = (
        "name", "reader", "use", "group", "effect", "sees", "why", "source", "known",
        "form", "most", "unless",
    )  # fmt: skip
    name: str
    reader: str
    use: Use
    group: str
    effect: str
    sees: str
    why: str
    source: str
    known: str
    form: str
    most: int | None
    unless: tuple[str, ...]

    def __init__(self, *values: str) -> None:
        self._set(**dict(zip(self.__slots__, values, strict=False)))
        self._set(form=FORMS.get(self.name, "{}"), most=MOST.get(self.name))
        self._set(unless=UNLESS.get(self.name, ()))

    @property
    def redundant(self) -> bool:
        """Whether the program sees all limits by itself, though maybe not rounded alike."""
        return self.sees == "affinity, quota"

    def number(self, count: int) -> int:
        """Return the number that the value holds for *count*: at most *most*."""
        return count if self.most is None else min(count, self.most)

    def value(self, count: int) -> str:
        """Return the variable's value for *count*."""
        return self.form.replace("{}", str(self.number(count)))


def _knobs() -> list[Knob]:
    return [
        *(Knob(n, r, "default", "", e, s, w, f, k) for n, r, e, s, k, w, f in DEFAULT),
        *(Knob(n, r, "inner", g, e, s, w, f, k) for g, n, r, e, s, k, w, f in INNER),
        *(Knob(n, r, "opt-in", g, e, SEES.get(n, ""), w, f, k) for g, n, r, e, k, w, f in OPT_IN),
        *(Knob(n, "", "never", "", "", "", w, f, k) for n, k, w, f in NEVER),
    ]


KNOBS = {knob.name: knob for knob in _knobs()}
GROUPS = tuple(dict.fromkeys(knob.group for knob in KNOBS.values() if knob.group))
