"""futureverse/parallelly: dumps of real machines in inst/test-data, and scheduler variables."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

from . import CGROUP, MOUNTINFO, Given

DATA = "inst/test-data"
VARIABLES = "inst/testme/test-availableCores.R"
MOUNTS = "/proc/self/mounts"
_EQUAL = re.compile(r'ncores\[\["(cgroups2?)\.(cpuset|cpuquota|cpu\.max)"\]\] == (\d+)L')
_ABSENT = re.compile(r'!\s*(?:any\()?(?:grepl\("\^cgroups"|"cgroups2\.cpu\.max" %in%)')


def cases(checkout: Path) -> Iterator[Given]:
    for archive in sorted((checkout / DATA).glob("*/*.tar.gz")):
        test = archive.with_name(archive.name.removesuffix(".tar.gz") + ".R")
        name = f"{archive.parent.name}/{archive.name.removesuffix('.tar.gz')}"
        if not test.is_file():
            yield Given(name, not_compared="a dump without a test")
            continue
        files = _files(archive)
        yield from _expected(name, test.read_text("utf-8"), files)
    source = (checkout / VARIABLES).read_text("utf-8")
    (count,) = re.findall(r"^ncores0 <- (\d+)L", source, re.MULTILINE)
    for variable in re.findall(r"Sys\.setenv\((\w+) = as\.character\(ncores0\)\)", source):
        yield Given(
            f"availableCores {variable}", expected=float(count), what="grant", env={variable: count}
        )


def _expected(name: str, test: str, files: dict[str, str]) -> Iterator[Given]:
    equals = _EQUAL.findall(test)
    for _, what, number in equals:
        given = Given(
            f"{name} {what}", files, float(number), "cpuset" if what == "cpuset" else "quota"
        )
        given.affinity_fails = what == "cpuset"
        given.rounding = "" if what == "cpuset" else "nearest"
        yield given
    if not equals and _ABSENT.search(test):
        yield Given(f"{name} no quota", files, None)
    elif not equals:
        yield Given(name, not_compared="a test of the mount table alone")


def _files(archive: Path) -> dict[str, str]:
    files = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isfile() else None
            if content is not None:
                name = "/" + member.name.removeprefix("./")
                files[name] = content.read().decode("utf-8", "surrogateescape")
    mounts = files.pop(MOUNTS, "")
    files[MOUNTINFO] = _mountinfo(mounts)
    kept = (CGROUP, MOUNTINFO)
    names = ("cpu.max", "cpu.cfs_quota_us", "cpu.cfs_period_us", "cgroup.procs", "cpuset.cpus",
             "cpuset.cpus.effective", "cpuset.effective_cpus", "cgroup.controllers")  # fmt: skip
    return {
        name: text
        for name, text in files.items()
        if name in kept or name.rpartition("/")[2] in names
    }


def _mountinfo(mounts: str) -> str:
    """The table as mountinfo: the mount before at a directory above is the parent."""
    lines = []
    points: list[tuple[str, int]] = []
    for number, line in enumerate(mounts.splitlines(), 20):
        fields = line.split(" ")
        if len(fields) < 4:
            continue
        source, point, kind, options = fields[:4]
        parent = next((mount for place, mount in reversed(points) if _is_below(point, place)), 1)
        points.append((point, number))
        lines.append(f"{number} {parent} 0:{number} / {point} rw - {kind} {source} {options}\n")
    return "".join(lines)


def _is_below(point: str, place: str) -> bool:
    return point.startswith(place.rstrip("/") + "/")
