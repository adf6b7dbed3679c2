"""What ``kumo topology`` draws, whole, on machines from 1 to 1,024 CPUs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import shapes
from bare import MEASURED, PLAIN

from kumo._command.topology import as_dict
from kumo._snapshot import snapshot
from kumo._system.machine_file import Machine
from kumo._topology.picture import _wrapped, picture, short_list
from kumo._topology.read import read_cores, read_topology

MACHINES = Path(__file__).with_name("machines")
PCI = "/sys/devices/pci0000:00"
# Eight cores with two threads in two packages; the process may use some CPUs of each.
RESTRICTED = (
    shapes.regular(packages=2, nodes=1, caches=1, cores=4, threads=2, every=True).replace(
        "-- !affinity --\n0-15", "-- !affinity --\n1,4-7,12-13"
    )
    + "-- /sys/devices/system/cpu/offline --\n16-31\n-- /sys/devices/system/cpu/isolated --\n2-3\n"
    + "".join(
        f"-- {PCI}/{address}/class --\n{kind}\n-- {PCI}/{address}/vendor --\n{vendor}\n"
        f"-- {PCI}/{address}/device --\n0x0001\n-- {PCI}/{address}/numa_node --\n{node}\n"
        for address, kind, vendor, node in (
            ("0000:00:02.0", "0x030200", "0x10de", 1),
            ("0000:00:03.0", "0x088000", "0x1d0f", -1),
        )
    )
)
PICTURE = """\
7 of 16 CPUs on 5 cores
2 packages, 2 NUMA nodes, 2 last-level caches, 8 cores of 2 threads
isolated: 2-3
offline: 16-31

node 0, package 0  [(0) (8)] [1 (9)] [(2) (10)] [(3) (11)]
node 1, package 1  [4 12] [5 13] [6 (14)] [7 (15)]

in parentheses: not yours

0000:00:02.0  0x10de:0x0001  near node 1
0000:00:03.0  0x1d0f:0x0001  node unknown
"""


def kumo(*arguments: str, columns: str = "") -> str:
    ran = subprocess.run(
        [*PLAIN, *arguments],
        env={**MEASURED, "LC_ALL": "C.UTF-8"} | ({"COLUMNS": columns} if columns else {}),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


def drawn(text: str, width: int = 80) -> str:
    topology, cores = read_topology(Machine(text)), read_cores(Machine(text))
    return "\n".join(picture(topology, cores, width))


@pytest.fixture
def restricted(tmp_path: Path) -> str:
    path = tmp_path / "machine.txt"
    path.write_text(RESTRICTED)
    return str(path)


def test_a_small_machine_shows_the_numbers_of_its_cpus(restricted: str) -> None:
    assert kumo("topology", "--machine", restricted) == PICTURE


def test_one_cpu_of_one_core(tmp_path: Path) -> None:
    path = tmp_path / "machine.txt"
    path.write_text("-- !affinity --\n0\n-- /sys/devices/system/cpu/online --\n0\n")

    assert kumo("topology", "--machine", str(path)).startswith("1 of 1 CPU on 1 core\n\n[0]\n")


def of_256(affinity: str = "0-255", more: str = "") -> str:
    """Two packages of four nodes of four caches of four cores of two threads."""
    text = shapes.regular(packages=2, nodes=4, caches=4, cores=4, threads=2)
    return text.replace("-- !affinity --\n0-255", f"-- !affinity --\n{affinity}") + more


def test_256_cpus_at_80_columns() -> None:
    assert (
        drawn(of_256("0-9,20-31,128-137", f"-- {shapes.CPU}/isolated --\n24-31\n"))
        == """\
32 of 256 CPUs on 22 cores
2 packages, 8 NUMA nodes, 32 last-level caches, 128 cores of 2 threads
isolated: 24-31

          CPUs             yours        cores
package 0
  node 0  0-15,128-143     0-9,128-137  #### #### ##.. ....
  node 1  16-31,144-159    20-31        .... ++++ iiii iiii
  node 2  32-47,160-175    -            .... .... .... ....
  node 3  48-63,176-191    -            .... .... .... ....
package 1
  node 4  64-79,192-207    -            .... .... .... ....
  node 5  80-95,208-223    -            .... .... .... ....
  node 6  96-111,224-239   -            .... .... .... ....
  node 7  112-127,240-255  -            .... .... .... ....

# your core   + partly yours   i yours and isolated   . not yours
a gap is between two last-level caches"""
    )


def test_a_row_goes_on_below_itself() -> None:
    text = shapes.regular(packages=2, nodes=1, caches=12, cores=8, threads=2)

    assert drawn(text).splitlines()[3:8] == [
        "                   CPUs            cores",
        "node 0, package 0  0-95,192-287    ######## ######## ######## ######## ########",
        "                                   ######## ######## ######## ######## ########",
        "                                   ######## ########",
        "node 1, package 1  96-191,288-383  ######## ######## ######## ######## ########",
    ]
    assert drawn(text, 160).splitlines()[4].count("#") == 96


def test_short_rows_share_a_line_if_they_are_many() -> None:
    """64 nodes of two packages of two CPUs, as the largest Itanium machines were."""
    text = shapes.section("!affinity", "0-255") + shapes.section(f"{shapes.CPU}/online", "0-255")
    text += shapes.section(f"{shapes.NODE}/online", "0-63")
    for cpu in range(256):
        first, node = cpu // 2 * 2, cpu // 4 * 4
        text += shapes.section(f"{shapes.NODE}/node{cpu // 4}/cpulist", f"{node}-{node + 3}")
        files: dict[str, object] = {
            "core_cpus_list": cpu,
            "package_cpus_list": f"{first}-{first + 1}",
            "physical_package_id": cpu // 2,
        }
        for name, content in files.items():
            text += shapes.section(f"{shapes.CPU}/cpu{cpu}/topology/{name}", content)
    lines = drawn(text).splitlines()

    assert lines[:2] == ["256 of 256 CPUs on 256 cores", "128 packages, 64 NUMA nodes"]
    assert lines[4] == "nodes 0-3    0-15     ## ##  ## ##  ## ##  ## ##"
    assert len(lines) == 23


def test_cpus_that_no_core_is_known_of() -> None:
    lines = drawn("-- !affinity --\n0-255\n").splitlines()

    assert lines[:4] == [
        "256 of 256 CPUs on 256 cores",
        "",
        "CPUs   cores",
        "0-255  " + "#" * 72,
    ]


@pytest.mark.parametrize("width", [80, 100, 200])
@pytest.mark.parametrize("path", sorted(MACHINES.glob("*.txt")), ids=lambda path: path.stem)
def test_no_line_is_wider_than_the_terminal(path: Path, width: int) -> None:
    lines = drawn(path.read_text("utf-8"), width).splitlines()

    assert max(len(line) for line in lines if not line.startswith("topology-")) <= width


@pytest.mark.parametrize(
    "shape", [(2, 4, 4, 4, 2), (1, 1, 16, 8, 2), (8, 1, 1, 32, 1), (1, 1, 1, 256, 1)]
)
def test_256_cpus_fit_a_screen(shape: tuple[int, int, int, int, int]) -> None:
    lines = drawn(shapes.regular(*shape)).splitlines()

    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80


def test_every_core_is_drawn_once() -> None:
    picture = drawn(of_256("0-99"))

    assert sum(picture.rpartition("\n\n")[0].count(sign) for sign in "#+.") == 128


def test_the_width_is_that_of_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "machine.txt"
    path.write_text(shapes.regular(packages=1, nodes=1, caches=1, cores=128, threads=1))

    wide = kumo("topology", "--machine", str(path), columns="200")
    assert "#" * 128 in wide
    assert "#" * 128 not in kumo("topology", "--machine", str(path))


def test_kinds_have_names_threads_and_capacities() -> None:
    assert (
        drawn((MACHINES / "nvidia-gb10.txt").read_text("utf-8"))
        == """\
20 of 20 CPUs on 20 cores, worth 16.92 of the fastest
2 last-level caches, 10 performance cores (capacity 997-1024),
10 efficiency cores (capacity 718-731)

cache 0   performance  [5] [6] [7] [8] [9]
          efficiency   [0] [1] [2] [3] [4]
cache 10  performance  [15] [16] [17] [18] [19]
          efficiency   [10] [11] [12] [13] [14]"""
    )


def test_what_the_system_names_is_escaped() -> None:
    """A machine file may come from anybody, and a terminal obeys what it is sent."""
    escape = "\x1b]0;title\x07"
    place = f"{PCI}/0000:00:02.0{escape}"
    text = f"-- !platform --\ndarwin\n-- !hw.perflevel --\nFast{escape} 1\nSlow 1\n" + "".join(
        shapes.section(f"{place}/{name}", content)
        for name, content in (
            ("class", "0x030200"), ("vendor", f"0x10de{escape}"), ("device", escape),
        )
    )  # fmt: skip

    assert drawn(text).replace("\n", "").isprintable()


@pytest.mark.parametrize(
    ("cpus", "text"),
    [
        ([], ""),
        ([3], "3"),
        ([0, 1], "0-1"),
        ([0, 2], "0,2"),
        ([0, 2, 4], "0-4:2"),
        ([0, 1, 2, 3, 8, 9, 10, 11], "0-3,8-11"),
        ([0, 4, 8, 12, 13], "0-12:4,13"),
        ([0, 1, 3, 5, 7], "0-1,3-7:2"),
    ],
)
def test_short_lists(cpus: list[int], text: str) -> None:
    assert short_list(cpus) == text


# --- a machine file of it


@pytest.mark.parametrize("path", sorted(MACHINES.glob("*.txt")), ids=lambda path: path.stem)
def test_a_snapshot_with_the_topology_gives_the_same(path: Path) -> None:
    machine = Machine(path.read_text("utf-8"))
    again = Machine(snapshot(Machine(path.read_text("utf-8")), topology=True))

    assert read_topology(again) == read_topology(machine)
    assert read_cores(again) == read_cores(machine)


def test_a_snapshot_with_the_topology_holds_the_cores_of_others(
    restricted: str, tmp_path: Path
) -> None:
    path = tmp_path / "snapshot.txt"
    path.write_text(kumo("snapshot", "--topology", "--machine", restricted))

    assert kumo("topology", "--machine", str(path)) == PICTURE


def test_what_a_snapshot_without_it_lacks_is_said() -> None:
    plain = Machine(snapshot(Machine(RESTRICTED)))
    (note,) = as_dict(read_topology(plain))["notes"]

    assert note == {
        "code": "topology-unknown",
        "text": "The system does not show which core the CPUs 1,4-7,12-13 belong to, so each is "
        "taken as its own. The count is not affected. "
        "Mount /sys, or take the machine file with `kumo snapshot --topology`.",
    }


def test_a_system_that_lists_no_cpus() -> None:
    machine = Machine("-- !platform --\nlinux\n-- !affinity --\n65536\n")
    lines = list(picture(read_topology(machine), read_cores(machine), 80))

    assert lines[:3] == ["0 of 0 CPUs on 0 cores", "", "The system does not say which CPUs it has."]
    assert [line.partition(":")[0] for line in lines[3:] if line] == ["malformed", "affinity-empty"]


@pytest.mark.parametrize(
    ("width", "lines"),
    [(14, ["one, two,", "three"]), (15, ["one, two, three"]), (8, ["one,", "two,", "three"])],
)
def test_a_line_has_room_for_its_comma(width: int, lines: list[str]) -> None:
    assert list(_wrapped(["one", "two", "three"], width)) == lines
