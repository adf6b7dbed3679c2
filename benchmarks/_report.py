"""The older name of `harness`, for benchmarks that have not moved to it."""

from __future__ import annotations

import time
from typing import Any

from harness import (
    RESULTS,
    SPREAD,
    cells,
    end_cleanly,
    go_first,
    host,
    load,
    number,
    progress,
    ratios,
    signature,
    spread,
    table,
    write,
)

__all__ = [
    "RESULTS", "SPREAD", "cells", "end_cleanly", "finish", "go_first", "host", "load", "number",
    "progress", "ratios", "signature", "spread", "table", "write",
]  # fmt: skip


def finish(results: dict[str, Any], started: float) -> None:
    results["seconds"] = round(time.monotonic() - started)
    results["host"]["load after"] = load()
