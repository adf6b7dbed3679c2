"""Is the verdict right? Staged situations on real cgroups, and what kumo.pressure says of each.

    python benchmarks/pressure.py

Caveats first:

- The situations are those of tests/pressure/stages.py, on cgroup v1 and two CPUs: each round
  starts the program anew, lets it work for 0.4 s and watches it for one second.
- The staged groups have the largest weight, so that what else runs on the machine is hardly felt.
  If it is all the same, and takes what a quota would give, the program lacks something else than
  its quota: such a round is counted as disturbed, whatever its verdict, and another is run.
  A round under a quota begins when the CPUs are idle, which is waited for, but not for ever.
- "false quota" counts the rounds, disturbed or not, that say quota where no quota is set.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import _groups
import harness

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "pressure"))

from stages import STAGES, stage

import kumo

MOST = 4  # times the rounds, that are run until enough are undisturbed
QUIET = 1.6  # CPUs that are idle
PATIENCE = 20.0  # seconds


def main() -> int:
    parser = harness.parser(
        __doc__,
        takes="4 minutes on a quiet machine",
        needs="root, two CPUs and a writable cgroup v1 hierarchy of the cpu controller",
        rounds=10,
        first=False,
    )
    options = parser.parse_args()
    top = _groups.needed_mount_point()
    run = harness.begin("pressure", options)
    situations = {name: _rounds(name, top, options.rounds) for name in STAGES}
    return run.end(_as_markdown, situations=situations)


def _rounds(name: str, top: Path, rounds: int) -> list[dict[str, Any]]:
    """Windows until *rounds* of them are as they should be; each says whether it is."""
    what, results = STAGES[name], []
    while sum(window["staged"] for window in results) < rounds and len(results) < MOST * rounds:
        if what.quota is not None:
            _await_quiet()
        (window,) = stage(what, top, 1)
        results.append({"staged": what.is_staged(window), **window})
    verdicts = Counter(window["verdict"] for window in results if window["staged"])
    harness.progress(f"{name}: {dict(verdicts)}, {len(results)} rounds in all")
    return results


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
    return "\n\n".join([harness.table(header, rows, 4), harness.signature(results)])


def _counted(verdicts: Counter[str]) -> str:
    return ", ".join(f"{verdict} {number}" for verdict, number in verdicts.items()) or "-"


if __name__ == "__main__":
    sys.exit(main())
