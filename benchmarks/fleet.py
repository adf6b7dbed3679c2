"""What does `kumo fleet files` cost for many nodes, in time and memory?

    python benchmarks/fleet.py [NODES ...]

Goal: 10,000 nodes in 2 s and 200 MB.

Caveats first:

- Each number of nodes is grouped from lines of explain --json, from reports with slots and inodes,
  and from machine files in a folder: in pods of Kubernetes, of which one in ten is over.
- CPU time and peak memory are those of a fresh process. A bare `kumo --version` is beside them,
  and is not in the time of a node.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import harness

MEASURE = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
"""
GOAL_SECONDS, GOAL_MEGABYTES = 2.0, 200.0
BARE = "kumo --version"


def main() -> int:
    parser = harness.parser(__doc__, takes="2 minutes", rounds=9)
    parser.add_argument("nodes", nargs="*", type=int, default=[1000, 10_000], metavar="NODES")
    options = parser.parse_args()
    run = harness.begin("fleet", options, unit="s of CPU time and MB of memory, a pair a round")
    with tempfile.TemporaryDirectory(prefix="kumo-fleet-") as folder:
        arms = {BARE: partial(measured, "--version")}
        sizes = {}
        for count in options.nodes:
            directory = Path(folder, str(count))
            directory.mkdir()
            for name, path in inputs(count, directory):
                what = f"{count:,} nodes, {name}"
                arms[what], sizes[what] = partial(measured, "fleet", "files", str(path)), count
        costs = harness.take_turns(arms, options.rounds)
    return run.end(as_markdown, nodes=sizes, costs=costs)


def as_markdown(results: dict[str, Any]) -> str:
    bare = statistics.median(seconds for seconds, _ in results["costs"][BARE])
    rows = []
    for name, costs in results["costs"].items():
        seconds, memory = [cost[0] for cost in costs], max(cost[1] for cost in costs)
        count, each, met = results["nodes"].get(name), "-", "-"
        middle = statistics.median(seconds)
        if count:
            each = f"{(middle - bare) / count * 1e6:.0f}"
            is_met = middle <= GOAL_SECONDS and memory <= GOAL_MEGABYTES
            met = "met" if is_met else "missed" if count <= 10_000 else "-"
        cells = [name, *harness.cells(seconds), each, f"{memory:.0f}", met]
        rows.append(harness.marked(cells, seconds))
    header = ("what", "CPU s: median", *harness.SPREAD[1:], "µs a node", "MB", "goal")
    return f"{harness.table(header, rows)}\n\n{harness.signature(results)}"


def place(number: int) -> tuple[list[str], float]:
    """The cgroups of a node's pod, from its container up, and the quota of the pod."""
    pod = uuid.UUID(int=number * 2654435761 % 2**128)
    names = ["", "kubepods.slice", "kubepods-burstable.slice"]
    names += [f"kubepods-burstable-pod{str(pod).replace('-', '_')}.slice"]
    names += [f"cri-containerd-{pod.hex}{pod.hex}.scope"]
    paths = ["/sys/fs/cgroup" + "/".join(names[: depth + 1]) for depth in range(len(names))]
    return paths[::-1], 1.5 if number % 10 == 0 else 16.0


def explained(number: int) -> dict[str, Any]:
    """What kumo explain --json prints there."""
    paths, quota = place(number)
    limits = []
    for path in paths[:-1]:
        cpus = quota if "pod" in path.rpartition("/")[2][:30] and path.endswith(".slice") else None
        text = "max 100000" if cpus is None else f"{cpus * 100_000:.0f} 100000"
        where = f"{path}/cpu.max"
        limits.append(
            {"source": "quota", "kind": "rate", "cpus": cpus, "where": where, "text": text}
        )
    for source, where in (("affinity", "sched_getaffinity"), ("online", "/sys/.../online")):
        limits.append({"source": source, "kind": "set", "cpus": 16, "where": where, "text": "0-15"})
    known = [limit for limit in limits if limit["cpus"] is not None]
    binding = min(reversed(known), key=lambda limit: limit["cpus"])
    return {
        "schema": 1, "parallelism": int(binding["cpus"]), "cpus": binding["cpus"], "quota": None,
        "binding": binding, "limits": limits, "notes": [],
    }  # fmt: skip


def report(number: int) -> dict[str, Any]:
    """What the probe sends from there."""
    paths, _ = place(number)
    numbers = {path: str(1000 * number + depth) for depth, path in enumerate(paths)}
    return {
        "schema": 1, "host": f"node{number}", "boot": str(uuid.UUID(int=number)), "slots": 16,
        "kumo": "0.1.0", "explain": explained(number), "cgroups": numbers,
        "environment": {"OMP_NUM_THREADS": "1"}, "pressure": None, "reason": None,
    }  # fmt: skip


def machine(number: int) -> str:
    """A machine file from there."""
    paths, quota = place(number)
    files = "".join(f"-- {path}/cpu.max --\nmax 100000\n" for path in paths[:-1])
    own = paths[0].removeprefix("/sys/fs/cgroup")
    mount, on = 900 + number % 7919, 800 + number % 7907
    return (
        "-- !platform --\nlinux\n-- !affinity --\n0-15\n"
        f"-- /proc/self/cgroup --\n0::{own}\n-- /proc/self/mountinfo --\n"
        f"{mount} {on} 0:{26 + number % 100} / /sys/fs/cgroup ro - cgroup2 cgroup rw,nsdelegate\n"
        f"{files.replace('max 100000', f'{quota * 100_000:.0f} 100000', 2)}"
        "-- /sys/devices/system/cpu/online --\n0-15\n"
    )


def inputs(count: int, directory: Path) -> Iterator[tuple[str, Path]]:
    """Yield what is read, and where it is."""
    lines, reports, folder = directory / "lines", directory / "reports", directory / "machines"
    lines.write_text("".join(f"node{n}: {json.dumps(explained(n))}\n" for n in range(count)))
    yield "lines of explain", lines
    reports.write_text("".join(json.dumps(report(n)) + "\n" for n in range(count)))
    yield "reports", reports
    folder.mkdir()
    for number in range(count):
        (folder / f"node{number}.txt").write_text(machine(number))
    yield "machine files", folder


def measured(*arguments: str) -> tuple[float, float]:
    """CPU seconds and megabytes of kumo with *arguments*."""
    command = [sys.executable, "-c", MEASURE, sys.executable, "-m", "kumo", *arguments]
    seconds, megabytes = map(float, harness.output(command).split())
    return seconds, megabytes


if __name__ == "__main__":
    sys.exit(main())
