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

A *note* says what an estimate cannot know, or what you should know about it.
It says what was found, what that means for the count, and what to do.
`kumo explain` prints notes below the limits.
`kumo --json` and `Estimate.notes` list them.

Codes are stable, so that programs can test for them. Texts are for people and may change.
Words in *italics* stand for values of the machine.

| `Note.errs` | meaning |
| --- | --- |
"""
TAIL = """
## Without a note

Some facts leave no trace: [what kumo cannot know](../understand/cannot-know.md).
"""
WORDS = {"where": "file"}  # what a reader is shown for the name in a text


def page() -> str:
    """Return the whole page."""
    directions = "".join(f"| `{errs}` | {meaning} |\n" for errs, meaning in DIRECTION.items())
    return HEAD + directions + "".join(map(_section, NOTES)) + TAIL


def _section(code: str) -> str:
    """Return the section of one note."""
    says, errs, step = NOTES[code]
    return f"\n## `{code}`\n\n{_prose(says)}.\n\n`{errs}`: {DIRECTION[errs]}.\n\n{_prose(step)}\n"


def _prose(text: str) -> str:
    """Return a note's text with ``{name}`` and ``{name:.2f}`` as *name*."""
    return re.sub(r"\{(\w+)(:[^}]*)?\}", lambda name: f"*{WORDS.get(name[1], name[1])}*", text)


if __name__ == "__main__":
    sys.exit(_page.main(__file__, __doc__, PAGE, page))
