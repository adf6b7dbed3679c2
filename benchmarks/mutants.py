"""Which mistakes would the tests miss? Makes 1,000 small changes to the code, one at a time.

    nox -s mutation                     or, with `pip install -e '.[test]' 'mutmut>=3.8,<4'`:
    python benchmarks/mutants.py
    python benchmarks/mutants.py --survivors      after new tests: what survived, again

mutmut makes the changes and finds the tests that reach each function. The 1,000 are drawn
with a fixed seed from all that it can make in the modules that decide the count. A run can be
interrupted: `--go-on` then does the rest.

Caveats first:

- mutmut changes the bodies of functions. It leaves alone tables and constants of modules,
  decorated functions such as properties, and what runs when a module is loaded.
- Only tests that call the code in their own process can see a change: those of `TESTS`. The other
  tests, which start kumo or its command, may see more.
- A change that no test can see in principle counts as a survivor like any other. The results list
  each survivor with its reason, from `_mutants_explained.py`.
- A change after which the tests do not end within their limit counts as found: a timeout.
"""

from __future__ import annotations

import argparse
import ast
import json
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from difflib import unified_diff
from importlib.metadata import version
from pathlib import Path
from typing import Any

import harness
from _mutants_explained import EXPLAINED

ROOT = Path(__file__).resolve().parent.parent
MUTMUT = Path(sys.executable).with_name("mutmut")
# What decides the count, the sizes of pools, and what `kumo run` sets.
MODULES = (
    "_survey.py",
    "_cgroups/*.py",
    "_detectors/*.py",
    "_records.py",
    "_sizes.py",
    "_pools/budget.py",
    "_launch/plan.py",
)
TESTS = (
    "tests/cgroups",
    "tests/detectors",
    "tests/launch/test_plan.py",
    "tests/pools/test_budget.py",
    "tests/runtimes/test_knobs.py",
    "tests/system/test_bounds.py",
    "tests/system/test_libraries.py",
    "tests/system/test_windows.py",
    "tests/test_machines.py",
    "tests/test_records.py",
    "tests/test_sizes.py",
)
MISSED = ("survived", "passed the quick tests", "not covered")
# mutmut makes all changes, and finds out which tests reach which function, before it tries this.
FIRST = "kumo._detectors.cobalt.x_detect__mutmut_1"
CONFIGURATION = f"""
[tool.mutmut]
source_paths = ["src"]
only_mutate = {[f"src/kumo/{path}" for path in MODULES]}
also_copy = ["docs", "benchmarks", "share"]
pytest_add_cli_args = ["-n0", "-p", "no:cacheprovider", "--hypothesis-seed=0"]
pytest_add_cli_args_test_selection = {list(TESTS)}
use_git_change_detection = false
on_dependency_change = "ignore"
"""


def main() -> int:
    options = _options()
    run = harness.begin("mutants", options, mutmut=version("mutmut"), seed=options.seed)
    mutants, known = {}, {}
    if options.survivors:
        before = harness.kept("mutants", options)
        mutants, known = before["mutants"], before["survivors"]
    names = prepare(options)
    drawn = random.Random(options.seed).sample(names, min(options.count, len(names)))
    try_all(options, [name for name in known if name in names] if options.survivors else drawn)
    mutants |= read_outcomes(options.work)
    missed = [name for name, outcome in mutants.items() if outcome in MISSED]
    survivors = {name: known.get(name) or change_of(options.work, name) for name in missed}
    return run.end(as_markdown, of=len(names), mutants=mutants, survivors=survivors)


def _options() -> argparse.Namespace:
    parser = harness.parser(__doc__, takes="30 minutes", needs="mutmut 3.8", first=False)
    add = parser.add_argument
    add("--count", type=harness.count, default=1000, help="how many changes to draw")
    add("--seed", type=int, default=11, help="of the draw")
    add("--processes", type=harness.count, default=2)
    add("--survivors", action="store_true", help="try those of the kept results again")
    add("--go-on", action="store_true", help="with what an interrupted run has left in --work")
    work = Path(tempfile.gettempdir(), "kumo-mutants")
    add("--work", type=Path, default=work, help="a folder for the copy of the code")
    return parser.parse_args()


def prepare(options: argparse.Namespace) -> list[str]:
    """Copy the project, have all changes made there, and return their names."""
    made = options.work / "mutants"
    if not options.go_on:
        shutil.rmtree(options.work, ignore_errors=True)
        options.work.mkdir(parents=True)
        for name in ("src", "tests", "docs", "benchmarks", "share"):
            ignored = shutil.ignore_patterns("__pycache__", "results", ".hypothesis")
            shutil.copytree(ROOT / name, options.work / name, ignore=ignored, symlinks=True)
        project = (ROOT / "pyproject.toml").read_text("utf-8")
        (options.work / "pyproject.toml").write_text(project + CONFIGURATION, "utf-8")
        harness.output(
            [MUTMUT, "run", "--max-children", "1", FIRST], cwd=options.work, timeout=None
        )
    else:
        shutil.copytree(ROOT / "tests", made / "tests", dirs_exist_ok=True)
    files = [json.loads(file.read_text("utf-8")) for file in made.rglob("*.meta")]
    return sorted(name for file in files for name in file["exit_code_by_key"])


def try_all(options: argparse.Namespace, names: list[str]) -> None:
    """Try these changes, but those that an earlier run has tried; what is done is kept."""
    done = read_outcomes(options.work)
    todo = [name for name in names if done.get(name, MISSED[1]) == MISSED[1]]
    loop = Path(__file__).with_name("_mutants_loop.py")
    subprocess.run(
        [sys.executable, loop, options.work, str(options.processes), *TESTS],
        input=json.dumps(todo), text=True, stdout=sys.stderr, check=True,
    )  # fmt: skip


def read_outcomes(work: Path) -> dict[str, str]:
    file = work / "outcomes.tsv"
    lines = file.read_text("utf-8").splitlines() if file.exists() else []
    rows = [line.split("\t") for line in lines]
    return {name: outcome for name, outcome, _ in rows if name != "none"}


def function_of(name: str) -> str:
    """Return ``_records.Limit.f`` for ``kumo._records.xǁLimitǁf__mutmut_3``."""
    module, _, mangled = name.partition("__mutmut_")[0].rpartition(".")
    plain = mangled.removeprefix("x_").removeprefix("xǁ").replace("ǁ", ".")
    return f"{module.removeprefix('kumo.')}.{plain}"


def change_of(work: Path, name: str) -> list[str]:
    """Return the function, the lines that are removed, and those that are there instead."""
    module, _, changed = name.rpartition(".")
    file = work / "mutants" / "src" / Path(*module.split(".")).with_suffix(".py")
    text = file.read_text("utf-8")
    lines = text.splitlines()
    functions = {
        node.name: lines[node.lineno : node.end_lineno]  # without the line of its name
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef)
    }
    before = functions[f"{changed.rpartition('_')[0]}_orig"]
    difference = list(unified_diff(before, functions[changed], n=0, lineterm=""))[2:]
    joined = [
        " ".join(line[1:].strip() for line in difference if line.startswith(sign)) for sign in "-+"
    ]
    return [function_of(name), *joined]


def as_markdown(results: dict[str, Any]) -> str:
    counts = Counter(results["mutants"].values())
    tried = len(results["mutants"])
    missed = sum(counts[outcome] for outcome in MISSED)
    header = (*counts, "missed", "of")
    about = results["host"]
    survivors = [
        [*map(_code, change), EXPLAINED.get((change[0], change[2]), "not explained yet")]
        for change in sorted(results["survivors"].values())
    ]
    parts = [
        f"{tried:,} changes, drawn with the seed {results['seed']} from the {results['of']:,} that "
        f"mutmut {results['mutmut']} can make. The tests missed {missed}: {missed / tried:.1%}.",
        harness.table(("module", *header), _by_module(results["mutants"], header), 1),
        "What survived:",
        harness.table(("function", "before", "after", "why it survives"), survivors, 4),
        f"{about['date']}, Python {about['python']}, {about['cpus']} CPUs, "
        f"{results['seconds']:,} s. Load average {about['load before'][0]:g} before and "
        f"{about['load after'][0]:g} after.",
    ]
    return "\n\n".join(parts)


def _by_module(mutants: dict[str, str], header: tuple[str, ...]) -> list[list[str]]:
    rooms: dict[str, Counter[str]] = {}
    for name, outcome in mutants.items():
        room = function_of(name).split(".")[0]
        missed = outcome in MISSED
        for row in (room, "all"):
            rooms.setdefault(row, Counter()).update({outcome: 1, "missed": missed, "of": 1})
    order = sorted(rooms, key=lambda room: (room == "all", room))
    return [[f"`{room}`", *(f"{rooms[room][key]:,}" for key in header)] for room in order]


def _code(text: str) -> str:
    ticks = "`` {} ``" if "`" in text else "`{}`"
    return ticks.format(text).replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main())
