"""What is following the count worth? Workers sized by kumo beside other ways to size them.

    python benchmarks/follow.py

Caveats first:

- Two CPUs under a quota of 1.0 and 0.5: twice and four times too many. With many more CPUs than
  the quota the harm is greater: docs/reference/live.md names two reports.
- Each arm is a program of its own, in its cgroup before it starts. It sees that cgroup as a
  container does its own, at the mount's root, where loky looks for a quota. In a systemd slice or
  a nested cgroup loky and joblib see none, and their arm would be that of os.cpu_count.
- No arm is tuned. "default" is what the library does if nothing is set: min(32, CPUs + 4)
  threads (Python up to 3.12), and as many threads of OpenBLAS as the CPU set has CPUs. On this
  machine OpenBLAS's default and os.cpu_count are the same number.
- "best fixed" is the best of the sizes 1, 2, 4 and the default's by the medians over all rounds
  (with BLAS 1 and 2, with waits 32 too): of those within 5 % of the most work per second the one
  with the least lateness at p99. It is known afterwards only.
- "batch" and "change" work in a thread pool on calls that let the interpreter's lock go, with a
  beat beside them: a process in the same cgroup that wants to wake every 5 ms. Lateness counts
  from the scheduled moment, also for wake-ups that another delayed.
- "change" begins with 2 CPUs, has 1.0 for a while and then 2 again, since on two CPUs a change
  between 1.0 and 0.5 changes no whole number of workers. A growth is followed after a second.
- "waits" has tasks that sleep 10 ms, for which the number of CPUs says nothing. kumo's pool has
  max_waiting=128 there, and each task marks its wait; "unmarked" is the pool without either.
- Throttled time is the sum over the CPUs: more than one second a second is possible.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import _follow_table
import _groups
import harness

WARM = 0.2  # seconds
CHANGE = 2.0
ARM = str(Path(__file__).with_name("_follow_arm.py"))
ARMS = ("default", "os.cpu_count", "loky.cpu_count", "kumo", "1")
# What is done, the quotas that follow each other, the seconds of each, the arms.
CELLS = {
    "batch at 1.0": ("batch", (1.0,), 1.5, (*ARMS, "4")),
    "batch at 0.5": ("batch", (0.5,), 1.5, (*ARMS, "4")),
    "svd at 1.0": ("svd", (1.0,), 0.8, ARMS),
    "svd at 0.5": ("svd", (0.5,), 0.8, ARMS),
    "matmul at 1.0": ("matmul", (1.0,), 0.8, ARMS),
    "matmul at 0.5": ("matmul", (0.5,), 0.8, ARMS),
    "change": ("batch", (2.0, 1.0, 2.0), CHANGE, ARMS),
    "waits at 1.0": ("waits", (1.0,), 0.7, (*ARMS, "unmarked", "32", "128")),
}
# In a view of the hierarchy that begins at its cgroup. $0: the mount's point.
VIEW = 'umount -l "$0" && mount -t cgroup -o cpu cgroup "$0" && exec "$@"'


def main() -> int:
    parser = harness.parser(
        __doc__,
        takes="15 minutes on a quiet machine",
        needs="root, two CPUs, a writable cgroup v1 hierarchy of the cpu controller, and the "
        "libraries of benchmarks/requirements.txt",
        rounds=10,
    )
    parser.add_argument("--cells", choices=CELLS, nargs="+", default=tuple(CELLS),
                        help="measure these, and keep the others of the last run")  # fmt: skip
    options = parser.parse_args()
    _groups.needed_mount_point()
    run = harness.begin("follow", options)
    run.results["host"] |= {name: version(name) for name in ("loky", "numpy", "threadpoolctl")}
    with _groups.nested("follow", 1, 2, "each") as group:
        arms = {
            (cell, arm): partial(_run, group, cell, arm)
            for cell, (*_, arms) in CELLS.items()
            for arm in arms
            if cell in options.cells
        }
        taken = harness.take_turns(arms, options.rounds)
    cells: dict[str, dict[str, list[Any]]] = {cell: {} for cell in CELLS}
    if set(options.cells) != set(CELLS):
        before = harness.kept("follow", options)
        cells |= {cell: before["cells"][cell] for cell in CELLS if cell not in options.cells}
        run.results["earlier"] = before.get("earlier") or harness.signature(before)
        run.results["cells now"] = options.cells
    for (cell, arm), rounds in taken.items():
        cells[cell][arm] = rounds
    code = run.end(_follow_table.as_markdown, cells=cells)
    if set(options.cells) - {"waits at 1.0"}:  # which is not in the plot
        _follow_table.plot(run.results, CHANGE, options.results / "follow.svg")
    return code


def _run(group: Path, cell: str, arm: str) -> dict[str, Any]:
    """One arm once: what it did in each phase."""
    what, quotas, seconds, _ = CELLS[cell]
    _groups.set_quota(group, quotas[0])
    with _program(group, "beat") as beat, _program(group, what, arm) as program:
        _line(beat)
        size = int(_line(program))
        time.sleep(WARM)
        marks = [_mark(program, group)]
        for number, quota in enumerate(quotas):
            if number:
                _groups.set_quota(group, quota)
            time.sleep(seconds)
            marks.append(_mark(program, group))
        ends = json.loads(program.communicate()[0])
        beats = json.loads(beat.communicate()[0])
    phases = [_between(*pair, beats) for pair in itertools.pairwise(marks)]
    result = {"workers": size, "phases": phases}
    if len(quotas) > 1:
        first = int(marks[0]["now"] * 10)
        result["tenths"] = [(tenth - first, count) for tenth, count in ends if tenth >= first]
    return result


def _between(before: dict[str, Any], after: dict[str, Any], beats: list[Any]) -> dict[str, Any]:
    """What happened between two marks, and how late each beat was meanwhile."""
    changes = {key: round(after[key] - before[key], 4) for key in ("done", "cpu", "throttled")}
    begun, ended = before["now"], after["now"]
    late = [late for scheduled, late in beats if begun <= scheduled < ended]
    return {"seconds": round(ended - begun, 4), **changes, "late": late}


@contextlib.contextmanager
def _program(group: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A program in the cgroup; it is ended in any case."""
    kept = ("PATH", "HOME", "LANG", "VIRTUAL_ENV")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    view = ["unshare", "-C", "-m", "sh", "-c", VIEW, str(_groups.mount_point())]
    process = subprocess.Popen(
        _groups.inside(group, *view, sys.executable, ARM, *words),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    with process:
        try:
            yield process
        finally:
            process.kill()


def _mark(program: subprocess.Popen[str], group: Path) -> dict[str, Any]:
    """What the program has done until now, and how long its cgroup was throttled."""
    assert program.stdin is not None
    print(file=program.stdin, flush=True)
    mark: dict[str, Any] = json.loads(_line(program))
    stat = dict(line.split() for line in (group / "cpu.stat").read_text().splitlines())
    return mark | {"throttled": int(stat["throttled_time"]) / 1e9}


def _line(program: subprocess.Popen[str]) -> str:
    assert program.stdout is not None
    line = program.stdout.readline()
    if not line:
        raise RuntimeError(f"the arm {program.args} has ended")
    return line


if __name__ == "__main__":
    sys.exit(main())
