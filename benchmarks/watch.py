"""What does an idle watcher cost, and how soon does it see a smaller quota?

    python benchmarks/watch.py

Goals: an idle watch with events takes at most 0.05 % of a CPU. From the write of a smaller quota to
the callback it takes at most 2 ms in the median, and at most 10 ms in 99 of 100 cases.

Caveats first:

- Each idle process sleeps while the kernel's clock of its CPU time is read at both ends. "nothing"
  does not watch, and shows what the measuring itself adds.
- "the same in C" makes the system calls of kumo's reading and of its wait, and nothing else: no
  program that watches as much costs less. "ten readings a second" is what a watch does if the
  kernel reports no events.
- On an idle machine the CPUs sleep deeply, and a wake-up is dearer than on a busy one.
- The processes of a round run side by side, so that they have the same machine. The load average is
  in the results.
- Nothing changes while the cost is measured: each reading is that of the kept descriptors.
- For the delays, each program is in a cgroup of its own with the largest weight, so that other work
  on the machine delays them little. Their quotas are written in turn: 2 CPUs, then 1. The time is
  from just before the write until the program has the new number, by the kernel's clock.
- The JVM and Go report nothing to the program: they are asked every millisecond. Go never counts
  less than 2 CPUs under a quota. So on a machine of 2 CPUs its affinity is changed. It looks
  at that in the same step, at most once a second.
"""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import _groups
import _loops
import _seers
import harness
from _seers import IN_C, READING

import kumo

GOAL = 0.05  # percent of a CPU
GOALS = 2.0, 10.0  # ms in the median, and in 99 of 100 cases
ARMS = {
    "nothing": "",
    "a thread that only sleeps": (
        "def sleep():\n    while True: time.sleep(0.1)\n"
        "threading.Thread(target=sleep, daemon=True).start()"
    ),
    "one watch": "watch = kumo.watch(); assert watch.how == 'events'",
    "one watch, ten readings a second": f"{READING}watch = kumo.watch()",
    "one callback": "watch = kumo.watch(print)",
    "100 callbacks": "watches = [kumo.watch(print) for _ in range(100)]",
    "one watch, 20 idle threads": (
        "watch = kumo.watch(); never = threading.Event()\n"
        "for _ in range(20): threading.Thread(target=never.wait, daemon=True).start()"
    ),
}
READING_IN_C = "ten readings a second in C"
PROGRAM = """
import sys, threading, time, kumo
{arm}
time.sleep(1)
cpu, wall = time.process_time(), time.monotonic()
time.sleep(float(sys.argv[1]))
print((time.process_time() - cpu) / (time.monotonic() - wall) * 100)
"""
AFTER = 0.05  # s that a program has before its quota grows again


def main() -> int:
    parser = harness.parser(
        __doc__,
        takes="7 minutes",
        needs="root, a writable cgroup v1 hierarchy of the cpu controller and gcc; javac, and "
        "--peers for Go, add their rows",
        rounds=10,
    )
    add = parser.add_argument
    add("--seconds", type=float, default=30, help="of a round; default: 30")
    add("--changes", type=harness.count, default=300, help="for the delays; default: 300")
    add("--peers", type=Path, metavar="DIR", help="of get_peers.py; for Go")
    options = parser.parse_args()
    _groups.needed_mount_point()
    unit = "percent of one CPU, one figure a round"
    run = harness.begin("watch", options, unit=unit, **{"seconds of a round": options.seconds})
    with tempfile.TemporaryDirectory(prefix="kumo-watch-") as folder:
        workdir = Path(folder)
        commands = _commands(options.seconds, workdir)
        rounds = harness.take_turns({"all": lambda: _side_by_side(commands)}, options.rounds)["all"]
        delays = _delays(options, workdir)
    percent = {arm: [each[arm] for each in rounds] for arm in commands}
    return run.end(_as_markdown, percent=percent, milliseconds=delays)


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
    return commands | {
        IN_C: [*floor.command, "-e", str(seconds), *directories],
        READING_IN_C: [*floor.command, "-w", str(seconds), *directories],
    }


def _side_by_side(commands: dict[str, list[str]]) -> dict[str, float]:
    running = {
        arm: subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        for arm, command in commands.items()
    }
    return {arm: round(float(process.communicate()[0]), 5) for arm, process in running.items()}


def _delays(options: Any, workdir: Path) -> dict[str, list[float]]:
    """Write quotas in turn; return the milliseconds until each program has seen the smaller."""
    with contextlib.ExitStack() as stack:
        arms = {}
        programs = _seers.programs(workdir, options.peers)
        for number, (name, (command, by_affinity)) in enumerate(programs.items()):
            group = stack.enter_context(_groups.nested(f"see{number}", 1, 2, "each"))
            words = [*command, str(group)] if name == IN_C else command
            seer = _seers.Seer(words, group, by_affinity)
            stack.callback(seer.end)
            arms[name] = _change(seer, 10 if by_affinity else 1)  # by affinity a second each
        time.sleep(1)
        delays = harness.take_turns(arms, options.changes)
    return {name: [each for each in taken if each is not None] for name, taken in delays.items()}


def _change(seer: _seers.Seer, every: int) -> Callable[[], float | None]:
    """What changes the limit there and back, each *every*th time that it is called."""
    calls = count()

    def change() -> float | None:
        if next(calls) % every:
            return None
        delay = round(seer.delay(1), 3)
        time.sleep(AFTER)
        seer.delay(2)
        return delay

    return change


def _as_markdown(results: dict[str, Any]) -> str:
    rows = []
    for arm, percent in results["percent"].items():
        met = "met" if statistics.median(percent) <= GOAL else "missed"
        has_goal = arm.startswith("one ") and "readings" not in arm
        cells = [arm, *harness.cells(percent), f"{met}: {GOAL}" if has_goal else "-"]
        rows.append(harness.marked(cells, percent))
    header = ("what watches", *(f"{name}, %" for name in harness.SPREAD), "goal, %")
    delays = []
    for name, values in results["milliseconds"].items():
        hundredths = statistics.quantiles(values, n=100, method="inclusive")
        median, late = statistics.median(values), hundredths[98]
        met = "met" if median <= GOALS[0] and late <= GOALS[1] else "missed"
        shown = [harness.number(value) for value in (median, late, max(values))]
        goal = f"{met}: {GOALS[0]:g} and {GOALS[1]:g}" if name == "kumo" else "-"
        delays.append(harness.marked([name, str(len(values)), *shown, goal], values))
    delay_header = ("what sees it", "changes", "median, ms", "99 %, ms", "max, ms", "goal, ms")
    return "\n\n".join(
        [
            harness.table(header, rows),
            "From the write of a smaller quota until a program has the new number:",
            harness.table(delay_header, delays),
            harness.signature(results),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
