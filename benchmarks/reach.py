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
The results keep the rows of programs that are not asked for.
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
        self.options, self.group = options, group
        self.many, self.few = (
            prepare(_filled(directory / str(cpus)), cpus) for cpus in (SHOWN, options.cpus)
        )

    def environment(self, place: Path) -> dict[str, str]:
        """Return what a program gets: in *place* are its home and its temporary directory."""
        # rustup has its programs below the real home.
        kept = {
            name: os.environ.get(name, os.path.expanduser(f"~/.{name.partition('_')[0].lower()}"))
            for name in ("CARGO_HOME", "RUSTUP_HOME")
        }
        return {
            "PATH": os.environ["PATH"], "HOME": str(place / "home"), "TMPDIR": str(place / "tmp"),
            "ML": os.path.dirname(self.options.ml), "OLD": os.path.dirname(self.options.old),
            "NPM": self.options.npm, **QUIET, **kept,
        }  # fmt: skip

    def row(self, program: Program) -> dict[str, Any]:
        harness.progress(program.name)
        with tempfile.TemporaryDirectory() as name:
            fresh = _filled(Path(name, "fresh"))
            ready = subprocess.run(
                ["sh", "-c", program.ready], cwd=fresh / "work", env=self.environment(fresh),
                check=False, capture_output=True,
            )  # fmt: skip
            if ready.returncode:
                return {"name": program.name, "missing": "it could not be prepared"}
            right = self.count(program, fresh)
            if right["code"] and not right["late"]:
                return {"name": program.name, "missing": f"it failed with {right['code']}"}
            row = {
                "name": program.name, "counts": program.counts,
                "version": self.version(program, fresh), "right": right,
            }  # fmt: skip
            row |= {mode: self.count(program, fresh, mode, right["most"]) for mode in MODES}
            # At a count of 1, kumo run sets that variable itself.
            if program.imports and self.options.cpus > 1:
                right = self.count(program, fresh, alone=False)
                run = self.count(program, fresh, "run", right["most"], alone=False)
                row["with blas"] = {"right": right, "run": run}
        return row

    def version(self, program: Program, place: Path) -> str:
        where, _, name = program.version.rpartition(":")
        if where == "npm":
            package = Path(self.options.npm, name, "package.json").read_text("utf-8")
            return str(json.loads(package)["version"])
        if program.where == "sh" and not where:
            command = ["sh", "-c", f"exec 2>&1; {program.version}"]
        else:
            ask = f"importlib.metadata.version({name!r})" if name else "platform.python_version()"
            code = f"import importlib.metadata, platform; print({ask})"
            command = [getattr(self.options, where or program.where), "-c", code]
        ran = subprocess.run(
            command, env=self.environment(place), capture_output=True, text=True, check=False
        )
        words = re.search(r"\d+\.\d[\w.+]*", ran.stdout)
        return words[0] if words else "?"

    def count(
        self, program: Program, fresh: Path, mode: str = "", right: float = 0, *, alone: bool = True
    ) -> dict[str, Any]:
        """Run it in a copy of *fresh*: the most threads or processes that were there at once.

        Without a *mode* it is run on as many CPUs as are right, without a quota.
        """
        is_python = program.where != "sh"
        command = [getattr(self.options, program.where) if is_python else "sh", "-c"]
        command.append(program.source(alone=alone))
        words = MODES[mode] if mode else []
        kumo = [self.options.kumo, *words] if words else []
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
            place = Path(name) / "run"
            shutil.copytree(fresh, place, symlinks=True)
            _groups.set_quota(self.group, self.options.cpus if mode else None)
            container = [*CONTAINER, str(self.group), str(_groups.mount_point())]
            stand_in = self.many if mode else self.few
            process = subprocess.Popen(
                _groups.inside(self.group, *container, *stand_in, *kumo, *command),
                cwd=place / "work", env=self.environment(place), stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
            most, late = self.watch(process, program.counts, right if mode else math.inf)
            _groups.kill(self.group)
            process.wait()
        return {"most": most, "late": late, "code": process.returncode}

    def watch(
        self, process: subprocess.Popen[bytes], counts: str, right: float
    ) -> tuple[int, bool]:
        """Return the most that were there at once, and whether it has to be ended."""
        file = self.group / ("tasks" if counts == "threads" else "cgroup.procs")
        most, grown = 0, time.monotonic()
        end = grown + LIMIT
        while process.poll() is None:
            there, now = file.read_text().count("\n"), time.monotonic()
            if there > most:
                most, grown = there, now
            if now > end or (most > right + 1 and now > grown + SETTLED):
                return most, True
            time.sleep(0.005)
        return most, False


def _filled(directory: Path) -> Path:
    """Make *directory*, with a directory to work in, a home and a temporary directory in it."""
    for name in ("work", "home", "tmp"):
        (directory / name).mkdir(parents=True)
    return directory


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
    modes, rows, host = results["modes"], measured(results), results["host"]
    each = [
        [row["name"], row["version"], row["counts"], str(row["right"]["most"])]
        + [_cell(row, mode) for mode in modes]
        for row in rows
    ]
    right = [f"{count} of {len(rows)}" for count in shares(results).values()]
    cpus = f"on {results['cpus']} CPU{'s' * (results['cpus'] > 1)}"
    header = ["program", "version", "counted", cpus, *modes]
    lines = [harness.table(header, [*each, ["right", "", "", "", *right]], 3), ""]
    if results["cpus"] > 1:
        with_blas = sum(not fault(row.get("with blas", row), "run") for row in rows)
        lines.append(
            "With the threads that OpenBLAS starts when numpy is imported, "
            f"`run` is right in {with_blas} of {len(rows)}."
        )
    worse = [f"{row['name']} ({m})" for row in rows for m in modes if is_worse(row, m)]
    missing = [row["name"] for row in results["programs"] if "missing" in row]
    lines += [
        f"Wrong although bare is right, or a quarter more: {', '.join(worse) or 'none'}.",
        f"Not run: {', '.join(missing) or 'none'}.",
        f"{host['date']}, Linux {host['kernel']}, {host['cpus']} CPUs that look like {SHOWN}, "
        f"quota {results['cpus']}.0, load {host['load before'][0]}.",
        "",
        harness.table(("wrong", "in", "why"), _reasons(rows, modes), 3),
    ]
    return "\n".join(lines)


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


def _reasons(rows: list[dict[str, Any]], modes: list[str]) -> list[list[str]]:
    """Return what is wrong: a row for each reason and the modes that it is for."""
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
    return [["; ".join(of), where, why] for (why, where), of in names.items()]


def main() -> int:
    parser = harness.parser(
        __doc__,
        takes="1 hour on a busy machine",
        needs="root, a C compiler and a writable cgroup v1 hierarchy of the cpu controller",
    )
    add = parser.add_argument
    add("--ml", required=True, help="a Python 3.13 with the libraries")
    add("--old", required=True, help="a Python 3.11 with them")
    add("--npm", required=True, help="a node_modules directory")
    add("--kumo", default=str(Path(sys.executable).with_name("kumo")))
    add("--cpus", type=harness.count, default=4, help="the quota, and the right count")
    add("-k", default="", help="only programs whose name matches; the others keep their row")
    options = parser.parse_args()
    _groups.needed_mount_point()
    if not os.path.exists(options.kumo):
        parser.error(f"there is no {options.kumo}: --kumo says where it is")
    name, places = f"reach-{options.cpus}", {each.name: at for at, each in enumerate(PROGRAMS)}
    rows = {row["name"]: row for row in harness.kept(name, options).get("programs", [])}
    run = harness.begin(name, options, cpus=options.cpus, modes=list(MODES))
    with (
        tempfile.TemporaryDirectory() as directory,
        _groups.nested("reach", 1, options.cpus, "each") as group,
    ):
        bench = Bench(options, Path(directory), group)
        for program in PROGRAMS:
            if re.search(options.k, program.name):
                rows[program.name] = bench.row(program)
                there = sorted(rows.keys() & places.keys(), key=lambda each: places[each])
                run.end(as_markdown, programs=[rows[each] for each in there])
    return 0


if __name__ == "__main__":
    sys.exit(main())
