"""Cgroup, mount and PID namespaces: what is seen, what is hidden, what is foreign."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from real.conftest import Asker, MakeGroup
from real.host import (
    CGROUP_NAMESPACE,
    MOUNT_NAMESPACE,
    Group,
    codes,
    quota_name,
    quotas,
    top,
    top_quota,
)

pytestmark = pytest.mark.real

Start = Callable[..., Asker]


def below(make_group: MakeGroup, depth: int) -> Group:
    """A limited cgroup *depth* levels below the top, with tighter neighbours at each level."""
    group = None
    for level in range(depth):
        make_group(group, cpus=0.25)
        parent, group = group, make_group(group, cpus=1.75 - level / 8)
        make_group(parent, cpus=0.25)
    assert group is not None
    return group


@pytest.mark.parametrize("scope", ["process", "thread"])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_mount_from_above_the_namespace(
    make_group: MakeGroup, start: Start, depth: int, scope: str
) -> None:
    group = below(make_group, depth)

    answer = start(group, prefix=CGROUP_NAMESPACE).ask(scope)

    assert quotas(answer) == group.levels()
    assert answer["quota"] == 1.75 - (depth - 1) / 8
    assert answer["notes"] == []


@pytest.mark.parametrize("mode", [0o755, 0o711, 0o700])
def test_unprivileged_user_below_a_mount_from_above(
    make_group: MakeGroup, start: Start, mode: int
) -> None:
    """Where a directory on the way cannot be listed, none is known to be the own."""
    group = below(make_group, 2)
    assert group.parent is not None
    asker = start(group, prefix=CGROUP_NAMESPACE)
    asker.do("become", 65534)
    group.parent.path.chmod(mode)

    answer = asker.ask()

    seen = (group.levels(), []) if mode == 0o755 else ([], ["path-outside-mounts"])
    assert (quotas(answer), codes(answer)) == seen


def test_mount_from_above_in_a_pid_namespace(make_group: MakeGroup, start: Start) -> None:
    group = below(make_group, 2)

    prefix = (*CGROUP_NAMESPACE, "--pid", "--fork", "--kill-child", "--mount-proc")
    answer = start(group, prefix=prefix).ask()

    assert quotas(answer) == group.levels()
    assert answer["notes"] == []


@pytest.mark.parametrize("scope", ["process", "thread"])
def test_remounted_hierarchy_hides_the_ancestors(
    make_group: MakeGroup, start: Start, scope: str
) -> None:
    asker = start(make_group(make_group(cpus=1.5), cpus=1.25), prefix=CGROUP_NAMESPACE)
    asker.remount()

    answer = asker.ask(scope)

    assert quotas(answer) == [(top_quota(), 1.25)]
    assert codes(answer) == ["ancestors-hidden"]


def test_hidden_ancestor_is_the_tighter_one(make_group: MakeGroup, start: Start) -> None:
    asker = start(make_group(make_group(cpus=0.5)), prefix=CGROUP_NAMESPACE)
    asker.remount()

    answer = asker.ask()

    assert (answer["parallelism"], answer["quota"]) == (len(os.sched_getaffinity(0)), None)
    assert codes(answer) == ["ancestors-hidden"]


@pytest.mark.v1  # it has processes in an inner cgroup
def test_levels_below_the_namespace_are_seen(make_group: MakeGroup, start: Start) -> None:
    root = make_group(cpus=1.5)
    inner = make_group(root, cpus=1.25)
    asker = start(root, prefix=CGROUP_NAMESPACE)
    asker.do("join", str(inner.path), alone=False)
    before = asker.ask()
    asker.remount()
    after = asker.ask()

    own = f"{top()}/{inner.path.name}/{quota_name(inner.version)}"
    assert (quotas(before), before["notes"]) == (inner.levels(), [])
    assert quotas(after) == [(own, 1.25), (top_quota(), 1.5)]
    assert codes(after) == ["ancestors-hidden"]


@pytest.mark.v1  # a thread has a cgroup of its own
@pytest.mark.parametrize("first", ["own", "other"])
def test_thread_in_a_neighbour_of_the_namespace(
    make_group: MakeGroup, start: Start, first: str
) -> None:
    """A process with a thread elsewhere is listed by two directories' cgroup.procs."""
    parent = make_group()
    one, two = make_group(parent), make_group(parent)
    own, other = (one, two) if first == "own" else (two, one)
    own.limit(0.5)
    other.limit(1.25)
    asker = start(own, prefix=CGROUP_NAMESPACE)
    asker.do("start", "worker")
    asker.do("join", str(other.path), alone=True, thread="worker")

    for thread in (None, "worker"):
        assert quotas(asker.ask("process", thread)) == own.levels()
    assert quotas(asker.ask("thread")) == own.levels()
    assert quotas(asker.ask("thread", "worker")) == other.levels()


def test_moved_out_of_the_namespace(make_group: MakeGroup, start: Start) -> None:
    parent = make_group(cpus=1.5)
    elsewhere = make_group(parent, cpus=0.5)
    asker = start(make_group(parent, cpus=1.25), prefix=CGROUP_NAMESPACE)
    asker.ask()  # it has entered its namespace
    elsewhere.write("cgroup.procs", asker.pid)

    before = asker.ask()
    asker.remount()
    after = asker.ask()

    assert (quotas(before), codes(before)) == (elsewhere.levels(), ["quota-below-one"])
    assert (quotas(after), codes(after)) == ([], ["path-outside-mounts"])


def test_hierarchy_hidden_by_another_file_system(make_group: MakeGroup, start: Start) -> None:
    asker = start(make_group(cpus=0.5), prefix=MOUNT_NAMESPACE)
    asker.do("run", "mount", "-t", "tmpfs", "tmpfs", str(Path(top()).parent))

    answer = asker.ask()

    assert (answer["quota"], quotas(answer)) == (None, [])
    assert codes(answer) == ["cgroup-not-mounted"]


def test_foreign_cgroup_mounted_over_the_hierarchy(make_group: MakeGroup, start: Start) -> None:
    foreign = make_group(cpus=0.5)
    asker = start(make_group(cpus=1.25), prefix=MOUNT_NAMESPACE)
    asker.do("run", "mount", "--bind", str(foreign.path), top())

    answer = asker.ask()

    assert (answer["quota"], quotas(answer)) == (None, [])
    assert codes(answer) == ["path-outside-mounts"]


@pytest.mark.parametrize("cover", ["foreign cgroup", "tmpfs"])
def test_own_directory_is_covered(make_group: MakeGroup, start: Start, cover: str) -> None:
    """The level cannot be seen: what stands in its place is not its own, and a note says so."""
    parent = make_group(cpus=1.5)
    foreign, own = make_group(cpus=0.5), make_group(parent, cpus=1.25)
    asker = start(own, prefix=MOUNT_NAMESPACE)
    source = ("--bind", str(foreign.path)) if cover == "foreign cgroup" else ("-t", "tmpfs", "none")
    asker.do("run", "mount", *source, str(own.path))

    answer = asker.ask()

    assert answer["quota"] == 1.5
    assert codes(answer) != []


def test_own_cgroup_shown_elsewhere(make_group: MakeGroup, start: Start, tmp_path: Path) -> None:
    own = make_group(make_group(cpus=1.5), cpus=1.25)
    asker = start(own, prefix=MOUNT_NAMESPACE)
    asker.do("run", "mount", "--bind", str(own.path), str(tmp_path))
    asker.do("run", "umount", "--lazy", top())

    answer = asker.ask()

    assert quotas(answer) == [(f"{tmp_path}/{quota_name(own.version)}", 1.25)]
    assert codes(answer) == ["ancestors-hidden"]
