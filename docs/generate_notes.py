"""Write docs/reference/notes.md from the table of notes in src/kumo/_notes.py.

With ``--check`` write nothing, and exit 1 if the page differs from what would be written.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import _page

HERE = Path(__file__).resolve().parent
PAGE = HERE / "reference" / "notes.md"
sys.path.insert(0, str(HERE.parent / "src"))  # this checkout's notes, whatever is installed

from kumo._notes import DIRECTION, NOTES  # noqa: E402

HEAD = """\
<!-- Written by docs/generate_notes.py from src/kumo/_notes.py. Change those, not this page. -->

# Notes

A note says what an estimate cannot know, or what its reader should.
It names what was found, in which direction the count may err, and the next step.
`kumo explain` prints notes below the limits.
`kumo --json` and `Estimate.notes` list them.

Codes are stable, so that programs may test for them; texts are for people and may change.
Words in *italics* stand for what was read on the machine.

| direction | meaning |
| --- | --- |
"""
TABLE = """
There are {number}:

| code | what was found | the count may err | next step |
| --- | --- | --- | --- |
"""
TAIL = """
Some things have no note, because nothing that kumo reads would tell them:
[what kumo cannot know](../understand/cannot-know.md).
"""


def page() -> str:
    """Return the whole page."""
    directions = "".join(f"| `{errs}` | {meaning} |\n" for errs, meaning in DIRECTION.items())
    rows = "".join(
        f'| <a id="{code}"></a>`{code}` | {_prose(found)} | `{errs}` | {_escaped(step)} |\n'
        for code, (found, errs, step) in NOTES.items()
    )
    return HEAD + directions + TABLE.format(number=len(NOTES)) + rows + TAIL


def _prose(found: str) -> str:
    """Return a note's text with ``{name}`` and ``{name:.2f}`` as *name*."""
    return _escaped(re.sub(r"\{(\w+)(:[^}]*)?\}", r"*\1*", found))


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(_page.main(__file__, __doc__, PAGE, page))
