"""Run in the virtual machine: kumo's pressure under cgroup v2, one JSON object a line.

    python pressure_guest.py RESULTS PROGRAM

The machine has two CPUs or more; PROGRAM is tests/pressure/staged.py.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

TOP = Path("/sys/fs/cgroup")
GROUP = TOP / "kumo-pressure"
ALLOWED = 2


def show(results: Path, name: str, quota: str, kind: str, workers: int) -> None:
    """Write the record of one situation: two windows of the program in a cgroup of its own."""
    GROUP.mkdir()
    (GROUP / "cpu.max").write_text(quota)
    join = 'echo $$ > "$0/cgroup.procs" && exec "$@"'
    program = [sys.executable, "-B", sys.argv[1], kind, str(workers), "2", "2"]
    told = subprocess.run(
        ["sh", "-c", join, str(GROUP), "taskset", "-c", f"0-{ALLOWED - 1}", *program],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    stat = dict(line.split() for line in (GROUP / "cpu.stat").read_text().splitlines())
    record = {
        "name": name,
        "windows": [json.loads(line) for line in told.stdout.splitlines()],
        "stderr": told.stderr,
        "stat": {key: int(value) for key, value in stat.items()},
        "pressure": (GROUP / "cpu.pressure").read_text(),
    }
    with results.open("a") as file:
        file.write(json.dumps(record) + "\n")
    GROUP.rmdir()


def main() -> None:
    """Show a quota that hurts, one above what is used, and none with too many threads."""
    results = Path(sys.argv[2])
    (TOP / "cgroup.subtree_control").write_text("+cpu")
    show(results, "quota", "50000 100000", "processes", 2)
    show(results, "above", "150000 100000", "processes", 1)
    show(results, "none", "max 100000", "processes", 4)
    show(results, "idle", "max 100000", "processes", 0)
    with results.open("a") as file:
        file.write(json.dumps({"name": "end", "cpus": os.cpu_count()}) + "\n")


main()
