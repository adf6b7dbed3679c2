"""What does an idle watcher cost? The CPU time of a process that watches and does nothing else.

    python benchmarks/watch.py

Goal: below 0.1 % of a CPU at the default ten readings a second.

Caveats first:

- Each process sleeps while the kernel's clock of its CPU time is read at both ends. "nothing" does
  not watch, and shows what the measuring itself adds.
- "a thread that only sleeps" wakes up ten times a second and does nothing: no Python that polls
  costs less. "the same in C" makes the system calls of kumo's reading ten times a second and
  nothing else: no program that polls for as much costs less.
- On an idle machine the CPUs sleep deeply, and a wake-up is dearer than on a busy one.
- The processes of a round run side by side, so that they have the same machine. What else runs
  makes each wake-up a little dearer, as the caches are then somebody else's. See the load average.
- Nothing changes meanwhile: each reading is that of the kept descriptors. A change costs a survey.
- A thread more than the main one makes kumo look at each thread's affinity. The last process has
  twenty idle threads, none of them pinned: the common case.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import _loops
import _report
from _report import cells

import kumo

GOAL = 0.1
ARMS = {
    "nothing": "",
    "a thread that only sleeps": (
        "def sleep():\n    while True: time.sleep(0.1)\n"
        "threading.Thread(target=sleep, daemon=True).start()"
    ),
    "one watch": "watch = kumo.watch()",
    "one callback": "watch = kumo.watch(print)",
    "100 callbacks": "watches = [kumo.watch(print) for _ in range(100)]",
    "one watch, 20 idle threads": (
        "watch = kumo.watch(); never = threading.Event()\n"
        "for _ in range(20): threading.Thread(target=never.wait, daemon=True).start()"
    ),
}
IN_C = "the same in C"
PROGRAM = """
import sys, threading, time, kumo
{arm}
time.sleep(1)
cpu, wall = time.process_time(), time.monotonic()
time.sleep(float(sys.argv[1]))
print((time.process_time() - cpu) / (time.monotonic() - wall) * 100)
"""


def main() -> int:
    options = _options()
    _report.end_cleanly()
    started = time.monotonic()
    results: dict[str, Any] = {
        "question": "What does an idle watcher cost?",
        "host": _report.host(),
        "rounds": options.rounds,
        "seconds of a round": options.seconds,
        "unit": "percent of one CPU, one figure a round",
        "percent": {arm: [] for arm in (*ARMS, IN_C)},
    }
    with tempfile.TemporaryDirectory(prefix="kumo-watch-") as workdir:
        commands = _commands(options.seconds, Path(workdir))
        for number in range(options.rounds):
            for arm, percent in _round(commands).items():
                results["percent"][arm].append(percent)
            _report.progress(f"[{number + 1}/{options.rounds}]")
    _report.finish(results, started)
    _report.write(options.results, "watch", results, _as_markdown(results))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure the CPU time of an idle watcher.")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--results", type=Path, default=_report.RESULTS)
    return parser.parse_args()


def _commands(seconds: float, workdir: Path) -> dict[str, list[str]]:
    """What runs in each round: each prints the percent of a CPU that it took."""
    commands = {
        arm: [sys.executable, "-c", PROGRAM.format(arm=code), str(seconds)]
        for arm, code in ARMS.items()
    }
    floor = _loops.floor(workdir)
    if floor.missing:
        raise SystemExit(f"{IN_C}: {floor.missing}")
    levels = [limit.where for limit in kumo.estimate().limits if limit.source == "quota"]
    directories = [str(Path(where).parent) for where in levels if where.endswith("cfs_quota_us")]
    return commands | {IN_C: [*floor.command, "-w", str(seconds), *directories]}


def _round(commands: dict[str, list[str]]) -> dict[str, float]:
    running = {
        arm: subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        for arm, command in commands.items()
    }
    return {arm: round(float(process.communicate()[0]), 5) for arm, process in running.items()}


def _as_markdown(results: dict[str, Any]) -> str:
    rows = []
    for arm, percent in results["percent"].items():
        median = sorted(percent)[len(percent) // 2]
        goal = "-" if arm == "nothing" else f"{'met' if median < GOAL else 'missed'}: {GOAL}"
        rows.append([arm, *cells(percent), goal])
    header = ("what watches", *(f"{name}, %" for name in _report.SPREAD), "goal, %")
    return f"{_report.table(header, rows)}\n\n{_report.signature(results)}"


if __name__ == "__main__":
    sys.exit(main())
