"""Are the cases of other projects' own test suites right? Turns them into machine files.

    python benchmarks/suites.py NAME=CHECKOUT ...

NAME is go, openjdk, automaxprocs, num_cpus, envoy, tikv, cockroach, automemlimit or parallelly,
and CHECKOUT the directory of that project's source (of cockroach, also a project that carries its
package for cgroups, as tikv/pd does). Each case that is about CPUs becomes a machine file in
memory, and the limit that kumo finds is compared, unrounded, with the one that the case expects.
The exit code is 1 if a difference has no reason in the table of `_reasons.py`.

Caveats first:

- A difference is not a fault as such: `_reasons.py` says which is right, after the documentation
  of the kernel.
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
from pathlib import Path

import _differences
import _reasons
import harness
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


def main() -> int:
    options = _options()
    run = harness.begin("suites", options)
    cases: list[Case] = []
    versions = {}
    with tempfile.TemporaryDirectory(prefix="kumo-suites-") as folder:
        for name, checkout in options.checkouts.items():
            versions[name] = _differences.version_of(checkout)
            for given in importlib.import_module(f"_suites.{name}").cases(checkout):
                cases.append(_compared(name, given, options.keep or Path(folder)))
    return _differences.end(run, cases, versions, _reasons.SUITES)


def _options() -> argparse.Namespace:
    parser = harness.parser(
        __doc__,
        takes="some seconds",
        needs="a checkout of each project that is named",
        first=False,
    )
    parser.add_argument(
        "checkouts", nargs="+", metavar="NAME=CHECKOUT", help=f"NAME is of {', '.join(SUITES)}"
    )
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
    cases_of = [
        limit.cpus
        for limit in estimate.limits
        if given.what == (limit.source if limit.kind != "allocation" else "grant")
    ]
    ours = min((cpus for cpus in cases_of if math.isfinite(cpus)), default=None)
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
