"""Real cgroup v1 groups for tests: found by the mount table, made, and removed again."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def mount_point(controller: str) -> Path | None:
    """Where the controller's v1 hierarchy is mounted from its root."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        root, point = left.split()[3:5]
        fstype, _, options = right.split()[:3]
        if fstype == "cgroup" and root == "/" and controller in options.split(","):
            return Path(point)
    return None


def why_not() -> str | None:
    """Why no real quota can be set here; `None` where one can."""
    point = mount_point("cpu")
    if point is None:
        return "the cpu controller has no cgroup v1 mount here"
    return None if os.access(point, os.W_OK) and os.geteuid() == 0 else f"{point} is not writable"


class Group:
    """A cgroup below the cpu controller's mount."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(exist_ok=True)

    def set(self, quota: int, period: int = 100_000) -> None:
        """Set quota and period; the kernel refuses a quota above an ancestor's."""
        (self.path / "cpu.cfs_quota_us").write_text("-1")
        (self.path / "cpu.cfs_period_us").write_text(str(period))
        (self.path / "cpu.cfs_quota_us").write_text(str(quota))

    def join(self, pid: int | None = None) -> None:
        (self.path / "cgroup.procs").write_text(str(os.getpid() if pid is None else pid))

    def child(self, name: str) -> Group:
        return Group(self.path / name)

    def remove(self) -> None:
        """Remove this group and those below it; their processes go to the hierarchy's root."""
        root = mount_point("cpu") or self.path
        for directory in [Path(place) for place, _, _ in os.walk(self.path, topdown=False)]:
            with contextlib.suppress(FileNotFoundError):
                for pid in (directory / "cgroup.procs").read_text().split():
                    with contextlib.suppress(OSError):
                        (root / "cgroup.procs").write_text(pid)
                directory.rmdir()


def _tree_path(pid: int) -> Path:
    point = mount_point("cpu")
    assert point is not None
    return point / f"kumo-test-{pid}"


def remove_tree(pid: int) -> None:
    """Remove what the process *pid* has left of its tree."""
    if _tree_path(pid).exists():
        Group(_tree_path(pid)).remove()


def make_tree() -> list[Group]:
    """Three nested groups of this process's own, the outermost first."""
    outer = Group(_tree_path(os.getpid()))
    middle = outer.child("middle")
    return [outer, middle, middle.child("leaf")]
