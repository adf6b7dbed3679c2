"""What does one call cost? Times kumo's call beside its peers' and beside its own system calls.

    python benchmarks/get_peers.py DIR        once: fetches the peers
    python benchmarks/calls.py --peers DIR

on Linux with gcc and rustc, as root and with a writable cgroup v1 hierarchy for more than the
cgroup that it is started in.

Caveats first:

- The programs do not do the same work. kumo asks anew whether the mount table, the cgroup, the
  namespaces and the scheduling class have changed. Go re-reads the quota files of its own cgroup
  through descriptors that it opened at its start, and would not see a move to another cgroup.
  os.process_cpu_count asks for the affinity mask and nothing else. Rust, libuv and the Python
  libraries open and read `/proc` and cgroup files at each call.
- Who does not find the quota is quick. The column "sees the quota" says who does: who answers 1
  in groups of the same shape with a quota of 1 CPU. Where cpu and cpuacct are mounted apart, as
  on the machine of the kept results, libuv reads its cgroup's path and no quota file, dask looks
  in two directories that are not there, and loky, as joblib, reads the quota of the root cgroup.
  Go's least is 2, so that its answer does not tell: traced, it reads its own group's quota alone.
- kumo's figure is for the second call on: the first surveys the system and takes longer
  (`growth.py` has the survey's time). The others take as long at each call, or so they say.
- The floor is kumo's sequence of system calls in C: what no Python, Rust or C code that asks the
  kernel the same questions can fall below. It is not what a program must pay to be right: other
  questions would have another floor.
- The figure of a program in a round is the median of its 40 batches of 1 to 2 ms. So a pause in
  less than half of them, for a garbage collection or for another program that had the CPU, does
  not show. The results keep the means and the least batches too.
- Wall time on one machine, with one kernel, at the highest priority where that is allowed. Where
  other programs run meanwhile (see the load average), caches are colder and the figures higher.
  The ratio is taken within a round, between neighbours in time: its median is the steadier.
- cgroup v1 alone: on v2 kumo reads one file a level where v1 has two, and never stops early.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import _groups
import _loops
import _peers
import _report
from _peers import Peer

_LEVELS = (("each", "on each level"), ("outermost", "on the outermost level alone"))


@dataclass(frozen=True)
class Arm:
    """A cgroup to be measured in."""

    name: str
    title: str
    directory: Path | None
    limited: bool = False


def main() -> int:
    options = _options()
    _report.end_cleanly()
    _report.go_first()
    started = time.monotonic()
    about = _report.host()
    with contextlib.ExitStack() as stack:
        workdir = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kumo-calls-")))
        _report.progress("compiling")
        loops = [_loops.floor(workdir), *_loops.loops(options.peers, workdir)]
        if kumo_missing := loops[1].missing:
            sys.exit(f"{kumo_missing}; run get_peers.py first")
        timed = {loop.name for loop in loops if not loop.missing}
        seen = _who_sees_quotas([p for p in _peers.peers(options.peers) if p.name in timed])
        arms = _arms(stack)
        rounds = _measure(loops, arms, options.rounds)
    results = {
        "question": "What does one call cost?",
        "host": about,
        "rounds": options.rounds,
        "unit": "ns per call, one figure a round",
        "programs": {loop.name: _described(loop) for loop in loops},
        "arms": {arm.name: arm.title for arm in arms},
        "sees the quota": seen,
        "no more arms because": _groups.why_not(),
        "times": rounds,
    }
    _report.finish(results, started)
    _report.write(options.results, "calls", results, _as_markdown(results))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Time one call of kumo and of its peers.")
    parser.add_argument(
        "--peers",
        type=Path,
        default=Path(tempfile.gettempdir(), "kumo-peers"),
        help="the directory that get_peers.py filled",
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--results", type=Path, default=_report.RESULTS)
    options = parser.parse_args()
    options.peers = options.peers.resolve()
    return options


def _who_sees_quotas(peers: list[Peer]) -> dict[str, dict[str, str]]:
    """By arm and program: whether it answers 1 where the arm's quotas are of 1 CPU."""
    seen: dict[str, dict[str, str]] = {}
    with contextlib.ExitStack() as stack:
        for arm in _arms(stack, cpus=1):
            if not arm.directory or not arm.limited:
                continue
            _groups.join(arm.directory)
            seen[arm.name] = {peer.name: _sees(peer) for peer in peers if peer.command}
            said = [name for name, sees in seen[arm.name].items() if sees == "no"]
            _report.progress(f"{arm.title}: not seen by {', '.join(said) or 'none'}")
    return seen


def _sees(peer: Peer) -> str:
    if peer.rounding == "go":
        return "-"
    ran = subprocess.run(peer.command, capture_output=True, text=True, check=False, timeout=60)
    return "yes" if ran.stdout.strip() == "1" else "no"


def _arms(stack: contextlib.ExitStack, cpus: int = 2) -> list[Arm]:
    """Make the cgroups; *stack* removes them."""
    if _groups.why_not():
        return [Arm("own", "In the cgroup of the caller", None)]
    root = stack.enter_context(_groups.nested("0", 0, cpus, "each"))
    arms = [Arm("0", "Depth 0: in the root cgroup, without a quota", root)]
    for depth in (3, 12):
        for limited, where in _LEVELS:
            name = f"{depth}-{limited}"
            leaf = stack.enter_context(_groups.nested(name, depth, cpus, limited))
            arms.append(
                Arm(
                    name,
                    f"Depth {depth}, a quota of {cpus} CPU{'s' * (cpus > 1)} {where}",
                    leaf,
                    True,
                )
            )
    stack.enter_context(_groups.returning())
    return arms


def _measure(
    loops: list[_loops.Loop], arms: list[Arm], rounds: int
) -> dict[str, dict[str, dict[str, list[float]]]]:
    """Every program in every cgroup, in another order each round."""
    order = random.Random(1)
    there = [loop for loop in loops if not loop.missing]
    times: dict[str, dict[str, dict[str, list[float]]]] = {
        arm.name: {loop.name: {"median": [], "mean": [], "min": []} for loop in there}
        for arm in arms
    }
    for number in range(rounds):
        for arm in order.sample(arms, len(arms)):
            if arm.directory:
                _groups.join(arm.directory)
            for loop in order.sample(there, len(there)):
                batches = _run(loop, arm)
                for kind, value in _figures(batches).items():
                    times[arm.name][loop.name][kind].append(value)
        said = ", ".join(
            f"{arm.title.partition(',')[0]} {times[arm.name]['kumo']['median'][-1] / 1000:.1f} µs"
            for arm in arms
        )
        _report.progress(f"[{number + 1}/{rounds}] kumo: {said}")
    return times


def _figures(batches: list[float]) -> dict[str, float]:
    return {
        "median": round(statistics.median(batches), 1),
        "mean": round(statistics.mean(batches), 1),
        "min": min(batches),
    }


def _run(loop: _loops.Loop, arm: Arm) -> list[float]:
    """Run a program once; return its batches, in ns per call."""
    command = list(loop.command)
    if loop.name == "floor" and arm.directory:
        command += map(str, _groups.chain(arm.directory))
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if ran.returncode:
        sys.exit(f"{loop.name} failed, {arm.title}: {ran.stderr}")
    return [float(line) for line in ran.stdout.split()]


def _described(loop: _loops.Loop) -> dict[str, str]:
    about = {"calls": loop.calls, "reads": loop.reads}
    return about | ({"missing": loop.missing} if loop.missing else {"version": loop.version})


def _as_markdown(results: dict[str, Any]) -> str:
    header = (
        "program",
        "sees the quota",
        "µs per call: median",
        "min",
        "quartiles",
        "max",
        "times kumo's",
    )
    parts = []
    for name, title in results["arms"].items():
        times = results["times"][name]
        rows = []
        for program, by in times.items():
            ratio = statistics.median(_report.ratios(times["kumo"]["median"], by["median"]))
            sees = results["sees the quota"].get(name, {}).get(program, "-")
            rows.append([program, sees, *_report.cells(by["median"], 1000), _report.number(ratio)])
        parts += [f"{title}:", _report.table(header, rows, 2)]
    programs = results["programs"].items()
    called = [
        f"- {name}: {', '.join(filter(None, (about['calls'], about['version'])))}"
        for name, about in programs
        if "version" in about
    ]
    parts.append("\n".join(["What is called:", "", *called]))
    skipped = [f"- {name}: {about['missing']}" for name, about in programs if "missing" in about]
    if results["no more arms because"]:
        skipped.append(f"- other cgroups: {results['no more arms because']}")
    if skipped:
        parts.append("\n".join(["Skipped:", "", *skipped]))
    return "\n\n".join([*parts, _report.signature(results)])


if __name__ == "__main__":
    sys.exit(main())
