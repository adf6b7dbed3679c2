"""Run in the virtual machine: a watch under cgroup v2, one JSON object a line.

    python watch_guest.py RESULTS

A watch that reads nothing regularly is served by events alone. Another one, which reads often, is
there only while no event can report what happens, such as a move to another cgroup.
"""

import json
import os
import sys
import time
from pathlib import Path

import kumo
from kumo._watch import thread

TOP = Path("/sys/fs/cgroup")
OUTER, GROUP, OTHER = TOP / "outer", TOP / "outer/group", TOP / "outer/other"
SECONDS = 60


def seen(watch: kumo.Watch, cpus: float) -> bool:
    """Whether the watch reports so many CPUs before long."""
    end = time.monotonic() + SECONDS
    while watch.estimate.cpus != cpus and time.monotonic() < end:
        time.sleep(0.01)
    return watch.estimate.cpus == cpus


def is_watched(path: Path) -> bool:
    """Whether the thread has the file among those that it watches."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        assert thread._bell is not None
        events = thread._bell._events
        if events is not None and str(path) in events.watched:
            return True
        time.sleep(0.01)
    return False


def main() -> None:
    """Change quotas at each level, switch the controller off and on, make the cgroup again."""
    cpus = float(os.cpu_count() or 1)
    for path in (OUTER, GROUP):
        (path.parent / "cgroup.subtree_control").write_text("+cpu +cpuset")
        path.mkdir()
    (GROUP / "cgroup.procs").write_text(str(os.getpid()))
    watch = kumo.watch(interval=10_000, settle=0)
    result = {"how": watch.how, "begin": seen(watch, cpus)}
    (GROUP / "cpu.max").write_text("150000 100000")
    result["own"] = seen(watch, 1.5)
    (OUTER / "cpu.max").write_text("50000 50000")
    result["outer"] = seen(watch, 1.0)
    (OUTER / "cpu.max").write_text("max")
    result["outer off"] = seen(watch, 1.5)
    (GROUP / "cpu.max").write_text("100000 50000")
    result["both at once"] = seen(watch, 2.0)
    (OUTER / "cgroup.subtree_control").write_text("-cpu")
    result["controller off"] = seen(watch, cpus)
    (OUTER / "cgroup.subtree_control").write_text("+cpu")
    result["controller on"] = is_watched(GROUP / "cpu.max")
    (GROUP / "cpu.max").write_text("130000 100000")
    result["after on"] = seen(watch, 1.3)
    (GROUP / "cpuset.cpus").write_text("0")
    result["cpuset"] = seen(watch, 1.0)
    (GROUP / "cpuset.cpus").write_text(f"0-{int(cpus) - 1}")
    result["cpuset wide"] = seen(watch, 1.3)
    OTHER.mkdir()
    with kumo.watch(interval=0.05, settle=0) as quick:
        (OTHER / "cgroup.procs").write_text(str(os.getpid()))
        result["moved"] = seen(quick, cpus)
        GROUP.rmdir()
        GROUP.mkdir()
        (GROUP / "cgroup.procs").write_text(str(os.getpid()))
        time.sleep(0.5)
    (GROUP / "cpu.max").write_text("170000 100000")
    result["made again"] = seen(watch, 1.7)
    result["how at the end"] = watch.how
    with Path(sys.argv[1]).open("a") as file:
        file.write(json.dumps({"name": "watch", **result}) + "\n")


main()
