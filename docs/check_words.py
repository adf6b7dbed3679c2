"""Check how README, docs, CHANGELOG, CONTRIBUTING and the package's own sentences are written.

    python docs/check_words.py              exit 1 if a file has more findings than were kept
    python docs/check_words.py FILE ...     every finding in these files; exit 1 if there is one
    python docs/check_words.py --all        every finding; exit 0
    python docs/check_words.py --update     keep the present counts, if their sum did not grow

docs/words.json keeps how many findings each file had, and its sum can only go down.
A page fails if it has more findings than were kept; a new page may have none.
A module fails only if the whole package has more as well, so that code can be moved.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import _prose

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "docs" / "words.json"
MAX_WORDS = 35
MAX_CELL_WORDS = 15
MAX_SEMICOLONS = 1


class Rule(NamedTuple):
    """A pattern that a sentence should not have, and what to write in its place."""

    name: str
    pattern: str
    better: str
    kinds: tuple[str, ...] = ("sentence", "cell", "heading")


RULES = (
    Rule(
        "where",
        r"(?<!from )(?<!shows )(?<!show )(?<!knows )(?<!place )(?<!file )(?<!directory )(?<!CPU )"
        r"(?<!folder )(?<!line )(?<!page )\b[Ww]here\b(?! to\b)",
        "'if' for a condition, 'when' for a moment; 'where' is for places",
    ),
    Rule(
        "who",
        r"(?<!people )(?<!somebody )(?<!someone )(?<!anyone )(?<!users )(?<!user )(?<!person )"
        r"\b(?:[Ww]ho|[Ww]hoever|[Ww]homever)\b",
        "'you', 'which program', 'the person who'",
    ),
    Rule(
        "tell",
        r"(?i)\b(?:tell|tells|telling|told)\b",
        "report, return, show, notice, distinguish",
    ),
    Rule("on line", r"(?i)\b(?:on|off) line\b", "online, offline"),
    Rule("mend", r"(?i)\bmend(?:s|ed|ing)?\b", "fix"),
    Rule(
        "own",
        r"(?i)\bthe own\b|\b\w+ of (?:its|their|his|your|our) own\b",
        "its own, the process's own, a separate",
    ),
    Rule(
        "clause",
        r"^(?:What|Whatever|Whichever|That which)\b(?!.*[?:]$)",
        "a noun as the subject: 'a program that …'",
        ("sentence", "cell"),
    ),
    Rule(
        "is no",
        r"(?<!there )(?<!There )\b(?:is|are|was|were|be|being) (?:no|none)\b"
        r"(?! (?:longer|more|less|fewer|matter|other|different|reason|need|way|such|later)\b)",
        "is not a …",
    ),
    Rule(
        "stand",
        r"(?i)\bst(?:and|ands|anding|ood)\b(?! (?:in|for|by)\b)(?!-)",
        "is, remains, applies",
    ),
    Rule(
        "hold",
        r"(?i)(?<!lock )(?<!lock is )\b(?:hold|holds|held)\b"
        r"(?! (?:it|them|the|a|its|that|this)? ?(?:lock|GIL|global))",
        "contains, keeps, limits, applies, delays",
    ),
    Rule(
        "stilted",
        r"(?i)\b(?:anew|whence|thence|thereof|wherein|therein|whereby|whereof|lest|hitherto|nought"
        r"|for want of|has a say|have a say|save for|own word|none to do|is to be|are to be)\b",
        "plain words",
    ),
)


def of_file(path: Path) -> Iterator[tuple[int, str, str, str]]:
    """Yield each finding: its line, the rule's name, the words, what would be better."""
    text = path.read_text("utf-8")
    read = _prose.of_python if path.suffix == ".py" else _prose.of_markdown
    for sentence in read(text):
        yield from _patterns(sentence)
        yield from _lengths(sentence)


def _patterns(sentence: _prose.Sentence) -> Iterator[tuple[int, str, str, str]]:
    for rule in RULES:
        if sentence.kind in rule.kinds:
            for match in re.finditer(rule.pattern, sentence.text):
                yield sentence.line, rule.name, _around(sentence.text, match), rule.better


def _lengths(sentence: _prose.Sentence) -> Iterator[tuple[int, str, str, str]]:
    words = len(sentence.text.split())
    start = " ".join(sentence.text.split()[:8]) + " …"
    if sentence.kind == "cell" and words > MAX_CELL_WORDS:
        better = f"{words} words: a cell is one short fact, at most {MAX_CELL_WORDS} words"
        yield sentence.line, "cell", start, better
    if sentence.kind == "sentence" and words > MAX_WORDS:
        yield sentence.line, "long", start, f"{words} words: one idea a sentence"
    if sentence.kind == "sentence" and sentence.text.count(";") > MAX_SEMICOLONS:
        yield sentence.line, "semicolons", start, "a full stop for each semicolon"


def _around(text: str, match: re.Match[str]) -> str:
    """Return the words of *match* with a few on each side."""
    before = text[: match.start()].split()[-4:]
    after = text[match.end() :].split(" ")[:5]
    return " ".join([*before, match[0] + after[0], *after[1:]])


def files() -> Iterator[Path]:
    """Yield every file whose words are checked."""
    yield from (ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md"))
    yield from sorted((ROOT / "docs").rglob("*.md"))
    yield from sorted((ROOT / "src").rglob("*.py"))


def report(name: str, findings: list[tuple[int, str, str, str]]) -> None:
    """Print the findings of one file."""
    for line, rule, words, better in sorted(findings):
        print(f"{name}:{line}: {rule}: “{words}” → {better}")


def of_package(counts: dict[str, int]) -> int:
    """Return the sum of the counts of the package's modules."""
    return sum(count for name, count in counts.items() if name.startswith("src/"))


def update(kept: dict[str, int], counts: dict[str, int]) -> int:
    """Keep *counts*, unless their sum is above what was kept."""
    before, now = sum(kept.values()), sum(counts.values())
    if kept and now > before:
        print(f"{now} findings are more than the {before} that were kept", file=sys.stderr)
        return 1
    lines = json.dumps({name: count for name, count in sorted(counts.items()) if count}, indent=0)
    KEPT.write_text(lines + "\n", "utf-8")
    print(f"{now} findings kept, before {before}")
    return 0


def main(arguments: list[str]) -> int:
    """Return the exit code."""
    if arguments and not arguments[0].startswith("-"):
        named = {Path(name).resolve() for name in arguments}
        findings = {str(path): list(of_file(path)) for path in sorted(named)}
        for name, of_one in findings.items():
            report(name, of_one)
        return 1 if any(findings.values()) else 0
    if arguments not in ([], ["--all"], ["--update"]):
        print(__doc__, file=sys.stderr)
        return 2
    kept = json.loads(KEPT.read_text("utf-8")) if KEPT.exists() else {}
    by_page = {path.relative_to(ROOT).as_posix(): list(of_file(path)) for path in files()}
    counts = {name: len(of_one) for name, of_one in by_page.items()}
    if arguments == ["--update"]:
        return update(kept, counts)
    worse = [name for name in by_page if counts[name] > kept.get(name, 0)]
    if of_package(counts) <= of_package(kept):
        worse = [name for name in worse if name.endswith(".md")]
    for name in by_page if arguments else worse:
        report(name, by_page[name])
    for name in worse:
        print(f"{name}: {counts[name]} findings, {kept.get(name, 0)} are kept", file=sys.stderr)
    print(f"{sum(counts.values())} findings, {sum(kept.values())} kept")
    return 1 if worse and not arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
