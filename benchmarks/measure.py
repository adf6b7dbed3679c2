"""Does kumo.measure() find what is really delivered? Stages truths that no file tells of.

    python benchmarks/measure.py

Goal: each of ten rounds within 15 % of the truth.

- A hidden quota: kumo runs in a cgroup and mount namespace that begin below the one with the quota.
- A virtual machine: its emulator is in a cgroup with the quota; the guest has two CPUs.
  The truth is the quota, of which the emulator itself uses a part.
- No limit: the truth is every CPU. Beside programs that spin, it is what there would be without.

Caveats first:

- A quota that other programs keep the probe from reaching cannot be measured by anyone. So each
  round begins when the CPUs have idled for half a second, or after 4 s. What others took
  during a round is in the table, as kumo tells; in the virtual machine's rounds that is the
  guest's view, which has no others.
- Needs root, two CPUs, a writable cgroup v1 hierarchy; and for the machine tests/kernel/install.sh.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import _report

TESTS = Path(__file__).resolve().parent.parent / "tests"
sys.path[:0] = [str(TESTS)]

from measure import staged  # noqa: E402 - it finds its neighbours first

WITHIN = 0.15
PATIENCE = 4  # s for the CPUs to idle
Round = Callable[[], dict[str, Any]]


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure truths that no file tells of.")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--results", type=Path, default=_report.RESULTS)
    options = parser.parse_args()
    _report.end_cleanly()
    _report.go_first()
    started = time.monotonic()
    results: dict[str, Any] = {"host": _report.host(), "rounds": options.rounds, "truths": {}}
    for name, truth, measured in truths():
        rounds = []
        for number in range(options.rounds):
            rounds.append(measured())
            _report.progress(f"{name} {number + 1}: {rounds[-1]['cpus']:.3f}")
        results["truths"][name] = {"truth": truth, "rounds": rounds}
    _report.finish(results, started)
    _report.write(options.results, "measure", results, shown(results))
    return 0


def truths() -> Iterator[tuple[str, float, Round]]:
    """Yield a name, the CPUs' worth that are delivered, and what measures them once."""
    for cpus in (0.5, 1.0, 1.5):
        with staged.outer(cpus) as group:
            yield f"hidden quota {cpus}", cpus, lambda group=group: measured(group)
    with staged.outer() as group:
        yield "no limit", 2.0, lambda: measured(group)
        yield "no limit, two others spin", 2.0, lambda: measured(group, others=2)
    with staged.outer(0.5) as group:
        yield "hidden quota 0.5, one other spins", 0.5, lambda: measured(group, others=1)
    with staged.machine() as machine:
        for limit in (0.5, 1.0, 1.5, None):
            name = f"emulator's quota {limit}" if limit else "emulator without a quota"
            yield name, limit or 2.0, lambda limit=limit: in_machine(machine, limit)


def measured(group: staged.Outer, others: int = 0) -> dict[str, Any]:
    staged.until_quiet(PATIENCE)
    with staged.spinning(others) if others else contextlib.nullcontext():
        return staged.measured(group)


def in_machine(machine: staged.Machine, cpus: float | None) -> dict[str, Any]:
    machine.group.limit(cpus)
    staged.until_quiet(PATIENCE)
    return machine.measured(cpus)


def shown(results: dict[str, Any]) -> str:
    rows = []
    for name, each in results["truths"].items():
        found, truth = each["rounds"], each["truth"]
        within = sum(abs(one["cpus"] - truth) <= WITHIN * truth for one in found)
        hidden = sum(one["hidden"] for one in found)
        periods = [one["period_ms"] for one in found if one["period_ms"] is not None]
        rows.append(
            [
                name,
                f"{truth:.2f}",
                *_report.cells([one["cpus"] for one in found]),
                f"{within} of {len(found)}",
                f"{hidden} of {len(found)}",
                f"{_report.spread(periods)['median']:.0f}" if periods else "-",
                f"{max(one['contention'] for one in found):.2f}",
            ]
        )
    header = (
        "staged",
        "truth",
        *_report.SPREAD,
        "within 15 %",
        "hidden",
        "period, ms",
        "others, max",
    )
    return "\n\n".join(
        [
            "# What is really delivered, in CPUs",
            _report.signature(results),
            _report.table(header, rows),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
