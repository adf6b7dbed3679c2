"""A long-lived process in a machine that changes: every answer is as fresh as the first."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from errno import EBUSY, EINVAL

import pytest

from real.conftest import Asker, MakeGroup
from real.host import Group, needs_two_cpus, quotas

pytestmark = pytest.mark.real

Start = Callable[..., Asker]
THREADS = (None, "worker")
STEPS = 150


class History:
    """A process with two threads, what was done to them, and so what kumo must say."""

    def __init__(self, seed: int, make_group: MakeGroup, start: Start) -> None:
        self.random = random.Random(seed)
        one, two = make_group(cpus=1.75), make_group()
        self.groups = [one, two, make_group(one, cpus=1.5), make_group(two, cpus=0.75)]
        self.asker = start(one)
        self.asker.do("start", "worker")
        self.place: dict[str | None, Group] = dict.fromkeys(THREADS, one)
        self.cpus = needs_two_cpus()
        self.mask: dict[str | None, set[int]] = {thread: set(self.cpus) for thread in THREADS}
        self.steps: list[str] = []

    def limit(self) -> None:
        """Change a quota; where it is above the parent's the kernel refuses and nothing changes."""
        group = self.random.choice(self.groups)
        cpus = self.random.choice([None, 0.25, 0.5, 1.0, 1.25, 1.5, 2.5])
        period = self.random.choice([10_000, 100_000])
        with allowed(EINVAL):
            group.limit(cpus, period)
        self.steps.append(f"limit {group.path.name} {cpus} {period}")

    def move(self) -> None:
        group = self.random.choice(self.groups)
        self.asker.do("join", str(group.path), alone=False)
        self.place = dict.fromkeys(THREADS, group)
        self.steps.append(f"move {group.path.name}")

    def move_thread(self) -> None:
        group, thread = self.random.choice(self.groups), self.random.choice(THREADS)
        self.asker.do("join", str(group.path), alone=True, thread=thread)
        self.place[thread] = group
        self.steps.append(f"move {thread} {group.path.name}")

    def pin(self) -> None:
        thread = self.random.choice(THREADS)
        self.mask[thread] = set(self.random.sample(self.cpus, self.random.randint(1, 2)))
        self.asker.do("pin", sorted(self.mask[thread]), thread=thread)
        self.steps.append(f"pin {thread} {self.mask[thread]}")

    def replace(self) -> None:
        """Remove a cgroup that is empty, and make another of the same name."""
        group = self.random.choice(self.groups)
        with allowed(EBUSY):
            group.path.rmdir()
            group.path.mkdir()
        self.steps.append(f"replace {group.path.name}")

    def check(self) -> None:
        union = self.mask[None] | self.mask["worker"]
        for thread in THREADS:
            for scope in ("process", "thread"):
                answer = self.asker.ask(scope, thread)
                group = self.place[None if scope == "process" else thread]
                mask = union if scope == "process" else self.mask[thread]
                (affinity,) = [x["cpus"] for x in answer["limits"] if x["source"] == "affinity"]
                levels = group.levels()
                count = min([len(mask), *(cpus for _, cpus in levels if cpus is not None)])
                seen = quotas(answer), affinity, answer["parallelism"]
                assert seen == (levels, len(mask), max(1, int(count))), self.steps


@contextlib.contextmanager
def allowed(number: int) -> Iterator[None]:
    """Let the kernel refuse with *number*."""
    try:
        yield
    except OSError as error:
        if error.errno != number:
            raise


@pytest.mark.v1  # threads, and cgroups that have both processes and cgroups in them
@pytest.mark.parametrize("seed", range(4))
def test_every_answer_is_fresh(make_group: MakeGroup, start: Start, seed: int) -> None:
    history = History(seed, make_group, start)
    actions = [
        *(history.limit, history.move, history.move_thread),
        *(history.pin, history.replace),
    ]
    history.check()

    for _ in range(STEPS):
        history.random.choice(actions)()
        history.check()


def test_cgroup_is_replaced_by_one_of_the_same_name(make_group: MakeGroup, start: Start) -> None:
    refuge, group = make_group(), make_group(cpus=1.5)
    asker = start(group)
    before = asker.ask()

    asker.do("join", str(refuge.path), alone=False)
    group.path.rmdir()
    group.path.mkdir()
    group.limit(1.25)
    asker.do("join", str(group.path), alone=False)

    assert (before["quota"], asker.ask()["quota"]) == (1.5, 1.25)


def test_mounts_change_under_a_running_process(make_group: MakeGroup, start: Start) -> None:
    parent = make_group(cpus=1.25)
    asker = start(make_group(parent), prefix=("unshare", "-C", "-m"))
    before = asker.ask()

    asker.remount()

    assert (before["quota"], asker.ask()["quota"]) == (1.25, None)


def test_forked_child_in_another_cgroup(make_group: MakeGroup, start: Start) -> None:
    """What the parent has kept is not the child's."""
    parent, child = make_group(cpus=1.5), make_group(cpus=1.25)
    asker = start(parent)
    asker.ask()

    inside = asker.do("fork", str(child.path))

    assert quotas(inside) == child.levels()
    assert quotas(asker.ask()) == parent.levels()
