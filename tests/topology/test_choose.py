"""Which CPUs ``kumo run --pin`` takes, on machines of several shapes."""

from __future__ import annotations

import pytest

from kumo._cgroups.cpulist import format_cpulist
from kumo._topology.records import Core
from kumo._topology.split import choose


def machine(nodes: list[list[list[int]]], per_package: int = 1) -> list[Core]:
    """The cores of a machine given as nodes of cores of threads."""
    return [
        Core(core, core, node=node, package=node // per_package)
        for node, cores in enumerate(nodes)
        for core in cores
    ]


# As Linux numbers x86: the first threads of all cores, then the second ones.
LAPTOP = machine([[[0, 4], [1, 5], [2, 6], [3, 7]]])
SERVER = machine([[[0, 8], [1, 9], [2, 10], [3, 11]], [[4, 12], [5, 13], [6, 14], [7, 15]]])
# As POWER does: the threads of a core side by side.
POWER = machine([[[0, 1, 2, 3], [4, 5, 6, 7]], [[8, 9, 10, 11], [12, 13, 14, 15]]])
CHIPLETS = machine([[[0], [1]], [[2], [3]], [[4], [5]], [[6], [7]]], per_package=2)
UNLIKE = machine([[[0]], [[1]], [[2], [3]], [[4], [5]]], per_package=2)
LOPSIDED = machine([[[0, 6], [1, 7]], [[2, 8], [3, 9], [4, 10], [5, 11]]])


def kinds(*groups: tuple[str | None, int, list[list[int]]]) -> list[Core]:
    """The cores of a machine of one node, given as kind, capacity and cores of threads."""
    return [
        Core(core, core, node=0, package=0, kind=kind, capacity=capacity)
        for kind, capacity, cores in groups
        for core in cores
    ]


def pairs(first: int, number: int) -> list[list[int]]:
    return [[cpu, cpu + 1] for cpu in range(first, first + 2 * number, 2)]


def singles(first: int, number: int) -> list[list[int]]:
    return [[cpu] for cpu in range(first, first + number)]


# An i5-12600K, a mobile one with cores of low power, and a phone with one prime core.
DESKTOP = kinds(("performance", 1024, pairs(0, 6)), ("efficiency", 1024, singles(12, 4)))
MOBILE = kinds(
    ("performance", 1024, pairs(0, 6)),
    ("efficiency", 1024, singles(12, 8)),
    ("low-power", 1024, singles(20, 2)),
)
PHONE = kinds((None, 1024, [[7]]), (None, 800, singles(3, 4)), (None, 300, singles(0, 3)))


@pytest.mark.parametrize(
    ("cores", "count", "cpus"),
    [
        pytest.param(LAPTOP, 1, "0", id="one"),
        pytest.param(LAPTOP, 2, "0-1", id="cores before siblings"),
        pytest.param(LAPTOP, 4, "0-3", id="every core"),
        pytest.param(LAPTOP, 5, "0-4", id="then siblings"),
        pytest.param(LAPTOP, 8, "0-7", id="all"),
        pytest.param(LAPTOP, 9, "0-7", id="more than there are"),
        pytest.param(SERVER, 4, "0-3", id="one node"),
        pytest.param(SERVER, 5, "0-4", id="cores of two nodes before siblings"),
        pytest.param(SERVER, 9, "0-8", id="siblings of the first node"),
        pytest.param(POWER, 2, "0,4", id="threads side by side"),
        pytest.param(POWER, 3, "0,4,8", id="threads side by side, two nodes"),
        pytest.param(POWER, 6, "0-1,4-5,8,12", id="second threads"),
        pytest.param(CHIPLETS, 2, "0-1", id="one node of a package"),
        pytest.param(CHIPLETS, 4, "0-3", id="one package"),
        pytest.param(CHIPLETS, 5, "0-4", id="two packages"),
        pytest.param(UNLIKE, 3, "2-4", id="the package that suffices"),
        pytest.param(LOPSIDED, 2, "0-1", id="the smallest node that suffices"),
        pytest.param(LOPSIDED, 3, "2-4", id="the node that suffices"),
        pytest.param(DESKTOP, 1, "0", id="a fast core"),
        pytest.param(DESKTOP, 4, "0,2,4,6", id="fast cores"),
        pytest.param(DESKTOP, 8, "0,2,4,6,8,10,12-13", id="slow cores before siblings"),
        pytest.param(DESKTOP, 11, "0-2,4,6,8,10,12-15", id="then siblings of the fast"),
        pytest.param(MOBILE, 1, "0", id="no core of low power"),
        pytest.param(MOBILE, 7, "0,2,4,6,8,10,12", id="every fast core before a slow one"),
        pytest.param(PHONE, 1, "7", id="the prime core"),
        pytest.param(PHONE, 2, "3,7", id="the two fastest"),
        pytest.param(PHONE, 5, "3-7", id="no little core"),
    ],
)
def test_choice(cores: list[Core], count: int, cpus: str) -> None:
    assert format_cpulist(sum(1 << cpu for cpu in choose(cores, count))) == cpus


def test_a_mask_with_holes_is_kept_to() -> None:
    allowed = [Core([3], [3, 11], 0, 0), *(Core(cpus, cpus, 1, 1) for cpus in ([4], [5, 13], [15]))]

    assert choose(allowed, 3) == (4, 5, 15)
    assert choose(allowed, 4) == (3, 4, 5, 15)
    assert choose(allowed, 5) == (3, 4, 5, 13, 15)
