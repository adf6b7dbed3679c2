"""Who is right? Runs real programs on described machines and counts the right answers.

    python benchmarks/get_peers.py DIR        once: fetches and compiles the peers
    python benchmarks/right.py --peers DIR

Each program runs unchanged in a mount namespace where `/sys`, the cgroup mounts and `cgroup`,
`mountinfo`, `mounts` and `status` of `/proc/self` are those of a machine file, with that
machine's environment. sched_getaffinity, sched_getscheduler and statfs are answered from it by a
seccomp supervisor (`stand_in.c`), for libc and for raw system calls alike. kumo is run the same
way, through its live system and not through its reader of machine files.

Caveats first:

- The machines are those of kumo's own tests: kumo was written to be right on them, so its row
  shows no more than that its live system does what the tests demand. They are counted in three
  parts: public reports of wrong answers, most of them by one of these programs or a relative;
  documented set-ups of container engines, service managers and sandboxes; and machines made for
  a clause of kumo's own rule. They say how a program does where it is hard, not how often it is
  wrong in the field.
- The right answer rounds down. Most peers document another rounding, so the second column matters
  more than the first: right by the peer's own rounding of the unrounded truth.
- A program that means to read one kind of limit (a mask alone, a quota alone) is wrong where the
  other kind decides. The column "reads" says so. That is a fact about the answer, not a fault of
  the program.
- Machines on which a batch scheduler's grant decides are counted apart, for no peer claims to
  know schedulers.
- A report names few files. What every kernel shows beside them is added in the favour of a
  program that looks there (`_kernel_files.py`), and for the JDK also the v1 controllers that it
  insists on.
- Not comparable, and left out: other platforms, threads with masks of their own, files that fail
  with anything but EACCES or ENOENT, and a machine where a plain read inside finds something else
  than the machine file says.
- A program is not judged on a machine whose environment tells it the answer (GOMAXPROCS,
  OMP_NUM_THREADS, …).
- A file of `/proc` that the machine lacks stands there unreadable. A program's child processes
  see the host's `/proc/self`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import _peers
import harness
from _machine_files import MachineFile, load_all
from _peers import Peer
from _score import Truth, by_own_rounding, not_comparable, truth_of, verdict
from _stage import cannot_show
from _table import as_markdown, said
from _visit import adopt_orphans, ask, not_as_described, stand_in

MACHINES = Path(__file__).resolve().parent.parent / "tests" / "machines"


def main() -> int:
    options = _options()
    peers = _peers.peers(options.peers)
    run = harness.begin("right", options)
    described = {peer.name: _described(peer, options.peers) for peer in peers}
    machines = _rows(options, peers)
    if not options.only:
        return run.end(as_markdown, peers=described, machines=machines)
    print(as_markdown(run.results | {"peers": described, "machines": machines}))
    return 0


def _rows(options: argparse.Namespace, peers: list[Peer]) -> dict[str, Any]:
    answerer = stand_in(options.peers)
    machines = load_all(options.machines)
    if options.only:
        machines = [machine for machine in machines if machine.name in options.only]
    adopt_orphans()
    rows = {}
    for number, machine in enumerate(machines, 1):
        rows[machine.name] = row = score(answerer, machine, peers)
        harness.progress(f"[{number}/{len(machines)}] {machine.name}: {_progress(row)}")
    return rows


def _options() -> argparse.Namespace:
    parser = harness.parser(
        __doc__,
        takes="20 minutes",
        needs="get_peers.py, gcc, and root or user namespaces that are allowed",
        first=False,
    )
    _peers.add_option(parser)
    parser.add_argument("--machines", type=Path, default=MACHINES, metavar="DIR")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="MACHINE", help="look at these, and write nothing"
    )
    options = parser.parse_args()
    options.peers = options.peers.resolve()
    return options


def score(answerer: Path, machine: MachineFile, peers: list[Peer]) -> dict[str, Any]:
    """One machine's row: the truth, and each peer's answer or why there is none to judge."""
    if "parallelism" not in machine.expect:
        return {"not_comparable": "the machine file expects no answer"}
    if reason := cannot_show(machine):
        return {"not_comparable": reason}
    truth = truth_of(machine)
    row: dict[str, Any] = {
        "origin": machine.origin,
        "right": truth.parallelism,
        "cpus": truth.cpus,
        "decided_by": truth.decided_by,
    }
    if reason := not_as_described(answerer, machine):
        return row | {"not_comparable": reason}
    return row | {
        "answers": {
            peer.name: _judge(answerer, machine, peer, truth) for peer in peers if not peer.missing
        }
    }


def _judge(answerer: Path, machine: MachineFile, peer: Peer, truth: Truth) -> dict[str, Any]:
    if reason := not_comparable(peer, machine, truth):
        return {"not_comparable": reason}
    outcome = ask(answerer, machine, peer.command, peer.staging)
    if not outcome.shown:
        return {"not_comparable": outcome.trouble}
    cell = {
        "answer": outcome.answer,
        "right_by_own_rounding": by_own_rounding(peer.rounding, truth),
    }
    return (
        cell
        | verdict(outcome.answer, peer, truth)
        | ({"trouble": outcome.trouble} if outcome.trouble else {})
    )


def _progress(row: dict[str, Any]) -> str:
    if "answers" not in row:
        return f"not comparable, {row['not_comparable']}"
    wrong = [
        f"{name} {said(cell)}"
        for name, cell in row["answers"].items()
        if cell.get("own_rounding") is False
    ]
    return f"right is {row['cpus']:g}; wrong: {', '.join(wrong) or 'none'}"


def _described(peer: Peer, workdir: Path) -> dict[str, str]:
    about = {"rounding": peer.rounding, "reads": peer.reads}
    if peer.missing:
        return about | {"missing": peer.missing}
    return about | {"version": _peers.version(peer, workdir)}


if __name__ == "__main__":
    sys.exit(main())
