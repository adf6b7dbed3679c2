"""What is promised of `split()`: on the shapes of real machines, and at random."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import shapes
from hypothesis import given
from hypothesis import strategies as st
from promises import broken

import kumo
from kumo import Topology
from kumo._system.machine_file import Machine
from kumo._topology.read import read_topology
from kumo._topology.records import Core
from kumo._topology.split import choose, split

COUNTED = Path(__file__).parents[1] / "machines"


def machine(cores: list[list[int]], number: dict[str, list[int]] | None = None,
            **groups: list[list[int]]) -> Topology:  # fmt: skip
    """A machine of *cores*, each a list of threads, and for each place its groups of CPUs."""

    def group(name: str, cpu: int) -> int | None:
        for index, cpus in enumerate(groups.get(name, ())):
            if cpu in cpus:
                return (number or {}).get(name, range(10**6))[index]
        return None

    return Topology(
        [
            Core(cpus, cpus, **{name: group(name, cpus[0]) for name in groups})  # type: ignore[arg-type]  # fields of several types
            for cpus in cores
        ],
        sorted(cpu for cpus in cores for cpu in cpus),
    )


def blocks(total: int, size: int) -> list[list[int]]:
    return [[*range(first, first + size)] for first in range(0, total, size)]


def every(step: int, total: int, *firsts: int) -> list[int]:
    return sorted(cpu for first in firsts for cpu in range(first, total, step))


def twice(firsts: range, size: int) -> list[list[int]]:
    """Groups of *size* cores, whose second threads come after the 48 first ones."""
    return [[*range(n, n + size), *range(n + 48, n + 48 + size)] for n in firsts]


def kinds(cores: Sequence[tuple[str | None, int, int | None]]) -> Topology:
    """One CPU a core, each with its kind, capacity and cache."""
    return Topology(
        [
            Core([cpu], [cpu], node=0, package=0, cache=cache, kind=kind, capacity=capacity)
            for cpu, (kind, capacity, cache) in enumerate(cores)
        ],
        range(len(cores)),
    )


FAST, SLOW = ("performance", 1024), ("efficiency", 700)
# The shapes of dumps among the tests of lscpu and hwloc, by their names there.
SHAPES = {
    # Four packages whose CPUs alternate; node 0 holds two of them, and there is no node 1.
    "x86_64-64cpu": machine(
        [[cpu, cpu + 32] for cpu in range(32)],
        {"node": [0, 2, 3]},
        node=[every(4, 64, 0, 2), every(4, 64, 1), every(4, 64, 3)],
        package=[every(4, 64, first) for first in range(4)],
        cache=[every(4, 64, first) for first in range(4)],
    ),
    "96em64t-4no4pa3ca2co": machine(
        blocks(96, 1), node=blocks(96, 24), package=blocks(96, 6), cache=blocks(96, 2)
    ),
    # Packages 0 and 196611 in node 0, 256 and 196867 in node 1: by number they alternate.
    "8ia64-2n2s2c": machine(
        blocks(8, 1),
        {"package": [0, 196611, 256, 196867]},
        node=blocks(8, 4),
        package=[[0, 2], [1, 3], [4, 6], [5, 7]],
    ),
    "256ia64-64n2s2c": machine(blocks(256, 1), node=blocks(256, 4), package=blocks(256, 2)),
    "fakecpuid1f-64intel64-2p4d2n2c2t": machine(
        blocks(64, 2), node=blocks(64, 4), package=blocks(64, 32), die=blocks(64, 8)
    ),
    "48amd64-4pa2n6c-sparse": machine(
        blocks(48, 1), {"node": [0, 1, 4, 5, 8, 9, 12, 13]},
        node=blocks(48, 6), package=blocks(48, 12), cache=blocks(48, 6),
    ),
    "128arm-2pa2n8cluster4co": machine(
        blocks(128, 1), node=blocks(128, 32), package=blocks(128, 64)
    ),
    "x86_64-epyc_7451": machine(
        [[cpu, cpu + 48] for cpu in range(48)],
        node=twice(range(0, 48, 6), 6),
        package=twice(range(0, 48, 24), 24),
        cache=twice(range(0, 48, 3), 3),
    ),
    "arm-A510-A710-A715-X3": machine(blocks(8, 1), package=[[0, 1, 2], [3, 4, 5, 6], [7]]),
    "s390-lpar": machine(
        blocks(20, 1), package=[[0, 1, 2], [3, 4, 5], [6, 7], [8, 9, 10], [11, 12, 13, 14], [15],
                                [16, 17, 18], [19]],
    ),
    "nvidia-dgx-gb10": kinds(
        [(None, capacity, cache) for cache, slow, fast in ((0, 718, 997), (10, 731, 1020))
         for capacity in [slow] * 5 + [fast] * 5]
    ),
    "offlines": machine([[0], [1, 9], [2, 10], [3], [4, 12], [5, 13], [6, 14]],
                        package=[[0, 4, 12], [1, 9, 5, 13], [2, 10, 6, 14], [3]]),
    # Not a dump: virtual machines with one core a socket, as they often are.
    "sockets of one core": machine(
        blocks(8, 1), node=[[0, 1], [2, 3, 4, 5, 6, 7]], package=blocks(8, 1)
    ),
    "nodes of unlike packages": machine(
        blocks(40, 1), node=[[*range(20)], [*range(20, 40)]],
        package=[[*range(20)], *blocks(40, 2)[10:]], cache=[[*range(20)], *blocks(40, 2)[10:]],
    ),
    "packages and nodes hold each other": machine(
        blocks(24, 1), node=[[*range(12)], [*range(12, 18)], [*range(18, 24)]],
        package=[*blocks(12, 3), [*range(12, 24)]],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_the_shapes_of_real_machines(name: str) -> None:
    topology = SHAPES[name]

    assert {count: faults for count in range(1, len(topology.cpus) + 1)
            if (faults := broken(topology, count))} == {}  # fmt: skip


@st.composite
def nested(draw: st.DrawFn) -> Topology:
    """Places that hold each other in any order, unequal in size, with kinds and threads."""
    order = draw(st.permutations(["node", "package", "cache"]))
    cores: list[dict[str, int]] = []

    def fill(path: dict[str, int], left: list[str]) -> None:
        if left:
            for _ in range(draw(st.integers(1, 3))):
                fill({**path, left[0]: len(cores)}, left[1:])
        else:
            cores.extend([path] * draw(st.integers(1, 3)))

    for _ in range(draw(st.integers(1, 3))):
        fill({order[0]: len(cores)}, list(order[1:]))
    return Topology(_threaded(draw, cores), ())


@st.composite
def crossing(draw: st.DrawFn) -> Topology:
    """Places that cut across each other, as no machine has them and as files may say."""
    cores = [
        {name: draw(st.integers(0, 2)) for name in ("node", "package", "cache", "die")}
        for _ in range(draw(st.integers(1, 12)))
    ]
    return Topology(_threaded(draw, cores), ())


def _threaded(draw: st.DrawFn, places: list[dict[str, int]]) -> Iterator[Core]:
    cpu = 0
    either: list[list[str | None]] = [[None], ["performance", "efficiency"]]
    names = draw(st.sampled_from(either))
    for place in places:
        threads = draw(st.integers(1, 3))
        cpus = range(cpu, cpu + threads)
        cpu += threads
        yield Core(cpus, cpus, **place, kind=draw(st.sampled_from(names)))


@given(nested() | crossing(), st.data())
def test_what_is_promised_holds_at_random(topology: Topology, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, len(topology.cpus)))
    isolated = data.draw(st.sets(st.sampled_from(topology.cpus)) | st.just(set()))
    topology = Topology(topology.cores, (), isolated=sorted(isolated))

    assert broken(topology, count) == []


# --- what must come out


def sets(text: str) -> list[list[int]]:
    return [[cpu for part in word.split(",") for cpu in _span(part)] for word in text.split()]


def _span(text: str) -> range:
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


@pytest.mark.parametrize(
    ("name", "count", "expected"),
    [
        ("8ia64-2n2s2c", 2, "0-3 4-7"),
        ("sockets of one core", 2, "0-1 2-7"),
        ("sockets of one core", 3, "0-1 2-4 5-7"),
        # Two clusters before two kinds, and four sets of one kind each, the slow ones last.
        ("nvidia-dgx-gb10", 2, "0-9 10-19"),
        ("nvidia-dgx-gb10", 4, "5-9 15-19 0-4 10-14"),
        # A node with one package of 20 cores does not take the sets that ten packages need.
        ("nodes of unlike packages", 11, "0-19 20-21 22-23 24-25 26-27 28-29 30-31 32-33 34-35 "
                                         "36-37 38-39"),
    ],
)  # fmt: skip
def test_the_sets_are(name: str, count: int, expected: str) -> None:
    assert [[*part] for part in SHAPES[name].split(count)] == sets(expected)


def test_three_nodes_that_hold_four_packages() -> None:
    topology = SHAPES["x86_64-64cpu"]

    assert [len(part) for part in topology.split(3)] == [32, 16, 16]
    assert {*topology.split(3)} == {*topology.nodes.values()}
    assert {*topology.split(4)} == {*topology.packages.values()}


def test_kinds_come_before_caches_that_hold_one_kind() -> None:
    """Two fast cores share a cache, and four slow ones each of two: two sets are two kinds."""
    topology = kinds([(*FAST, 0)] * 2 + [(*SLOW, 2)] * 4 + [(*SLOW, 6)] * 4)

    assert [[*part] for part in topology.split(2)] == sets("0-1 2-9")


# --- isolated CPUs


def isolated(*cpus: int) -> Topology:
    """Four cores with two threads."""
    return Topology([Core([n, n + 4], [n, n + 4]) for n in range(4)], range(8), isolated=cpus)


def test_isolated_cpus_are_left_out_while_there_are_others() -> None:
    assert isolated(2, 3, 6, 7).split(1) == ((0, 1, 4, 5),)
    assert isolated(2, 3, 6, 7).split(2) == ((0, 4), (1, 5))
    assert isolated(2, 3, 6, 7).split(4) == ((0,), (4,), (1,), (5,))


def test_each_isolated_cpu_is_a_set_of_its_own() -> None:
    topology = isolated(2, 3, 6, 7)

    assert topology.split(6) == ((0,), (4,), (1,), (5,), (2,), (3,))
    assert topology.split(8)[4:] == ((2,), (3,), (6,), (7,))


def test_a_process_with_isolated_cpus_alone() -> None:
    topology = isolated(*range(8))

    assert topology.split(1) == ((0,),)
    assert topology.split(3) == ((0,), (1,), (2,))
    assert sorted(topology.split(8)) == [(cpu,) for cpu in range(8)]


def test_a_core_with_one_isolated_thread() -> None:
    assert isolated(4).split(4) == ((0,), (1, 5), (2, 6), (3, 7))


def test_choose_takes_isolated_cpus_last() -> None:
    cores = isolated().cores

    assert choose(cores, 3, (0, 4)) == (1, 2, 3)
    assert choose(cores, 7, (0, 4)) == (0, 1, 2, 3, 5, 6, 7)
    assert choose(cores, 6, (0, 4)) == (1, 2, 3, 5, 6, 7)
    assert choose(cores, 2, tuple(range(8))) == (0, 1)


def test_the_isolated_cpus_of_the_system_are_used() -> None:
    text = shapes.regular(1, 1, 1, 4, 1) + f"-- {shapes.CPU}/isolated --\n0-1\n"

    assert read_topology(Machine(text)).split(2) == ((2,), (3,))


def test_an_isolated_partition_isolates_the_processs_own_cpus() -> None:
    topology = kumo.topology(machine=COUNTED / "isolated-partition-own.txt")

    assert topology.cpus
    assert topology.isolated == topology.cpus
    assert all(len(part) == 1 for part in topology.split(len(topology.cpus)))


def test_many_sets_are_made_in_linear_time() -> None:
    """32,768 cores, and a set for nearly each CPU: quadratic time would not end."""
    cores = [Core([cpu, cpu + 1], [cpu, cpu + 1], node=cpu // 4096) for cpu in range(0, 65536, 2)]

    assert len(split(cores, 65000)) == 65000
    assert len(choose(cores, 40000)) == 40000
