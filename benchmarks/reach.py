"""How many programs use the right number of threads: bare, and under `kumo run` and its options.

    python benchmarks/reach.py --ml PYTHON313 --old PYTHON311 --npm NODE_MODULES [-k REGEX]

Each program runs on a stand-in of 64 CPUs (`many_cpus.py`), in a cgroup with a quota of `--cpus`.
That is the root of what it can see of the hierarchy, as in a container. While it runs, the threads
or processes in the cgroup are counted in the kernel every few milliseconds. The figure is the most
that were there at once. Right is what the same program has on a stand-in of `--cpus` CPUs without
a quota: at most one more, and at least two thirds of it. A program that failed, or did not end
where the right run did, is not right, however many threads it had.

Each run has a directory, a home and a temporary directory of its own, and a /dev/shm: a cache of
an earlier run would leave it nothing to do. A program is ended after 20 seconds, or when it has had
too many threads and started none for 6: threads that wait for each other under a quota can take
minutes.

The stand-in keeps the mask that a program sets, hands it on through fork and exec and returns it,
but pins nothing: two real CPUs run all threads. So the column `pin` shows how many threads
programs start if they are pinned, and nothing of what a pin is worth.

Spinning is switched off for speed (OMP_WAIT_POLICY and the like), which does not change counts.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import _groups
import harness
from _reach_programs import PROGRAMS, Program
from many_cpus import prepare

MODES = {
    "bare": [],
    "run": ["run", "--"],
    "view": ["run", "--view", "--"],
    "files": ["run", "--view=files", "--"],
    "pin": ["run", "--pin", "--"],
}
SHOWN = 64
LIMIT = 20  # seconds
SETTLED = 6  # seconds without one more, for a program that has too many
QUIET = {
    "OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0", "OPENBLAS_THREAD_TIMEOUT": "4",
    "LC_ALL": "C.UTF-8", "PYTHONWARNINGS": "ignore",
}  # fmt: skip
# The one mount of the hierarchy has the group as its root. $0: the group, $1: the mount's point.
CONTAINER = [
    "unshare", "-m", "--propagation", "private", "sh", "-c",
    'hold=$(mktemp -d) && mount --bind "$0" "$hold" && umount -l "$1" && mount --bind "$hold" "$1" '
    '&& umount "$hold" && rmdir "$hold" && mount -t tmpfs none /dev/shm && shift && exec "$@"',
]  # fmt: skip


class Bench:
    """The stand-ins, the Pythons, and the group that is counted."""

    def __init__(self, options: argparse.Namespace, directory: Path, group: Path) -> None:
        self.options, self.group, self.directory = options, group, directory
        self.many = prepare(_made(directory / "many"), SHOWN)
        self.few = prepare(_made(directory / "few"), options.cpus)

    def command(self, program: Program, *, alone: bool = True) -> list[str]:
        source = program.source(alone=alone)
        if program.where == "sh":
            return ["sh", "-c", source]
        return [getattr(self.options, program.where), "-c", source]

    def environment(self, place: Path) -> dict[str, str]:
        """Return what a program gets: in *place* are its home and its temporary directory."""
        places = {
            "HOME": str(place / "home"),
            "TMPDIR": str(place / "tmp"),
            "ML": os.path.dirname(self.options.ml),
            "OLD": os.path.dirname(self.options.old),
            "NPM": self.options.npm,
        }
        # rustup has its programs below the real home.
        kept = {
            name: os.environ.get(name, os.path.expanduser(f"~/.{name.partition('_')[0].lower()}"))
            for name in ("CARGO_HOME", "RUSTUP_HOME")
        }
        return {"PATH": os.environ["PATH"], **QUIET, **places, **kept}

    def row(self, program: Program) -> dict[str, Any]:
        harness.progress(program.name)
        with tempfile.TemporaryDirectory() as first:
            fresh = _place(Path(first))
            ready = subprocess.run(
                ["sh", "-c", program.ready], cwd=fresh / "work", env=self.environment(fresh),
                check=False, capture_output=True,
            )  # fmt: skip
            if ready.returncode:
                return {"name": program.name, "missing": "it could not be prepared"}
            right = self.count(program, fresh, self.few, [], quota=False)
            if right["code"] and not right["late"]:
                return {"name": program.name, "missing": f"it failed with {right['code']}"}
            row: dict[str, Any] = {
                "name": program.name, "counts": program.counts, "version": self.version(program),
                "right": right,
            }  # fmt: skip
            for mode in self.options.modes.split(","):
                words = MODES[mode]
                kumo = [self.options.kumo, *words] if words else []
                row[mode] = self.count(program, fresh, self.many, kumo, right=right["most"])
            # At a count of 1, kumo run sets that variable itself.
            if program.imports and self.options.cpus > 1:
                kumo = [self.options.kumo, *MODES["run"]]
                right = self.count(program, fresh, self.few, [], quota=False, alone=False)
                row["with blas"] = {
                    "right": right,
                    "run": self.count(
                        program, fresh, self.many, kumo, right=right["most"], alone=False
                    ),
                }
        return row

    def version(self, program: Program) -> str:
        where, _, name = program.version.rpartition(":")
        if where == "npm":
            return str(
                json.loads(Path(self.options.npm, name, "package.json").read_text())["version"]
            )
        if program.where == "sh" and not where:
            ran = subprocess.run(
                ["sh", "-c", program.version], env=self.environment(self.directory),
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            found = re.search(r"\d+\.\d[\w.]*", ran.stdout + ran.stderr)
            return found[0] if found else "?"
        python = getattr(self.options, where or program.where)
        code = (
            f"import importlib.metadata as m; print(m.version({name!r}))"
            if name
            else "import platform; print(platform.python_version())"
        )
        ran = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
        return ran.stdout.strip() or "?"

    def count(
        self,
        program: Program,
        fresh: Path,
        stand_in: list[str],
        kumo: list[str],
        *,
        quota: bool = True,
        right: float = math.inf,
        alone: bool = True,
    ) -> dict[str, Any]:
        """Run it in a copy of *fresh*: the most threads or processes that were there at once."""
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
            place = Path(name) / "run"
            shutil.copytree(fresh, place, symlinks=True)
            _groups.set_quota(self.group, self.options.cpus if quota else None)
            container = [*CONTAINER, str(self.group), str(_groups.mount_point())]
            process = subprocess.Popen(
                _groups.inside(
                    self.group, *container, *stand_in, *kumo, *self.command(program, alone=alone)
                ),
                cwd=place / "work", env=self.environment(place), stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
            most, late = self.watch(process, program, right)
            _groups.kill(self.group)
            process.wait()
        return {"most": most, "late": late, "code": process.returncode}

    def watch(
        self, process: subprocess.Popen[bytes], program: Program, right: float
    ) -> tuple[int, bool]:
        """Return the most that were there at once, and whether it has to be ended."""
        name = "tasks" if program.counts == "threads" else "cgroup.procs"
        most, started = 0, time.monotonic()
        grown = started
        while process.poll() is None:
            there, now = (self.group / name).read_text().count("\n"), time.monotonic()
            if there > most:
                most, grown = there, now
            if now > started + LIMIT or (most > right + 1 and now > grown + SETTLED):
                return most, True
            time.sleep(0.005)
        return most, False


def _made(directory: Path) -> Path:
    directory.mkdir()
    return directory


def _place(directory: Path) -> Path:
    """Return *directory*, with a directory to work in, a home and a temporary directory in it."""
    for name in ("work", "home", "tmp"):
        (directory / name).mkdir()
    return directory


def replaced(rows: list[dict[str, Any]], row: dict[str, Any]) -> list[dict[str, Any]]:
    """Return *rows* with *row* in the place of the one of its name, in the order of PROGRAMS."""
    order = [program.name for program in PROGRAMS]
    kept = [one for one in rows if one["name"] != row["name"] and one["name"] in order]
    return sorted([*kept, row], key=lambda one: order.index(one["name"]))


def fault(row: dict[str, Any], mode: str) -> str:
    """Return what is wrong in a word, nothing if it is right."""
    here, right = row[mode], row["right"]
    if here["most"] > right["most"] + 1:
        return "more"
    if here["code"] and not here["late"]:
        return "failed"
    if here["late"] and not right["late"]:
        return "late"
    return "fewer" if 3 * here["most"] < 2 * right["most"] else ""


def is_worse(row: dict[str, Any], mode: str) -> bool:
    """Return whether it is wrong where bare is right, or has a quarter more than bare.

    What starts threads as work comes has some more or fewer in each run.
    """
    more = 4 * row[mode]["most"] > 5 * row["bare"]["most"]
    return bool(fault(row, mode)) and (more or not fault(row, "bare"))


def as_markdown(results: dict[str, Any]) -> str:
    modes = results["modes"]
    rows = measured(results)
    lines = [
        f"| program | version | counted | on {_cpus(results['cpus'])} | {' | '.join(modes)} |",
        f"| --- | --- | --- | --: | {' | '.join('--:' for _ in modes)} |",
    ]
    for row in rows:
        start = f"| {row['name']} | {row['version']} | {row['counts']} | {row['right']['most']} | "
        lines.append(f"{start}{' | '.join(_cell(row, mode) for mode in modes)} |")
    each = [f"{right} of {len(rows)}" for right in shares(results).values()]
    lines += [f"| right | | | | {' | '.join(each)} |", ""]
    if results["cpus"] > 1:
        with_blas = sum(not fault(row.get("with blas", row), "run") for row in rows)
        lines.append(
            "With the threads that OpenBLAS starts when numpy is imported, "
            f"`run` is right in {with_blas} of {len(rows)}."
        )
    worse = [f"{row['name']} ({m})" for row in rows for m in modes if is_worse(row, m)]
    lines.append(f"Wrong although bare is right, or a quarter more: {', '.join(worse) or 'none'}.")
    missing = [row["name"] for row in results["programs"] if "missing" in row]
    lines.append(f"Not run: {', '.join(missing) or 'none'}.")
    host = results["host"]
    lines += [
        f"{host['date']}, Linux {host['kernel']}, {host['cpus']} CPUs that look like {SHOWN}, "
        f"quota {results['cpus']}.0, load {host['load before'][0]}.",
        "",
        *_reasons(rows, modes),
    ]
    return "\n".join(lines)


def _cpus(count: int) -> str:
    return f"{count} CPU{'s' if count > 1 else ''}"


def _cell(row: dict[str, Any], mode: str) -> str:
    most, wrong = row[mode]["most"], fault(row, mode)
    if not wrong:
        return f"**{most}**"
    return str(most) if wrong == "more" else f"{most}, {wrong}"


def measured(results: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of the programs that ran."""
    return [row for row in results["programs"] if "missing" not in row]


def shares(results: dict[str, Any]) -> dict[str, int]:
    """Return how many are right, for each mode."""
    rows = measured(results)
    return {mode: sum(not fault(row, mode) for row in rows) for mode in results["modes"]}


def _reasons(rows: list[dict[str, Any]], modes: list[str]) -> list[str]:
    """Return the table of what is wrong: a line for each reason and the modes that it is for."""
    reason_of = {program.name: program.wrong for program in PROGRAMS}
    names: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        wrong: dict[str, list[str]] = {}
        for mode in modes:
            if mode != "bare" and fault(row, mode):
                reason = reason_of[row["name"]].get(mode, "not known")
                wrong.setdefault(reason, []).append(mode)
        for reason, where in wrong.items():
            names.setdefault((reason, ", ".join(where)), []).append(row["name"])
    lines = [f"| {'; '.join(of)} | {where} | {why} |" for (why, where), of in names.items()]
    return ["| wrong | in | why |", "| --- | --- | --- |", *lines] if lines else []


def main() -> int:
    parser = harness.parser(
        __doc__,
        takes=f"at most {LIMIT} s for each program and mode",
        needs="root, a C compiler and a writable cgroup v1 hierarchy of the cpu controller",
    )
    parser.add_argument("--ml", required=True, help="a Python 3.13 with the libraries")
    parser.add_argument("--old", required=True, help="a Python 3.11 with them")
    parser.add_argument("--npm", required=True, help="a node_modules directory")
    parser.add_argument("--kumo", default=str(Path(sys.executable).with_name("kumo")))
    parser.add_argument(
        "--cpus", type=harness.count, default=4, help="the quota, and the right count"
    )
    parser.add_argument("--modes", default=",".join(MODES))
    parser.add_argument("-k", default="", help="only programs whose name matches")
    parser.add_argument("--update", action="store_true", help="write their rows into the results")
    options = parser.parse_args()
    harness.end_cleanly()
    if not options.as_it_is:
        harness.go_first()
    _groups.needed_mount_point()
    if not os.path.exists(options.kumo):
        parser.error(f"there is no {options.kumo}: --kumo says where it is")
    name = f"reach-{options.cpus}"
    results: dict[str, Any] = {
        "host": harness.host(), "cpus": options.cpus, "modes": options.modes.split(","),
        "programs": [],
    }  # fmt: skip
    if options.update:
        before = json.loads((options.results / f"{name}.json").read_text("utf-8"))
        results["modes"], results["programs"] = before["modes"], before["programs"]
    chosen = [program for program in PROGRAMS if re.search(options.k, program.name)]
    with (
        tempfile.TemporaryDirectory() as directory,
        _groups.nested("reach", 1, options.cpus, "each") as group,
    ):
        bench = Bench(options, Path(directory), group)
        for program in chosen:
            row = bench.row(program)
            results["programs"] = replaced(results["programs"], row)
            if options.update or not options.k:
                harness.write(options.results, name, results, as_markdown(results))
    if options.k and not options.update:
        print(as_markdown(results))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
