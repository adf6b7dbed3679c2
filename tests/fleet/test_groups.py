"""Which nodes share a limit, and by how much their slots exceed it."""

from __future__ import annotations

import pytest

from fleet.nodes import cpus, limit, node, online, quota
from kumo._fleet.groups import excess_of, grouped, pattern, places
from kumo._fleet.records import Node

PARENT = "/sys/fs/cgroup/jobs"


def verdicts(*nodes: Node) -> list[tuple[float | None, float, str, float]]:
    """The places as slots, CPUs, source and excess."""
    return [(p.slots, p.cpus, p.source, p.excess) for p in places(nodes)]


@pytest.mark.parametrize(
    ("slots", "allowed", "excess"),
    [(2, 0.5, 1), (1, 0.5, 0), (2, 1.0, 1), (2, 1.5, 1), (2, 2.0, 0), (1, 2.0, -1)],
)
def test_slots_against_a_quota(slots: int, allowed: float, excess: int) -> None:
    assert verdicts(node(slots, quota(allowed), online(4))) == [(slots, allowed, "quota", excess)]


def test_a_quota_that_is_not_set_does_not_count() -> None:
    assert verdicts(node(2, quota(None), online(2))) == [(2, 2, "online", 0)]


def test_workers_in_one_cgroup_share_its_quota() -> None:
    worker = node(1, quota(1.0), online(4))

    (place,) = places([worker, worker, worker])

    assert (place.slots, place.excess) == (3, 2)
    assert place.fix.startswith("1 in all for 3 workers: ")


def test_a_shared_ancestor_counts_though_each_fits_its_own() -> None:
    nodes = [
        node(2, quota(2.0, f"{PARENT}/{name}"), quota(3.0, PARENT), online(8)) for name in "ab"
    ]

    (place,) = places(nodes)

    assert (place.slots, place.cpus, place.where, place.excess) == (4, 3.0, f"{PARENT}/cpu.max", 1)


def test_excess_is_counted_once_from_the_narrowest_limit_up() -> None:
    over = node(6, quota(1.0, f"{PARENT}/a"), quota(4.0, PARENT), online(8))
    beside = node(2, quota(8.0, f"{PARENT}/b"), quota(4.0, PARENT), online(8))

    # The first can use 1 of its 6 slots. With that, the parent has room for 1 more.
    assert verdicts(over, beside) == [(6, 1.0, "quota", 5), (2, 4.0, "quota", -1)]
    assert excess_of(places([over, beside])) == 5


def test_two_engines_on_one_host_are_seen_together() -> None:
    groups = places([node(2, online(2)), node(2, online(2), engine="ray")])

    (place,) = groups
    assert (place.engines, place.slots, place.excess) == (("dask", "ray"), 4, 2)
    assert "--num-cpus=$(kumo)" in place.fix
    assert "kumo.dask" in place.fix


def test_hosts_do_not_share() -> None:
    assert verdicts(node(2, online(2)), node(2, online(2), host="b")) == [(2, 2, "online", 0)] * 2


def test_containers_of_one_host_are_seen_together_by_kernel_and_inode() -> None:
    first = node(2, quota(2.0, "/sys/fs/cgroup"), online(8), host="x", machine="boot",
                 cgroups={"/sys/fs/cgroup": "71"})  # fmt: skip
    second = node(2, quota(2.0, "/host/pod"), online(8), host="y", machine="boot",
                  cgroups={"/host/pod": "71"})  # fmt: skip
    other = node(2, quota(2.0, "/sys/fs/cgroup"), online(8), host="z", machine="boot",
                 cgroups={"/sys/fs/cgroup": "72"})  # fmt: skip

    assert verdicts(first, second) == [(4, 2.0, "quota", 2)]
    assert [place.excess for place in places([first, second, other])] == [2, 0]


def test_sets_of_cpus_share_what_they_have_in_common() -> None:
    pinned = [node(1, cpus("0", 1), online(4)), node(1, cpus("1", 1), online(4))]

    assert [place.excess for place in places(pinned)] == [0, 0]
    assert verdicts(pinned[0], pinned[0]) == [(2, 1, "affinity", 1)]
    # One that may use all CPUs counts with the pinned ones, for the online CPUs alone.
    assert verdicts(*pinned, node(3, online(4))) == [(5, 4, "online", 1)]


def test_a_grant_is_of_its_node_alone() -> None:
    grant = limit(1, "slurm", "$SLURM_CPUS_ON_NODE", "1", "allocation")

    assert [place.excess for place in places([node(1, grant, online(4))] * 2)] == [0, 0]


def test_an_override_is_the_answer() -> None:
    override = limit(3, "override", "$KUMO_AVAILABLE_PARALLELISM", "3", "override")
    estimate = {**node(3, quota(1.0)).estimate, "binding": override}  # type: ignore[dict-item]  # a limit is a dictionary here

    assert verdicts(Node("a", "dask", 3, estimate=estimate)) == [(3, 3, "override", 0)]


def test_unknown_slots_are_no_verdict() -> None:
    (place,) = places([node(None, quota(1.0), online(2))])

    assert (place.verdict, place.slots, place.fix) == ("unknown", None, "")


def test_throttling_of_the_worst_cgroup() -> None:
    levels = [
        {"where": "x", "periods": 10, "throttled": 4},
        {"where": "y", "periods": 0, "throttled": 0},
    ]

    (place,) = places([node(2, quota(1.0), online(2), pressure={"levels": levels})])

    assert place.throttled == 0.4


def test_equal_hosts_are_one_group_and_the_worst_comes_first() -> None:
    pods = [
        node(
            4,
            quota(1.0, f"/sys/fs/cgroup/kubepods/pod{name:032x}/job_{name}"),
            online(8),
            host=str(name),
        )
        for name in range(20)
    ]
    fits = [node(8, online(8), host=f"f{name}") for name in range(3)]

    first, second = grouped(places([*fits, *pods]))

    assert (len(first.hosts), first.slots, first.excess, first.verdict) == (20, 4, 3, "over")
    assert first.where == "/sys/fs/cgroup/kubepods/pod*/job_*/cpu.max"
    assert (len(second.hosts), second.verdict) == (3, "fits")
    assert len(first.nodes) == 20


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/sys/fs/cgroup/cpu,cpuacct/uid_1000/job_7/step_0/cpu.cfs_quota_us",
         "/sys/fs/cgroup/cpu,cpuacct/uid_*/job_*/step_*/cpu.cfs_quota_us"),
        ("/sys/fs/cgroup/cri-containerd-0123456789abcdef.scope/cpu.max",
         "/sys/fs/cgroup/cri-containerd-*.scope/cpu.max"),
        ("/sys/fs/cgroup/user.slice/user-1000.slice/cpu.max",
         "/sys/fs/cgroup/user.slice/user-*.slice/cpu.max"),
        ("$SLURM_CPUS_ON_NODE", "$SLURM_CPUS_ON_NODE"),
    ],
)  # fmt: skip
def test_parts_of_a_path_that_differ_between_hosts(path: str, shown: str) -> None:
    assert pattern(path) == shown
