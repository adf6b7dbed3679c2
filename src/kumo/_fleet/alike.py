"""Estimates of machine files, of which a fleet has many that differ in nothing but names.

Pods of one kind differ in their names and in the numbers of their mounts. An estimate repeats the
names, and depends on neither. So a text is taken apart into a *form*, with a mark in the place of
each name, and the names. For a form that comes again, the estimate is made once, with marks, and
each further text puts its own names in.

- The form and the names give the text back, so that texts of one form differ in names alone.
- That the estimate does not depend on a name is tried, not assumed. A second text of the form is
  surveyed, with other names and other numbers of mounts, all in the reverse order. If its estimate
  is another, or one in which a name is cut, each text of the form is surveyed.
- `Estimates` belongs to one reading of files, and its memory has a bound.
"""

from __future__ import annotations

import json
import re

from kumo._explain import as_dict
from kumo._override import OverrideError
from kumo._survey import survey
from kumo._system.machine_file import Machine, MachineError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_FORMS = 256
MAX_FORM = 2**15  # characters; of longer texts none is remembered
MAX_NAMES = 16
MEMBERSHIP = "-- /proc/self/cgroup --\n"
MOUNTS = "-- /proc/self/mountinfo --\n"
# Parts of a path that differ between pods, containers and jobs. No number in a mark is so long.
NAME = re.compile(r"(?<![0-9a-z])[0-9a-f]{5,}(?:[-_][0-9a-f]{4,})*|(?<=pod)[0-9a-f_-]{8,}")
MOUNT = re.compile(r"^(\d{1,9}) (\d{1,9}) \d{1,9}:\d{1,9} ", re.MULTILINE)
MARKED_MOUNT = re.compile("^\1(\\d+) (\\d+) ", re.MULTILINE)
OTHERS = str.maketrans("0123456789abcdef", "9876543210fedcba")  # in the reverse order
MARKS = "\0", "\1", "\2"


class Estimates:
    """Makes the estimates of machine files as objects of ``kumo explain --json``."""

    def __init__(self) -> None:
        # By a text's form: the estimate with marks, empty if it depends on a name, and
        # `None` after the first text.
        self._known: dict[str, str | None] = {}

    def of(self, text: str) -> dict[str, Any]:
        """Return the estimate of a machine file. Raise `MachineError`, `OverrideError`."""
        if len(text) > MAX_FORM or any(mark in text for mark in MARKS):
            return _surveyed(text)
        form, names, highest = take_apart(text)
        seen = form in self._known
        marked = self._known.pop(form, None)
        if marked:
            self._known[form] = marked  # the newest
            surveyed: dict[str, Any] = json.loads(_named(marked, names))
            return surveyed
        surveyed = _surveyed(text)
        if seen and marked is None:
            marked = _marked(form, names, highest, surveyed)
        self._known[form] = marked
        if len(self._known) > MAX_FORMS:
            del self._known[next(iter(self._known))]
        return surveyed


def take_apart(text: str) -> tuple[str, list[str], int]:
    """Return the form of a machine file's text, the names in it and the highest mount's number."""
    names = list(dict.fromkeys(NAME.findall(_section(text, MEMBERSHIP))))[:MAX_NAMES]
    mounts = _section(text, MOUNTS)
    numbers: dict[str, int] = {}
    if mounts:

        def mark(line: re.Match[str]) -> str:
            own, on = (numbers.setdefault(number, len(numbers)) for number in line.groups())
            return f"\1{own} {on} "

        before, heading, after = text.partition(MOUNTS)
        text = f"{before}{heading}{MOUNT.sub(mark, mounts)}{after[len(mounts) :]}"
    for place, name in enumerate(names):
        text = text.replace(name, _mark(place, name))
    return text, names, max(map(int, numbers), default=0)


def put_together(form: str, names: list[str], highest: int) -> str:
    """Return a text of *form* with these names and with mounts that are numbered downwards.

    The numbers are all above *highest*.
    """
    last = highest + 2 * len(form)
    text = MARKED_MOUNT.sub(
        lambda line: f"{last - int(line[1])} {last - int(line[2])} 0:{last} ", form
    )
    for place, name in reversed(list(enumerate(names))):
        text = text.replace(_mark(place, name), name)
    return text


def _section(text: str, heading: str) -> str:
    _, _, rest = text.partition(heading)
    return rest.partition("\n-- ")[0]


def _mark(place: int, name: str) -> str:
    return f"\0{place}:{len(name)}\2"


def _surveyed(text: str) -> dict[str, Any]:
    return as_dict(survey(Machine(text)))


def _marked(form: str, names: list[str], highest: int, surveyed: dict[str, Any]) -> str:
    """Return the estimate *surveyed* with marks, empty if one with other names is not the same."""
    others = [name.translate(OTHERS) for name in names]
    try:
        other = _surveyed(put_together(form, others, highest))
    except (MachineError, OverrideError, OSError):
        return ""
    marked, too = json.dumps(surveyed), json.dumps(other)
    for place, (name, instead) in enumerate(zip(names, others, strict=True)):
        mark = json.dumps(_mark(place, name))[1:-1]
        marked, too = marked.replace(name, mark), too.replace(instead, mark)
    return marked if marked == too else ""


def _named(marked: str, names: list[str]) -> str:
    for place, name in reversed(list(enumerate(names))):
        marked = marked.replace(json.dumps(_mark(place, name))[1:-1], name)
    return marked
