"""kumo in a Python without site-packages, where there is no library to be asked.

kumo is found by its path. If coverage is measured, that is started first, and leaves the path as
it was: such a Python does not do it itself.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

SOURCE = str(Path(__file__).parents[1] / "src")
# By these variables a process measures its coverage.
MEASURED = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}


def _measure() -> str:
    spec = find_spec("coverage") if MEASURED else None
    if spec is None or spec.origin is None:
        return ""
    place = str(Path(spec.origin).parents[1])
    return (
        f"sys.path.append({place!r}); import coverage; coverage.process_startup(); sys.path.pop(); "
    )


KUMO = (
    f"import sys; {_measure()}sys.path.insert(0, sys.argv.pop(1)); "
    "from kumo._command.main import main; sys.exit(main())"
)
PLAIN = [sys.executable, "-I", "-S", "-c", KUMO, SOURCE]


def unmeasured(environment: Mapping[str, str]) -> dict[str, str]:
    """*environment* for a process that cannot write its coverage, or that this would change.

    What becomes another user may not write it, and its database takes descriptors that are free.
    """
    return {name: value for name, value in environment.items() if name not in MEASURED}
