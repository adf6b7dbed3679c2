"""What the scripts that generate pages have in common: writing one, and ``--check``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def main(script: str, usage: str | None, page: Path, text: Callable[[], str]) -> int:
    """Write *page*, or with ``--check`` compare it with *text*; return the exit code."""
    arguments = sys.argv[1:]
    if arguments not in ([], ["--check"]):
        print(usage, file=sys.stderr)
        return 2
    if not arguments:
        page.write_text(text(), "utf-8")
    elif not page.exists() or page.read_text("utf-8") != text():
        print(f"{page.name} differs: run python docs/{Path(script).name}", file=sys.stderr)
        return 1
    return 0
