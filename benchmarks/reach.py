"""How many programs use the right number of threads: bare, and under `kumo run` and its options.

    python benchmarks/reach.py --ml PYTHON313 --old PYTHON311 --npm NODE_MODULES [-k REGEX]

Each program runs on a stand-in of 64 CPUs (`many_cpus.py`), in a cgroup with a quota of `--cpus`.
That is the root of what it can see of the hierarchy, as in a container. While it runs, the threads
or processes in the cgroup are counted in the kernel every few milliseconds. The figure is the most
that were there at once. Right is what the same program has on a stand-in of `--cpus` CPUs without
a quota, or one more. A program is ended after 20 seconds, when it has started its threads.

Spinning is switched off for speed (OMP_WAIT_POLICY and the like), which does not change counts.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
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
QUIET = {
    "OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0", "OPENBLAS_THREAD_TIMEOUT": "4",
    "LC_ALL": "C.UTF-8", "HOME": "/tmp", "PYTHONWARNINGS": "ignore",
}  # fmt: skip
# The one mount of the hierarchy has the group as its root. $0: the group, $1: the mount's point.
CONTAINER = [
    "unshare", "-m", "--propagation", "private", "sh", "-c",
    'hold=$(mktemp -d) && mount --bind "$0" "$hold" && umount -l "$1" && mount --bind "$hold" "$1" '
    '&& umount "$hold" && rmdir "$hold" && shift && exec "$@"',
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

    def environment(self) -> dict[str, str]:
        places = {
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
        with tempfile.TemporaryDirectory() as work:
            ready = subprocess.run(
                ["sh", "-c", program.ready], cwd=work, env=self.environment(), check=False,
                capture_output=True,
            )  # fmt: skip
            if ready.returncode:
                return {"name": program.name, "missing": "it could not be prepared"}
            row: dict[str, Any] = {
                "name": program.name, "counts": program.counts, "version": self.version(program),
                "right": self.count(program, work, self.few, [], quota=False),
            }  # fmt: skip
            if row["right"]["code"] and not row["right"]["late"]:
                return {"name": program.name, "missing": "it failed"}
            for mode in self.options.modes.split(","):
                words = MODES[mode]
                kumo = [self.options.kumo, *words] if words else []
                row[mode] = self.count(program, work, self.many, kumo, quota=True)
            # At a count of 1, kumo run sets that variable itself.
            if program.imports and self.options.cpus > 1:
                kumo = [self.options.kumo, *MODES["run"]]
                row["with blas"] = {
                    "right": self.count(program, work, self.few, [], quota=False, alone=False),
                    "run": self.count(program, work, self.many, kumo, quota=True, alone=False),
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
                ["sh", "-c", program.version], env=self.environment(), capture_output=True,
                text=True, check=False,
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
        work: str,
        stand_in: list[str],
        kumo: list[str],
        *,
        quota: bool,
        alone: bool = True,
    ) -> dict[str, Any]:
        """Run it, and return the most threads or processes that were there at once."""
        cpus = self.options.cpus * 100_000 if quota else -1
        (self.group / "cpu.cfs_quota_us").write_text(str(cpus))
        container = [*CONTAINER, str(self.group), str(_groups.mount_point())]
        process = subprocess.Popen(
            ["sh", "-c", 'echo $$ > "$0/cgroup.procs"; exec "$@"', str(self.group),
             *container, *stand_in, *kumo, *self.command(program, alone=alone)],
            cwd=work, env=self.environment(), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        most, deadline = 0, time.monotonic() + LIMIT
        name = "tasks" if program.counts == "threads" else "cgroup.procs"
        while process.poll() is None and time.monotonic() < deadline:
            most = max(most, (self.group / name).read_text().count("\n"))
            time.sleep(0.005)
        late = process.poll() is None
        self.end(process)
        return {"most": most, "late": late, "code": process.returncode}

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """End what is left in the group, which holds nothing but the program."""
        for _ in range(200):
            left = (self.group / "cgroup.procs").read_text().split()
            for pid in left:
                try:
                    os.kill(int(pid), signal.SIGKILL)
                except ProcessLookupError:
                    continue
            if process.poll() is not None and not left:
                return
            time.sleep(0.05)


def _made(directory: Path) -> Path:
    directory.mkdir()
    return directory


def replaced(rows: list[dict[str, Any]], row: dict[str, Any]) -> list[dict[str, Any]]:
    """Return *rows* with *row* in the place of the one of its name, in the order of PROGRAMS."""
    order = [program.name for program in PROGRAMS]
    kept = [one for one in rows if one["name"] != row["name"] and one["name"] in order]
    return sorted([*kept, row], key=lambda one: order.index(one["name"]))


def is_right(row: dict[str, Any], mode: str) -> bool:
    return bool(row[mode]["most"] <= row["right"]["most"] + 1)


def as_markdown(results: dict[str, Any]) -> str:
    modes = results["modes"]
    rows = [row for row in results["programs"] if "missing" not in row]
    lines = [
        f"| program | version | counted | on {results['cpus']} CPUs | {' | '.join(modes)} |",
        f"| --- | --- | --- | --: | {' | '.join('--:' for _ in modes)} |",
    ]
    for row in rows:
        cells = [
            f"**{row[m]['most']}**" if is_right(row, m) else str(row[m]["most"]) for m in modes
        ]
        start = f"| {row['name']} | {row['version']} | {row['counts']} | {row['right']['most']} | "
        lines.append(f"{start}{' | '.join(cells)} |")
    shares = [f"{sum(is_right(row, m) for row in rows)} of {len(rows)}" for m in modes]
    lines += [f"| right | | | | {' | '.join(shares)} |", ""]
    if results["cpus"] > 1:
        with_blas = sum(is_right(row.get("with blas", row), "run") for row in rows)
        lines.append(
            "With the threads that OpenBLAS starts when numpy is imported, "
            f"`run` is right in {with_blas} of {len(rows)}."
        )
    worse = [
        f"{row['name']} ({mode})"
        for row in rows
        for mode in modes
        if mode != "bare" and row[mode]["most"] > row["bare"]["most"] + 1
    ]
    lines.append(f"More than bare: {', '.join(worse) or 'none'}.")
    missing = [row["name"] for row in results["programs"] if "missing" in row]
    lines.append(f"Not run: {', '.join(missing) or 'none'}.")
    host = results["host"]
    lines.append(
        f"{host['date']}, Linux {host['kernel']}, {host['cpus']} CPUs that look like {SHOWN}, "
        f"quota {results['cpus']}.0, load {host['load before'][0]}."
    )
    return "\n".join(lines)


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
    parser.add_argument("--cpus", type=int, default=4, help="the quota, and the right count")
    parser.add_argument("--modes", default=",".join(MODES))
    parser.add_argument("-k", default="", help="only programs whose name matches")
    parser.add_argument("--update", action="store_true", help="write their rows into the results")
    options = parser.parse_args()
    if reason := _groups.why_not():
        print(reason, file=sys.stderr)
        return 1
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
