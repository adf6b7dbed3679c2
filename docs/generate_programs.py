"""Write the tables of docs/reference/programs.md from benchmarks/results: programs, reach, worth.

With ``--check`` write nothing, and exit 1 if the page differs from what would be written.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import _page

HERE = Path(__file__).resolve().parent
PAGE = HERE / "reference" / "programs.md"
RESULTS = HERE.parent / "benchmarks" / "results" / "programs.md"
PARTS = ("counts", "threads", "signature")  # of the results, in their order
REACH = ("reach-4", "reach-1", "worth")  # results of a file each


def page() -> str:
    """Return the whole page."""
    text = PAGE.read_text("utf-8")
    results = RESULTS.read_text("utf-8").strip().split("\n\n")
    reach = [RESULTS.with_name(f"{name}.md").read_text("utf-8").strip() for name in REACH]
    for part, result in zip((*PARTS, *REACH), (*results, *reach), strict=True):
        begin, end = f"<!-- {part} -->\n", "\n<!-- end -->"
        pattern = f"{begin}.*?<!-- end -->"
        whole = f"{begin}\n{result}\n{end}"
        text = re.sub(pattern, lambda _, whole=whole: whole, text, count=1, flags=re.DOTALL)
    return text


if __name__ == "__main__":
    sys.exit(_page.main(__file__, __doc__, PAGE, page))
