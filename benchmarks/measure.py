"""Does kumo.measure() find what is really delivered? Stages truths that no file shows.

    python benchmarks/measure.py

Goal: each of ten rounds within 15 % of the truth.

- A hidden quota: kumo runs in a cgroup and mount namespace that begin below the one with the quota.
- A virtual machine: its emulator is in a cgroup with the quota; the guest has two CPUs.
  The truth is the quota, of which the emulator itself uses a part.
- No limit: the truth is every CPU. Beside programs that spin, it is what there would be without.

Caveats first:

- A quota that other programs keep the probe from reaching cannot be measured by anything. So each
  round begins when the CPUs have idled for half a second, or after 4 s. What others took
  during a round is in the table, as kumo reports; in the virtual machine's rounds that is the
  guest's view, which has no others.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import harness

TESTS = Path(__file__).resolve().parent.parent / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "kernel")]

from measure import staged  # noqa: E402 - it finds its neighbours first

WITHIN = 0.15
PATIENCE = 4  # s for the CPUs to idle
Round = Callable[[], dict[str, Any]]


def main() -> int:
    parser = harness.parser(
        __doc__,
        takes="6 minutes",
        needs="root, two CPUs, a writable cgroup v1 hierarchy, and tests/kernel/install.sh for "
        "the machine",
        rounds=10,
    )
    options = parser.parse_args()
    run = harness.begin("measure", options)
    results = {}
    for name, truth, measured in truths():  # one after the other: each is staged anew
        harness.progress(f"{name}:")
        rounds = harness.take_turns({name: measured}, options.rounds)[name]
        results[name] = {"truth": truth, "rounds": rounds}
    return run.end(as_markdown, truths=results)


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


def as_markdown(results: dict[str, Any]) -> str:
    rows = []
    for name, each in results["truths"].items():
        rounds, truth = each["rounds"], each["truth"]
        cpus = [one["cpus"] for one in rounds]
        within = sum(abs(value - truth) <= WITHIN * truth for value in cpus)
        hidden = sum(one["hidden"] for one in rounds)
        periods = [one["period_ms"] for one in rounds if one["period_ms"] is not None]
        cells = [
            name,
            f"{truth:.2f}",
            *harness.cells(cpus),
            f"{within} of {len(rounds)}",
            f"{hidden} of {len(rounds)}",
            f"{harness.spread(periods)['median']:.0f}" if periods else "-",
            f"{max(one['contention'] for one in rounds):.2f}",
        ]
        rows.append(harness.marked(cells, cpus))
    more = ("within 15 %", "hidden", "period, ms", "others, max")
    table = harness.table(("staged", "truth", *harness.SPREAD, *more), rows)
    title = "# What is really delivered, in CPUs"
    return "\n\n".join([title, harness.signature(results), table])


if __name__ == "__main__":
    sys.exit(main())
