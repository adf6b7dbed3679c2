"""The three ways in which Linux systems mount their cgroup hierarchies."""

import os
from dataclasses import dataclass
from pathlib import Path

from kernel_guest.syscalls import mount, unmount

TOP = "/sys/fs/cgroup"


@dataclass(frozen=True)
class Layout:
    """Where the hierarchies of the cpu and the cpuset controller are, and of which version."""

    name: str
    version: int
    cpu: str
    cpuset: str
    # The options a second mount of the cpu hierarchy takes; cgroup v2 takes none.
    options: str = ""

    @property
    def kind(self) -> str:
        """Give the file system's type."""
        return "cgroup2" if self.version == 2 else "cgroup"


LAYOUTS = {
    "v2": Layout("v2", 2, TOP, TOP),
    "hybrid": Layout("hybrid", 1, f"{TOP}/cpu,cpuacct", f"{TOP}/cpuset", "cpu,cpuacct"),
    "v1": Layout("v1", 1, f"{TOP}/cpu", f"{TOP}/cpuset", "cpu"),
}


def write(path: str, text: str) -> None:
    """Write a kernel file in one system call, so that an error is this write's error."""
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def read(path: str) -> str:
    """Read a kernel file; the bytes that are not UTF-8 are kept."""
    return Path(path).read_text(errors="surrogateescape")


def _mount_at(path: str, source: str, kind: str, options: str = "") -> None:
    Path(path).mkdir(exist_ok=True)
    mount(source, path, kind, options=options)


def _set_up_hybrid() -> None:
    """Mount what systemd's hybrid mode does: cgroup v1 for all controllers, cgroup2 for none."""
    unmount(TOP)
    mount("tmpfs", TOP, "tmpfs", options="mode=755")
    _mount_at(f"{TOP}/unified", "cgroup2", "cgroup2")
    _mount_at(f"{TOP}/cpu,cpuacct", "cgroup", "cgroup", "cpu,cpuacct")
    _mount_at(f"{TOP}/cpuset", "cgroup", "cgroup", "cpuset")
    for name in ("cpu", "cpuacct"):
        Path(TOP, name).symlink_to("cpu,cpuacct")


def _set_up_v1() -> None:
    """Complete what this boot's init mounted: cgroup v1 alone, cpu in a hierarchy of its own."""
    if not os.path.ismount(f"{TOP}/cpuset"):
        _mount_at(f"{TOP}/cpuset", "cgroup", "cgroup", "cpuset")
    mounts = read("/proc/self/mountinfo")
    if " - cgroup2 " in mounts or "\n0::" in "\n" + read("/proc/self/cgroup"):
        raise RuntimeError(f"cgroup v2 is there in a layout without it:\n{mounts}")


def _set_up_v2() -> None:
    write(f"{TOP}/cgroup.subtree_control", "+cpu +cpuset")


def set_up(name: str) -> Layout:
    """Mount everything the layout needs."""
    {"v2": _set_up_v2, "hybrid": _set_up_hybrid, "v1": _set_up_v1}[name]()
    return LAYOUTS[name]
