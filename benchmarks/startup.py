"""What does kumo add to a start? Times `import kumo` and the command `kumo` over a bare Python.

    python benchmarks/startup.py

Goals: the import at most 3 ms over bare, the command at most 15 ms over bare.

Caveats first:

- Each pair is run one after the other, in another order each round; what is reported is the
  median over the rounds of the difference within one. A start takes some 10 to 20 ms, of which
  the difference is a small part. If other programs run meanwhile (see the load average) its
  quartiles are wide, the highest priority notwithstanding, which they run at if it is allowed.
  CPU time, of the user and the system together, suffers less.
- The files are in the page cache and compiled to bytecode by pip. A first start after a boot or
  from a read-only directory without bytecode takes longer.
- `import kumo` loads what the import needs. The first call loads more, and surveys the system:
  "import and first call".
- `kumo` is the launcher that pip writes, which imports `re` of its own in older versions of pip.
  `python -m kumo` is without it, and has runpy instead.
- The environment is a virtual one with kumo alone in it. The command and its bare Python are run
  without -I, as they are by users, and so read the environment's `.pth` files, of which there are
  none.
"""

from __future__ import annotations

import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import _install
import harness
from harness import number, spread

_FIRST_CALL = "import kumo; kumo.available_parallelism()"
# What is run, over which bare start, and the goal in ms.
_OVER = {
    "import kumo": ("python -I -c pass", 3),
    "import and first call": ("python -I -c pass", None),
    "kumo": ("python -c pass", 15),
    "python -m kumo": ("python -c pass", None),
}


def main() -> int:
    parser = harness.parser(
        __doc__, takes="2 minutes with four versions of Python", needs=_install.NEEDS, rounds=200
    )
    options = parser.parse_args()
    run = harness.begin("startup", options, unit="ms, one pair of wall and CPU time a round")
    with tempfile.TemporaryDirectory(prefix="kumo-startup-") as directory:
        pythons = _install.pythons()
        programs = _install.installed(pythons, Path(directory))
        arms = {version: _arms(place) for version, place in programs.items()}
        times = harness.take_group_turns(arms, options.rounds, warm=1)
    full = {version: _install.full_version(python) for version, python in pythons.items()}
    return run.end(_as_markdown, pythons=full, times=times)


def _arms(programs: Path) -> dict[str, Any]:
    python = str(programs / "python")
    commands = {
        "python -I -c pass": [python, "-I", "-c", "pass"],
        "import kumo": [python, "-I", "-c", "import kumo"],
        "import and first call": [python, "-I", "-c", _FIRST_CALL],
        "python -c pass": [python, "-c", "pass"],
        "kumo": [str(programs / "kumo")],
        "python -m kumo": [python, "-m", "kumo"],
    }
    return {name: partial(_install.start, command) for name, command in commands.items()}


def over(bare: list[Any], more: list[Any]) -> tuple[list[float], list[float]]:
    """The differences of the wall times and of the CPU times, round by round."""
    walls, cpus = (
        harness.differences([one[kind] for one in more], [one[kind] for one in bare])
        for kind in (0, 1)
    )
    return walls, cpus


def quartiles(values: list[float]) -> str:
    by = spread(values)
    return f"{number(by['q1'])} to {number(by['q3'])}"


def _as_markdown(results: dict[str, Any]) -> str:
    header = ("Python", "what", "bare, ms", "ms over bare: median", "quartiles", "CPU ms over bare")
    rows = []
    for version, by in results["times"].items():
        for name, (bare, goal) in _OVER.items():
            wall, cpu = over(by[bare], by[name])
            middle = spread(wall)["median"]
            is_met = "met" if goal is None or middle <= goal else "missed"
            cells = [
                version,
                name,
                number(spread([wall for wall, _ in by[bare]])["median"]),
                number(middle),
                quartiles(wall),
                number(spread(cpu)["median"]),
                "-" if goal is None else f"{is_met}: {goal}",
            ]
            rows.append(harness.marked(cells, wall))
    missing = dict.fromkeys(_install.VERSIONS, "not found") | results["pythons"]
    versions = ", ".join(f"{version}: {full}" for version, full in missing.items())
    table = harness.table((*header, "goal, ms"), rows, 2)
    return f"{table}\n\nPythons: {versions}. {harness.signature(results)}"


if __name__ == "__main__":
    sys.exit(main())
