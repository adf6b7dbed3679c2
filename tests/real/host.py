"""What the tests know of this machine, found by their own reading and not through kumo."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from conftest import skip_real

TIMEOUT = 60
RUN = uuid.uuid4().hex[:8]  # a killed run leaves its cgroups, whose names must not be met again
PERIOD = 100_000
CGROUP_NAMESPACE = ("unshare", "-C", "-m")
MOUNT_NAMESPACE = ("unshare", "-m")
# Joins the cgroups before "--", each through its own file, then becomes the program after it.
JOIN = (
    'while [ "$1" != -- ]; do echo $$ > "$1/cgroup.procs" || exit 99; shift; done; shift; exec "$@"'
)


class Group:
    """A directory of cgroup v2, or of one hierarchy of v1."""

    def __init__(self, path: Path, parent: Group | None = None) -> None:
        self.path = path
        self.parent = parent
        self.version = 2 if (path / "cgroup.controllers").exists() else 1

    def write(self, name: str, value: object) -> None:
        (self.path / name).write_text(f"{value}\n")

    def read(self, name: str) -> str:
        return (self.path / name).read_text().strip()

    @property
    def quota_file(self) -> str:
        return f"{self.path}/{quota_name(self.version)}"

    def limit(self, cpus: float | None, period: int = PERIOD) -> None:
        """Set a quota of *cpus* CPUs, or none; the period first, as the kernel checks both."""
        if self.version == 2:
            self.write("cpu.max", f"{'max' if cpus is None else round(cpus * period)} {period}")
        else:
            self.write("cpu.cfs_period_us", period)
            self.write("cpu.cfs_quota_us", -1 if cpus is None else round(cpus * period))

    def burst(self, microseconds: int) -> None:
        """Let it use so much of what it did not use before."""
        self.write("cpu.max.burst" if self.version == 2 else "cpu.cfs_burst_us", microseconds)

    def give(self, *controllers: str) -> None:
        """Let the cgroups below it have the controllers; those of v1 have them."""
        if self.version == 2:
            self.write("cgroup.subtree_control", " ".join(f"+{name}" for name in controllers))

    def levels(self) -> list[tuple[str, float | None]]:
        """The quota file of this cgroup and of each ancestor, with the CPUs that it holds."""
        if not os.path.exists(self.quota_file):  # as at the root of cgroup v2
            quota, period = "-1", "1"
        elif self.version == 2:
            quota, period = self.read("cpu.max").replace("max", "-1").split()
        else:
            quota, period = self.read("cpu.cfs_quota_us"), self.read("cpu.cfs_period_us")
        cpus = int(quota) / int(period) if int(quota) > 0 else None
        return [(self.quota_file, cpus), *(self.parent.levels() if self.parent else [])]


def quota_name(version: int) -> str:
    return "cpu.max" if version == 2 else "cpu.cfs_quota_us"


class Hierarchy(NamedTuple):
    """A mount of a whole cgroup hierarchy."""

    point: Path
    version: int
    controllers: str

    def mount_words(self) -> list[str]:
        """What mounts it anew, as arguments of mount(8)."""
        if self.version == 2:
            return ["-t", "cgroup2", "cgroup2", str(self.point)]
        return ["-t", "cgroup", "-o", self.controllers, "cgroup", str(self.point)]


def hierarchy(controller: str) -> Hierarchy | None:
    """The mount that shows the whole hierarchy of *controller*, of v1 or v2."""
    table = Path("/proc/self/mountinfo")
    for line in table.read_text("utf-8", "surrogateescape").splitlines() if table.exists() else ():
        fields = line.split()
        fstype, _, options = fields[fields.index("-") + 1 :][:3]
        if fields[3] != "/" or fstype not in ("cgroup", "cgroup2"):
            continue
        point = Path(fields[4])
        if fstype == "cgroup2":
            controllers = (point / "cgroup.controllers").read_text().split()
        else:
            controllers = [option for option in options.split(",") if option not in ("rw", "ro")]
        if controller in controllers:
            return Hierarchy(point, 2 if fstype == "cgroup2" else 1, ",".join(controllers))
    return None


def needs_two_cpus() -> list[int]:
    """The CPUs of this process; skip if there are not two to be limited to one of them."""
    if sys.platform != "linux":
        skip_real("limits are set as Linux has them")
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        skip_real("limits below the machine's need two CPUs")
    return cpus


def needs_root(what: str) -> None:
    """Skip if this user is not root."""
    if os.geteuid() != 0:
        skip_real(f"{what} needs root")


def needs(controller: str, versions: tuple[int, ...] = (1,)) -> tuple[Path, str]:
    """The mount of *controller* and all it has; skip if no limit of it can be set there."""
    needs_two_cpus()
    needs_root("setting the limits of a cgroup")
    mount = hierarchy(controller)
    if mount is None or mount.version not in versions:
        which = " or ".join(f"v{version}" for version in versions)
        skip_real(f"no mount shows the whole cgroup {which} hierarchy of {controller}")
    if not os.access(mount.point, os.W_OK):
        skip_real(f"{mount.point} is not writable")
    return mount.point, mount.controllers


def base(controller: str) -> Group:
    """The cgroup below which this user may make others; skip if there is none.

    For root that is the hierarchy's root. Another user needs a cgroup of its own: this process's,
    if it was delegated, as ``systemd-run --user --scope -p Delegate=yes`` does.
    """
    needs_two_cpus()
    place = _base(controller)
    if place is None:
        skip_real(f"no cgroup of {controller} was delegated to this user")
    return place


@functools.cache
def _base(controller: str) -> Group | None:
    if os.geteuid() == 0:
        return Group(needs(controller, (1, 2))[0])
    mount = hierarchy(controller)
    if mount is None:
        return None
    group = Group(mount.point)
    for name in own_path(controller, mount.version).split("/")[1:]:
        group = Group(group.path / name, group)
    if not os.access(group.path, os.W_OK):
        return None
    if mount.version == 2:  # a cgroup with processes gives no controllers to those below
        leaf = group.path / f"kumo-real-{RUN}-tests"
        leaf.mkdir()
        Group(leaf).write("cgroup.procs", os.getpid())
    return group


def own_path(controller: str, version: int) -> str:
    """The path of this process's cgroup in the hierarchy."""
    for line in Path("/proc/self/cgroup").read_text("utf-8", "surrogateescape").splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0" if version == 2 else controller in controllers.split(","):
            return path.rstrip("/")
    raise AssertionError(f"this process is in no cgroup of {controller}")


def top() -> str:
    """The point where the hierarchy of CPU quotas is mounted."""
    return str(needs("cpu", (1, 2))[0])


def top_quota() -> str:
    """The name of the quota file of what stands there."""
    return f"{top()}/{quota_name(Group(Path(top())).version)}"


def mount_again() -> list[str]:
    """The arguments of mount(8) that mount the hierarchy of CPU quotas anew."""
    mount = hierarchy("cpu")
    assert mount is not None
    return mount.mount_words()


def in_groups(groups: Sequence[Group], command: Sequence[str]) -> list[str]:
    """The command line that runs *command* in *groups*."""
    return ["sh", "-c", JOIN, "sh", *(str(group.path) for group in groups), "--", *command]


def environment() -> dict[str, str]:
    """This process's environment, without what an earlier test or the developer set for Python."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "KUMO_"))}


def run(groups: Sequence[Group], *command: str) -> str:
    """Run *command* in *groups*, and return its output."""
    ran = subprocess.run(
        in_groups(groups, command),
        capture_output=True,
        timeout=TIMEOUT,
        check=False,
        env=environment(),
    )
    assert (ran.returncode, ran.stderr) == (0, b""), (ran.returncode, ran.stderr.decode())
    return ran.stdout.decode("utf-8", "surrogateescape")


def kumo(*arguments: str) -> list[str]:
    """The command line of kumo as this Python has it."""
    return [sys.executable, "-m", "kumo", *arguments]


def codes(answer: dict[str, Any]) -> list[str]:
    """The codes of the notes in what ``kumo --json`` printed."""
    return [note["code"] for note in answer["notes"]]


def quotas(answer: dict[str, Any]) -> list[tuple[str, float | None]]:
    """The quota file of each level that ``kumo --json`` lists, with the CPUs that it read."""
    return [(x["where"], x["cpus"]) for x in answer["limits"] if x["source"] == "quota"]
