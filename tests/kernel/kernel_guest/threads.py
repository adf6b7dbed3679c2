"""Threads that differ from their process: in affinity, in scheduling class, in cgroup."""

import contextlib
import os

from kernel_guest.child import Child, ChildError
from kernel_guest.groups import Group
from kernel_guest.layouts import write
from kernel_guest.quotas import limited
from kernel_guest.scenario import NotHereError, Run, scenario

LIMITED: list[tuple[int | None, int]] = [(None, 100_000), (250_000, 100_000)]


@scenario("pinned-thread")
def pinned_thread(run: Run) -> None:
    """A thread pins itself beside one that does not: the process keeps the union."""
    chain, child = limited(run, [(None, 100_000), (450_000, 100_000)])
    child.start_thread("pinned")
    child.do("set_affinity", [5], thread="pinned")
    run.check("asked by the free thread", child, chain, words=["pin", "3"])
    run.check("asked by the pinned thread", child, chain, thread="pinned")


@scenario("pinned-main")
def pinned_main(run: Run) -> None:
    """The main thread is the pinned one."""
    chain, child = limited(run, [(None, 100_000)])
    child.start_thread("free")
    child.do("set_affinity", [2])
    run.check("asked by the pinned main thread", child, chain)
    run.check("asked by the free thread", child, chain, thread="free")


@scenario("pinned-apart")
def pinned_apart(run: Run) -> None:
    """Every thread has CPUs of its own, some of them shared."""
    chain, child = limited(run, [(None, 100_000)])
    for name, cpus in (("a", [1, 2]), ("b", [2, 3]), ("c", [7])):
        child.start_thread(name)
        child.do("set_affinity", cpus, thread=name)
    child.do("set_affinity", [0])
    for thread in (None, "a", "b", "c"):
        run.check(f"asked by {thread or 'main'}", child, chain, thread=thread)


def _other_group(run: Run) -> tuple[Group, Group, Group]:
    """Make a group for a process and two inside it for its threads."""
    outer = run.group("")
    groups = [run.group(f"/{name}") for name in ("a", "b")]
    if run.layout.version == 2:
        for group in groups:
            write(f"{group.cpu}/cgroup.type", "threaded")
    return outer, groups[0], groups[1]


@scenario("thread-in-own-group")
def thread_in_own_group(run: Run) -> None:
    """A thread sits in a cgroup of its own, whose quota is not the process's."""
    outer, inner, second = _other_group(run)
    outer.set_quota(600_000)
    inner.set_quota(250_000)
    second.set_quota(120_000)
    child = run.child()
    outer.join(child.pid)
    tid = child.start_thread("apart")
    inner.join_thread(tid)
    situation = {"leader": 6}
    words = ["threaded", second.cpu] if run.layout.version == 2 else None
    run.check("the process", child, [outer], scopes=["process"], words=None)
    run.check(
        "the process, asked by the thread",
        child,
        [outer],
        thread="apart",
        scopes=["process"],
        words=None,
    )
    run.check("the thread", child, [outer, inner], thread="apart", scopes=["thread"])
    run.check("the main thread", child, [outer], scopes=["thread"])
    if words:
        facts = run.check(
            "a thread of Rust's",
            child,
            [outer],
            scopes=["process"],
            words=words,
            situation=situation,
        )
        facts["rust_truth"] |= {"parallelism": 1}
    second.join_thread(tid)
    run.check("the thread, moved", child, [outer, second], thread="apart", scopes=["thread"])
    child.close()


@scenario("leader-in-own-group")
def leader_in_own_group(run: Run) -> None:
    """The leader sits in a narrower cgroup than another thread."""
    outer, inner, _ = _other_group(run)
    inner.set_quota(250_000)
    child = run.child()
    outer.join(child.pid)
    child.start_thread("outer")
    inner.join_thread(child.pid)
    run.check("the leader", child, [outer, inner], scopes=["thread"])
    run.check("the other", child, [outer], thread="outer", scopes=["thread"])
    child.close()


def _set_policy(child: Child, name: str, priority: int, thread: str | None = None) -> None:
    try:
        child.do("set_policy", name, priority, thread=thread)
    except ChildError as error:
        if error.errno is None:
            raise
        # CONFIG_RT_GROUP_SCHED gives a new group of cgroup v1 no real-time budget at all.
        raise NotHereError(f"{name}: {os.strerror(error.errno)}") from error


def _enter_real_time(name: str) -> None:
    @scenario(f"real-time-{name.removeprefix('SCHED_').lower()}")
    def real_time(run: Run) -> None:
        """A process of real-time threads alone: the fair scheduler's quota is not theirs."""
        chain, child = limited(run, LIMITED)
        _set_policy(child, name, 1)
        quota = chain[1].quota()
        run.check("real-time", child, [], notes=["real-time"], situation={"real_time": quota})
        _set_policy(child, "SCHED_OTHER", 0)
        run.check("fair again", child, chain, absent=["real-time"])


for _name in ("SCHED_FIFO", "SCHED_RR"):
    _enter_real_time(_name)


@scenario("real-time-thread")
def real_time_thread(run: Run) -> None:
    """One real-time thread beside a fair one: the quota stays the process's."""
    chain, child = limited(run, LIMITED)
    child.start_thread("fast")
    _set_policy(child, "SCHED_FIFO", 1, thread="fast")
    run.check("the fair thread", child, chain)
    run.check("the fast one", child, [], thread="fast", scopes=["thread"], words=None)


@scenario("fair-policies")
def fair_policies(run: Run) -> None:
    """Batch and idle threads are under the quota."""
    chain, child = limited(run, LIMITED)
    for name in ("SCHED_BATCH", "SCHED_IDLE"):
        with contextlib.suppress(NotHereError):
            _set_policy(child, name, 0)
            run.check(name, child, chain, absent=["real-time"])


@scenario("namespace-thread")
def namespace_thread(run: Run) -> None:
    """A thread in a cgroup of its own, seen through a mount from outside the cgroup namespace."""
    outer, inner, _ = _other_group(run)
    outer.set_quota(600_000)
    inner.set_quota(250_000)
    child = run.child()
    outer.join(child.pid)
    child.do("unshare", "cgroup")
    inner.join_thread(child.start_thread("apart"))
    run.check("the process", child, [outer], scopes=["process"], words=None)
    run.check("the thread", child, [outer, inner], thread="apart", scopes=["thread"], words=None)
    child.close()
