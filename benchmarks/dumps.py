"""Does kumo see machines as lscpu and hwloc do? Compares on the inputs of their own tests.

    python benchmarks/dumps.py --util-linux CHECKOUT --hwloc CHECKOUT

The checkouts are of util-linux (`tests/ts/lscpu/dumps`) and hwloc (`tests/hwloc/linux`). Their
dumps of /sys become machine files in memory, and what kumo makes of each is compared with the
output that the project expects: online and offline CPUs, cores, packages, NUMA nodes, dies,
last-level caches and kinds of cores, each as sets of CPUs. On every machine the sets of `split()`,
for each count up to 64, are also checked against what docs/reference/topology.md promises.
The exit code is 1 if a difference has no reason in `_reasons.py` or a promise is broken.

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

import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import _differences
import _reasons
import harness
from _differences import Case, Difference
from _dumps import FIELDS, Seen, has_cpuset, hwloc_cases, lscpu_cases, machine_text
from _machine_files import as_cpu_list

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))
sys.path.append(str(Path(__file__).resolve().parent.parent / "tests" / "topology"))

import promises

import kumo

MOST_SETS = 64


def main() -> int:
    parser = harness.parser(
        __doc__,
        takes="2 minutes",
        needs="a checkout of util-linux, of hwloc, or of both",
        first=False,
    )
    parser.add_argument("--util-linux", type=Path, metavar="CHECKOUT")
    parser.add_argument("--hwloc", type=Path, metavar="CHECKOUT")
    options = parser.parse_args()
    if not (options.util_linux or options.hwloc):
        parser.error("name a checkout: --util-linux, --hwloc or both")
    run = harness.begin("dumps", options)
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
    more = (
        f"{sum(_splits.values())} calls of `split()` on these machines, each checked against "
        "what the documentation promises."
    )
    return _differences.end(
        run, cases, versions, _reasons.DUMPS, more, splits=sum(_splits.values())
    )


_splits: dict[tuple[str, str], int] = {}


def _compared(suite: str, name: str, archive: Path, seen: Seen, folder: Path) -> Case:
    own = seen.cpus if suite == "hwloc" and has_cpuset(archive) else None
    machine = folder / "machine.txt"
    machine.write_text(machine_text(archive, own), "utf-8", "surrogateescape")
    topology = kumo.topology(machine=machine)
    ours = _ours(topology)
    case = Case(suite, name, notes=[note.code for note in topology.notes])
    for what in FIELDS:
        theirs = getattr(seen, what)
        if theirs is not None and theirs != getattr(ours, what):
            case.differences.append(Difference(what, _shown(theirs), _shown(getattr(ours, what))))
    for count in range(1, min(MOST_SETS, len(topology.cpus)) + 1):
        _splits[suite, name] = count
        case.differences += [
            Difference(f"split({count})", "promised", fault)
            for fault in promises.broken(topology, count)
        ]
    return case


def _ours(topology: kumo.Topology) -> Seen:
    def groups(by_name: dict[Any, tuple[int, ...]]) -> set[frozenset[int]]:
        return {frozenset(cpus) for cpus in by_name.values()}

    return Seen(
        cpus=set(topology.cpus),
        offline=set(topology.offline),
        cores={frozenset(core.cpus) for core in topology.cores},
        packages=groups(topology.packages),
        nodes=groups(topology.nodes),
        dies=groups(topology.dies),
        caches=groups(topology.caches),
        kinds=groups(topology.kinds),
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
