"""Run in the virtual machine: what three busy threads get on isolated CPUs, and what kumo says.

    python isolated_guest.py RESULTS

The machine has CPUs 0-7 and was booted with isolcpus=1-3. One JSON object a line.
"""

import hashlib
import json
import os
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import kumo
from kumo._hot import count

ROOT = Path("/sys/fs/cgroup")
PARTITION = ROOT / "kumo-isolated"
SECONDS = 4
BLOCK = bytes(1 << 20)  # hashing it releases the interpreter's lock


def last_cpu(thread: int) -> int:
    """Return the CPU that the thread ran on last: field 39 of proc_pid_stat(5)."""
    text = Path(f"/proc/self/task/{thread}/stat").read_text()
    return int(text.rpartition(")")[2].split()[36])


def busy(end: float, pin: int | None, used: dict[int, list[object]]) -> None:
    """Be busy until *end*; put the CPU seconds and the CPUs into *used*."""
    if pin is not None:
        os.sched_setaffinity(0, [pin])
    own, cpus = threading.get_native_id(), set()
    while time.monotonic() < end:
        hashlib.sha256(BLOCK).digest()
        # The first moments are for the scheduler to spread the threads.
        if time.monotonic() > end - SECONDS / 2:
            cpus.add(last_cpu(own))
    used[own] = [time.thread_time(), sorted(cpus)]


def three(pins: Sequence[int | None]) -> dict[str, object]:
    """Run three busy threads, and return the CPUs' worth of time that they got, and which."""
    used: dict[int, list[object]] = {}
    start = time.monotonic()
    threads = [threading.Thread(target=busy, args=(start + SECONDS, pin, used)) for pin in pins]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - start
    return {
        "cpus": round(sum(float(str(time)) for time, _ in used.values()) / seconds, 2),
        "on": sorted({cpu for _, cpus in used.values() for cpu in cpus}),  # type: ignore[attr-defined]  # the second is a list
    }


def show(results: Path, name: str, mask: set[int]) -> None:
    """Write one situation's record."""
    os.sched_setaffinity(0, mask)
    estimate = kumo.estimate()
    record = {
        "name": name,
        "mask": sorted(os.sched_getaffinity(0)),
        "estimate": estimate.parallelism,
        "count": [kumo.available_parallelism() for _ in range(3)],
        "kept": count._kept is not None,
        "binding": estimate.binding.source,
        "notes": [note.code for note in estimate.notes],
        "unpinned": three([None] * 3),
        "pinned": three(sorted(mask)[-3:]),
    }
    with results.open("a") as file:
        file.write(json.dumps(record) + "\n")


def where(_: int) -> list[int]:
    """In a process of a pool: return the CPUs that it may run on."""
    time.sleep(0.2)
    return sorted(os.sched_getaffinity(0))


def pool(results: Path) -> None:
    """Write what a pool of pinned processes is like in the isolated partition."""
    with kumo.ProcessPool("pinned", pin=True) as made:
        places = sorted(set(map(tuple, made.map(where, range(4 * made.size)))))
        record = {"name": "pool", "size": made.size, "places": places}
    with results.open("a") as file:
        file.write(json.dumps(record) + "\n")


def toggle(results: Path) -> None:
    """Write what the kept descriptors say while the partition changes under the process."""
    state = PARTITION / "cpuset.cpus.partition"
    steps = []
    for kind in ("member", "isolated", "root", "isolated", "member"):
        state.write_text(kind)
        counts = [kumo.available_parallelism() for _ in range(3)]
        steps.append([state.read_text().strip(), counts, kumo.estimate().parallelism])
    with results.open("a") as file:
        file.write(json.dumps({"name": "toggle", "steps": steps}) + "\n")


def main() -> None:
    """Show CPUs that are balanced, those of isolcpus=, and those of an isolated partition."""
    results = Path(sys.argv[1])
    show(results, "balanced", {4, 5, 6})
    show(results, "isolcpus", {1, 2, 3})
    show(results, "isolcpus and one more", {0, 1, 2, 3})
    os.sched_setaffinity(0, range(8))
    (ROOT / "cgroup.subtree_control").write_text("+cpuset")
    PARTITION.mkdir()
    (PARTITION / "cpuset.cpus").write_text("5-7")
    (PARTITION / "cpuset.cpus.partition").write_text("isolated")
    (PARTITION / "cgroup.procs").write_text(str(os.getpid()))
    show(results, "isolated partition", {5, 6, 7})
    pool(results)
    toggle(results)
    with results.open("a") as file:
        file.write('{"name": "end"}\n')


if __name__ == "__main__":
    main()
