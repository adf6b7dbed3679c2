"""What does one call cost? Times kumo's call beside its peers' and beside its own system calls.

    python benchmarks/get_peers.py DIR        once: fetches the peers
    python benchmarks/calls.py --peers DIR

Caveats first:

- The programs do not do the same work. kumo asks anew whether the mount table, the cgroup, the
  namespaces and the scheduling class have changed. Go re-reads the quota files of its own cgroup
  through descriptors that it opened at its start, and would not see a move to another cgroup.
  os.process_cpu_count asks for the affinity mask and nothing else. Rust, libuv and the Python
  libraries open and read `/proc` and cgroup files at each call.
- A program that does not find the quota is quick. The column "sees the quota" says which do: those
  that answer 1 in groups of the same shape with a quota of 1 CPU. If cpu and cpuacct are apart, as
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

import contextlib
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import _groups
import _loops
import _peers
import harness
from _peers import Peer


@dataclass(frozen=True)
class Arm:
    """A cgroup to be measured in."""

    name: str
    title: str
    directory: Path | None
    limited: bool = False


def main() -> int:
    parser = harness.parser(
        __doc__,
        takes="2 minutes",
        needs="get_peers.py, gcc and rustc, and for cgroups with quotas root and a writable "
        "cgroup v1 hierarchy",
        rounds=15,
    )
    _peers.add_option(parser)
    options = parser.parse_args()
    run = harness.begin("calls", options, unit="ns per call, one figure a round")
    with contextlib.ExitStack() as stack:
        workdir = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kumo-calls-")))
        harness.progress("compiling")
        loops = [_loops.floor(workdir), *_loops.loops(options.peers, workdir)]
        if kumo_missing := loops[1].missing:
            sys.exit(f"{kumo_missing}; run get_peers.py first")
        timed = {loop.name for loop in loops if not loop.missing}
        sees = _which_see_quotas([p for p in _peers.peers(options.peers) if p.name in timed])
        arms = _arms(stack)
        turns = {
            arm.name: {loop.name: partial(_run, loop, arm) for loop in loops if not loop.missing}
            for arm in arms
        }
        times = harness.take_group_turns(turns, options.rounds)
    return run.end(
        _as_markdown,
        programs={
            loop.name: {"calls": loop.calls, "reads": loop.reads}
            | ({"missing": loop.missing} if loop.missing else {"version": loop.version})
            for loop in loops
        },
        arms={arm.name: arm.title for arm in arms},
        times=times,
        **{"sees the quota": sees, "no more arms because": _groups.why_not()},
    )


def _which_see_quotas(peers: list[Peer]) -> dict[str, dict[str, str]]:
    """By arm and program: whether it answers 1 if the arm's quotas are of 1 CPU."""
    seen: dict[str, dict[str, str]] = {}
    with contextlib.ExitStack() as stack:
        for arm in _arms(stack, cpus=1):
            if arm.directory and arm.limited:
                _groups.join(arm.directory)
                seen[arm.name] = {peer.name: _sees(peer) for peer in peers if peer.command}
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
        for limited, which in (("each", "each level"), ("outermost", "the outermost level alone")):
            name = f"{depth}-{limited}"
            leaf = stack.enter_context(_groups.nested(name, depth, cpus, limited))
            title = f"Depth {depth}, a quota of {cpus} CPU{'s' * (cpus > 1)} on {which}"
            arms.append(Arm(name, title, leaf, True))
    stack.enter_context(_groups.returning())
    return arms


def _run(loop: _loops.Loop, arm: Arm) -> dict[str, float]:
    """Run a program once in the arm's cgroup; return figures of its batches, in ns per call."""
    command = list(loop.command)
    if arm.directory:
        _groups.join(arm.directory)
        if loop.name == "floor":
            command += map(str, _groups.chain(arm.directory))
    batches = [float(line) for line in harness.output(command, timeout=60).split()]
    return {
        "median": round(statistics.median(batches), 1),
        "mean": round(statistics.mean(batches), 1),
        "min": min(batches),
    }


def _as_markdown(results: dict[str, Any]) -> str:
    header = (
        *("program", "sees the quota", "µs per call: median", *harness.SPREAD[1:]),
        "times kumo's",
    )
    parts = []
    for name, title in results["arms"].items():
        times = {
            program: [figures["median"] for figures in rounds]
            for program, rounds in results["times"][name].items()
        }
        rows = []
        for program, medians in times.items():
            ratio = statistics.median(harness.ratios(times["kumo"], medians))
            sees = results["sees the quota"].get(name, {}).get(program, "-")
            cells = [program, sees, *harness.cells(medians, 1000), harness.number(ratio)]
            rows.append(harness.marked(cells, medians))
        parts += [f"{title}:", harness.table(header, rows, 2)]
    called, skipped = [], []
    for name, about in results["programs"].items():
        if "missing" in about:
            skipped.append(f"- {name}: {about['missing']}")
        else:
            words = filter(None, (about["calls"], about["version"]))
            called.append(f"- {name}: {', '.join(words)}")
    if reason := results["no more arms because"]:
        skipped.append(f"- other cgroups: {reason}")
    for title, lines in (("What is called:", called), ("Skipped:", skipped)):
        parts += ["\n".join([title, "", *lines])] if lines else []
    return "\n\n".join([*parts, harness.signature(results)])


if __name__ == "__main__":
    sys.exit(main())
