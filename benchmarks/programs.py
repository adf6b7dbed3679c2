"""Which programs count wrong under a quota, and do they agree under ``kumo run``?

    sh tests/programs/install.sh --heavy     once: brings the programs
    python benchmarks/programs.py            and then docs/generate_programs.py

Each program of tests/programs/programs.py is started in a cgroup with a quota of one CPU, with
no variable set and under ``kumo run``, and outside of it with its own variable alone, which shows
that it reads it: a variable that sets the count says 3 there, and one that caps it says 1.

Each launcher of tests/programs/traps.py starts two workers without a quota: with no variable set,
under ``kumo run``, there with OMP_NUM_THREADS and OPENBLAS_NUM_THREADS exported, and under
``kumo run --workers 2``. What is counted is their inner threads, summed.

Caveat: on a machine of two CPUs, one is the only quota that shows anything.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import _groups
import harness

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

from programs.programs import (  # noqa: E402 - it finds its neighbours first
    NOT_RUN,
    PROGRAMS,
    Program,
    ask,
    make_ready,
    told,
    under_kumo,
    version_of,
)
from programs.traps import EXPORTED, KUMO, TRAPS, Trap  # noqa: E402 - the same

QUOTA = 1  # CPUs, and the count that is right under it


def main() -> int:
    options = harness.parser(
        __doc__,
        takes="3 minutes",
        needs="root, a writable cgroup v1 hierarchy of the cpu controller, and the programs",
        first=False,
    ).parse_args()
    _groups.needed_mount_point()
    run = harness.begin("programs", options, quota=QUOTA, python=sys.version.split()[0])
    with _groups.nested("programs", 1, QUOTA, "each") as group:
        programs = [program_row(program, group) for program in PROGRAMS]
    traps = [trap_row(trap) for trap in TRAPS]
    return run.end(as_markdown, programs=programs, traps=traps, not_run=NOT_RUN)


def program_row(program: Program, group: Path) -> dict[str, Any]:
    row: dict[str, Any] = {"variable": program.variable, "program": program.name}
    version = version_of(program)
    if version is None:
        return row | {"missing": "it is not installed"}
    harness.progress(f"{program.variable}: {program.name}")
    value, count = told(program)
    inside = _groups.inside(group)
    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory)
        make_ready(program, work)
        return row | {
            "version": version,
            "before": ask(program, work, {}, inside),
            "after": ask(program, work, {}, [*inside, *under_kumo(program)]),
            "told": count,
            "alone": ask(program, work, {program.variable: value}, []),
        }


def trap_row(trap: Trap) -> dict[str, Any]:
    row: dict[str, Any] = {"program": trap.name}
    version = version_of(trap)
    if version is None:
        return row | {"missing": "it is not installed"}
    harness.progress(trap.name)
    exported = dict.fromkeys(EXPORTED, str(len(os.sched_getaffinity(0))))
    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory)
        return row | {
            "version": version,
            "plain": ask(trap, work, {}, []),
            "run": ask(trap, work, {}, [*KUMO, "--"]),
            "exported": ask(trap, work, exported, [*KUMO, "--"]),
            "workers": ask(trap, work, {}, [*KUMO, "--workers", "2", "--"]),
        }


def as_markdown(results: dict[str, Any]) -> str:
    host = results["host"]
    return "\n".join(
        (
            "| variable | program | version | alone | of | before | after | result |",
            "| --- | --- | --- | --: | --: | --: | --: | --- |",
            *map(_program_line, results["programs"]),
            *(f"| `{name}` | - | - | - | - | - | - | {why} |" for name, why in NOT_RUN.items()),
            "",
            "| two workers of | version | nothing set | `kumo run` | exported | `--workers 2` |",
            "| --- | --- | --: | --: | --: | --: |",
            *map(_trap_line, results["traps"]),
            "",
            f"{host['date']}, Linux {host['kernel']}, {host['cpus']} CPUs: {host['cpu']}. "
            f"Quota: {results['quota']} CPU. {results['seconds']} s.",
        )
    )


def _program_line(row: dict[str, Any]) -> str:
    start = f"| `{row['variable']}` | {row['program']}"
    if "missing" in row:
        return f"{start} | - | - | - | - | - | {row['missing']} |"
    numbers = " | ".join(str(row[key]) for key in ("alone", "told", "before", "after"))
    return f"{start} | {short(row['version'])} | {numbers} | {verdict(row)} |"


def _trap_line(row: dict[str, Any]) -> str:
    if "missing" in row:
        return f"| {row['program']} | {row['missing']} | - | - | - | - |"
    numbers = " | ".join(str(row[key]) for key in ("plain", "run", "exported", "workers"))
    return f"| {row['program']} | {short(row['version'])} | {numbers} |"


def verdict(row: dict[str, Any]) -> str:
    """What the variable is worth under a quota, in a word or two."""
    if row["alone"] != row["told"]:
        return "does not read it"
    if row["after"] != QUOTA:
        return "wrong after"
    return "redundant" if row["before"] == row["after"] else "wrong before"


def short(version: str) -> str:
    """The first word with a digit in it: what is no name."""
    return next(word for word in version.split() if any(map(str.isdigit, word))).strip(",")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as error:
        sys.exit(f"{error}: see above")
