"""How long `kumo fleet files` takes for many nodes, and how much memory it needs.

    python benchmarks/fleet.py [NODES ...]

Each number of nodes is grouped from lines of explain --json, from reports with slots and inodes,
and from machine files in a folder: in pods of Kubernetes, of which one in ten is over. The target
is 10,000 nodes in 2 s and 200 MB. CPU time and peak memory are those of a fresh process, of which
the median of three counts; a bare `kumo --version` is measured beside it.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

RUNS = 3
MEASURE = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
"""
TARGET_SECONDS, TARGET_MEGABYTES = 2.0, 200.0


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
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, megabytes = map(float, ran.stdout.split())
    return seconds, megabytes


def main() -> None:
    counts = [int(word) for word in sys.argv[1:]] or [1000, 10_000]
    print("   nodes  input              CPU s      MB   a node")
    bare = statistics.median(measured("--version")[0] for _ in range(RUNS))
    for count in counts:
        with tempfile.TemporaryDirectory() as directory:
            for name, path in inputs(count, Path(directory)):
                runs = [measured("fleet", "files", str(path)) for _ in range(RUNS)]
                seconds = statistics.median(run[0] for run in runs)
                megabytes = max(run[1] for run in runs)
                met = seconds <= TARGET_SECONDS and megabytes <= TARGET_MEGABYTES
                each = (seconds - bare) / count * 1e6
                print(
                    f"{count:8,}  {name:16} {seconds:7.2f} {megabytes:7.0f} {each:5.0f} us"
                    f"{'' if met else '  over the target of 10,000'}"
                )


if __name__ == "__main__":
    main()
