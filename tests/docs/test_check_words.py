"""docs/check_words.py finds the phrases that style asks to avoid, and no others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "docs" / "check_words.py"


def findings(path: Path, text: str) -> list[str]:
    """Return what the script prints about a file with *text*, as "LINE: RULE"."""
    path.write_text(text, "utf-8")
    ran = subprocess.run(
        [sys.executable, str(SCRIPT), str(path)], capture_output=True, text=True, check=False
    )
    assert ran.stderr == ""
    rows = [line.removeprefix(f"{path}:").split(": ", 2)[:2] for line in ran.stdout.splitlines()]
    assert ran.returncode == (1 if rows else 0)
    return [": ".join(each) for each in rows]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("Where nothing is set, the default counts.", "where"),
        ("It is refused where it is empty.", "where"),
        ("Whoever knows the number sets it.", "who"),
        ("Nothing tells kumo of it.", "tell"),
        ("A CPU goes off line.", "on line"),
        ("This is what mends it.", "mend"),
        ("It reads the own cgroup.", "own"),
        ("It runs in a process of its own.", "own"),
        ("What ends with code 127 is not there.", "clause"),
        ("A value that is no count is an error.", "is no"),
        ("A quota may stand there.", "stand"),
        ("The count holds for them.", "hold"),
        ("It is read anew.", "stilted"),
        ("One; two; three.", "semicolons"),
        ("It is " + "very " * 40 + "long.", "long"),
        ("| " + "word " * 16 + "| short |", "cell"),
    ],
)
def test_a_phrase_to_avoid(tmp_path: Path, text: str, rule: str) -> None:
    assert findings(tmp_path / "page.md", f"# A page\n\n{text}\n") == [f"3: {rule}"]


@pytest.mark.parametrize(
    "text",
    [
        "If nothing is set, the default counts.",
        "The file where it is kept.",
        "There is no quota.",
        "What does it count?",
        "A stand-in holds the lock.",
        "`where` is `who tells`.",
        "```sh\nkumo tells where who stands\n```",
        "See [the page](where-who-tells.md).",
        "e.g. this; and that.",
        "| " + "word " * 15 + "| short |",
    ],
)
def test_a_phrase_that_is_right(tmp_path: Path, text: str) -> None:
    assert findings(tmp_path / "page.md", f"# A page\n\n{text}\n") == []


def test_the_sentences_of_a_module_with_their_lines(tmp_path: Path) -> None:
    source = '''"""It tells nothing.

Nor does it mend.
"""
told = "where"  # one word is no sentence
# A comment that goes on
# where the next line ends.
print(f"{told} is what nobody tells: {told}")
'''
    rows = findings(tmp_path / "module.py", source)
    assert rows == ["1: tell", "3: mend", "5: is no", "6: where", "8: tell"]


def test_the_readme_is_short() -> None:
    readme = SCRIPT.parents[1] / "README.md"
    assert len(readme.read_text("utf-8").splitlines()) <= 120
