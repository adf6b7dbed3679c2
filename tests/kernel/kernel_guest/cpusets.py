"""Sets of CPUs: affinity, cpusets, partitions, CPUs that go offline, NUMA nodes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kernel_guest.child import Child
from kernel_guest.groups import Group, cpu_list
from kernel_guest.layouts import read, write
from kernel_guest.scenario import NotHereError, Run, scenario

CPU = "/sys/devices/system/cpu"
NODES = "/sys/devices/system/node"


def _joined(run: Run) -> tuple[Group, Group, Child]:
    outer = run.group("")
    inner = run.group("/inner")
    child = run.child()
    inner.join(child.pid)
    return outer, inner, child


@scenario("affinity")
def affinity(run: Run) -> None:
    """The mask alone, narrowed and widened under a running process."""
    outer, inner, child = _joined(run)
    for cpus in ([0], [1, 3, 5], [7], list(range(8))):
        child.do("set_affinity", cpus)
        run.check(f"mask {cpus}", child, [outer, inner])
    inner.set_quota(250_000)
    child.do("set_affinity", [2, 3])
    run.check("mask below the quota", child, [outer, inner])
    child.do("set_affinity", [2, 3, 4, 5])
    run.check("quota below the mask", child, [outer, inner])


@scenario("cpuset")
def cpuset(run: Run) -> None:
    """A cpuset at the own level and above, set and widened under a running process."""
    outer, inner, child = _joined(run)
    inner.set_cpus("2-4,6")
    run.check("own level", child, [outer, inner])
    inner.set_cpus("2-3")
    outer.set_cpus("0-3")
    run.check("both levels", child, [outer, inner])
    child.do("set_affinity", [3, 5])
    run.check("and a mask", child, [outer, inner])
    outer.set_quota(150_000)
    run.check("and a quota", child, [outer, inner])


@scenario("cpuset-inherited", "v2")
def inherited(run: Run) -> None:
    """An empty cpuset takes its parent's; a requested one may be granted in part."""
    outer, inner, child = _joined(run)
    outer.set_cpus("1-3")
    run.check("inherited", child, [outer, inner])
    inner.set_cpus("3-6")
    run.check("granted in part", child, [outer, inner])
    if inner.cpus() != {3}:
        raise RuntimeError(f"the kernel grants {inner.cpus()}")


def _partition(directory: str, kind: str) -> None:
    write(f"{directory}/cpuset.cpus.partition", kind)
    state = read(f"{directory}/cpuset.cpus.partition").strip()
    if state != kind:
        raise NotHereError(f"asked for the partition {kind!r}, got {state!r}")


def _enter_partition(kind: str) -> None:
    @scenario(f"partition-{kind}", "v2")
    def partition(run: Run) -> None:
        """A partition takes its CPUs from everybody else, who is asked as well."""
        inside = run.group("")
        outside = run.child()
        member = run.child()
        inside.set_cpus("5-7")
        try:
            _partition(inside.cpuset, kind)
        except OSError as error:
            raise NotHereError(str(error)) from error
        inside.join(member.pid)
        isolated = kind == "isolated"
        notes = ["isolated-cpus"] if isolated else []
        run.check("inside", member, [inside], isolated=isolated, notes=notes)
        run.check("outside", outside, [])
        if os.sched_getaffinity(outside.pid) & {5, 6, 7}:
            raise RuntimeError("the partition took no CPU")
        write(f"{inside.cpuset}/cpuset.cpus.partition", "member")
        run.check("outside, after the end", outside, [])


for _kind in ("root", "isolated"):
    _enter_partition(_kind)


@contextmanager
def _offline(cpu: int) -> Iterator[None]:
    write(f"{CPU}/cpu{cpu}/online", "0")
    try:
        if cpu in cpu_list(read(f"{CPU}/online")):
            raise RuntimeError("the CPU is still online")
        yield
    finally:
        write(f"{CPU}/cpu{cpu}/online", "1")


@scenario("numa-node", "v2")
def numa_node(run: Run) -> None:
    """The CPUs and the memory of one NUMA node of two."""
    nodes = sorted(Path(NODES).glob("node[0-9]*"))
    if len(nodes) != 2:
        raise RuntimeError(f"{len(nodes)} NUMA nodes, not two")
    outer, inner, child = _joined(run)
    for number, node in enumerate(nodes):
        cpus = (node / "cpulist").read_text().strip()
        inner.set_cpus(cpus, str(number))
        facts = run.check(f"node {number}", child, [outer, inner])
        if facts["expected"]["process"]["mask"] != 4:
            raise RuntimeError(f"node {number} has {cpus}")
    inner.set_quota(150_000)
    run.check("and a quota", child, [outer, inner])


@scenario("offline-cpu")
def offline_cpu(run: Run) -> None:
    """A CPU goes offline and comes back under a running process."""
    outer, inner, child = _joined(run)
    with _offline(7):
        run.check("offline", child, [outer, inner])
        run.check("offline, in the root", run.child(), [])
    run.check("online again", child, [outer, inner])


@scenario("offline-own-cpu")
def offline_own_cpu(run: Run) -> None:
    """The only CPU of a mask goes offline; the kernel gives the process others."""
    child = run.child()
    child.do("set_affinity", [7])
    with _offline(7):
        run.check("offline", child, [])
    run.check("online again", child, [])
