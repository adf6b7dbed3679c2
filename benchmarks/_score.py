"""What is right on a described machine, before and after rounding, and how an answer compares.

It rests on the machine file alone: `parallelism`, and `cpus` or `quota`, of its expectation, and
its mask.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from _machine_files import MachineFile
from _peers import Peer

OVERRIDE = "KUMO_AVAILABLE_PARALLELISM"


@dataclass(frozen=True)
class Truth:
    parallelism: int
    cpus: float
    """Unrounded."""
    count: int
    """The CPUs of the mask, or the online ones where there is no mask to be had."""
    decided_by: str
    """`kernel`: masks and quotas. `grant`: a batch scheduler. `override`: kumo's own variable."""


def truth_of(machine: MachineFile) -> Truth:
    parallelism = int(machine.expect["parallelism"])
    count = len(machine.affinity() or machine.online())
    quota = machine.expect.get("quota", "none")
    bound = min(count, math.inf if quota == "none" else float(quota))
    cpus = float(machine.expect.get("cpus", bound))
    if _floor(cpus) != parallelism:
        cpus = float(parallelism)
    if machine.env.get(OVERRIDE):
        decided_by = "override"
    else:
        decided_by = "grant" if parallelism < _floor(bound) and machine.env else "kernel"
    return Truth(parallelism, cpus, count, decided_by)


def _floor(cpus: float) -> int:
    return max(1, math.floor(cpus))


def by_own_rounding(rounding: str, truth: Truth) -> int:
    """The answer of a program that sees everything and rounds as it documents."""
    cpus = round(truth.cpus, 9)
    match rounding:
        case "ceil":
            return max(1, math.ceil(cpus))
        case "half-up":
            return max(1, math.floor(cpus + 0.5))
        case "half-even":
            return max(1, round(cpus))
        case "go":
            return min(truth.count, max(2, math.ceil(cpus)))
    return _floor(cpus)


def not_comparable(peer: Peer, machine: MachineFile, truth: Truth) -> str | None:
    """Why this program is not judged on this machine, where it is not."""
    if truth.decided_by == "override" and OVERRIDE not in peer.overrides:
        return f"${OVERRIDE} decides"
    told = [name for name in peer.overrides if machine.env.get(name)]
    return (
        f"${told[0]} is set, which tells it the answer"
        if told and truth.decided_by != "override"
        else None
    )


def verdict(answer: int | None, peer: Peer, truth: Truth) -> dict[str, bool]:
    return {
        "exact": answer == truth.parallelism,
        "own_rounding": answer == by_own_rounding(peer.rounding, truth),
    }
