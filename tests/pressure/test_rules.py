"""Which verdict a pressure is given, and that verdicts do not flap."""

from __future__ import annotations

import pickle
from math import inf
from typing import Any

import pytest

from kumo._cgroups.cpu_stat import Throttling
from kumo._pressure.records import Gil, Lateness, Level, Pressure, Verdict
from kumo._pressure.rules import steadied, verdict
from kumo._records import Estimate, Limit


def seen(online: int = 2, **fields: Any) -> Pressure:
    """A pressure of one second on two CPUs that nobody else uses, for a program that uses one."""
    cpus = fields.get("cpus", online)
    levels = fields.get("levels", ())
    limits = [
        *(Limit("quota", "rate", level.quota, f"{level.where}/cpu.max", "") for level in levels),
        Limit("affinity", "set", cpus, "sched_getaffinity", f"0-{cpus - 1}"),
        Limit("online", "set", online, "/sys/devices/system/cpu/online", f"0-{online - 1}"),
    ]
    plain = {
        "used": 1.0,
        "waiting": 0.01,
        "threads": 1,
        "cpus": cpus,
        "idle": max(0.0, cpus - (fields.get("used", 1.0) or 0.0)),
        "elsewhere": float(online - cpus),
        "steal": 0.0,
    }
    return Pressure(Estimate(limits, []), 1.0, **{**plain, **fields})


def throttled(seconds: float, quota: float = 1.0, periods: int = 9) -> list[Level]:
    return [Level("/c", quota, 0.1, Throttling(10, periods if seconds else 0, seconds)), Level("/")]


def late(p50: float = 0.0001, p99: float = 0.0002) -> Lateness:
    return Lateness(p50, p99, p99, 200)


CASES = {
    "nothing": ("none", seen()),
    "hardly anything": ("idle", seen(used=0.02)),
    # a quota
    "throttled for long": ("quota", seen(levels=throttled(1.0), waiting=1.0)),
    "throttled for long, wake-ups on time": (
        "quota",
        seen(levels=throttled(0.5, 0.5), used=0.5, waiting=0.5, lateness=late()),
    ),
    "throttled shortly, wake-ups late": (
        "quota",
        seen(levels=throttled(0.05), lateness=late(p99=0.03)),
    ),
    "throttled shortly, wake-ups on time": (
        "quota-harmless",
        seen(levels=throttled(0.05), lateness=late(p99=0.02)),
    ),
    "throttled for a moment, wake-ups late": (
        "quota-harmless",
        seen(levels=throttled(0.006), lateness=late(p99=0.03)),
    ),
    "64 CPUs that stop for a moment each": (
        "quota-harmless",
        seen(online=64, levels=throttled(0.128, 64.0), used=60.0, lateness=late()),
    ),
    "64 CPUs that stop for long": (
        "quota",
        seen(online=64, levels=throttled(12.8, 64.0), used=60.0, lateness=late()),
    ),
    "64 threads under a quota of one": ("quota", seen(online=64, levels=throttled(0.128, 1.0))),
    "never throttled": ("quota-harmless", seen(levels=throttled(0.0))),
    "its siblings are throttled": ("quota", seen(levels=throttled(1.0), used=0.0, waiting=0.0)),
    "throttled, though no quota is set": ("none", seen(levels=throttled(1.0, inf))),
    "a quota whose throttling is not told": ("none", seen(levels=[Level("/c", 1.0, 0.1)])),
    # the own threads
    "twice the threads": ("oversubscribed", seen(used=2.0, waiting=2.0)),
    "twice the threads and neighbours": ("oversubscribed", seen(used=1.0, waiting=3.0, idle=0.0)),
    "a thread more on many CPUs": ("none", seen(online=64, used=63.5, waiting=1.0, idle=0.5)),
    "many threads more on many CPUs": ("oversubscribed", seen(online=64, used=64.0, waiting=8.0)),
    "more threads while CPUs are idle": ("unknown", seen(used=0.5, waiting=3.5)),
    # the affinity
    "two threads on one of two CPUs": ("affinity", seen(cpus=1, waiting=1.0)),
    "two threads on the only CPU": ("oversubscribed", seen(online=1, waiting=1.0)),
    "pinned where others are": (
        "affinity",
        seen(cpus=1, used=0.5, waiting=0.5, idle=0.0, elsewhere=1.0),
    ),
    "pinned where others are, as they are everywhere": (
        "neighbours",
        seen(cpus=1, used=0.5, waiting=0.5, idle=0.0, elsewhere=0.0),
    ),
    "pinned and content": ("none", seen(cpus=1)),
    # the interpreter's lock
    "threads by turns": ("gil", seen(gil=Gil(4, 1.0, 0.1), lateness=late(p99=0.006))),
    "threads by turns, as seen from outside": ("gil", seen(gil=Gil(2, 0.9, 0.1))),
    "threads by turns, and neighbours": (
        "gil",
        seen(gil=Gil(2, 0.7, 0.8), used=0.7, waiting=0.8, idle=0.0, lateness=late(p99=0.005)),
    ),
    "one thread that holds the lock": ("none", seen(gil=Gil(1, 1.0, 0.0))),
    "one thread that holds it most of the time": ("none", seen(gil=Gil(1, 0.82, 0.01), used=0.82)),
    "two threads without it, and neighbours": (
        "neighbours",
        seen(gil=Gil(2, 1.0, 1.0), waiting=1.0, idle=0.0, lateness=late(p99=0.01)),
    ),
    "threads without the lock": ("none", seen(gil=Gil(2, 1.9, 0.1), used=1.9, waiting=0.1)),
    "threads whose wake-ups are on time": ("none", seen(gil=Gil(2, 0.9, 0.1), lateness=late())),
    "threads by turns on one CPU": ("none", seen(online=1, gil=Gil(2, 1.0, 0.1))),
    "threads by turns within a quota of one": (
        "quota-harmless",
        seen(gil=Gil(2, 1.0, 0.1), levels=throttled(0.0)),
    ),
    # others
    "neighbours": ("neighbours", seen(waiting=0.5, idle=0.0)),
    "neighbours, and a quota that is not reached": (
        "neighbours",
        seen(waiting=0.5, idle=0.0, levels=throttled(0.0, 1.5)),
    ),
    "waiting, and how busy the CPUs are is not told": (
        "neighbours",
        seen(waiting=0.5, idle=None, steal=None),
    ),
    "a short wait now and then": ("none", seen(used=0.2, waiting=0.04, idle=0.0)),
    "waiting while nobody runs": ("unknown", seen(used=0.5, waiting=0.5)),
    "stolen": ("vm-steal", seen(used=1.0, idle=0.5, steal=0.2)),
    "stolen a little": ("none", seen(used=1.0, idle=0.5, steal=0.04)),
    "stolen from the idle": ("idle", seen(used=0.0, idle=0.5, steal=0.2)),
    "nothing is told": ("unknown", seen(used=None, waiting=None, idle=None)),
}


@pytest.mark.parametrize("case", CASES)
def test_the_verdict(case: str) -> None:
    code, pressure = CASES[case]

    decided = verdict(pressure)

    assert decided.code == code, decided
    assert decided == pressure.verdict
    assert decided.evidence
    assert decided.advice.endswith(".")
    assert "\n" not in decided.evidence + decided.advice


@pytest.mark.parametrize("case", [case for case, (_, p) in CASES.items() if p.levels == ()])
def test_never_a_quota_where_none_is_set(case: str) -> None:
    assert "quota" not in verdict(CASES[case][1]).code


def test_the_evidence_of_a_quota() -> None:
    levels = [Level("/own", 4.0, 0.1, Throttling(10, 3, 0.2)), *throttled(1.01)]

    decided = verdict(seen(levels=levels, used=0.98, waiting=1.02, lateness=late(p99=0.0507)))

    assert decided == Verdict(
        "quota",
        "throttled in 9 of 10 periods by the quota of 1.00 CPUs at /c, 1.01 s in 1.0 s; "
        "wake-ups 50.7 ms late (p99)",
        "Run no more than 1 busy thread, or raise the quota.",
    )


def test_what_could_not_be_read_is_the_evidence_of_not_knowing() -> None:
    decided = verdict(
        seen(used=None, waiting=None, missing=["/proc/1/a could not be read (EACCES)"])
    )

    assert decided.evidence == "/proc/1/a could not be read (EACCES)"


def test_advice_on_threads_is_given_where_there_are_too_many() -> None:
    one = verdict(seen(levels=throttled(0.5, 0.5), used=0.5, waiting=0.5))
    two = verdict(seen(levels=throttled(1.5, 0.5), used=0.5, waiting=1.5))

    assert one.advice == "Raise the quota, or have the cgroup do less at a time."
    assert two.advice == "Run no more than 1 busy thread, or raise the quota."


def test_an_idle_process_under_a_quota_that_others_use_up() -> None:
    decided = verdict(seen(levels=throttled(1.0), used=0.0, waiting=0.0))

    assert decided == Verdict(
        "quota",
        "throttled in 9 of 10 periods by the quota of 1.00 CPUs at /c, 1.00 s in 1.0 s; "
        "other processes in the cgroup used it",
        "Run no more than 1 busy thread in the cgroup, or raise the quota. "
        "kumo doctor --all shows which processes have more.",
    )


# --- windows that follow one another

NONE, IDLE, STOLEN = seen(), seen(used=0.0), seen(idle=0.5, steal=0.2)


def told(*windows: Pressure) -> list[str]:
    """The verdict that holds after each window."""
    held = [windows[0]]
    for window in windows[1:]:
        held.append(steadied(window, held[-1]))
    return [window.steady.code for window in held]


def test_a_verdict_is_replaced_by_one_that_has_come_up_twice_in_a_row() -> None:
    windows = {"n": NONE, "i": IDLE, "s": STOLEN}
    codes = {"n": "none", "i": "idle", "s": "vm-steal"}

    assert told(*(windows[name] for name in "ninisiiinn")) == [codes[name] for name in "nnnnnniiin"]


def test_the_verdict_of_one_window_stays_its_own() -> None:
    held = steadied(IDLE, NONE)

    assert (held.verdict, held.steady) == (IDLE.verdict, NONE.verdict)
    assert (NONE.held, NONE.steady) == (None, NONE.verdict)
    assert pickle.loads(pickle.dumps(held)) == held != IDLE


def test_the_evidence_that_is_told_is_the_latest() -> None:
    other = seen(used=1.5)
    held = steadied(other, NONE)

    assert held.steady == other.verdict != NONE.verdict
    assert steadied(IDLE, held).steady == other.verdict
