"""Does kumo see machines as lscpu and hwloc do? Compares on the inputs of their own tests.

    python benchmarks/dumps.py --util-linux CHECKOUT --hwloc CHECKOUT

The checkouts are of util-linux (`tests/ts/lscpu/dumps`) and hwloc (`tests/hwloc/linux`). Their
dumps of /sys become machine files in memory, and what kumo makes of each is compared with the
output that the project expects: online and offline CPUs, cores, packages, NUMA nodes, dies,
last-level caches and kinds of cores, each as sets of CPUs. On every machine the sets of `split()`,
for each count up to 64, are also checked against what docs/reference/topology.md promises.
The exit code is 1 if a difference has no reason in the table below or a promise is broken.

Caveats first:

- Several dumps were edited by hand to be odd: no kernel writes them. They are judged all the same.
- lscpu and hwloc read masks (`thread_siblings`), and kumo the lists beside them. In some dumps a
  list is absent or contradicts its mask, which no kernel does. So each list is made from the mask.
- A process of the dump may use all its online CPUs, or those that hwloc expects if the dump is of
  a process in a cpuset.
- lscpu shows no dies and no kinds, hwloc no offline CPUs; they are not compared there.
- Tests that draw a machine of another test again with less of it are left out.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import _differences
import _report
from _differences import Case, Difference
from _dumps import FIELDS, Seen, has_cpuset, hwloc_cases, lscpu_cases, machine_text
from _machine_files import as_cpu_list

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))
sys.path.append(str(Path(__file__).resolve().parent.parent / "tests" / "topology"))

import promises

import kumo

MOST_SETS = 64
HAND = "edited by hand, no kernel writes it: "
REASONS = (
    ("lscpu", "arm-A510-*", "cores",
     "the kernel's core_cpus_list has one CPU each; lscpu groups by core_id, which is "
     "unique within a package only"),
    ("lscpu", "arm-A510-*", "packages",
     "this kernel calls each cluster a package (physical_package_id 0, 1, 2)"),
    ("lscpu", "ppc64-POWER7*", "packages",
     "physical_package_id is -1 and core_siblings_list names the CPUs of one core: "
     "packages are unknown, lscpu takes each core for a socket"),
    ("lscpu", "s390-*", "packages",
     "physical_package_id is -1 and core_siblings_list names one CPU: packages are "
     "unknown, lscpu takes each CPU for a socket"),
    ("lscpu", "sparc64", "packages",
     "physical_package_id is -1 and core_siblings_list names one CPU: packages are "
     "unknown, lscpu takes each CPU for a socket"),
    ("lscpu", "sparc64", "caches",
     "no cache directory; lscpu takes l2_cache_size for a cache of each CPU, and nothing "
     "says who shares it"),
    ("hwloc", "16amd64-8n2c-cpusets*", "nodes",
     "hwloc leaves out nodes whose memory the cpuset forbids; their CPUs are there"),
    ("hwloc", "16ia64-8n2s", "packages",
     "list and physical_package_id contradict each other; kumo takes the number"),
    ("hwloc", "256ppc-*", "packages",
     "physical_package_id is -1 and core_siblings_list names the CPUs of one core: "
     "packages are unknown, hwloc takes each core for a package"),
    ("hwloc", "20s390-*", "nodes", "a machine without NUMA: hwloc gives it one node, kumo none"),
    ("hwloc", "2arm-*", "nodes", "a machine without NUMA: hwloc gives it one node, kumo none"),
    ("hwloc", "2i386-*", "nodes", "a machine without NUMA: hwloc gives it one node, kumo none"),
    ("hwloc", "2ps3-*", "nodes", "a machine without NUMA: hwloc gives it one node, kumo none"),
    ("hwloc", "40intel64-4n10c+pci-conflicts", "*",
     HAND + "masks that contradict each other; hwloc drops what conflicts, kumo takes the first, "
     "with a note"),
    ("hwloc", "4fake-*", "cores",
     "no files of cores; hwloc shows none, kumo takes each CPU for one, with a note"),
    ("hwloc", "4fake-*", "nodes", HAND + "a node for each CPU, joined to groups by distance"),
    ("hwloc", "64amd64-4s2n4ca2co", "cores",
     "the kernel's thread_siblings are the two halves of a Bulldozer module; hwloc takes "
     "each half for a core"),
    ("hwloc", "8em64t-2s4c-asymcaches", "caches", HAND + "index2 without index0"),
    ("hwloc", "8ia64-*", "caches",
     "shared_cpu_map is 0, a fault of that kernel; hwloc guesses that each core has its "
     "own"),
    ("hwloc", "fakeheterocpunuma", "nodes",
     HAND + "overlapping nodes; kumo takes each CPU for its first, with a note"),
    ("hwloc", "fakeheterocpunuma", "kinds",
     HAND + "hwloc also tells kinds apart by the base frequency, among cores of one capacity"),
    ("hwloc", "fakememinitiators-*", "nodes",
     "hwloc shows nodes of memory alone with the CPUs that are near; kumo's nodes are "
     "those that have CPUs"),
    ("hwloc", "nvidia-dgx-gb10-nomidr", "kinds",
     "told to ignore the cores' model, hwloc takes each capacity for a kind; kumo joins "
     "those within 10 %"),
)  # fmt: skip


def main() -> int:
    options = _options()
    started = time.monotonic()
    about = _report.host()
    cases: list[Case] = []
    versions = {}
    with tempfile.TemporaryDirectory(prefix="kumo-dumps-") as folder:
        for suite, checkout, read in (
            ("lscpu", options.util_linux, lscpu_cases),
            ("hwloc", options.hwloc, hwloc_cases),
        ):
            if checkout:
                versions[suite] = _differences.version_of(checkout)
                for name, archive, seen in read(checkout):
                    cases.append(_compared(suite, name, archive, seen, Path(folder)))
    _differences.explain(cases, REASONS)
    results: dict[str, Any] = {
        "question": "Does kumo see machines as lscpu and hwloc do?",
        "host": about,
        "versions": versions,
        "cases": _differences.as_dicts(cases),
        "splits": sum(_splits.values()),
    }
    _report.finish(results, started)
    unused = _differences.unused(cases, REASONS)
    text = "\n\n".join(
        [
            _differences.summary(cases, versions),
            f"{sum(_splits.values())} calls of `split()` on these machines, each checked against "
            "what the documentation promises.",
            _differences.differences(cases),
            *(["Reasons that explain nothing:", *unused] if unused else []),
            f"{about['date']}, kumo {kumo.__version__}.",
        ]
    )
    _report.write(options.results, "dumps", results, text)
    return 1 if any(case.verdict == "unexplained" for case in cases) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare kumo with lscpu and hwloc.")
    parser.add_argument("--util-linux", type=Path, metavar="CHECKOUT")
    parser.add_argument("--hwloc", type=Path, metavar="CHECKOUT")
    parser.add_argument("--results", type=Path, default=_report.RESULTS)
    options = parser.parse_args()
    if not (options.util_linux or options.hwloc):
        parser.error("name a checkout: --util-linux, --hwloc or both")
    return options


_splits: dict[tuple[str, str], int] = {}


def _compared(suite: str, name: str, archive: Path, seen: Seen, folder: Path) -> Case:
    own = seen.cpus if suite == "hwloc" and has_cpuset(archive) else None
    machine = folder / "machine.txt"
    machine.write_text(machine_text(archive, own), "utf-8", "surrogateescape")
    found = kumo.topology(machine=machine)
    ours = _ours(found)
    case = Case(suite, name, notes=[note.code for note in found.notes])
    for what in FIELDS:
        theirs = getattr(seen, what)
        if theirs is not None and theirs != getattr(ours, what):
            case.differences.append(Difference(what, _shown(theirs), _shown(getattr(ours, what))))
    for count in range(1, min(MOST_SETS, len(found.cpus)) + 1):
        _splits[suite, name] = count
        case.differences += [
            Difference(f"split({count})", "promised", fault)
            for fault in promises.broken(found, count)
        ]
    return case


def _ours(found: kumo.Topology) -> Seen:
    def groups(by_name: dict[Any, tuple[int, ...]]) -> set[frozenset[int]]:
        return {frozenset(cpus) for cpus in by_name.values()}

    return Seen(
        cpus=set(found.cpus),
        offline=set(found.offline),
        cores={frozenset(core.cpus) for core in found.cores},
        packages=groups(found.packages),
        nodes=groups(found.nodes),
        dies=groups(found.dies),
        caches=groups(found.caches),
        kinds=groups(found.kinds),
    )


def _shown(cpus: Iterable[int] | Iterable[frozenset[int]]) -> str:
    """`0-3`, or for groups `2: 0-3 4-7`."""
    items = list(cpus)
    groups = sorted((each for each in items if isinstance(each, frozenset)), key=min)
    if groups:
        return f"{len(groups)}: " + " ".join(as_cpu_list(set(each)) for each in groups)
    return as_cpu_list({each for each in items if isinstance(each, int)}) or "none"


if __name__ == "__main__":
    sys.exit(main())
