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

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import harness

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
    options = harness.parser(__doc__, takes="2 minutes", rounds=20).parse_args()
    run = harness.begin("topology", options, unit="ms, one figure a round")
    with tempfile.TemporaryDirectory(prefix="kumo-topology-") as root:
        arms = {
            name: lambda prepare=prepare: harness.milliseconds(prepare())
            for name, prepare in _arms(Path(root)).items()
        }
        times = harness.take_turns(arms, options.rounds)
    return run.end(_as_markdown, times=times)


def _as_markdown(results: dict[str, Any]) -> str:
    header = ("what", "ms: median", *harness.SPREAD[1:])
    rows = [
        harness.marked([name, *harness.cells(values)], values)
        for name, values in results["times"].items()
    ]
    missing = [name for name, words in PROGRAMS.items() if shutil.which(words[0]) is None]
    absent = [f"Not installed, so not timed: {', '.join(missing)}."] if missing else []
    return "\n\n".join([harness.table(header, rows), *absent, harness.signature(results)])


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
