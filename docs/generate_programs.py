"""Write the tables of docs/programs.md from benchmarks/results/programs.md.

With ``--check`` write nothing, and exit 1 if the page differs from what would be written.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PAGE = HERE / "programs.md"
RESULTS = HERE.parent / "benchmarks" / "results" / "programs.md"
PARTS = ("counts", "threads", "signature")  # of the results, in their order


def page() -> str:
    """Return the whole page."""
    text = PAGE.read_text("utf-8")
    results = RESULTS.read_text("utf-8").strip().split("\n\n")
    for part, result in zip(PARTS, results, strict=True):
        begin, end = f"<!-- {part} -->\n", "\n<!-- end -->"
        pattern = f"{begin}.*?<!-- end -->"
        whole = f"{begin}\n{result}\n{end}"
        text = re.sub(pattern, lambda _, whole=whole: whole, text, count=1, flags=re.DOTALL)
    return text


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    text = page()
    if not arguments:
        PAGE.write_text(text, "utf-8")
    elif PAGE.read_text("utf-8") != text:
        print("docs/programs.md differs: run python docs/generate_programs.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
