"""Where the CPUs lie: machine files, lscpu and hwloc on this host, and the sets for workers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import shapes
from conftest import skip_real
from hypothesis import given
from hypothesis import strategies as st

import kumo
from kumo._cgroups.cpulist import format_cpulist
from kumo._system.machine_file import Machine
from kumo._topology.read import read_topology
from kumo._topology.records import Core, Topology
from kumo._topology.split import choose

MACHINES = sorted(Path(__file__).with_name("machines").glob("*.txt"))


def cpulist(cpus: Iterable[int]) -> str:
    return format_cpulist(sum(1 << cpu for cpu in cpus))


def said(topology: Topology, word: str, value: str) -> str:
    """What *found* says for a line of ``expect``."""
    first = value.partition(" ")[0]
    return {
        "physical_cores": lambda: str(topology.physical_cores),
        "capacity": lambda: f"{topology.capacity:g}",
        "nodes": lambda: str(len(topology.nodes)),
        "packages": lambda: str(len(topology.packages)),
        "caches": lambda: str(len(topology.caches)),
        "offline": lambda: cpulist(topology.offline),
        "kind": lambda: f"{first} {cpulist(topology.kinds.get(first, ()))}",
        "split": lambda: " ".join([first, *map(cpulist, topology.split(int(first)))]),
    }[word]()


@pytest.mark.parametrize("path", MACHINES, ids=lambda path: path.stem)
def test_machine(path: Path) -> None:
    topology = kumo.topology(machine=path)
    text = Machine(path.read_text("utf-8")).expect()

    pairs = [line.partition(" ")[::2] for line in text.splitlines()]
    expected = [value for word, value in pairs if word == "note"]
    assert sorted(note.code for note in topology.notes) == sorted(expected)
    for word, value in pairs:
        if word == "note":
            continue
        if word == "parallelism":
            assert kumo.estimate(machine=path).parallelism == int(value)
            assert len(topology.cpus) == int(value)
        else:
            assert (word, said(topology, word, value)) == (word, value)


def test_the_regular_machines_are_as_their_shapes_make_them() -> None:
    for shape in shapes.SHAPES.values():
        assert shape() in [path.read_text("utf-8") for path in MACHINES]


# --- cut to the own CPUs


def two_nodes(more: str = "") -> Topology:
    """16 cores with two threads in two packages of one node and two caches each."""
    text = shapes.regular(packages=2, nodes=1, caches=2, cores=4, threads=2, every=True)
    return read_topology(Machine(text + more))


def test_restricted_by_a_mask_of_one_thread_a_core() -> None:
    text = shapes.regular(packages=2, nodes=1, caches=2, cores=4, threads=2, every=True)
    topology = read_topology(
        Machine(text.replace("-- !affinity --\n0-31", "-- !affinity --\n6-9,24"))
    )

    assert topology.cpus == (6, 7, 8, 9, 24)
    assert topology.physical_cores == 4
    assert topology.nodes == {0: (6, 7), 1: (8, 9, 24)}
    assert topology.cores[2] == Core((8, 24), (8, 24), node=1, package=1, die=0, cache=8)
    assert topology.cores[0].siblings == (6, 22)
    assert topology.split(2) == ((6, 7), (8, 9, 24))


def test_offline_and_isolated_cpus_are_told() -> None:
    topology = two_nodes(
        "-- /sys/devices/system/cpu/offline --\n32-63\n"
        "-- /sys/devices/system/cpu/isolated --\n14,15\n"
    )

    assert topology.offline == tuple(range(32, 64))
    assert topology.isolated == (14, 15)
    assert len(topology.online) == 32


def test_a_sibling_that_is_off_line_is_no_sibling() -> None:
    topology = read_topology(
        Machine(
            "-- !affinity --\n0,1\n-- /sys/devices/system/cpu/online --\n0-1\n"
            "-- /sys/devices/system/cpu/cpu0/topology/core_cpus_list --\n0,2\n"
            "-- /sys/devices/system/cpu/cpu1/topology/core_cpus_list --\n1\n"
        )
    )

    assert [core.siblings for core in topology.cores] == [(0,), (1,)]


def test_without_sys_each_cpu_is_its_own_core_and_a_note_says_so() -> None:
    topology = read_topology(Machine("-- !affinity --\n0-2\n"))

    assert topology.physical_cores == 3
    assert topology.nodes == {}
    assert [note.code for note in topology.notes] == ["topology-unknown"]
    assert "0-2" in topology.notes[0].text


def test_closed_and_malformed_files_are_notes() -> None:
    topology = read_topology(
        Machine(
            "-- !affinity --\n0\n-- /sys/devices/system/cpu/online --\n0\n"
            "-- /sys/devices/system/node/online --\nall\n"
            "-- /sys/devices/system/cpu/cpu0/topology/core_cpus_list (EACCES) --\n"
        )
    )

    assert [(note.code, note.errs) for note in topology.notes] == [
        ("topology-malformed", "no"),
        ("topology-unreadable", "no"),
        ("topology-unknown", "no"),
    ]
    assert "`kumo snapshot --topology`" in topology.notes[0].text


def test_malformed_levels_of_performance_are_a_note() -> None:
    topology = read_topology(Machine("-- !affinity --\n0-1\n-- !hw.perflevel --\nfast\n"))

    assert len(topology.cores) == 2
    assert topology.notes[0].text == (
        "hw.perflevel is 'fast', which is not lines such as Performance 8, "
        "so the topology was read without it. The count is not affected. "
        "Report it with the output of `kumo snapshot --topology`."
    )


def test_a_machine_of_4096_cpus_takes_few_reads() -> None:
    """The time is measured in benchmarks/topology.py; what it follows is the number of groups."""
    text = shapes.regular(packages=8, nodes=4, caches=4, cores=16, threads=2)
    machine = Machine(text)
    topology = read_topology(machine)

    assert len(topology.cpus) == 4096
    assert (topology.physical_cores, len(topology.nodes), len(topology.caches)) == (2048, 32, 128)
    assert len(machine.asked) < 3 * 2048


def test_files_with_the_same_fault_share_a_note() -> None:
    closed = "".join(f"-- {shapes.CPU}/cpu{cpu}/topology (EACCES) --\n" for cpu in range(4))
    topology = read_topology(Machine(f"-- !affinity --\n0-3\n{closed}"))

    assert [note.code for note in topology.notes] == ["topology-unreadable", "topology-unknown"]
    assert topology.notes[0].text.startswith(
        "/sys/devices/system/cpu/cpu0/topology/core_cpus_list (and 27 more such files) "
        "could not be read (EACCES), "
    )


LISTED: dict[str, Callable[[int, int], str]] = {
    "all before": lambda cpu, count: f"0-{cpu}",
    "all after": lambda cpu, count: f"{cpu}-{count}",
    "all": lambda cpu, count: f"0-{count}",
    "a ring": lambda cpu, count: f"{cpu},{(cpu + 1) % count}",
    "all others": lambda cpu, count: f"0-{max(cpu - 1, 0)},{cpu + 1}-{count}",
    "not a list": lambda cpu, count: f"x{cpu}",
}
FILES = {
    "cores": ("topology/core_cpus_list",),
    "packages": ("topology/package_cpus_list", "topology/physical_package_id"),
    "caches": ("cache/index0/shared_cpu_list", "cache/index0/level"),
}


def hostile(files: str, listed: str, count: int) -> str:
    first, *more = FILES[files]
    return f"-- !affinity --\n0-{count - 1}\n" + "".join(
        f"-- {shapes.CPU}/cpu{cpu}/{first} --\n{LISTED[listed](cpu, count)}\n"
        + "".join(f"-- {shapes.CPU}/cpu{cpu}/{name} --\n3\n" for name in more)
        for cpu in range(count)
    )


@pytest.mark.parametrize("listed", LISTED)
@pytest.mark.parametrize("files", FILES)
def test_hostile_lists(files: str, listed: str) -> None:
    count = 1000
    topology = read_topology(Machine(hostile(files, listed, count)))

    assert topology.cpus == tuple(range(count))
    assert sorted(cpu for core in topology.cores for cpu in core.siblings) == [*range(count)]
    assert len(topology.split(3)) == 3
    assert len(topology.notes) < 5


@pytest.mark.slow
def test_the_most_cpus_that_list_no_groups() -> None:
    machine = Machine("-- !affinity --\n0-65535\n")
    topology = read_topology(machine)

    assert (len(topology.cpus), topology.physical_cores) == (65536, 65536)
    assert len(machine.asked) < 9 * 65536
    assert [note.code for note in topology.notes] == ["topology-unknown"]
    assert len(topology.notes[0].text) < 500


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on CPU time")
def test_the_cost_is_linear_in_the_cpus() -> None:
    """All of it takes about 5 s; quadratic time takes more than the two minutes allowed."""
    script = (
        "import resource; resource.setrlimit(resource.RLIMIT_CPU, (120, 120))\n"
        "from test_topology import *\n"
        "for files in FILES:\n"
        "    for listed in LISTED:\n"
        "        read_topology(Machine(hostile(files, listed, 16000))).split(7)\n"
        "read_topology(Machine('-- !affinity --\\n0-65535\\n')).split(60000)\n"
    )
    path = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[1]), *sys.path])
    environment = {**os.environ, "PYTHONPATH": path}

    assert (
        subprocess.run([sys.executable, "-c", script], env=environment, check=False).returncode == 0
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "facts", ["-- !cpus --\n9999999\n", "-- !cpus --\n2\n-- !hw.perflevel --\nFast 9999999\n"]
)
def test_more_cpus_than_any_machine_has(facts: str) -> None:
    topology = read_topology(Machine(facts))

    assert topology.notes[0].code == "topology-malformed"
    assert len(topology.online) <= 65536
    assert topology.physical_cores <= 65536


def test_behind_a_view_of_files_the_true_cpus_are_shown() -> None:
    topology = read_topology(
        Machine(
            "-- $KUMO_VIEW_CPUS --\n2\n-- $KUMO_VIEW_FILES --\n1\n-- !affinity --\n0-7\n"
            "-- /sys/devices/system/cpu/online --\n0-1\n"
            "-- /sys/devices/system/cpu/present --\n0-9\n"
            "-- /sys/devices/system/cpu/offline --\n8,10-63\n"
        )
    )

    assert topology.online == (*range(8), 9)
    assert topology.offline == (8,)


def test_more_nodes_than_any_kernel_has() -> None:
    topology = read_topology(Machine(f"-- !affinity --\n0\n-- {shapes.NODE}/online --\n0-65535\n"))

    assert topology.notes[0].code == "topology-malformed"
    assert "which is not at most 1024 nodes" in topology.notes[0].text


def test_the_highest_frequencies_of_one_kind_differ() -> None:
    """As firmware ranks the cores of one processor: steps of 3 %, over a third in all."""
    cpus = range(16)
    text = "-- !affinity --\n0-15\n" + "".join(
        f"-- {shapes.CPU}/cpu{cpu}/cpufreq/cpuinfo_max_freq --\n{int(5_900_000 * 0.97**cpu)}\n"
        for cpu in cpus
    )

    assert read_topology(Machine(text)).kinds == {}


def test_kinds_that_the_system_names_come_before_frequencies() -> None:
    text = (MACHINES[0].parent / "intel-12900k.txt").read_text("utf-8") + "".join(
        f"-- {shapes.CPU}/cpu{cpu}/cpufreq/cpuinfo_max_freq --\n{5_000_000 >> cpu % 2}\n"
        for cpu in range(24)
    )

    assert read_topology(Machine(text)).kinds == {
        "performance": tuple(range(16)),
        "efficiency": tuple(range(16, 24)),
    }


@pytest.mark.parametrize(
    ("package", "core", "packages"),
    [
        pytest.param(["0-1", "2-3"], ["0", "1", "2", "3"], {0: (0, 1), 2: (2, 3)}, id="sockets"),
        pytest.param(["0-1", "2-3"], ["0-1", "0-1", "2-3", "2-3"], {}, id="cores, as on POWER7"),
        pytest.param(["0-3", "0-3"], ["0-3"] * 4, {0: (0, 1, 2, 3)}, id="the machine"),
        pytest.param(["0", "1", "2", "3"], ["0", "1", "2", "3"], {}, id="one a CPU"),
    ],
)
def test_packages_without_a_number(
    package: list[str], core: list[str], packages: dict[int, tuple[int, ...]]
) -> None:
    text = "-- !affinity --\n0-3\n-- /sys/devices/system/cpu/online --\n0-3\n"
    for cpu in range(4):
        folder = f"{shapes.CPU}/cpu{cpu}/topology"
        text += f"-- {folder}/physical_package_id --\n-1\n"
        text += f"-- {folder}/core_siblings_list --\n{package[cpu * len(package) // 4]}\n"
        text += f"-- {folder}/thread_siblings_list --\n{core[cpu]}\n"

    assert read_topology(Machine(text)).packages == packages


def test_isolated_cpus_that_are_not_present() -> None:
    topology = two_nodes(
        "-- /sys/devices/system/cpu/isolated --\n9,40\n"
        "-- /sys/devices/system/cpu/present --\n0-35\n"
    )

    assert topology.isolated == (9,)
    assert topology.offline == (32, 33, 34, 35)


# --- accelerators


def test_accelerators_and_their_nodes() -> None:
    bridge = "/sys/devices/pci0000:80/0000:80:01.0"

    def device(path: str, kind: str, vendor: str, node: str) -> str:
        return (
            f"-- {path}/class --\n{kind}\n-- {path}/vendor --\n{vendor}\n"
            f"-- {path}/device --\n0x20b0\n-- {path}/numa_node --\n{node}\n"
        )

    topology = two_nodes(
        f"-- {bridge}/class --\n0x060400\n"
        + device(f"{bridge}/0000:81:00.0", "0x030200", "0x10de", "1")
        + device("/sys/devices/pci0000:00/0000:00:05.0", "0x120000", "0x1002", "-1")
        + device("/sys/devices/pci0000:00/0000:00:02.0", "0x030000", "0x1a03", "0")
        + device("/sys/devices/pci0000:00/0000:00:03.0", "0x020000", "0x8086", "0")
        + device("/sys/devices/pci0000:00/0000:00:06.0", "0x030000", "0x8086", "0")
        + device("/sys/devices/pci0000:00/0000:00:07.0", "0x088000", "0x1d0f", "1")
        + device("/sys/devices/pci0000:00/0000:00:08.0", "0x088000", "0x8086", "0")
    )

    assert [(device.address, device.vendor, device.node) for device in topology.accelerators] == [
        ("0000:00:05.0", "0x1002", None),
        ("0000:00:06.0", "0x8086", 0),
        ("0000:00:07.0", "0x1d0f", 1),
        ("0000:81:00.0", "0x10de", 1),
    ]


# --- split and choose


@st.composite
def machines(draw: st.DrawFn) -> list[Core]:
    cores, cpu = [], 0
    for number in range(draw(st.integers(1, 12))):
        threads = draw(st.integers(1, 4))
        cpus = tuple(range(cpu, cpu + threads))
        cpu += threads
        kind = draw(st.sampled_from(["performance", "efficiency", None]))
        cores.append(Core(cpus, cpus, node=draw(st.integers(0, 2)), package=0, cache=number // 3,
                          kind=kind))  # fmt: skip
    return cores


@given(machines(), st.data())
def test_split_divides_all_cpus(cores: list[Core], data: st.DataObject) -> None:
    topology = Topology(cores, ())
    count = data.draw(st.integers(1, len(topology.cpus)))

    parts = topology.split(count)

    assert len(parts) == count
    assert sorted(cpu for part in parts for cpu in part) == list(topology.cpus)
    assert all(parts)
    if count <= len(cores):
        for core in cores:
            assert sum(bool({*core.cpus} & {*part}) for part in parts) == 1, "a core was divided"


@given(machines(), st.data())
def test_choose_takes_whole_cores_before_siblings(cores: list[Core], data: st.DataObject) -> None:
    count = data.draw(st.integers(1, sum(len(core.cpus) for core in cores)))

    chosen = {*choose(cores, count)}

    assert len(chosen) == count
    used = [len(chosen & {*core.cpus}) for core in cores]
    assert sum(bool(taken) for taken in used) == min(count, len(cores))


def test_split_keeps_to_nodes_and_caches() -> None:
    topology = two_nodes()

    assert [cpulist(part) for part in topology.split(2)] == ["0-7,16-23", "8-15,24-31"]
    assert [cpulist(part) for part in topology.split(4)] == [
        "0-3,16-19", "4-7,20-23", "8-11,24-27", "12-15,28-31"
    ]  # fmt: skip
    assert [cpulist(part) for part in topology.split(3)] == ["0-3,16-19", "4-7,20-23", "8-15,24-31"]


def test_whole_cores_come_before_siblings() -> None:
    topology = two_nodes()

    assert topology.split(16)[0] == (0, 16)
    assert topology.split(17)[:3] == ((0,), (16,), (1, 17))
    assert topology.split(32)[:2] == ((0,), (16,))


def test_choose_stays_in_the_smallest_group_that_is_enough() -> None:
    cores = two_nodes().cores

    assert choose(cores, 4) == (0, 1, 2, 3)
    assert choose(cores, 5) == (0, 1, 2, 3, 4)
    assert choose(cores, 16) == tuple(range(16))
    assert choose(cores, 17) == tuple(range(17))
    assert choose(cores, 99) == tuple(range(32))


@pytest.mark.parametrize("count", [0, -1, 33])
def test_split_of_a_count_that_cannot_be(count: int) -> None:
    with pytest.raises(ValueError, match=f"between 1 and the 32 CPUs there are, not {count}"):
        two_nodes().split(count)


@pytest.mark.parametrize("count", [1.5, "2", None])
def test_split_of_what_is_no_whole_number(count: Any) -> None:
    with pytest.raises(TypeError, match=f"^count must be a whole number, not {count!r}$"):
        two_nodes().split(count)


def test_capacities_that_differ_a_little_are_one_kind() -> None:
    cores = [Core([cpu], [cpu], cpu // 4, capacity=1024 - cpu % 2) for cpu in range(8)]

    assert Topology(cores, ()).split(2) == ((0, 1, 2, 3), (4, 5, 6, 7))
    assert choose(cores, 3) == (0, 1, 2)


def test_lists_of_siblings_that_overlap_give_no_cpu_twice() -> None:
    cpu = "/sys/devices/system/cpu/cpu"
    topology = read_topology(
        Machine(
            "-- !affinity --\n0-2\n-- /sys/devices/system/cpu/online --\n0-2\n"
            f"-- {cpu}0/topology/core_cpus_list --\n0-1\n"
            f"-- {cpu}2/topology/core_cpus_list --\n1-2\n"
        )
    )

    assert topology.cpus == (0, 1, 2)
    assert [core.cpus for core in topology.cores] == [(0, 1), (2,)]


# --- this host, beside lscpu and hwloc


def groups(pairs: Iterable[tuple[int, object]]) -> set[frozenset[int]]:
    """The sets of CPUs that have the same value."""
    members: dict[object, set[int]] = {}
    for cpu, value in pairs:
        members.setdefault(value, set()).add(cpu)
    return {frozenset(cpus) for cpus in members.values()}


@pytest.mark.real
def test_this_host_as_lscpu_shows_it() -> None:
    if shutil.which("lscpu") is None:
        skip_real("no lscpu: it is part of util-linux")
    shown = json.loads(
        subprocess.run(
            ["lscpu", "--json", "-e=CPU,NODE,SOCKET,CORE,ONLINE"], capture_output=True, check=True
        ).stdout
    )["cpus"]
    topology = kumo.topology()
    own = {*topology.cpus}
    rows = [row for row in shown if int(row["cpu"]) in own]

    assert groups((int(row["cpu"]), row["core"]) for row in rows) == {
        frozenset(core.cpus) for core in topology.cores
    }
    assert groups((int(row["cpu"]), row["socket"]) for row in rows) == {
        frozenset(cpus) for cpus in topology.packages.values()
    }
    assert groups((int(row["cpu"]), row["node"]) for row in rows) == {
        frozenset(cpus) for cpus in topology.nodes.values()
    }


@pytest.mark.real
def test_this_host_as_hwloc_shows_it() -> None:
    if shutil.which("lstopo-no-graphics") is None:
        skip_real("no lstopo-no-graphics: apt-get install hwloc")
    topology = kumo.topology()

    def hwloc(kind: str) -> int:
        done = subprocess.run(
            ["hwloc-calc", "--number-of", kind, "all"], capture_output=True, text=True, check=True
        )
        return int(done.stdout)

    assert hwloc("core") == topology.physical_cores
    assert hwloc("pu") == len(topology.cpus)
    assert hwloc("package") == len(topology.packages)
    assert hwloc("numanode") == len(topology.nodes)


@pytest.mark.real
def test_a_process_that_is_pinned() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        only = min(os.sched_getaffinity(child.pid))
        os.sched_setaffinity(child.pid, {only})
        assert kumo.topology(pid=child.pid).cpus == (only,)
    finally:
        child.communicate(b"\n", timeout=60)
    with pytest.raises(ProcessLookupError):
        kumo.topology(pid=child.pid)
