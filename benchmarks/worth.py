"""What the right number of threads is worth: work under a quota, bare and under `kumo run`.

    python benchmarks/worth.py --python PYTHON [--rounds N] [-k REGEX]

Each piece of work runs in a cgroup with a quota, in turn: bare, under `kumo run`, under
`kumo run --view`, and with each size from 1 to the CPUs that are there, which the program itself
asks its library for. The rounds are interleaved. The figure is the median of the seconds of the
work alone. The best size is sought among those that are not above the count, and among all.
A program is ended after 20 seconds, and counts as 20. What was measured before, on other days
or with another -k, stays in the results.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import _groups
import harness
from _worth_programs import START, WORKS, Work

LIMIT = 20.0  # seconds
QUOTAS = (1.0, 1.5)
NICE = -15  # of what is measured, on a busy machine


def arms(kumo: str, cpus: int) -> dict[str, tuple[list[str], dict[str, str]]]:
    """Return the command line before the program, and its variables, by the name of the way."""
    return {
        "bare": ([], {}),
        "run": ([kumo, "run", "--"], {}),
        "view": ([kumo, "run", "--view", "--"], {}),
        **{f"size {size}": ([], {"SIZE": str(size)}) for size in range(1, cpus + 1)},
    }


def seconds(group: Path, command: list[str], variables: dict[str, str]) -> float:
    """Run the program in the group, and return what it prints."""
    process = subprocess.Popen(
        _groups.inside(group, "nice", "-n", str(NICE), *command),
        env={"PATH": os.environ["PATH"], "HOME": "/tmp", "PYTHONWARNINGS": "ignore", **variables},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        printed, errors = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        return LIMIT
    finally:
        _groups.kill(group)
        process.wait()
    if process.returncode:
        raise SystemExit(errors[-2000:])
    return min(LIMIT, float(printed.split()[-1]))


def row(work: Work, quota: float, options: argparse.Namespace, group: Path) -> dict[str, Any]:
    """Return the medians and spreads of one piece of work under one quota."""
    _groups.set_quota(group, quota)
    ways = arms(options.kumo, os.cpu_count() or 1)
    program = [options.python, "-c", START + work.code]
    turns = {
        name: partial(seconds, group, [*before, *program], variables)
        for name, (before, variables) in ways.items()
    }
    harness.progress(f"{work.name}, quota {quota}")
    ask = f"import importlib.metadata as m; print(m.version({work.package!r}))"
    version = harness.output([options.python, "-c", ask]).strip()
    taken = harness.take_turns(turns, options.rounds)
    return {
        "name": work.name, "version": version, "quota": quota,
        "count": max(1, int(quota)), "load": harness.load()[0], "seconds": taken,
    }  # fmt: skip


def as_markdown(results: dict[str, Any]) -> str:
    rows = []
    for each in results["works"]:
        median = {name: statistics.median(values) for name, values in each["seconds"].items()}
        sizes = {int(n.split()[1]): m for n, m in median.items() if n.startswith("size ")}
        low = min((m, n) for n, m in sizes.items() if n <= each["count"])
        best = min((m, n) for n, m in sizes.items())
        cells = [each["name"], each["version"], str(each["quota"])]
        cells += [f"{median[way]:.3f}" for way in ("bare", "run", "view")]
        cells += [f"{seconds:.3f} ({size})" for seconds, size in (low, best)]
        ratios = (f"{median['view'] / low[0]:.2f}", f"{median['bare'] / median['view']:.1f}")
        rows.append([*cells, *ratios])
    header = (
        *("work", "version", "quota", "bare", "`kumo run`", "`--view`"),
        *("best size, at most the count", "best of all sizes", "`--view` to best"),
        "bare to `--view`",
    )
    host = results["host"]
    rounds = sorted({len(each["seconds"]["bare"]) for each in results["works"]})
    loads = [each["load"] for each in results["works"]]
    return (
        f"{harness.table(header, rows, 2)}\n\n"
        f"{host['date']}, Linux {host['kernel']}, {host['cpus']} CPUs, a busy machine: load "
        f"{min(loads)} to {max(loads)}. "
        f"Seconds, medians of {' or '.join(map(str, rounds))} interleaved rounds. "
        f"The work had a niceness of {NICE}."
    )


def in_order(works: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the works in the order of `WORKS`, the last of each name and quota."""
    names = [work.name for work in WORKS]
    latest = {(names.index(each["name"]), each["quota"]): each for each in works}
    return [latest[key] for key in sorted(latest)]


def main() -> int:
    parser = harness.parser(
        __doc__,
        takes="25 minutes",
        needs="root, two CPUs and a writable cgroup v1 hierarchy of the cpu controller",
        rounds=7,
        first=False,
    )
    parser.add_argument("--python", required=True, help="a Python with the libraries")
    parser.add_argument("--kumo", default=str(Path(sys.executable).with_name("kumo")))
    parser.add_argument("-k", default="", help="only work whose name matches")
    options = parser.parse_args()
    _groups.needed_mount_point()
    chosen = [work for work in WORKS if re.search(options.k, work.name)]
    works = harness.kept("worth", options).get("works", [])
    run = harness.begin("worth", options)
    with _groups.nested("worth", 1, 1, "each") as group:
        for work in chosen:
            for quota in QUOTAS:
                new = row(work, quota, options, group)
                works = in_order([*works, new])
                run.end(as_markdown, works=works)
    return 0


if __name__ == "__main__":
    sys.exit(main())
