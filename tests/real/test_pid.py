"""``--pid``: another process's limits, as seen from outside it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from real.conftest import Asker, MakeGroup
from real.host import (
    CGROUP_NAMESPACE,
    MOUNT_NAMESPACE,
    TIMEOUT,
    Group,
    codes,
    environment,
    kumo,
    needs_two_cpus,
    quotas,
    top,
    top_quota,
)

pytestmark = pytest.mark.real

VARIABLE = "KUMO_AVAILABLE_PARALLELISM"
Start = Callable[..., Asker]


def ask(pid: int, *, override: str = "") -> dict[str, Any]:
    """What ``kumo --json --pid`` prints, asked from the test's own namespaces."""
    ran = subprocess.run(
        kumo("--json", "--pid", str(pid)),
        capture_output=True,
        check=False,
        timeout=TIMEOUT,
        env={**environment(), VARIABLE: override},
    )
    assert (ran.returncode, ran.stderr) == (0, b"")
    answer: dict[str, Any] = json.loads(ran.stdout)
    return answer


def from_inside(asker: Asker) -> dict[str, Any]:
    answer = asker.ask()
    return {k: v for k, v in answer.items() if k not in ("independent", "burst")}


def test_child_in_another_cgroup(make_group: MakeGroup, start: Start) -> None:
    group = make_group(make_group(cpus=1.5), cpus=1.25)
    asker = start(group)

    inside = from_inside(asker)
    outside = ask(asker.pid)

    assert outside == inside
    assert quotas(outside) == group.levels()


def test_child_that_moves(make_group: MakeGroup, start: Start) -> None:
    one, other = make_group(cpus=1.5), make_group(cpus=0.5)
    asker = start(one)

    before = ask(asker.pid) if asker.ask() else {}
    asker.do("join", str(other.path), alone=False)

    assert (quotas(before), quotas(ask(asker.pid))) == (one.levels(), other.levels())


def test_child_whose_main_thread_is_pinned(start: Start) -> None:
    cpus = needs_two_cpus()
    asker = start()
    asker.do("start", "free")
    asker.do("pin", cpus[:1])

    (outside,) = [limit for limit in ask(asker.pid)["limits"] if limit["source"] == "affinity"]

    assert outside["cpus"] == len(cpus)


def test_child_that_is_pinned(start: Start) -> None:
    cpus = needs_two_cpus()
    asker = start()
    asker.do("pin", cpus[-1:])

    outside = ask(asker.pid)

    assert (outside["parallelism"], outside["binding"]["text"]) == (1, str(cpus[-1]))


def test_real_time_child(make_group: MakeGroup, start: Start) -> None:
    group = make_group(cpus=0.5)
    if (group.path / "cpu.rt_runtime_us").exists():
        group.write("cpu.rt_runtime_us", 300_000)
    asker = start(group)
    asker.do("schedule", "SCHED_FIFO", reset=False)

    outside = ask(asker.pid)

    assert (outside["quota"], codes(outside)) == (None, ["real-time"])


@pytest.mark.parametrize("hidden", [1, 2])
def test_more_is_seen_than_a_container_sees_of_itself(
    make_group: MakeGroup, start: Start, hidden: int
) -> None:
    group = make_group(cpus=0.5)
    for _ in range(hidden):
        group = make_group(group)
    asker = start(group, prefix=CGROUP_NAMESPACE)
    asker.remount()

    inside = asker.ask()
    outside = ask(asker.pid)

    assert (inside["quota"], codes(inside)) == (None, ["ancestors-hidden"])
    assert quotas(inside) == [(top_quota(), None)]
    assert (outside["quota"], codes(outside)) == (0.5, ["quota-below-one"])
    assert quotas(outside) == group.levels()


def test_child_that_sees_no_cgroups(make_group: MakeGroup, start: Start) -> None:
    group = make_group(cpus=1.5)
    asker = start(group, prefix=MOUNT_NAMESPACE)
    asker.do("run", "mount", "-t", "tmpfs", "tmpfs", top())

    outside = ask(asker.pid)

    assert (quotas(outside), outside["notes"]) == (group.levels(), [])


def test_foreign_cgroup_in_the_child_s_mounts(make_group: MakeGroup, start: Start) -> None:
    group, foreign = make_group(cpus=1.5), make_group(cpus=0.25)
    asker = start(group, prefix=MOUNT_NAMESPACE)
    asker.do("run", "mount", "--bind", str(foreign.path), top())

    outside = ask(asker.pid)

    assert (quotas(outside), outside["notes"]) == (group.levels(), [])


def test_a_container_asks_for_a_process_outside_it(make_group: MakeGroup, start: Start) -> None:
    """It sees no further than its own root, but reaches the other's mounts through /proc."""
    group = make_group(make_group(cpus=1.5), cpus=1.25)
    outsider = start(group)
    outsider.ask()
    asker = start(make_group(cpus=0.5), prefix=CGROUP_NAMESPACE)
    asker.remount()

    answer = asker.do("ask", "process", outsider.pid)

    root = f"/proc/{outsider.pid}/root"
    assert quotas(answer) == [(root + where, cpus) for where, cpus in group.levels()]
    assert answer["notes"] == []


def test_unprivileged_user_asks_for_a_process_of_root(make_group: MakeGroup, start: Start) -> None:
    group = make_group(cpus=1.5)
    subject, asker = start(group), start()
    subject.ask()
    asker.do("become", 65534)

    answer = asker.do("ask", "process", subject.pid)

    assert quotas(answer) == group.levels()
    assert codes(answer) == ["unreadable"]  # its override, in its environment


@pytest.mark.parametrize(("prefix", "count"), [((), 1), (("env", f"{VARIABLE}=7"), 7)])
def test_override_is_the_child_s_own(
    make_group: MakeGroup, start: Start, prefix: tuple[str, ...], count: int
) -> None:
    asker = start(make_group(cpus=1.5), prefix=prefix)
    asker.ask()

    assert ask(asker.pid, override="3")["parallelism"] == count


@pytest.mark.v1  # a thread has a cgroup of its own
def test_thread_s_own_id(make_group: MakeGroup, start: Start) -> None:
    own, narrow = make_group(cpus=1.5), make_group(cpus=0.5)
    asker = start(own)
    asker.do("start", "worker")
    asker.do("join", str(narrow.path), alone=True, thread="worker")
    (worker,) = {int(name) for name in os.listdir(f"/proc/{asker.pid}/task")} - {asker.pid}

    assert quotas(ask(asker.pid)) == own.levels()
    assert quotas(ask(worker)) == narrow.levels()


@pytest.fixture
def ended(make_group: MakeGroup) -> Iterator[tuple[Group, subprocess.Popen[bytes]]]:
    """A process that has ended in a limited cgroup, and that nobody has waited for."""
    group = make_group(cpus=0.5)
    script = 'echo $$ > "$0"; read line'
    process = subprocess.Popen(
        ["sh", "-c", script, str(group.path / "cgroup.procs")], stdin=subprocess.PIPE
    )
    with process:
        assert process.stdin is not None
        process.stdin.close()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        yield group, process


def refused(pid: int) -> tuple[int, bytes, str]:
    ran = subprocess.run(kumo("--pid", str(pid)), capture_output=True, check=False, timeout=TIMEOUT)
    return ran.returncode, ran.stdout, ran.stderr.decode()


def test_dead_process(ended: tuple[Group, subprocess.Popen[bytes]]) -> None:
    _, process = ended
    process.wait()

    answer = refused(process.pid)

    assert answer == (3, b"", f"kumo: --pid {process.pid}: no such process\n")


def test_zombie(ended: tuple[Group, subprocess.Popen[bytes]]) -> None:
    """The kernel shows it in the root cgroup, whose quota is not the one that it had."""
    _, process = ended

    answer = refused(process.pid)

    assert answer == (3, b"", f"kumo: --pid {process.pid}: no such process\n")
