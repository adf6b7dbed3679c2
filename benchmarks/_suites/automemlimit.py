"""KimMachineGun/automemlimit: memlimit/cgroups_test.go; its way to a cgroup is any controller's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from . import V1_POINT, V2_POINT, Given, placed
from .literals import Go

FILE = "memlimit/cgroups_test.go"
NEXT = "31 1 0:24 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"


def cases(checkout: Path) -> Iterator[Given]:
    source = (checkout / FILE).read_text("utf-8")
    go = Go()
    for case in go.table(source, "TestParseMountInfoLine"):
        # The line stands before the cgroup's, whether it is one or not.
        yield placed(
            f"MountInfoLine/{case['name']}", 1, f"{case['input']}\n{NEXT}", "4:cpu:/\n",
            "/sys/fs/cgroup/cpu",
        )  # fmt: skip
    for case in go.table(source, "TestParseCgroupHierarchyLine"):
        yield _hierarchy(case)
    for case in go.table(source, "TestResolveCgroupPath"):
        for version, kind in ((1, "cgroup cgroup rw,cpu"), (2, "cgroup2 cgroup2 rw")):
            path, point = case["cgroupRelPath"], case["mountpoint"]
            own = f"4:cpu:{path}\n" if version == 1 else f"0::{path}\n"
            yield placed(
                f"ResolveCgroupPath/{case['name']} v{version}", version,
                f"30 23 0:26 {case['root']} {point} rw - {kind}\n", own,
                None if case.get("wantErr") else case["want"], {point: version},
            )  # fmt: skip


def _hierarchy(case: dict[str, object]) -> Given:
    name, line, want = f"HierarchyLine/{case['name']}", str(case["input"]), case.get("want")
    if isinstance(want, dict):
        controllers, path = want["ControllerList"], want["CgroupPath"]
        version = 1 if controllers else 2
        point = V1_POINT if controllers else V2_POINT
        kind = f"cgroup cgroup rw,{controllers}" if controllers else "cgroup2 cgroup2 rw"
        mount = f"30 23 0:26 / {point} rw - {kind}\n"
        return placed(name, version, mount, f"{line}\n", point + path)
    mount = f"30 23 0:26 / {V1_POINT} rw - cgroup cgroup rw,cpu,cpuacct,cpuset\n"
    return placed(name, 1, mount, f"{line}\n", None, {V1_POINT: 1, f"{V1_POINT}/daemons": 1})
