"""Nested cgroup v1 groups with quotas, made for a benchmark and removed again."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_PERIOD = 100_000  # µs, the kernel's own default
_KILLS = 200  # at most, with a moment between them
_SHARES = 262_144  # the most: before others in need of the CPU


def mount_point() -> Path | None:
    """Where the cpu controller's v1 hierarchy is mounted from its root."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        root, point = left.split()[3:5]
        fstype, _, options = right.split()[:3]
        if fstype == "cgroup" and root == "/" and "cpu" in options.split(","):
            return Path(point)
    return None


def own() -> Path:
    """The directory of this process's cgroup."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "cpu" in controllers.split(","):
            return _point() / path.lstrip("/")
    raise OSError("this process is in no cgroup of the cpu controller")


def why_not() -> str | None:
    """Why no quota can be set here; `None` if one can."""
    point = mount_point()
    if point is None:
        return "the cpu controller has no cgroup v1 mount here"
    return None if os.access(point, os.W_OK) and os.geteuid() == 0 else "no right to make cgroups"


def needed_mount_point() -> Path:
    """Where the hierarchy is; the benchmark ends if no quota can be set."""
    if reason := why_not():
        sys.exit(f"no quota can be set: {reason}")
    return _point()


def join(directory: Path) -> None:
    """Move this process, and so its future children."""
    (directory / "cgroup.procs").write_text(str(os.getpid()))


def inside(group: Path, *command: str) -> list[str]:
    """The words that run a command in *group*."""
    return ["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', str(group), *command]


def set_quota(group: Path, cpus: float | None) -> None:
    """Give *group* a quota; `None` takes it away."""
    text = "-1" if cpus is None else str(round(cpus * _PERIOD))
    (group / "cpu.cfs_quota_us").write_text(text)


def kill(group: Path) -> None:
    """End whatever runs in *group*, and wait until it has left."""
    for _ in range(_KILLS):
        left = (group / "cgroup.procs").read_text().split()
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        if not left:
            return
        time.sleep(0.05)


def chain(leaf: Path) -> list[Path]:
    """The directories from *leaf* up to the mount point, both included."""
    point = _point()
    return [leaf, *(parent for parent in leaf.parents if parent.is_relative_to(point))]


@contextlib.contextmanager
def nested(name: str, depth: int, cpus: int, limited: str) -> Iterator[Path]:
    """Give the innermost of *depth* groups below the hierarchy's root, the root itself for 0.

    *limited*: `each` level has the quota, or the `outermost` alone.
    """
    directory = _point()
    made: list[Path] = []
    try:
        for level in range(depth):
            directory /= f"kumo-speed-{os.getpid()}-{name}" if level == 0 else f"level-{level}"
            directory.mkdir()
            made.append(directory)
            (directory / "cpu.shares").write_text(str(_SHARES))
            if limited == "each" or level == 0:
                (directory / "cpu.cfs_period_us").write_text(str(_PERIOD))
                set_quota(directory, cpus)
        yield directory
    finally:
        for group in reversed(made):
            _remove(group)


@contextlib.contextmanager
def returning() -> Iterator[None]:
    """Go back to this process's cgroup at the end."""
    before = own()
    try:
        yield
    finally:
        join(before)


def _remove(group: Path) -> None:
    for _ in range(100):  # a process that has ended takes a moment to leave
        try:
            group.rmdir()
        except OSError:
            for pid in (group / "cgroup.procs").read_text().split():
                with contextlib.suppress(OSError):
                    (_point() / "cgroup.procs").write_text(pid)
            time.sleep(0.02)
        else:
            return


def _point() -> Path:
    point = mount_point()
    if point is None:
        raise OSError("the cpu controller has no cgroup v1 mount here")
    return point
