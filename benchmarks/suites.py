"""Are the cases of other projects' own test suites right? Turns them into machine files.

    python benchmarks/suites.py NAME=CHECKOUT ...

NAME is go, openjdk, automaxprocs, num_cpus, envoy, tikv, cockroach, automemlimit or parallelly,
and CHECKOUT the directory of that project's source (of cockroach, also a project that carries its
package for cgroups, as tikv/pd does). Each case that is about CPUs becomes a machine file in
memory, and the limit that kumo finds is compared, unrounded, with the one that the case expects.
The exit code is 1 if a difference has no reason in the table below.

Caveats first:

- A difference is no fault as such: `REASONS` says who is right, after the kernel's documentation.
- A case about where a limit stands has it at the place that the project expects, 3 CPUs, and decoys
  of 7 CPUs at others. One that expects an error has decoys alone, and no limit is right.
- Cases about memory, about usage, about the project's own buffers and about writing are left out.
- The process has 1,024 CPUs, so that no set is tighter than the limit in question.
"""

from __future__ import annotations

import argparse
import importlib
import math
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import _differences
import _report
from _differences import Case, Difference
from _suites import Given, as_text

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

import kumo

SUITES = (
    "go",
    "openjdk",
    "automaxprocs",
    "num_cpus",
    "envoy",
    "tikv",
    "cockroach",
    "automemlimit",
    "parallelly",
)
ROUNDING = {"ceil": math.ceil, "floor": math.floor, "nearest": round}
HIDDEN = "written by hand: / is the parent of the cgroup mounts and a sysfs stands on /sys, so "
MOVED = "the mount shows another cgroup, and "
REASONS = (
    ("go", "ParseCPUMount/v1", "quota",
     HIDDEN + "kumo finds none, by mount_namespaces(7): a path into /sys enters the sysfs"),
    ("go", "ParseCPUMount/mixed", "quota",
     HIDDEN + "kumo finds none, by mount_namespaces(7): a path into /sys enters the sysfs"),
    ("go", "ParseCPUMount/mixed_non-root", "quota",
     HIDDEN + "kumo reads the one mount that can be reached, /ignored/second/match"),
    ("go", "ParseCPUMount/out_of_namespace*", "quota",
     HIDDEN + "kumo finds none, by mount_namespaces(7): a path into /sys enters the sysfs"),
    ("envoy", "DiscoverCgroupMount_*V1*", "quota",
     HIDDEN + "kumo finds none, by mount_namespaces(7): a path into /sys enters the sysfs"),
    ("envoy", "GetCurrentCgroupPath_V2EmptyPath", "quota",
     "the kernel writes / for the root, never an empty path (cgroups(7), /proc/pid/cgroup)"),
    ("openjdk", "*container_moving_cgroup", "quota",
     MOVED + "its limit does not hold for a process that was moved out of it; kumo says path-"
     "outside-mounts"),
    ("openjdk", "*testCgPathToMovedPath", "quota",
     MOVED + "its limit does not hold for a process that was moved out of it; kumo says path-"
     "outside-mounts"),
    ("openjdk", "*testMountPrefixCgroupsV1*", "quota",
     MOVED + "its limit does not hold for a process that was moved out of it; kumo says path-"
     "outside-mounts"),
    ("openjdk", "*_subsystem_path_adjusted *", "quota",
     "a path that begins with /.. is outside the namespace's root (cgroup_namespaces(7)); "
     "the JDK falls back to the mount's top, whose limits may be a stranger's"),
    ("automaxprocs", "CPUQuotaV2/only-max", "quota",
     "cpu.max always reads as two numbers (cgroup-v2, cpu.max); one is a form for writing."
     " kumo says malformed"),
    ("automaxprocs", "GroupPathDiscovery_Errors/cgroup-no-match", "quota",
     "a version 2 line with the number 1, which no kernel writes (cgroups(7): it is 0); "
     "num_cpus and automemlimit take such lines too"),
    ("tikv", "parse_cpu_quota_v1 18446744073709551616*", "quota",
     "2^64 does not fit a quota, which is a signed number of microseconds; kumo says "
     "malformed"),
    ("tikv", "parse_proc_cgroup_v2 *test-2", "quota",
     "two version 2 lines, of which no kernel writes more than one; tikv takes the last, "
     "kumo the first"),
    ("parallelly", "availableCores LSB_DJOB_NUMPROC", "grant",
     "LSF sets LSB_JOBID beside it; without it kumo takes the variable for a stray one"),
    ("parallelly", "availableCores PJM_PROC_BY_NODE", "grant",
     "the number of processes on a node, not of cores (Fujitsu's Job Operation Software, "
     "end-user's guide)"),
)  # fmt: skip


def main() -> int:
    options = _options()
    started = time.monotonic()
    about = _report.host()
    cases: list[Case] = []
    versions = {}
    with tempfile.TemporaryDirectory(prefix="kumo-suites-") as folder:
        for name, checkout in options.checkouts.items():
            versions[name] = _differences.version_of(checkout)
            for given in importlib.import_module(f"_suites.{name}").cases(checkout):
                cases.append(_compared(name, given, options.keep or Path(folder)))
    _differences.explain(cases, REASONS)
    results: dict[str, Any] = {
        "question": "Are the cases of other projects' own test suites right?",
        "host": about,
        "versions": versions,
        "cases": _differences.as_dicts(cases),
    }
    _report.finish(results, started)
    unused = _differences.unused(cases, REASONS)
    text = "\n\n".join(
        [
            _differences.summary(cases, versions),
            _differences.differences(cases),
            _differences.left_out(cases),
            *(["Reasons that explain nothing:", *unused] if unused else []),
            f"{about['date']}, kumo {kumo.__version__}.",
        ]
    )
    _report.write(options.results, "suites", results, text)
    return 1 if any(case.verdict == "unexplained" for case in cases) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Try other projects' test cases.")
    parser.add_argument("checkouts", nargs="+", metavar="NAME=CHECKOUT")
    parser.add_argument("--results", type=Path, default=_report.RESULTS)
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave the machine files there")
    options = parser.parse_args()
    pairs = dict(word.partition("=")[::2] for word in options.checkouts)
    if unknown := [name for name in pairs if name not in SUITES]:
        parser.error(f"{unknown[0]!r} is none of {', '.join(SUITES)}")
    options.checkouts = {name: Path(pairs[name]) for name in SUITES if name in pairs}
    if missing := [path for path in options.checkouts.values() if not path.is_dir()]:
        parser.error(f"{missing[0]} is not a directory")
    return options


def _compared(suite: str, given: Given, folder: Path) -> Case:
    case = Case(suite, given.name, not_compared=given.not_compared)
    if given.not_compared:
        return case
    name = "".join(char if char.isalnum() else "-" for char in given.name)[:100]
    machine = folder / f"{suite}-{name}.txt"
    machine.parent.mkdir(parents=True, exist_ok=True)
    machine.write_text(as_text(given), "utf-8", "surrogateescape")
    estimate = kumo.estimate(machine=machine)
    case.notes = [note.code for note in estimate.notes]
    found = [
        limit.cpus
        for limit in estimate.limits
        if given.what == (limit.source if limit.kind != "allocation" else "grant")
    ]
    ours = min((cpus for cpus in found if math.isfinite(cpus)), default=None)
    if ours is not None and given.rounding:
        ours = max(1, ROUNDING[given.rounding](ours))
    is_same = (
        ours == given.expected
        if ours is None or given.expected is None
        else math.isclose(ours, given.expected)
    )
    if not is_same:
        case.differences = [Difference(given.what, _shown(given.expected), _shown(ours))]
    return case


def _shown(cpus: float | None) -> str:
    return "none" if cpus is None else f"{cpus:g}"


if __name__ == "__main__":
    sys.exit(main())
