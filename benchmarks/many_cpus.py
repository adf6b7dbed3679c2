"""A stand-in for a machine of many CPUs: runs a command that sees CPUs 0 to N-1.

    python benchmarks/many_cpus.py 64 -- nproc

Masks come from `many_cpus.c`, which keeps those that are set, hands them on and pins nothing. Files
come from copies that are bound over the real ones in a mount namespace of the command's own:
`/sys/devices/system/cpu`, `/sys/devices/system/node`, `/proc/cpuinfo`, `/proc/stat` and the root
cpuset of cgroup v1, as of one package, one node and no hyper-threads. That needs root, or a user
namespace. Other files of cgroups are the real ones. So is `/proc/PID/status`: a program that reads
`Cpus_allowed_list` there, such as GNU parallel, sees the real machine.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CPU, NODE = "/sys/devices/system/cpu", "/sys/devices/system/node"
CPUSET = "/sys/fs/cgroup/cpuset"
NEWNS, NEWUSER, BIND, SLAVE, REC, DETACH = 0x20000, 0x10000000, 0x1000, 0x80000, 0x4000, 2
TOPOLOGY = {  # file: whether it is about the whole package, or about this CPU alone
    "core_siblings": True, "package_cpus": True, "die_cpus": True,
    "thread_siblings": False, "core_cpus": False, "cluster_cpus": False,
}  # fmt: skip


def compile_masks(directory: Path) -> Path:
    """The compiled `many_cpus.c`."""
    compiled = directory / "many_cpus"
    source = Path(__file__).with_suffix(".c")
    subprocess.run([os.environ.get("CC", "cc"), "-O2", "-o", compiled, source], check=True)
    return compiled


def write_files(directory: Path, cpus: int) -> None:
    """Write what a machine of so many CPUs shows."""

    def write(name: str, text: str) -> None:
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    whole = f"0-{cpus - 1}\n"
    for name in ("online", "possible", "present"):
        write(f"cpu/{name}", whole)
    write("cpu/kernel_max", "8191\n")
    write("cpu/offline", "\n")
    write("cpu/isolated", "\n")
    for cpu in range(cpus):
        topology = f"cpu/cpu{cpu}/topology"
        write(f"{topology}/core_id", f"{cpu}\n")
        for name in ("physical_package_id", "die_id", "cluster_id"):
            write(f"{topology}/{name}", "0\n")
        for name, shared in TOPOLOGY.items():
            write(f"{topology}/{name}_list", whole if shared else f"{cpu}\n")
            write(f"{topology}/{name}", _mask(range(cpus) if shared else (cpu,), cpus))
        write(f"cpu/cpu{cpu}/online", "1\n")
        for cache in sorted(Path(f"{CPU}/cpu0/cache").glob("index*")):
            _copy_cache(cache, directory / f"cpu/cpu{cpu}/cache/{cache.name}", cpu, cpus)
        (directory / f"cpu/cpu{cpu}/node0").mkdir(parents=True, exist_ok=True)
    write("cpuinfo", _cpuinfo(cpus))
    lines = Path("/proc/stat").read_text().splitlines()
    one = next(line for line in lines if line.startswith("cpu0 "))
    each = [one.replace("cpu0 ", f"cpu{cpu} ") for cpu in range(cpus)]
    rest = [line for line in lines if not line.startswith("cpu")]
    write("stat", "\n".join([lines[0], *each, *rest]) + "\n")
    for name in ("online", "possible", "has_cpu", "has_memory", "has_normal_memory"):
        write(f"node/{name}", "0\n")
    write("node/node0/cpulist", whole)
    write("node/node0/cpumap", _mask(range(cpus), cpus))
    write("node/node0/distance", "10\n")
    for name in ("meminfo", "numastat"):
        if os.path.exists(f"{NODE}/node0/{name}"):
            shutil.copyfile(f"{NODE}/node0/{name}", directory / f"node/node0/{name}")
    write("cpuset", whole)


def _mask(of: range | tuple[int, ...], cpus: int) -> str:
    """Format: ``00000000,0000000f``."""
    value, words = sum(1 << cpu for cpu in of), (cpus + 31) // 32
    return ",".join(f"{value >> 32 * i & 0xFFFFFFFF:08x}" for i in reversed(range(words))) + "\n"


def _copy_cache(cache: Path, to: Path, cpu: int, cpus: int) -> None:
    to.mkdir(parents=True, exist_ok=True)
    for name in ("level", "type", "size", "coherency_line_size", "ways_of_associativity",
                 "number_of_sets", "physical_line_partition", "id"):  # fmt: skip
        if (cache / name).exists():
            (to / name).write_text((cache / name).read_text())
    of = range(cpus) if (cache / "level").read_text() == "3\n" else range(cpu, cpu + 1)
    (to / "shared_cpu_list").write_text(f"{of[0]}-{of[-1]}\n" if len(of) > 1 else f"{cpu}\n")
    (to / "shared_cpu_map").write_text(_mask(of, cpus))


def _cpuinfo(cpus: int) -> str:
    first = Path("/proc/cpuinfo").read_text().split("\n\n")[0]
    blocks = []
    for cpu in range(cpus):
        own = dict.fromkeys(("processor", "core id", "apicid", "initial apicid"), cpu)
        text = first
        for key, value in {**own, "siblings": cpus, "cpu cores": cpus, "physical id": 0}.items():
            text = re.sub(rf"(?m)^({key}\s*:).*$", rf"\1 {value}", text)
        blocks.append(text)
    return "\n\n".join(blocks) + "\n\n"


def bind(directory: Path) -> None:
    """Show this process, from now on, the files in *directory* in place of the real ones."""
    libc = ctypes.CDLL(None, use_errno=True)

    def call(name: str, *arguments: object) -> None:
        if getattr(libc, name)(*arguments):
            raise OSError(ctypes.get_errno(), name)

    uid, gid = os.geteuid(), os.getegid()
    try:
        call("unshare", NEWNS)
    except PermissionError:
        call("unshare", NEWUSER | NEWNS)
        for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"),
                           ("gid_map", f"{gid} {gid} 1")):  # fmt: skip
            Path(f"/proc/self/{name}").write_text(text)
    call("mount", b"none", b"/", None, ctypes.c_ulong(SLAVE | REC), None)
    for name, place in (("cpu", CPU), ("node", NODE), ("cpuinfo", "/proc/cpuinfo"),
                        ("stat", "/proc/stat"), ("cpuset", f"{CPUSET}/cpuset.cpus"),
                        ("cpuset", f"{CPUSET}/cpuset.effective_cpus")):  # fmt: skip
        if os.path.exists(place):
            source = os.fsencode(directory / name)
            call("mount", source, os.fsencode(place), None, ctypes.c_ulong(BIND), None)


def prepare(directory: Path, cpus: int) -> list[str]:
    """Make what is needed in *directory*; return the words to put before a command."""
    compile_masks(directory)
    write_files(directory, cpus)
    return [sys.executable, "-S", __file__, "--prepared", str(directory), str(cpus), "--"]


def main() -> int:
    if sys.argv[1:2] == ["--prepared"]:
        directory, (cpus, _, *command) = Path(sys.argv[2]), sys.argv[3:]
        bind(directory)
        masks = str(directory / "many_cpus")
        os.execv(masks, [masks, cpus, "--", *command])
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").partition("\n")[0],
        epilog="It takes a second, and needs a C compiler, and root or a user namespace.",
    )
    parser.add_argument("cpus", type=int, metavar="CPUS")
    parser.add_argument("command", nargs="+", metavar="COMMAND", help="and its words, after --")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        command = [*prepare(Path(place), options.cpus), *options.command]
        return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
