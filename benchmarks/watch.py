"""What does an idle watcher cost, and how soon does it see a smaller quota?

    python benchmarks/watch.py [--peers DIR]

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

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import _groups
import _loops
import _report
from _report import cells

import kumo

GOAL = 0.05  # percent of a CPU
GOALS = 2.0, 10.0  # ms in the median, and in 99 of 100 cases
READING = "import kumo._watch.bell as b; b.Bell._try_events = lambda self: None\n"
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
IN_C, READING_IN_C = "the same in C", "ten readings a second in C"
PROGRAM = """
import sys, threading, time, kumo
{arm}
time.sleep(1)
cpu, wall = time.process_time(), time.monotonic()
time.sleep(float(sys.argv[1]))
print((time.process_time() - cpu) / (time.monotonic() - wall) * 100)
"""


SEES = """
import sys, time, kumo
{reading}
def see(change):
    print(time.monotonic_ns(), flush=True)
watch = kumo.watch(see, settle=0)
print("ready", flush=True)
sys.stdin.read()
"""
JAVA = """
class Sees {
    public static void main(String[] words) throws Exception {
        int last = Runtime.getRuntime().availableProcessors();
        System.out.println("ready");
        while (true) {
            Thread.sleep(1);
            int now = Runtime.getRuntime().availableProcessors();
            if (now != last) System.out.println(System.nanoTime());
            last = now;
        }
    }
}
"""
GO = """
package main

import (
	"fmt"
	"runtime"
	"syscall"
	"time"
	"unsafe"
)

func main() {
	last := runtime.GOMAXPROCS(0)
	fmt.Println("ready")
	for {
		time.Sleep(time.Millisecond)
		now := runtime.GOMAXPROCS(0)
		if now != last {
			var at syscall.Timespec
			syscall.Syscall(syscall.SYS_CLOCK_GETTIME, 1, uintptr(unsafe.Pointer(&at)), 0)
			fmt.Println(at.Nano())
		}
		last = now
	}
}
"""


class Seer:
    """A program in a cgroup of its own that prints the clock when it sees another number."""

    def __init__(self, command: list[str], group: Path, by_affinity: bool = False) -> None:
        # Without O_TRUNC, which is an event of its own.
        self.quota = os.open(group / "cpu.cfs_quota_us", os.O_WRONLY)
        self.by_affinity = by_affinity
        self.process = subprocess.Popen(
            ["sh", "-c", 'echo $$ > "$0/cgroup.procs"; exec "$@"', str(group), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.line()  # it is ready

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def delay(self, cpus: int) -> float:
        """Give it so many CPUs, and return after how many milliseconds it has seen that."""
        before = time.monotonic_ns()
        if self.by_affinity:
            mask = sorted(os.sched_getaffinity(0))[:cpus]
            for task in os.listdir(f"/proc/{self.process.pid}/task"):
                os.sched_setaffinity(int(task), mask)
        else:
            os.pwrite(self.quota, str(cpus * 100_000).encode(), 0)
        return (int(self.line()) - before) / 1e6

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


def main() -> int:
    options = _options()
    _report.end_cleanly()
    _report.go_first()
    started = time.monotonic()
    results: dict[str, Any] = {
        "question": "What does an idle watcher cost?",
        "host": _report.host(),
        "rounds": options.rounds,
        "seconds of a round": options.seconds,
        "unit": "percent of one CPU, one figure a round",
        "percent": {arm: [] for arm in (*ARMS, IN_C, READING_IN_C)},
    }
    with tempfile.TemporaryDirectory(prefix="kumo-watch-") as workdir:
        commands = _commands(options.seconds, Path(workdir))
        for number in range(options.rounds):
            for arm, percent in _round(commands).items():
                results["percent"][arm].append(percent)
            _report.progress(f"[{number + 1}/{options.rounds}]")
        results["milliseconds"] = _delays(options, Path(workdir))
    _report.finish(results, started)
    _report.write(options.results, "watch", results, _as_markdown(results))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure the CPU time of an idle watcher.")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--changes", type=int, default=300, help="for the delays")
    parser.add_argument("--peers", type=Path, help="of get_peers.py; for Go")
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
    return commands | {
        IN_C: [*floor.command, "-e", str(seconds), *directories],
        READING_IN_C: [*floor.command, "-w", str(seconds), *directories],
    }


def _seers(workdir: Path, peers: Path | None) -> dict[str, tuple[list[str], bool]]:
    """The programs that see a change, each with whether it looks at its affinity alone."""
    python = [sys.executable, "-c"]
    found = {
        "kumo": ([*python, SEES.format(reading="")], False),
        "kumo, ten readings a second": ([*python, SEES.format(reading=READING)], False),
    }
    floor = _loops.floor(workdir)
    if not floor.missing:
        found[IN_C] = ([*floor.command, "-l"], False)
    (workdir / "Sees.java").write_text(JAVA)
    if _loops._ran(["javac", "-d", str(workdir), str(workdir / "Sees.java")]) is None:
        found["the JVM"] = (["java", "-cp", str(workdir), "Sees"], False)
    if peers is not None:
        (workdir / "sees.go").write_text(GO)
        tool = str(peers / "venv" / "bin" / "go")
        build = [tool, "build", "-o", str(workdir / "sees"), str(workdir / "sees.go")]
        if _loops._ran(build, peers) is None:
            found["Go, its affinity"] = ([str(workdir / "sees")], True)
    return found


def _delays(options: argparse.Namespace, workdir: Path) -> dict[str, list[float]]:
    """Write quotas in turn; return the milliseconds until each program has seen the smaller."""
    if reason := _groups.why_not():
        raise SystemExit(f"no quota can be set: {reason}")
    with contextlib.ExitStack() as stack:
        seers = {}
        for number, (name, (command, slow)) in enumerate(_seers(workdir, options.peers).items()):
            group = stack.enter_context(_groups.nested(f"see{number}", 1, 2, "each"))
            words = [*command, str(group)] if name == IN_C else command
            seers[name] = Seer(words, group, slow)
            stack.callback(seers[name].end)
        delays: dict[str, list[float]] = {name: [] for name in seers}
        time.sleep(1)
        for change in range(options.changes):
            for name, seer in seers.items():
                if seer.by_affinity and change % 10:
                    continue  # a second each
                delays[name].append(round(seer.delay(1), 3))
                time.sleep(0.05)
                seer.delay(2)
            _report.progress(f"[{change + 1}/{options.changes}]")
        return delays


def _round(commands: dict[str, list[str]]) -> dict[str, float]:
    running = {
        arm: subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        for arm, command in commands.items()
    }
    return {arm: round(float(process.communicate()[0]), 5) for arm, process in running.items()}


def _as_markdown(results: dict[str, Any]) -> str:
    rows = []
    for arm, percent in results["percent"].items():
        met = "met" if statistics.median(percent) <= GOAL else "missed"
        has_goal = arm.startswith("one ") and "readings" not in arm
        rows.append([arm, *cells(percent), f"{met}: {GOAL}" if has_goal else "-"])
    header = ("what watches", *(f"{name}, %" for name in _report.SPREAD), "goal, %")
    return "\n\n".join(
        [
            _report.table(header, rows),
            "From the write of a smaller quota until a program has the new number:",
            _delays_as_markdown(results["milliseconds"]),
            _report.signature(results),
        ]
    )


def _delays_as_markdown(delays: dict[str, list[float]]) -> str:
    rows = []
    for name, values in delays.items():
        median, late = (
            statistics.median(values),
            statistics.quantiles(values, n=100, method="inclusive")[98],
        )
        met = "met" if median <= GOALS[0] and late <= GOALS[1] else "missed"
        shown = [_report.number(value) for value in (median, late, max(values))]
        goal = f"{met}: {GOALS[0]:g} and {GOALS[1]:g}" if name == "kumo" else "-"
        rows.append([name, str(len(values)), *shown, goal])
    header = ("what sees it", "changes", "median, ms", "99 %, ms", "max, ms", "goal, ms")
    return _report.table(header, rows)


if __name__ == "__main__":
    sys.exit(main())
