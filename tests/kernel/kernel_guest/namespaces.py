"""Cgroup namespaces, alone and with mounts, PID namespaces and changed roots."""

from collections.abc import Sequence
from pathlib import Path

from kernel_guest import views
from kernel_guest.child import Child
from kernel_guest.groups import Group
from kernel_guest.scenario import Run, scenario
from kernel_guest.syscalls import bind, unmount
from kernel_guest.views import HIDDEN, PRIVATE

JAIL = f"{PRIVATE}/jail"


def four_levels(run: Run) -> list[Group]:
    """Make a chain whose answer changes with the hidden levels, as far as cgroup v1 allows."""
    chain = run.chain("a", "b", "c")
    tight_outside = [250_000, None, 450_000, None]
    tight_inside = [450_000, None, 250_000, None]
    quotas = tight_outside if run.layout.version == 2 else tight_inside
    for group, quota in zip(chain, quotas, strict=True):
        group.set_quota(quota)
    return chain


def _enter_views(kind: str) -> None:
    @scenario(f"view-{kind}")
    def view(run: Run) -> None:
        """The same chain under one view, the boundary at each of its levels."""
        chain = four_levels(run)
        other = run.group("/beside")
        other.set_quota(100_000)
        for at in range(len(chain)):
            child = run.child()
            # What kumo keeps of this first answer must not survive the change of view.
            run.check("before", child, [], words=None)
            seen = views.enter(child, kind, chain, at, other)
            run.check(
                f"at {chain[at].path}", child, seen.levels,
                notes=seen.notes, absent=seen.absent, situation=seen.situation,
            )  # fmt: skip
            child.close()


for _kind in views.KINDS:
    _enter_views(_kind)


def _in_namespace(run: Run, chain: Sequence[Group], at: int) -> Child:
    child = run.child()
    views.enter(child, "namespace", chain, at, chain[0])
    return child


@scenario("namespace-decoy")
def decoy(run: Run) -> None:
    """A stranger's group lies where the namespaced path leads under a foreign mount."""
    chain = four_levels(run)
    stranger = Group(run.layout, "/c")
    stranger.make().set_quota(100_000)
    try:
        child = _in_namespace(run, chain, 2)
        situation = {"view": "namespace", "decoy": stranger.quota()}
        run.check("a limited stranger at /c", child, chain, absent=[HIDDEN], situation=situation)
        child.close()
    finally:
        stranger.remove()


@scenario("namespace-changes")
def namespace_changes(run: Run) -> None:
    """Quotas change while the process looks through a foreign mount."""
    chain = four_levels(run)
    child = _in_namespace(run, chain, 2)
    for level, quota in ((0, 600_000), (2, 150_000), (3, 120_000), (2, None), (3, None), (0, None)):
        chain[level].set_quota(quota)
        situation = {"view": "namespace"}
        run.check(f"level {level} has {quota}", child, chain, absent=[HIDDEN], situation=situation)


@scenario("namespace-left")
def left(run: Run) -> None:
    """The process is moved out of its namespace's root, so that its own path begins with `/..`."""
    chain = four_levels(run)
    beside = run.group("/beside")
    beside.set_quota(150_000)
    child = _in_namespace(run, chain, 1)
    beside.join(child.pid)
    situation = {"view": "left"}
    run.check("foreign mount", child, [chain[0], beside], absent=[HIDDEN], situation=situation)
    child.do("unmount", run.layout.cpu)
    child.do("mount", "cgroup", run.layout.cpu, run.layout.kind, 0, run.layout.options)
    run.check("own mount", child, [], notes=["path-outside-mounts"], situation=situation)


@scenario("namespace-nested")
def nested(run: Run) -> None:
    """A cgroup namespace inside another one; the mount is the outer one's."""
    chain = four_levels(run)
    child = run.child()
    views.enter(child, "remounted", chain, 1, chain[0])
    child.do("enter_cgroup_namespace", chain[2].namespace)
    situation = {"view": "namespace"}
    run.check("two namespaces", child, chain[1:], notes=[HIDDEN], situation=situation)


@scenario("namespace-pid")
def pid_namespace(run: Run) -> None:
    """Inside a PID namespace too: cgroup.procs shows the process by another number."""
    chain = four_levels(run)
    child = run.child()
    child.enter_pid_namespace()
    seen = views.enter(child, "namespace", chain, 2, chain[0])
    run.check("foreign mount", child, seen.levels, absent=[HIDDEN], situation=seen.situation)


@scenario("namespace-by-pid")
def by_pid(run: Run) -> None:
    """Asked from outside, a process shows every level; by itself, its namespace's."""
    chain = four_levels(run)
    child = run.child()
    observer = run.child()
    seen = views.enter(child, "remounted", chain, 2, chain[0])
    child.do("set_affinity", [1, 2, 3, 5, 6])
    run.check("by itself", child, seen.levels, notes=[HIDDEN], situation=seen.situation)
    run.check_by_pid("from outside", observer, child, chain, absent=[HIDDEN])
    child.do("set_affinity", [1])
    run.check_by_pid("from outside, pinned", observer, child, chain)
    sibling = _in_namespace(run, [chain[0], run.group("/beside")], 1)
    run.check_by_pid("from another namespace, over a foreign mount", sibling, child, chain)


@scenario("changed-root")
def changed_root(run: Run) -> None:
    """After chroot, the mount points that mountinfo names are relative to the new root."""
    chain = four_levels(run)
    for name in ("proc", "sys"):
        Path(JAIL, name).mkdir(parents=True, exist_ok=True)
        bind(f"/{name}", f"{JAIL}/{name}", recursive=True)
    try:
        child = run.child()
        chain[-1].join(child.pid)
        run.check("before", child, chain, words=None)
        child.do("change_root", JAIL)
        run.check("inside", child, chain, words=None)
        child.close()
    finally:
        for name in ("proc", "sys"):
            unmount(f"{JAIL}/{name}")
