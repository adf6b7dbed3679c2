"""The map that ``kumo topology`` draws, whole: with rich and on a plain install."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import shapes

from kumo._command.topology import as_dict
from kumo._snapshot import snapshot
from kumo._system.machine_file import Machine
from kumo._topology.read import read_cores, read_topology

MACHINES = Path(__file__).with_name("machines")
SOURCE = str(Path(__file__).parents[2] / "src")
KUMO = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from kumo._command.main import main; sys.exit(main())"
)
PLAIN = [sys.executable, "-I", "-S", "-c", KUMO, SOURCE]  # without site-packages, so without rich
WITH_RICH = [sys.executable, "-m", "kumo"]
PCI = "/sys/devices/pci0000:00"
# Eight cores with two threads in two packages, of which one is the process's; CPU 31 is off line.
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
MAP = """\
7 of 16 CPUs on 5 cores
isolated: 2-3
off line: 16-31

package  node  cache  cores
0        0     0      [(0) (8)] [1 (9)] [(2) (10)] [(3) (11)]
1        1     4      [4 12] [5 13] [6 (14)] [7 (15)]
0000:00:02.0  0x10de:0x0001  node 1
0000:00:03.0  0x1d0f:0x0001  node not told
"""
MAP_ALONE = MAP.replace("0        0     0    ", "      0     0      0").replace(
    "1        1     4    ", "      1     1      4"
)


def kumo(command: list[str], *arguments: str) -> str:
    ran = subprocess.run(
        [*command, *arguments],
        env={"LC_ALL": "C.UTF-8", "PYTHONPATH": SOURCE},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


@pytest.fixture
def restricted(tmp_path: Path) -> str:
    path = tmp_path / "machine.txt"
    path.write_text(RESTRICTED)
    return str(path)


def test_the_map(restricted: str) -> None:
    pytest.importorskip("rich")

    assert kumo(WITH_RICH, "topology", "--machine", restricted) == MAP


def test_the_map_without_rich(restricted: str) -> None:
    assert kumo(PLAIN, "topology", "--machine", restricted) == MAP_ALONE


def test_lines_break_between_cores() -> None:
    pytest.importorskip("rich")
    shown = kumo(WITH_RICH, "topology", "--machine", str(MACHINES / "power9.txt"))

    lines = shown.splitlines()
    assert lines[3] == (
        "0        0     [0 1 2 3] [4 5 6 7] [8 9 10 11] [12 13 14 15] [16 17 18 19]"
    )
    assert max(map(len, lines)) <= 80
    assert all(line.count("[") == line.count("]") for line in lines)


def test_one_cpu_of_one_core(tmp_path: Path) -> None:
    path = tmp_path / "machine.txt"
    path.write_text("-- !affinity --\n0\n-- /sys/devices/system/cpu/online --\n0\n")

    assert kumo(PLAIN, "topology", "--machine", str(path)).startswith("1 of 1 CPU on 1 core\n")


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
    path.write_text(kumo(PLAIN, "snapshot", "--topology", "--machine", restricted))

    assert kumo(PLAIN, "topology", "--machine", str(path)) == MAP_ALONE


def test_what_a_snapshot_without_it_lacks_is_said() -> None:
    plain = Machine(snapshot(Machine(RESTRICTED)))
    (note,) = as_dict(read_topology(plain))["notes"]

    assert note == {
        "code": "topology-unknown",
        "text": "the system does not tell which core the CPUs 1,4-7,12-13 belong to; each is taken "
        "as its own; the count is not affected. "
        "Mount /sys, or take the machine file with `kumo snapshot --topology`.",
    }
