"""The facts of a report, and how they are gathered: the one part of the report that reads."""

from __future__ import annotations

import os
import time
from typing import NamedTuple

from kumo._text import quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kumo._doctor.checkup import Checkup
    from kumo._doctor.process import Setting
    from kumo._pressure.counters import Counters
    from kumo._pressure.records import Pressure
    from kumo._records import Estimate
    from kumo._system.live import System
    from kumo._topology.records import Core, Topology

LOOKS = 60  # at the threads, at most: a long watch looks less often
STEP = 0.05  # seconds between two looks, at least
WINDOW = 0.25  # seconds of a bar of the timeline, at least: two periods and more


class Sample(NamedTuple):
    """The counters of every level at one moment, in seconds from the beginning."""

    at: float
    levels: tuple[Counters, ...]


class Facts(NamedTuple):
    """A process as it was seen, or without *pid* the cgroup that kumo itself runs in.

    *when* is the time of the beginning as text, and *seconds* is how long it was watched.
    *machine* is the machine file, *small* the same without the topology.
    *seen* is `None` if the process has ended. *checkup* is `None` without *pid*.
    """

    pid: int | None
    when: str
    seconds: float
    estimate: Estimate
    topology: Topology
    cores: Sequence[Core]
    machine: str
    small: str
    samples: Sequence[Sample]
    seen: Pressure | None
    checkup: Checkup | None
    settings: Sequence[Setting]
    remarks: Sequence[str]


def gather(pid: int | None, seconds: float, on_step: Callable[[float], None]) -> Facts:
    """Watch process *pid*, or this cgroup, for *seconds*; *on_step* is given how many have passed.

    Raise `ProcessLookupError` or `InputError` if there is no process *pid*, and `OverrideError`.
    """
    from kumo._doctor.checkup import check
    from kumo._doctor.process import judge_variables
    from kumo._pressure.pressure import since
    from kumo._pressure.read import read
    from kumo._survey import open_system
    from kumo._system.process import start_time

    system = open_system("process", pid, None)
    started = None if pid is None else start_time(pid)
    small, machine, estimate, topology, cores = of_system(system)
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
    before = read(open_system("process", pid, None), estimate, time.monotonic())
    begun = time.monotonic()
    samples: list[Sample] = []

    def looked() -> None:
        passed = time.monotonic() - begun
        on_step(passed)
        if not samples or passed - samples[-1].at >= 0.9 * max(WINDOW, seconds / LOOKS):
            samples.append(Sample(passed, _counters(pid)))

    step = max(STEP, seconds / LOOKS)
    if pid is None:
        checkup, remarks = None, []
        settings = judge_variables(os.environ, estimate)
        _wait(seconds, step, looked)
    else:
        checkup = check(pid, seconds, step, looked)
        settings, remarks = checkup.settings, checkup.remarks
    passed = time.monotonic() - begun
    try:
        seen = since(pid, started, estimate, before)
    except ProcessLookupError:
        seen = None
    return Facts(
        pid, when, passed, estimate, topology, cores, machine, small, samples, seen, checkup,
        settings, remarks,
    )  # fmt: skip


def of_system(system: System) -> tuple[str, str, Estimate, Topology, Sequence[Core]]:
    """Return the machine file without and with the topology, and what follows from them.

    A system remembers its answers, so all of it is about one moment.
    """
    from kumo._snapshot import snapshot
    from kumo._survey import survey
    from kumo._topology.read import read_cores, read_topology

    small = snapshot(system)
    machine = snapshot(system, topology=True)
    return small, machine, survey(system), read_topology(system), read_cores(system)


def _counters(pid: int | None) -> tuple[Counters, ...]:
    from kumo._pressure.counters import counters

    try:
        return counters(pid)
    except ProcessLookupError:
        return ()  # it has ended, which the next look notices


def _wait(seconds: float, step: float, looked: Callable[[], None]) -> None:
    end = time.monotonic() + seconds
    while True:
        looked()
        left = end - time.monotonic()
        if left <= 0:
            return
        time.sleep(min(step, left))


def subject(facts: Facts) -> str:
    """Return what the report is about."""
    if facts.pid is None:
        return "a program started here"
    name = f" ({quoted(facts.checkup.name, 40)})" if facts.checkup else ""
    return f"process {facts.pid}{name}"
