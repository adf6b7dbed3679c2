"""CPU sets: affinity of threads and processes, and cpusets of cgroups."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from real.conftest import Asker, MakeGroup
from real.host import Group, kumo, needs_two_cpus, run

pytestmark = pytest.mark.real

Start = Callable[..., Asker]
MASKS = "sched_getaffinity of every thread"


@pytest.fixture
def cpus() -> list[int]:
    return needs_two_cpus()


def cpuset(make_group: MakeGroup, allowed: list[int]) -> Group:
    """A cpuset with the CPUs *allowed*, and the memory nodes that one of v1 must have."""
    group = make_group(controller="cpuset")
    if group.version == 1 and group.parent is not None:
        group.write("cpuset.mems", group.parent.read("cpuset.mems"))
    group.write("cpuset.cpus", ",".join(map(str, allowed)))
    return group


def set_limit(answer: dict[str, Any]) -> tuple[int, str, str]:
    """The affinity of what kumo said: how many CPUs, what was asked, which CPUs."""
    (limit,) = [limit for limit in answer["limits"] if limit["source"] == "affinity"]
    return limit["cpus"], limit["where"], limit["text"]


def test_taskset(cpus: list[int]) -> None:
    one = cpus[-1]

    answer = json.loads(run([], "taskset", "-c", str(one), *kumo("--json")))

    assert (answer["parallelism"], answer["binding"]["source"]) == (1, "affinity")
    assert set_limit(answer) == (1, "sched_getaffinity", str(one))


def test_cpuset_of_one_cpu(make_group: MakeGroup, cpus: list[int]) -> None:
    one = cpus[-1]

    answer = json.loads(run([cpuset(make_group, [one])], *kumo("--json")))

    assert (answer["parallelism"], answer["binding"]["source"]) == (1, "affinity")
    assert set_limit(answer) == (1, "sched_getaffinity", str(one))
    assert answer["notes"] == []


def test_cpuset_changes_between_two_calls(
    make_group: MakeGroup, start: Start, cpus: list[int]
) -> None:
    first, second = cpus[:2]
    group = cpuset(make_group, [first])
    asker = start(group)
    seen = []

    for allowed in ([first], [first, second], [second]):
        group.write("cpuset.cpus", ",".join(map(str, allowed)))
        seen.append(asker.ask()["parallelism"])

    assert seen == [1, 2, 1]


def test_quota_and_cpuset_together(make_group: MakeGroup, start: Start, cpus: list[int]) -> None:
    narrow = cpuset(make_group, cpus[:1])

    def ask(quota: float) -> dict[str, Any]:
        if narrow.version == 2:  # one hierarchy has both
            return start(make_group(narrow, cpus=quota)).ask()
        return start(narrow, make_group(cpus=quota)).ask()

    wide_quota, tight_quota = ask(1.5), ask(0.5)

    assert (wide_quota["cpus"], wide_quota["binding"]["source"]) == (1, "affinity")
    assert (wide_quota["quota"], wide_quota["independent"]) == (1.5, 1)
    assert (tight_quota["cpus"], tight_quota["binding"]["source"]) == (0.5, "quota")


def test_pinned_worker(start: Start, cpus: list[int]) -> None:
    asker = start()
    asker.do("start", "pinned")
    asker.do("start", "free")
    asker.do("pin", cpus[:1], thread="pinned")
    every = len(cpus)

    for thread, own in ((None, every), ("free", every), ("pinned", 1)):
        assert set_limit(asker.ask("process", thread))[0] == every
        assert set_limit(asker.ask("thread", thread))[0] == own


def test_pinned_main_thread(start: Start, cpus: list[int]) -> None:
    asker = start()
    asker.do("start", "free")
    asker.do("pin", cpus[:1])
    every = len(cpus)

    assert set_limit(asker.ask("thread"))[0] == 1
    assert set_limit(asker.ask("thread", "free"))[0] == every
    assert set_limit(asker.ask("process"))[:2] == (every, MASKS)
    assert set_limit(asker.ask("process", "free"))[:2] == (every, "sched_getaffinity")


def test_union_of_threads_that_are_pinned_apart(start: Start, cpus: list[int]) -> None:
    first, second = cpus[:2]
    asker = start()
    asker.do("start", "worker")
    asker.do("pin", [first])
    asker.do("pin", [second], thread="worker")

    union = asker.ask("process", "worker")

    assert set_limit(union)[:2] == (2, MASKS)
    assert set_limit(asker.ask("thread", "worker"))[0] == 1
    assert set_limit(asker.ask("thread"))[0] == 1


@pytest.mark.v1  # a thread has a cgroup of its own
def test_thread_alone_in_a_cpuset(make_group: MakeGroup, start: Start, cpus: list[int]) -> None:
    narrow = cpuset(make_group, cpus[:1])
    asker = start()
    asker.do("start", "worker")
    asker.do("join", str(narrow.path), alone=True, thread="worker")

    assert set_limit(asker.ask("thread", "worker"))[0] == 1
    assert set_limit(asker.ask("process", "worker"))[0] == len(cpus)
    assert set_limit(asker.ask("thread"))[0] == len(cpus)


def test_every_thread_pinned_to_the_same_cpu(start: Start, cpus: list[int]) -> None:
    asker = start()
    asker.do("start", "worker")
    asker.do("pin", cpus[:1])
    asker.do("pin", cpus[:1], thread="worker")

    assert set_limit(asker.ask()) == (1, "sched_getaffinity", str(cpus[0]))


def test_unpinned_again(start: Start, cpus: list[int]) -> None:
    asker = start()
    asker.do("pin", cpus[:1])
    before = asker.ask()
    asker.do("pin", cpus)

    assert before["parallelism"] == 1
    assert set_limit(asker.ask())[0] == len(cpus)
