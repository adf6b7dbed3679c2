"""The files that a described machine shows: those its machine file names, and what else must be.

A machine file names only what an estimate reads. The rest is added in the favour of a program
that looks there: `cgroup.controllers` in each cgroup2 directory, the process's own cgroup
directories, the links `cpu` and `cpuacct` beside a mount named `cpu,cpuacct`, `/proc/cgroups`,
`/proc/self/mounts`, `/proc/stat`, `possible`, `present` and the CPUs themselves.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from _machine_files import MachineFile, Mount, as_cpu_list, as_cpu_mask

_CPU_DIR = "/sys/devices/system/cpu"
_V1_NEEDED = {"memory", "cpuset", "cpuacct"}


def add_v1_controllers(machine: MachineFile) -> None:
    """Give a v1 machine the controllers' lines that reports leave out and the JDK insists on."""
    cpu = next((line for line in machine.cgroup_lines() if "cpu" in line[1]), None)
    mount = next((mount for mount in machine.cgroup_mounts() if "cpu" in mount.controllers), None)
    if not cpu or not mount:
        return
    listed = {name for _, names, _ in machine.cgroup_lines() for name in names}
    mounted = {name for mount in machine.cgroup_mounts() for name in mount.controllers}
    root, parent = (
        text.replace("\\", r"\134").replace(" ", r"\040")
        for text in (mount.root, str(PurePosixPath(mount.point).parent))
    )
    for number, name in enumerate(sorted(_V1_NEEDED), 90):
        if name not in listed:
            machine.files["/proc/self/cgroup"] += f"{number}:{name}:{cpu[2]}\n"
        if name not in mounted:
            line = f"{number} 24 0:{number} {root} {parent}/{name} rw - cgroup cgroup rw,{name}\n"
            machine.files["/proc/self/mountinfo"] += line


def files_of(machine: MachineFile) -> dict[str, str]:
    """Every file outside `/proc`."""
    files = {path: text for path, text in machine.files.items() if not path.startswith("/proc/")}
    online = as_cpu_list(machine.online()) + "\n"
    for name in ("online", "possible", "present"):
        files.setdefault(f"{_CPU_DIR}/{name}", online)
    for mount in machine.cgroup_mounts():
        for folder in _cgroup_folders(machine, mount, files) if mount.kind == "cgroup2" else ():
            has_cpu = folder == mount.point or f"{folder}/cpu.max" in files
            files.setdefault(
                f"{folder}/cgroup.controllers", f"cpuset{' cpu' * has_cpu} io memory pids\n"
            )
    for path in machine.denied:
        if not path.startswith("/proc/") and not any(
            other.startswith(path + "/") for other in files
        ):
            files.setdefault(path, "")
    return files


def _cgroup_folders(machine: MachineFile, mount: Mount, files: dict[str, str]) -> set[str]:
    """The mount point and each directory below it that a file or the own path implies."""
    paths = [f"{mount.point}/.", f"{machine.own_path(mount) or mount.point}/.", *files]
    folders = {str(parent) for path in paths for parent in PurePosixPath(path).parents}
    folders |= {machine.own_path(mount) or mount.point}
    return {
        path
        for path in folders
        if path == mount.point or path.startswith(mount.point.rstrip("/") + "/")
    }


def folders_of(machine: MachineFile, files: dict[str, str]) -> set[str]:
    own = {machine.own_path(mount) for mount in machine.cgroup_mounts()} - {None}
    cpus = {f"{_CPU_DIR}/cpu{cpu}" for cpu in machine.online()}
    points = {mount.point for mount in machine.mounts()} - {"/"}
    return (
        {str(PurePosixPath(path).parent) for path in files}
        | {str(path) for path in own}
        | cpus
        | points
    )


def links_of(machine: MachineFile, folders: set[str]) -> dict[str, str]:
    """systemd and runc link each name of a joined controller: `cpu -> cpu,cpuacct`."""
    joined = [
        PurePosixPath(mount.point)
        for mount in machine.cgroup_mounts()
        if "," in PurePosixPath(mount.point).name
    ]
    wanted = {
        str(point.parent / name): point.name for point in joined for name in point.name.split(",")
    }
    return {path: target for path, target in wanted.items() if path not in folders}


def proc_of(machine: MachineFile) -> dict[str, str | None]:
    """The texts for `/proc`; None is unreadable."""
    texts: dict[str, str | None] = {
        path: text for path, text in machine.files.items() if path.startswith("/proc/")
    }
    for path in ("/proc/self/cgroup", "/proc/self/mountinfo"):
        texts.setdefault(path, None)
    mounts = map(_as_mounts_line, (texts["/proc/self/mountinfo"] or "").splitlines())
    texts.setdefault("/proc/self/mounts", "".join(mounts))
    texts.setdefault("/proc/cgroups", _proc_cgroups(machine))
    texts.setdefault("/proc/stat", _proc_stat(machine))
    texts["/proc/self/status"] = _status(machine)
    return texts | {path: None for path in machine.denied if path.startswith("/proc/")}


def _as_mounts_line(line: str) -> str:
    """`SOURCE POINT TYPE OPTIONS 0 0` from a line of mountinfo; nothing from one cut short."""
    head, _, tail = line.partition(" - ")
    fields, rest = head.split(" "), tail.split(" ")
    if len(fields) < 6 or len(rest) < 3:
        return ""
    return f"{rest[1]} {fields[4]} {rest[0]} {fields[5]},{' '.join(rest[2:])} 0 0\n"


def _proc_cgroups(machine: MachineFile) -> str:
    """`NAME HIERARCHY NUMBER ENABLED`, tab-separated; hierarchy 0 is the unified one."""
    numbers = {
        name: line[0]
        for line in machine.cgroup_lines()
        for name in line[1]
        if name and "=" not in name
    }
    names = dict.fromkeys(("cpuset", "cpu", "cpuacct", "memory", "pids", *numbers))
    return "#subsys_name\thierarchy\tnum_cgroups\tenabled\n" + "".join(
        f"{name}\t{numbers.get(name, 0)}\t1\t1\n" for name in names
    )


def _proc_stat(machine: MachineFile) -> str:
    """The real text with a line `cpuN` for each CPU on line."""
    first, *rest = Path("/proc/stat").read_text().splitlines()
    cpus = [f"cpu{cpu}{first.removeprefix('cpu ')}" for cpu in sorted(machine.online())]
    return "\n".join([first, *cpus, *(line for line in rest if not line.startswith("cpu")), ""])


def _status(machine: MachineFile) -> str | None:
    """The real text with the machine's mask in it, since programs read other lines of it too."""
    named, mask = machine.files.get("/proc/self/status"), machine.affinity()
    if named is None and mask is None:
        return None
    lines = Path("/proc/self/status").read_text().splitlines()
    kept = [line for line in lines if not line.startswith("Cpus_allowed")]
    cpus = mask or set()
    ours = f"Cpus_allowed:\t{as_cpu_mask(cpus)}\nCpus_allowed_list:\t{as_cpu_list(cpus)}\n"
    return "\n".join([*kept, ours if named is None else named])
