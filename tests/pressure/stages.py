"""The situations, staged in cgroup v1 groups that are always removed, and what is right in each."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROGRAM = Path(__file__).with_name("staged.py")
SOURCE = Path(__file__).parents[2] / "src"
PERIOD = 100_000  # microseconds
SHARES = 262_144  # the most, so that what else runs on the machine is hardly felt
TIMEOUT = 120
MOST_USED = 1.5  # of the two CPUs, so that where the threads are put decides nothing


@dataclass(frozen=True)
class Stage:
    """Workers of one kind, under what holds them back; *verdict* is right."""

    verdict: str
    kind: str = "processes"
    workers: int = 2
    quota: float | None = None
    neighbours: int = 0
    pinned: bool = False

    def is_staged(self, window: dict[str, Any]) -> bool:
        """Whether it was as it should be: under a quota, others left it what the quota gives."""
        others = window["cpus"] - window["idle"] - window["used"]
        return self.quota is None or others + min(self.quota, self.workers) <= MOST_USED


STAGES = {
    "a quota that hurts two processes": Stage("quota", quota=1.0),
    "half a CPU for two threads": Stage("quota", "threads", quota=0.5),
    "a quota of one CPU and one worker": Stage("quota-harmless", workers=1, quota=1.0),
    "a quota above what is used": Stage("quota-harmless", workers=1, quota=1.5),
    "a quota that hurts short-lived children": Stage("quota", "children", quota=1.0),
    "short-lived children": Stage("none", "children"),
    "twice the threads": Stage("oversubscribed", "threads", workers=4),
    "a noisy neighbour": Stage("neighbours", neighbours=4),
    "one pinned CPU": Stage("affinity", pinned=True),
    "a GIL-bound program": Stage("gil", "python", workers=2),
    "an idle program": Stage("idle", workers=0),
}


def stage(what: Stage, top: Path, rounds: int, seconds: float = 1.0) -> list[dict[str, Any]]:
    """What ``kumo pressure --json`` would say in each of *rounds* windows.

    *top* is the mount point of the cpu controller's v1 hierarchy. Two CPUs are used.
    """
    cpus = sorted(os.sched_getaffinity(0))[:2]
    allowed = ",".join(map(str, cpus[: 1 if what.pinned else 2]))
    words = (what.kind, str(what.workers), str(rounds), str(seconds))
    with (
        _group(top, what.quota) as own,
        _group(top, None) as other,
        _spinning(what.neighbours, other, ",".join(map(str, cpus))),
    ):
        told = subprocess.run(
            _inside(own, allowed, sys.executable, str(PROGRAM), *words),
            env={**os.environ, "PYTHONPATH": str(SOURCE)},
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT,
        )
    assert (told.returncode, told.stderr) == (0, ""), told.stderr
    return [json.loads(line) for line in told.stdout.splitlines()]


def _inside(group: Path, cpus: str, *command: str) -> list[str]:
    join = 'echo $$ > "$0/cgroup.procs" && exec "$@"'
    return ["sh", "-c", join, str(group), "taskset", "-c", cpus, *command]


@contextlib.contextmanager
def _group(top: Path, quota: float | None) -> Iterator[Path]:
    group = Path(tempfile.mkdtemp(prefix="kumo-pressure-", dir=top))
    try:
        (group / "cpu.shares").write_text(str(SHARES))
        if quota is not None:
            (group / "cpu.cfs_period_us").write_text(str(PERIOD))
            (group / "cpu.cfs_quota_us").write_text(str(round(quota * PERIOD)))
        yield group
    finally:
        _remove(group)


def _remove(group: Path) -> None:
    for _ in range(100):  # a process that has ended takes a moment to leave
        with contextlib.suppress(OSError):
            group.rmdir()
            return
        time.sleep(0.05)
    group.rmdir()


@contextlib.contextmanager
def _spinning(number: int, group: Path, cpus: str) -> Iterator[None]:
    spinner = _inside(group, cpus, sys.executable, "-I", "-S", "-c", "while True: pass")
    running = [subprocess.Popen(spinner) for _ in range(number)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
        for process in running:
            process.wait()
