"""Mounts in unusual places and over each other."""

import time
from collections.abc import Sequence

from kernel_guest.child import Child
from kernel_guest.groups import Group
from kernel_guest.layouts import TOP, read
from kernel_guest.namespaces import four_levels
from kernel_guest.scenario import Run, scenario
from kernel_guest.views import ELSEWHERE, HIDDEN, PRIVATE

NAMED = "none,name=kumo-test"


def _with_own_mounts(run: Run, chain: Sequence[Group]) -> Child:
    """Start a child in the innermost group that may mount what it likes."""
    child = run.child()
    chain[-1].join(child.pid)
    child.do("unshare", "mount")
    child.do("keep_mounts_private")
    return child


def _mount_whole(run: Run, child: Child, place: str) -> None:
    child.do("makedirs", place, 0o755, True)
    child.do("mount", "cgroup", place, run.layout.kind, 0, run.layout.options)


@scenario("two-mounts-of-parts")
def two_parts(run: Run) -> None:
    """Two bind mounts, each of a part of the hierarchy: the wider one counts."""
    chain = four_levels(run)
    child = _with_own_mounts(run, chain)
    for name, group in (("narrow", chain[3]), ("wide", chain[1])):
        child.do("makedirs", f"{PRIVATE}/{name}", 0o755, True)
        child.do("bind", group.cpu, f"{PRIVATE}/{name}")
    child.do("unmount", run.layout.cpu)
    situation = {"view": "parts"}
    run.check("both", child, chain[1:], notes=[HIDDEN], situation=situation)
    child.do("unmount", f"{PRIVATE}/wide")
    run.check("the narrow one", child, chain[3:], notes=[HIDDEN], situation=situation)


@scenario("covered-mount")
def covered(run: Run) -> None:
    """An ordinary file system hides the cgroup mounts, though mountinfo still lists them."""
    chain = four_levels(run)
    child = _with_own_mounts(run, chain)
    child.do("mount", "tmpfs", TOP, "tmpfs")
    run.check("covered", child, [], situation={"view": "covered"})


@scenario("second-mount")
def second_mount(run: Run) -> None:
    """A second mount of the hierarchy beside the first, and later the first one gone."""
    chain = four_levels(run)
    child = _with_own_mounts(run, chain)
    _mount_whole(run, child, f"{PRIVATE}/second")
    run.check("beside", child, chain, absent=[HIDDEN])
    child.do("unmount", run.layout.cpu)
    situation = {"view": "elsewhere"} if run.layout.version == 2 else {}
    run.check("alone", child, chain, absent=[HIDDEN], situation=situation)


@scenario("mount-moved-on-top")
def moved(run: Run) -> None:
    """The whole hierarchy, mounted first, is moved over a part of it, mounted later.

    Mountinfo lists mounts in the order in which they were made: the later line lies below.
    """
    chain = four_levels(run)
    child = _with_own_mounts(run, chain)
    _mount_whole(run, child, ELSEWHERE)
    child.do("unmount", run.layout.cpu)
    child.do("bind", chain[-1].cpu.replace(run.layout.cpu, ELSEWHERE, 1), run.layout.cpu)
    child.do("move_mount", ELSEWHERE, run.layout.cpu)
    run.check("moved", child, chain, absent=[HIDDEN])
    child.do("unmount", run.layout.cpu)
    situation = {"view": "bind", "at": chain[-1].path}
    run.check("and taken away", child, chain[-1:], notes=[HIDDEN], situation=situation)


@scenario("mount-over-itself")
def over_itself(run: Run) -> None:
    """A group is bound over its own directory, as container managers do to make it writable."""
    chain = four_levels(run)
    child = _with_own_mounts(run, chain)
    child.do("bind", chain[1].cpu, chain[1].cpu)
    run.check("bound", child, chain, absent=[HIDDEN])


@scenario("mount-over-a-level")
def over_a_level(run: Run) -> None:
    """A stranger's group is bound over a directory on the way: nothing below is the own."""
    chain = four_levels(run)
    beside = run.group("/beside")
    beside.set_quota(100_000)
    child = _with_own_mounts(run, chain)
    child.do("bind", beside.cpu, chain[1].cpu)
    run.check("covered", child, chain[:1], situation={"view": "covered level", "at": chain[1].path})


@scenario("named-hierarchy")
def named_hierarchy(run: Run) -> None:
    """A cgroup v1 hierarchy without any controller, where the process is in another group."""
    chain = four_levels(run)
    child = _with_own_mounts(run, chain)
    place = f"{PRIVATE}/named"
    child.do("makedirs", place, 0o755, True)
    child.do("mount", "cgroup", place, "cgroup", 0, NAMED)
    child.do("makedirs", f"{place}/of-its-own", 0o755, True)
    child.do("write", f"{place}/of-its-own/cgroup.procs", "0")
    run.check("beside", child, chain, absent=[HIDDEN])
    child.do("write", f"{place}/cgroup.procs", "0")
    child.do("rmdir", f"{place}/of-its-own")
    _dissolve(child, place)


def _dissolve(child: Child, place: str) -> None:
    """Take the named hierarchy away; the kernel keeps it while it still removes its groups."""
    for _ in range(20):
        child.do("unmount", place)
        for _ in range(25):
            time.sleep(0.02)
            if "name=" not in read("/proc/self/cgroup"):
                return
        child.do("mount", "cgroup", place, "cgroup", 0, NAMED)
    raise RuntimeError("the named hierarchy stays")
