"""Run in the virtual machine: what kumo, lscpu and hwloc say of its CPUs, one JSON object a line.

    python topology_guest.py RESULTS

The machine has CPUs 0-7; what is tried leaves it as it was.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

CPUSET = Path("/sys/fs/cgroup/kumo-topology")


def show(results: Path, name: str, mask: str = "") -> None:
    """Write the record of one situation; *mask* is where the three programs may run."""
    pin = ["taskset", "-c", mask] if mask else []

    def ask(*command: str) -> str:
        return subprocess.run([*pin, *command], capture_output=True, text=True, check=True).stdout

    columns = "CPU,NODE,SOCKET,CORE,ONLINE"
    # util-linux 2.38 writes ``"node": -,`` for a CPU that is off line, which is no JSON.
    shown = ask("lscpu", "--json", "--all", f"--extended={columns}").replace(": -", ": null")
    drawn = ask("lstopo-no-graphics", "--restrict", "binding", "--output-format", "xml")
    record = {
        "name": name,
        "kumo": json.loads(ask(sys.executable, "-m", "kumo", "topology", "--json")),
        "lscpu": json.loads(shown)["cpus"],
        "hwloc": {
            kind: sum(
                # A node of memory stays where none of its CPUs may be used.
                item.get("type") == kind and {*(item.get("cpuset") or "")} != {*"0x"}
                for item in ElementTree.fromstring(drawn).iter("object")
            )
            for kind in ("Package", "NUMANode", "Core", "PU")
        },
    }
    with results.open("a") as file:
        file.write(json.dumps(record) + "\n")


def main() -> None:
    """Show the whole machine, then it restricted in each way."""
    results = Path(sys.argv[1])
    show(results, "whole")
    show(results, "mask", "1,4-6")
    show(results, "one thread a core", "0,2,4,6")
    cpu = Path("/sys/devices/system/cpu/cpu5/online")
    cpu.write_text("0")
    show(results, "cpu5 off line")
    cpu.write_text("1")
    Path("/sys/fs/cgroup/cgroup.subtree_control").write_text("+cpuset")
    CPUSET.mkdir()
    (CPUSET / "cpuset.cpus").write_text("2-5")
    home = Path("/proc/self/cgroup").read_text().strip().removeprefix("0::")
    (CPUSET / "cgroup.procs").write_text(str(os.getpid()))
    show(results, "cpuset")
    Path(f"/sys/fs/cgroup{home}/cgroup.procs").write_text(str(os.getpid()))
    CPUSET.rmdir()
    with results.open("a") as file:
        file.write('{"name": "end"}\n')


main()
