"""What does `kumo run` add to a start? Times `kumo run -- true` over an exec of `true` by Python.

    python benchmarks/run.py

Goal: at most 15 ms over `python -c 'os.execvp(…)'`.

Caveats first:

- Those of benchmarks/startup.py hold here too: the pair of a round is run in a random order, and
  a difference is one within a round.
- `true` is /bin/true, which ends at once. Both become it by exec, so that neither is counted twice.
- With --pin the places of the CPUs are read as well: two files of sysfs for each CPU. On a machine
  of many CPUs that takes longer than here.
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
from startup import over, quartiles

_GOAL = 15
_BARE = "python -c 'os.execvp'"
_EXEC = "import os; os.execvp('true', ['true'])"
_ARGUMENTS = {
    "kumo run": ["run", "--", "true"],
    "kumo run with options": [
        *("run", "--share", "1/2", "--round", "ceil", "--workers", "2", "--with", "make"),
        *("--without", "GOMAXPROCS", "--", "true"),
    ],
    "kumo run --pin": ["run", "--pin", "--", "true"],
}


def main() -> int:
    parser = harness.parser(
        __doc__, takes="1 minute with four versions of Python", needs=_install.NEEDS, rounds=100
    )
    options = parser.parse_args()
    run = harness.begin("run", options, unit="ms, one pair of wall and CPU time a round")
    with tempfile.TemporaryDirectory(prefix="kumo-run-") as directory:
        programs = _install.installed(_install.pythons(), Path(directory))
        arms = {version: _arms(place) for version, place in programs.items()}
        times = harness.take_group_turns(arms, options.rounds, warm=1)
    return run.end(_as_markdown, times=times)


def _arms(programs: Path) -> dict[str, Any]:
    commands = {_BARE: [str(programs / "python"), "-c", _EXEC]}
    commands |= {name: [str(programs / "kumo"), *words] for name, words in _ARGUMENTS.items()}
    return {name: partial(_install.start, command) for name, command in commands.items()}


def _as_markdown(results: dict[str, Any]) -> str:
    header = (
        *("Python", "what", "bare, ms", "ms over bare: median", "quartiles", "CPU ms over bare"),
        *("times bare", "goal, ms"),
    )
    rows = []
    for version, by in results["times"].items():
        bare = [wall for wall, _ in by[_BARE]]
        for name in _ARGUMENTS:
            wall, cpu = over(by[_BARE], by[name])
            ratio = harness.ratios(bare, [wall for wall, _ in by[name]])
            middle = spread(wall)["median"]
            figures = [number(spread(values)["median"]) for values in (bare, wall, cpu, ratio)]
            cells = [
                *(version, name, *figures[:2], quartiles(wall), *figures[2:]),
                f"{'met' if middle <= _GOAL else 'missed'}: {_GOAL}",
            ]
            rows.append(harness.marked(cells, wall))
    return f"{harness.table(header, rows, 2)}\n\n{harness.signature(results)}"


if __name__ == "__main__":
    sys.exit(main())
