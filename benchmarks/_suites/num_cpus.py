"""seanmonstar/num_cpus: fixtures and the tests in src/linux.rs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from . import V1_POINT, V2_POINT, Given, of_v1, of_v2, placed
from .literals import body_of, functions, strings

SOURCE = "src/linux.rs"
_CASE = re.compile(r'\(\s*"([^"]*)",\s*"([^"]*)",\s*"([^"]*)",\s*(?:Some\("([^"]*)"\)|None),?\s*\)')


def cases(checkout: Path) -> Iterator[Given]:
    tests = body_of((checkout / SOURCE).read_text("utf-8"), r"mod tests \{")
    for module, version, fixtures in (("v1", 1, "cgroups"), ("v2", 2, "cgroups2")):
        body = body_of(tests, rf"mod {module} \{{")
        folder = checkout / "fixtures" / fixtures
        for test, code in functions(body, r"fn (test_\w+)\(\) \{"):
            name = f"{module} {test}"
            if test == "test_cgroup_mount":
                yield from _translated(name, version, code)
            elif test.startswith("test_cgroup_cpu_quota"):
                yield _quota(name, version, folder, code)
            else:
                yield from _loaded(name, version, folder, code)


def _translated(name: str, version: int, code: str) -> Iterator[Given]:
    kind = "cgroup cgroup rw,cpu" if version == 1 else "cgroup2 cgroup2 rw"
    for root, point, path, place in _CASE.findall(code):
        own = f"4:cpu:{path}\n" if version == 1 else f"0::{path}\n"
        mount = f"30 23 0:26 {root} {point} rw - {kind}\n"
        yield placed(f"{name} {root} {path}", version, mount, own, place or None, {point: version})


def _quota(name: str, version: int, folder: Path, code: str) -> Given:
    """The whole number that is expected is rounded up."""
    (directory,) = re.findall(r'FIXTURES_CGROUPS, "([^"]*)"', code)
    expected = re.search(r"cpu_quota\(\), Some\((\d+)\)", code)
    count = float(expected[1]) if expected else None

    def text(file: str) -> str | None:
        path = folder / "cgroups" / directory / file
        return path.read_text("utf-8") if path.is_file() else None

    given = (
        of_v1(name, text("cpu.cfs_quota_us"), text("cpu.cfs_period_us"), count)
        if version == 1
        else of_v2(name, text("cpu.max"), count)
    )
    given.rounding = "ceil"
    return given


def _loaded(name: str, version: int, folder: Path, code: str) -> Iterator[Given]:
    """A file of mounts or of cgroups, and the mount point and path in it."""
    proc = folder / "proc" / "cgroups"
    point = V1_POINT if version == 1 else V2_POINT
    files = [text for text in strings(code) if (proc / text).is_file()]
    for file in files:
        content = (proc / file).read_text("utf-8")
        if "mountinfo" in file:
            own = "11:cpu,cpuacct:/\n" if version == 1 else "0::/\n"
            yield placed(f"{name} {file}", version, content, own, point)
        else:
            number = 1 if "CgroupVersion::V1" in code.rsplit("load_cpu", maxsplit=1)[-1] else 2
            both = (
                f"30 23 0:26 / {V2_POINT} rw - cgroup2 cgroup2 rw\n"
                f"31 30 0:27 / {V1_POINT} rw - cgroup cgroup rw,cpu,cpuacct\n"
            )
            place = V1_POINT if number == 1 else V2_POINT
            yield placed(f"{name} {file}", number, both, content, place)
