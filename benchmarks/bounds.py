"""What does the worst input cost? Surveys machine files that are made to be expensive.

    python benchmarks/bounds.py

Goals, in CPU time: 4,000 cgroup mounts in at most 0.5 s, 1 MB of anything in at most 2 s and
within 256 MB of memory.

Caveats first:

- Each file is surveyed and explained in a process of its own, by which the memory is measured: it
  includes the interpreter, kumo and the text of the file, about 40 MB.
- CPU time is of that process from before the file is parsed to after the answer is text. It says
  nothing of what the kernel takes to write such files.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from functools import partial
from typing import Any

import harness
from _bounds import CASES

from kumo._survey import survey
from kumo._system.machine_file import Machine


def main() -> int:
    parser = harness.parser(__doc__, takes="1 minute", rounds=5)
    parser.add_argument("--case", choices=CASES, metavar="NAME", help="print what this one costs")
    options = parser.parse_args()
    if options.case is not None:
        print(json.dumps(_cost(CASES[options.case]())))
        return 0
    run = harness.begin("bounds", options, unit="s of CPU time and MB of memory, a pair a round")
    costs = harness.take_turns({name: partial(_asked, name) for name in CASES}, options.rounds)
    sizes = {name: len(make()) for name, make in CASES.items()}
    return run.end(_as_markdown, bytes=sizes, costs=costs)


def _asked(name: str) -> list[float]:
    cost: list[float] = json.loads(harness.output([sys.executable, __file__, "--case", name]))
    return cost


def _cost(text: str) -> tuple[float, float]:
    before = time.process_time()
    str(survey(Machine(text)))
    took = time.process_time() - before
    return round(took, 4), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _as_markdown(results: dict[str, Any]) -> str:
    header = ("machine file", "bytes", "s: median", *harness.SPREAD[1:], "MB")
    rows = []
    for name, pairs in results["costs"].items():
        seconds = [cpu for cpu, _ in pairs]
        memory = f"{max(memory for _, memory in pairs):.0f}"
        size = f"{results['bytes'][name]:,}"
        rows.append(harness.marked([name, size, *harness.cells(seconds), memory], seconds))
    return f"{harness.table(header, rows)}\n\n{harness.signature(results)}"


if __name__ == "__main__":
    sys.exit(main())
