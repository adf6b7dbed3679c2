"""Other projects' test cases as machine files: one module a project, each with `cases(checkout)`.

Each reads the project's own source, in the checkout that it is pointed at, and yields a `Given`
for each case about CPUs. Nothing of theirs is kept here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

V1_POINT = "/sys/fs/cgroup/cpu,cpuacct"
V2_POINT = "/sys/fs/cgroup"
V1_MOUNT = f"30 23 0:26 / {V1_POINT} rw - cgroup cgroup rw,cpu,cpuacct"
V2_MOUNT = f"30 23 0:26 / {V2_POINT} rw - cgroup2 cgroup2 rw"
CGROUP = "/proc/self/cgroup"
MOUNTINFO = "/proc/self/mountinfo"
# Put where a case expects the limit to be found. A decoy stands where it must not be.
MARK, DECOY = "300000 100000", "700000 100000"
MARKED = 3.0


@dataclass
class Given:
    """A machine, and what the case expects of it: `quota` or `cpuset`, in CPUs."""

    name: str
    files: dict[str, str] = field(default_factory=dict)
    expected: float | None = None
    """None is no limit."""
    what: str = "quota"
    rounding: str = ""
    """`ceil`, `floor` or `nearest` if the case expects a whole number."""
    env: dict[str, str] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)
    affinity_fails: bool = False
    """So that a cpuset is what counts."""
    not_compared: str = ""


def of_v1(name: str, quota: str | None, period: str | None, expected: float | None) -> Given:
    """The contents of the two files of version 1."""
    files = {CGROUP: "4:cpu,cpuacct:/\n", MOUNTINFO: V1_MOUNT}
    if quota is not None:
        files[f"{V1_POINT}/cpu.cfs_quota_us"] = quota
    if period is not None:
        files[f"{V1_POINT}/cpu.cfs_period_us"] = period
    return Given(name, files, expected, not_compared=unrepresentable(quota, period))


def of_v2(name: str, text: str | None, expected: float | None) -> Given:
    """The contents of `cpu.max`."""
    files = {CGROUP: "0::/\n", MOUNTINFO: V2_MOUNT}
    if text is not None:
        files[f"{V2_POINT}/cpu.max"] = text
    return Given(name, files, expected, not_compared=unrepresentable(text))


def unrepresentable(*texts: str | None) -> str:
    """Why a machine file cannot hold this, if it cannot."""
    if any(text and text != text.rstrip("\n") and "\n-- " in text for text in texts):
        return "a line of the text would be a heading of the machine file"
    return ""


def placed(
    name: str,
    version: int,
    mountinfo: str,
    cgroup: str,
    place: str | None,
    decoys: Mapping[str, int] | None = None,
) -> Given:
    """The limit is at *place*, if there is one; *decoys* are other directories, by version."""
    files = {CGROUP: cgroup, MOUNTINFO: mountinfo}
    for directory, kind in (decoys or {}).items():
        if directory.rstrip("/") != (place or "").rstrip("/"):
            files |= limit_files(directory, kind, DECOY)
    if place is not None:
        files |= limit_files(place, version, MARK)
    return Given(name, files, None if place is None else MARKED)


def limit_files(directory: str, version: int, text: str) -> dict[str, str]:
    directory = directory.rstrip("/")
    if version == 2:
        return {f"{directory}/cpu.max": text}
    quota, period = text.split()
    return {
        f"{directory}/cpu.cfs_quota_us": quota,
        f"{directory}/cpu.cfs_period_us": period,
    }


def as_text(given: Given, cpus: int = 1024) -> str:
    """The machine file."""
    affinity = {"!affinity (EPERM)": ""} if given.affinity_fails else {"!affinity": f"0-{cpus - 1}"}
    sections = affinity | {"/sys/devices/system/cpu/online": f"0-{cpus - 1}"}
    sections |= {f"!{name}": text for name, text in given.facts.items()}
    sections |= {f"${name}": text for name, text in given.env.items()}
    sections |= given.files
    return "".join(
        f"-- {_heading(name)} --\n{text}{'' if not text or text.endswith(chr(10)) else chr(10)}"
        for name, text in sections.items()
    )


def _heading(name: str) -> str:
    return name.replace("\\", "\\134").replace("\n", "\\012")
