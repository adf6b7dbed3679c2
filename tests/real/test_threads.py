"""Quotas and threads: a thread has its own scheduling policy, and in v1 its own cgroup."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable

import pytest
from conftest import skip_real

from real.conftest import Asker, MakeGroup
from real.host import Group, codes, quotas, run

pytestmark = pytest.mark.real

Start = Callable[..., Asker]

LEADERLESS = """
import ctypes, json, os, sys, threading
import kumo
from kumo._explain import as_dict
def state():
    with open(f"/proc/{os.getpid()}/stat") as file:
        return file.read().rpartition(")")[2].split()[0]
def work():
    while state() != "Z":
        pass
    print(json.dumps([as_dict(kumo.estimate(scope)) for scope in ("thread", "process")]))
    sys.stdout.flush()
    os._exit(0)
threading.Thread(target=work).start()
ctypes.CDLL(None).syscall(SYS_EXIT, 0)
"""


@pytest.mark.v1
def test_thread_moves_alone(make_group: MakeGroup, start: Start) -> None:
    own, narrow = make_group(cpus=1.5), make_group(cpus=0.5)
    asker = start(own)
    asker.do("start", "worker")
    asker.do("join", str(narrow.path), alone=True, thread="worker")

    assert quotas(asker.ask("thread", "worker")) == narrow.levels()
    assert quotas(asker.ask("process", "worker")) == own.levels()
    assert quotas(asker.ask("thread")) == own.levels()
    assert quotas(asker.ask("process")) == own.levels()


@pytest.mark.v1
def test_main_thread_moves_alone(make_group: MakeGroup, start: Start) -> None:
    own, narrow = make_group(cpus=1.5), make_group(cpus=0.5)
    asker = start(own)
    asker.do("start", "worker")
    asker.do("join", str(narrow.path), alone=True)

    assert quotas(asker.ask("thread", "worker")) == own.levels()
    assert quotas(asker.ask("thread")) == narrow.levels()
    assert quotas(asker.ask("process")) == quotas(asker.ask("process", "worker")) == narrow.levels()


def real_time(make_group: MakeGroup) -> Group:
    """A limited cgroup whose threads may be scheduled in real time."""
    group = make_group(cpus=0.5)
    if (group.path / "cpu.rt_runtime_us").exists():  # else the kernel has no such budget
        group.write("cpu.rt_runtime_us", 300_000)
    return group


@pytest.mark.parametrize("scope", ["process", "thread"])
def test_real_time_thread_is_outside_the_quota(
    make_group: MakeGroup, start: Start, scope: str
) -> None:
    asker = start(real_time(make_group))
    asker.do("schedule", "SCHED_FIFO", reset=False)

    answer = asker.ask(scope)

    assert (answer["parallelism"], answer["quota"]) == (len(os.sched_getaffinity(0)), None)
    assert codes(answer) == ["real-time"]


def test_workers_of_a_real_time_thread_that_resets_are_within(
    make_group: MakeGroup, start: Start
) -> None:
    group = real_time(make_group)
    asker = start(group)
    asker.do("schedule", "SCHED_FIFO", reset=True)

    process, thread = asker.ask("process"), asker.ask("thread")

    assert (process["quota"], codes(process)) == (0.5, ["real-time-reset", "quota-below-one"])
    assert (thread["quota"], codes(thread)) == (None, ["real-time"])


@pytest.mark.parametrize("policy", ["SCHED_BATCH", "SCHED_IDLE"])
def test_other_fair_policies_are_within_the_quota(
    make_group: MakeGroup, start: Start, policy: str
) -> None:
    asker = start(make_group(cpus=1.5))
    asker.do("schedule", policy, reset=False)

    assert (asker.ask()["quota"], asker.ask()["notes"]) == (1.5, [])


def test_main_thread_has_ended(make_group: MakeGroup) -> None:
    """The kernel then shows the process in the root cgroup, and its mount table not at all."""
    numbers = {"x86_64": "60", "aarch64": "93", "riscv64": "93"}  # exit(2) of one thread
    if os.uname().machine not in numbers:
        skip_real(f"the number of the call exit on {os.uname().machine} is not known here")
    group = make_group(cpus=1.5)
    script = LEADERLESS.replace("SYS_EXIT", numbers[os.uname().machine])

    thread, process = json.loads(run([group], sys.executable, "-c", script))

    assert quotas(thread) == group.levels()
    assert quotas(process) == group.levels()
