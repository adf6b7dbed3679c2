"""kumo's topology beside lscpu's and hwloc's in virtual machines of several shapes."""

import functools
import shutil
import sys
from collections.abc import Iterable
from typing import Any

import pytest

if sys.platform != "linux":
    pytest.skip("the kernels are Linux kernels", allow_module_level=True)

import kernel_boot
from conftest import skip_real

pytestmark = pytest.mark.kernel

HALVES = ["--numa", "512M,cpus=0-3", "--numa", "512M,cpus=4-7"]
QUARTERS = [
    word for first in range(0, 8, 2) for word in ("--numa", f"256M,cpus={first}-{first + 1}")
]
# A processor that tells of threads and dies: its CPUID has leaf 1Fh.
TELLING = "-cpu Icelake-Server"
# What vng is given for each machine of 8 CPUs, and what the machine has.
SHAPES: dict[str, tuple[list[str], dict[str, int]]] = {
    "two sockets with threads, two nodes": (
        [f"--qemu-opts={TELLING} -smp 8,sockets=2,cores=2,threads=2", *HALVES],
        {"packages": 2, "dies": 2, "nodes": 2, "cores": 4},
    ),
    "two dies with threads, four nodes": (
        [f"--qemu-opts={TELLING} -smp 8,sockets=1,dies=2,cores=2,threads=2", *QUARTERS],
        {"packages": 1, "dies": 2, "nodes": 4, "cores": 4},
    ),
    "four sockets, two isolated CPUs": (
        [f"--qemu-opts={TELLING} -smp 8,sockets=4,cores=2,threads=1", "--append", "isolcpus=6,7"],
        {"packages": 3, "dies": 3, "nodes": 1, "cores": 6},
    ),
}
SITUATIONS = ("whole", "mask", "one thread a core", "cpu5 off line", "cpuset")


@functools.cache
def _ran(shape: str) -> kernel_boot.Ran:
    return kernel_boot.run([str(kernel_boot.HERE / "topology_guest.py")], *SHAPES[shape][0])


def records(shape: str) -> list[dict[str, Any]]:
    """Boot the machine once, and give what its guest program wrote."""
    if reason := kernel_boot.missing():
        skip_real(reason)
    if shutil.which("lstopo-no-graphics") is None:
        skip_real(f"no lstopo-no-graphics: {kernel_boot.INSTALL}")
    return _ran(shape).until("end")


def groups(pairs: Iterable[tuple[int, object]]) -> set[frozenset[int]]:
    """The sets of CPUs that have the same value."""
    members: dict[object, set[int]] = {}
    for cpu, value in pairs:
        members.setdefault(value, set()).add(cpu)
    return {frozenset(cpus) for cpus in members.values()}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_whole_machine(shape: str) -> None:
    whole = next(record for record in records(shape) if record["name"] == "whole")["kumo"]

    assert {
        "packages": len(whole["packages"]),
        "dies": len(whole["dies"]),
        "nodes": len(whole["nodes"]),
        "cores": whole["physical_cores"],
    } == SHAPES[shape][1]
    assert whole["isolated"] == ([6, 7] if "isolated" in shape else [])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("situation", SITUATIONS)
def test_as_lscpu_and_hwloc_show_it(shape: str, situation: str) -> None:
    record = next(record for record in records(shape) if record["name"] == situation)
    topology, own = record["kumo"], {*record["kumo"]["cpus"]}
    rows = [row for row in record["lscpu"] if int(row["cpu"]) in own]

    assert len(rows) == len(own) > 0
    for column, ours in (
        ("core", [core["cpus"] for core in topology["cores"]]),
        ("socket", topology["packages"].values()),
        ("node", topology["nodes"].values()),
    ):
        assert groups((int(row["cpu"]), row[column]) for row in rows) == {
            frozenset(cpus) for cpus in ours
        }, column
    assert {int(row["cpu"]) for row in record["lscpu"] if row["online"] in (True, "yes")} == {
        *topology["online"]
    }
    assert record["hwloc"] == {
        "Package": len(topology["packages"]),
        "NUMANode": len(topology["nodes"]),
        "Core": topology["physical_cores"],
        "PU": len(own),
    }


def test_the_situations_are_what_they_say() -> None:
    two_sockets = records(next(iter(SHAPES)))
    own = {record["name"]: record["kumo"]["cpus"] for record in two_sockets[:-1]}

    assert own == {
        "whole": [*range(8)],
        "mask": [1, 4, 5, 6],
        "one thread a core": [0, 2, 4, 6],
        "cpu5 off line": [0, 1, 2, 3, 4, 6, 7],
        "cpuset": [2, 3, 4, 5],
    }
    assert [record["kumo"]["offline"] for record in two_sockets if record["name"] != "end"][3] == [
        5
    ]
