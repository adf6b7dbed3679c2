"""Schedules as a kernel makes them, for workers that do nothing but run: no clock, no processes."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from kumo._measure.gaps import Gap, Observed

STEP = 0.001  # s
Neighbours = Callable[[float, int], bool]


def nobody(_time: float, _cpu: int) -> bool:
    """No other program runs."""
    return False


def neighbours(share: float, slice_: float, seed: int) -> Neighbours:
    """Other programs that take *share* of each CPU, for about *slice_* seconds at a time."""
    chance = random.Random(seed)
    until: dict[int, float] = {}
    taken: dict[int, bool] = {}

    def runs(time: float, cpu: int) -> bool:
        if time >= until.get(cpu, 0.0):
            until[cpu] = time + chance.uniform(0.5, 1.5) * slice_
            taken[cpu] = chance.random() < share
        return taken[cpu]

    return runs


def schedule(
    number: int,
    seconds: float,
    cpus: float | None = None,
    period: float = 0.1,
    *,
    offset: float = 0.03,
    others: Neighbours = nobody,
    told: bool = True,
) -> list[Observed]:
    """What *number* workers see under a quota of *cpus*; *told* as waiting time, or not at all."""
    left, begun = (number if cpus is None else cpus) * period, offset - period
    ran: list[list[bool]] = [[] for _ in range(number)]
    for step in range(round(seconds / STEP)):
        time = step * STEP
        if time >= begun + period:
            left, begun = (number if cpus is None else cpus) * period, begun + period
        for cpu in range(number):
            runs = not others(time, cpu) and (cpus is None or left > 1e-9)
            left -= STEP if runs else 0.0
            ran[cpu].append(runs)
    return [worker(each, told) for each in ran]


def worker(ran: Sequence[bool], told: bool = True) -> Observed:
    """The worker that ran in these steps; shorter gaps than 1 ms are none, but were waited."""
    gaps, waited, total, begin = [], 0.0, 0.0, None
    for step, runs in enumerate([*ran, True]):
        if not runs and begin is None:
            begin = step
        elif runs and begin is not None:
            length = (step - begin) * STEP
            waited, total = waited + length, total + length
            if step - begin > 1:
                gaps.append(Gap(begin * STEP, step * STEP, waited if told else 0.0))
                waited = 0.0
            begin = None
    return Observed(tuple(gaps), total if told else 0.0)
