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

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import _report
from _bounds import CASES

from kumo._survey import survey
from kumo._system.machine_file import Machine


def main() -> int:
    parser = argparse.ArgumentParser(description="Survey expensive machine files.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--results", type=Path, default=_report.RESULTS)
    parser.add_argument("--case", help="survey this one here, and print what it cost")
    options = parser.parse_args()
    if options.case is not None:
        print(json.dumps(_cost(CASES[options.case]())))
        return 0
    _report.go_first()
    started = time.monotonic()
    about = _report.host()
    costs: dict[str, list[list[float]]] = {name: [] for name in CASES}
    for _ in range(options.rounds):
        for name, of_case in costs.items():
            command = [sys.executable, __file__, "--case", name]
            of_case.append(json.loads(subprocess.check_output(command)))
    results: dict[str, Any] = {
        "question": "What does the worst input cost?",
        "host": about,
        "rounds": options.rounds,
        "unit": "s of CPU time and MB of memory, one pair a round",
        "bytes": {name: len(make()) for name, make in CASES.items()},
        "costs": costs,
    }
    _report.finish(results, started)
    header = ("machine file", "bytes", *_report.SPREAD, "MB")
    header = (*header[:2], "s: median", *header[3:])
    rows = [
        [
            name,
            f"{results['bytes'][name]:,}",
            *_report.cells([cpu for cpu, _ in of_case]),
            f"{max(memory for _, memory in of_case):.0f}",
        ]
        for name, of_case in costs.items()
    ]
    text = f"{_report.table(header, rows)}\n\n{_report.signature(results)}"
    _report.write(options.results, "bounds", results, text)
    return 0


def _cost(text: str) -> tuple[float, float]:
    before = time.process_time()
    str(survey(Machine(text)))
    took = time.process_time() - before
    return round(took, 4), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    sys.exit(main())
