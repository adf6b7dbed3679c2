"""Is the verdict right? Staged situations on real cgroups, and what kumo.pressure says of each.

    python benchmarks/pressure.py

Caveats first:

- The situations are those of tests/pressure/stages.py, on cgroup v1 and two CPUs: each round
  starts the program anew, lets it work for 0.4 s and watches it for one second.
- The staged groups have the largest weight, so that what else runs on the machine is hardly felt.
  Where it is all the same, and takes what a quota would give, the program lacks something else than
  its quota: such a round is told apart as disturbed, whatever its verdict, and another is run.
  A round under a quota begins when the CPUs are idle, which is waited for, but not for ever.
- "false quota" counts the rounds, disturbed or not, that say quota where no quota is set.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import _groups
import _report

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "pressure"))

from stages import STAGES, stage

import kumo

MOST = 4  # times the rounds, that are run until enough are undisturbed
QUIET = 1.6  # CPUs that are idle
PATIENCE = 20.0  # seconds


def main() -> int:
    options = _options()
    top = _groups.mount_point()
    if top is None or (reason := _groups.why_not()):
        print(f"nothing can be staged: {reason if top else 'no cgroup v1'}", file=sys.stderr)
        return 1
    _report.end_cleanly()
    started = time.monotonic()
    results: dict[str, Any] = {
        "question": "Is the verdict right?",
        "host": _report.host(),
        "rounds": options.rounds,
        "situations": {name: _rounds(name, top, options.rounds) for name in STAGES},
    }
    _report.finish(results, started)
    _report.write(options.results, "pressure", results, _as_markdown(results))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Stage situations, and ask for the verdict.")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--results", type=Path, default=_report.RESULTS)
    return parser.parse_args()


def _rounds(name: str, top: Path, rounds: int) -> list[dict[str, Any]]:
    """Windows until *rounds* of them are as they should be; each says whether it is."""
    what, found = STAGES[name], []
    while sum(window["staged"] for window in found) < rounds and len(found) < MOST * rounds:
        if what.quota is not None:
            _await_quiet()
        (window,) = stage(what, top, 1)
        found.append({"staged": what.is_staged(window), **window})
    verdicts = Counter(window["verdict"] for window in found if window["staged"])
    _report.progress(f"{name}: {dict(verdicts)}, {len(found)} rounds in all")
    return found


def _await_quiet() -> None:
    until = time.monotonic() + PATIENCE
    while kumo.headroom() < QUIET and time.monotonic() < until:
        pass


def _as_markdown(results: dict[str, Any]) -> str:
    rows = []
    for name, windows in results["situations"].items():
        right = STAGES[name].verdict
        staged = [window["verdict"] for window in windows if window["staged"]]
        disturbed = Counter(window["verdict"] for window in windows if not window["staged"])
        others = Counter(verdict for verdict in staged if verdict != right)
        false = sum("quota" in window["verdict"] for window in windows)
        ratio = f"{staged.count(right)} of {len(staged)}"
        counts = (_counted(others), _counted(disturbed), ratio)
        rows.append([name, right, *counts, "-" if STAGES[name].quota else str(false)])
    header = ("situation", "right", "others given", "when disturbed", "right ones", "false quota")
    return "\n\n".join([_report.table(header, rows, 4), _report.signature(results)])


def _counted(verdicts: Counter[str]) -> str:
    return ", ".join(f"{verdict} {number}" for verdict, number in verdicts.items()) or "-"


if __name__ == "__main__":
    sys.exit(main())
