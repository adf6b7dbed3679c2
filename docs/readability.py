"""Print how readable README and docs are, by textstat.

    pip install textstat==0.7.8 && python docs/readability.py [FILE ...]

Flesch reading ease: 60 to 70 is plain English, below 30 is hard for graduates. Grade is
Flesch-Kincaid's: the years of school that a text asks for. Tables and code are left out.
"""

from __future__ import annotations

import sys
from pathlib import Path

import _prose
import textstat

ROOT = Path(__file__).resolve().parent.parent


def prose(path: Path) -> str:
    """Return the sentences of a page, one a line, each with a full stop."""
    sentences = _prose.of_markdown(path.read_text("utf-8"))
    texts = (each.text.rstrip(":;,.") for each in sentences if each.kind == "sentence")
    return "".join(f"{text if text.endswith(('!', '?')) else text + '.'}\n" for text in texts)


def row(name: str, text: str) -> str:
    """Return the figures of one text as a row of a table."""
    words = textstat.lexicon_count(text)
    ease, grade = textstat.flesch_reading_ease(text), textstat.flesch_kincaid_grade(text)
    sentences = text.count("\n")
    return f"| {name} | {words} | {words / max(1, sentences):.1f} | {ease:.1f} | {grade:.1f} |"


def main(names: list[str]) -> None:
    """Print a table: each page, and all pages as one text."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    texts = {
        path.name if names else path.relative_to(ROOT).as_posix(): prose(path)
        for path in ([Path(name) for name in names] or pages)
    }
    print("| page | words | words a sentence | reading ease | grade |")
    print("| --- | --: | --: | --: | --: |")
    for name, text in texts.items():
        print(row(name, text))
    print(row("together", "".join(texts.values())))


if __name__ == "__main__":
    main(sys.argv[1:])
