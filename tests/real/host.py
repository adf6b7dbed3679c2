"""What the tests know of this machine, found by their own reading and not through kumo."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

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
    """A cgroup v1 directory."""

    def __init__(self, path: Path, parent: Group | None = None) -> None:
        self.path = path
        self.parent = parent

    def write(self, name: str, value: object) -> None:
        (self.path / name).write_text(f"{value}\n")

    def read(self, name: str) -> str:
        return (self.path / name).read_text().strip()

    def limit(self, cpus: float | None, period: int = PERIOD) -> None:
        """Set a quota of *cpus* CPUs, or none; the period first, as the kernel checks both."""
        self.write("cpu.cfs_period_us", period)
        self.write("cpu.cfs_quota_us", -1 if cpus is None else round(cpus * period))

    def levels(self) -> list[tuple[str, float | None]]:
        """The quota file of this cgroup and of each ancestor, with the CPUs that it holds."""
        quota, period = int(self.read("cpu.cfs_quota_us")), int(self.read("cpu.cfs_period_us"))
        own = (str(self.path / "cpu.cfs_quota_us"), quota / period if quota > 0 else None)
        return [own, *(self.parent.levels() if self.parent else [])]


def hierarchy(controller: str) -> tuple[Path, str] | None:
    """Where the whole v1 hierarchy of *controller* is mounted, and every controller in it."""
    table = Path("/proc/self/mountinfo")
    for line in table.read_text("utf-8", "surrogateescape").splitlines() if table.exists() else ():
        fields = line.split()
        fstype, _, options = fields[fields.index("-") + 1 :][:3]
        controllers = [option for option in options.split(",") if option not in ("rw", "ro")]
        if fstype == "cgroup" and fields[3] == "/" and controller in controllers:
            return Path(fields[4]), ",".join(controllers)
    return None


def needs_two_cpus() -> list[int]:
    """The CPUs of this process; skip where there are not two to be limited to one of them."""
    if sys.platform != "linux":
        skip_real("limits are set as Linux has them")
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        skip_real("limits below the machine's need two CPUs")
    return cpus


def needs(controller: str) -> tuple[Path, str]:
    """What `hierarchy` tells of *controller*; skip where no limit of it can be set here."""
    needs_two_cpus()
    if os.geteuid() != 0:
        skip_real("setting the limits of a cgroup needs root")
    found = hierarchy(controller)
    if found is None:
        skip_real(f"no mount shows the whole cgroup v1 hierarchy of {controller}")
    if not os.access(found[0], os.W_OK):
        skip_real(f"{found[0]} is not writable")
    return found


def top() -> str:
    """The point where the hierarchy of CPU quotas is mounted."""
    return str(needs("cpu")[0])


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
