"""What does a topology cost? Times kumo.topology() against the number of CPUs.

    python benchmarks/topology.py

Goals: a machine of 4,096 CPUs in at most 100 ms, and 65,536 CPUs, the most that kumo accepts, in
at most 2 s if the system lists none of their groups or lists groups that overlap.

Caveats first:

- The machines are machine files in memory, made by tests/topology/shapes.py. "From files" is the
  same machine as a tree of files in a temporary directory, read by the live system. Those of
  sysfs are written by the kernel at each read: a file costs some microseconds in either.
- This host's own topology is read from sysfs, beside `lscpu --extended` and `lstopo`, which are
  whole processes and read more than the topology. Their times are for scale, no comparison.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import _report

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests" / "topology"))

import shapes

import kumo
from kumo._system.live import LiveSystem
from kumo._system.machine_file import Machine
from kumo._topology.read import read_topology

# Packages, nodes a package, caches a node, cores a cache, threads a core.
MACHINES = {
    "16 CPUs": (1, 1, 1, 8, 2),
    "256 CPUs": (2, 4, 4, 4, 2),
    "1,024 CPUs": (4, 2, 4, 16, 2),
    "4,096 CPUs": (8, 4, 4, 16, 2),
}
LARGEST = "4,096 CPUs"


def hostile(count: int) -> str:
    """Each CPU's siblings are said to be all CPUs up to it."""
    files = (
        shapes.section(f"{shapes.CPU}/cpu{n}/topology/core_cpus_list", f"0-{n}")
        for n in range(count)
    )
    return shapes.section("!affinity", f"0-{count - 1}") + "".join(files)


WITHOUT_GROUPS = {
    "16,384 CPUs without groups": shapes.section("!affinity", "0-16383"),
    "65,536 CPUs without groups": shapes.section("!affinity", "0-65535"),
    "16,384 CPUs whose lists overlap": hostile(16384),
    "65,536 CPUs whose lists overlap": hostile(65536),
}
PROGRAMS = {"lscpu": ["lscpu", "--extended"], "lstopo": ["lstopo-no-graphics", "--of", "xml"]}


class Tree(LiveSystem):
    """A machine file's files below *root*, read from there as the live system reads its own."""

    def __init__(self, root: Path, text: str) -> None:
        super().__init__()
        self.root = root
        self.machine = Machine(text)

    @classmethod
    def write(cls, root: Path, text: str) -> None:
        for name, answer in Machine(text).sections.items():
            if name.startswith("/") and isinstance(answer, str):
                path = root / name[1:]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(answer)

    def _place(self, path: str) -> str:
        return f"{self.root}{path}"

    def _fact(self, name: str) -> str | None:
        return self.machine.fact(name)


def main() -> int:
    parser = argparse.ArgumentParser(description="Time kumo.topology().")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--results", type=Path, default=_report.RESULTS)
    options = parser.parse_args()
    _report.go_first()
    started = time.monotonic()
    about = _report.host()
    with tempfile.TemporaryDirectory(prefix="kumo-topology-") as root:
        times = _timed(_arms(Path(root)), options.rounds)
    results: dict[str, Any] = {
        "question": "What does a topology cost?",
        "host": about,
        "rounds": options.rounds,
        "unit": "ms, one figure a round",
        "times": times,
    }
    _report.finish(results, started)
    header = ("what", *(f"ms: {name}" if name == "median" else name for name in _report.SPREAD))
    rows = [[name, *_report.cells(values)] for name, values in times.items()]
    missing = [name for name, words in PROGRAMS.items() if shutil.which(words[0]) is None]
    text = "\n\n".join(
        [
            _report.table(header, rows),
            *([f"Not installed, so not timed: {', '.join(missing)}."] if missing else []),
            _report.signature(results),
        ]
    )
    _report.write(options.results, "topology", results, text)
    return 0


def _timed(
    arms: dict[str, Callable[[], Callable[[], object]]], rounds: int
) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in arms}
    for _ in range(rounds):
        for name, prepare in arms.items():
            run = prepare()
            before = time.perf_counter()
            run()
            times[name].append(round((time.perf_counter() - before) * 1000, 4))
    return times


def _arms(root: Path) -> dict[str, Callable[[], Callable[[], object]]]:
    """Each arm prepares a run, which alone is timed."""

    def of_machine(text: str) -> Callable[[], Callable[[], object]]:
        def prepare() -> Callable[[], object]:
            machine = Machine(text)
            return lambda: read_topology(machine)

        return prepare

    def of_program(words: list[str]) -> Callable[[], Callable[[], object]]:
        return lambda: lambda: subprocess.run(words, stdout=subprocess.DEVNULL, check=True)

    arms = {f"kumo, {name}": of_machine(shapes.regular(*of)) for name, of in MACHINES.items()}
    arms |= {f"kumo, {name}": of_machine(text) for name, text in WITHOUT_GROUPS.items()}
    largest = shapes.regular(*MACHINES[LARGEST])
    Tree.write(root, largest)

    def of_tree() -> Callable[[], object]:
        tree = Tree(root, largest)
        return lambda: read_topology(tree)

    arms[f"kumo, {LARGEST}, from files"] = of_tree
    arms["kumo, this host"] = lambda: kumo.topology
    for name, words in PROGRAMS.items():
        if shutil.which(words[0]):
            arms[f"{name}, this host"] = of_program(words)
    return arms


if __name__ == "__main__":
    sys.exit(main())
