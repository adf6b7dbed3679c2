"""Envoy: test/server/cgroup_cpu_util_test.cc."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from . import (
    CGROUP,
    MOUNTINFO,
    V1_MOUNT,
    V1_POINT,
    V2_MOUNT,
    V2_POINT,
    Given,
    limit_files,
    of_v1,
    of_v2,
    placed,
)
from .literals import functions, joined

SOURCE = "test/server/cgroup_cpu_util_test.cc"
_TEXTS = r'((?:\s*"(?:[^"\\]|\\.)*")+)'
_FILE = re.compile(rf'setFileContents\(\s*"([^"]*)",{_TEXTS}\)')
NO_NEWLINE = "a machine file cannot hold a text without its final newline"


def cases(checkout: Path) -> Iterator[Given]:
    source = (checkout / SOURCE).read_text("utf-8")
    for name, code in functions(source, r"TEST_F\(CgroupCpuUtilTest, (\w+)\) \{"):
        kind = name.partition("_")[0]
        convert = _KINDS.get(kind)
        if convert is not None:
            yield convert(name, code)


def _text(code: str, variable: str) -> str:
    """The text that is assigned to *variable*."""
    match = re.search(rf"\b{variable} ={_TEXTS}", code)
    return joined(match[1]) if match else ""


def _expected(code: str, what: str) -> str | None:
    match = re.search(rf"EXPECT_EQ\(\s*{what},{_TEXTS}\)", code)
    return joined(match[1]) if match else None


def _files(code: str) -> dict[str, str]:
    return {name: joined(texts) for name, texts in _FILE.findall(code)}


def _is_error(code: str) -> bool:
    return "EXPECT_FALSE(" in code


def _path(name: str, code: str) -> Given:
    """The path and version in /proc/self/cgroup."""
    own = _files(code)[CGROUP]
    version = 1 if '"v1"' in code else 2
    path = _expected(code, r"result\.value\(\)\.relative_path")
    point = V1_POINT if version == 1 else V2_POINT
    decoys = {V2_POINT: 2, V1_POINT: 1, f"{V2_POINT}/a/b/v2": 2, f"{V2_POINT}/v2": 2}
    if path is not None:
        decoys = {}
    both = f"{V2_MOUNT}\n{V1_MOUNT.replace('30 23', '31 30')}\n"
    return placed(name, version, both, own, None if path is None else point + path, decoys)


def _unescaped(name: str, code: str) -> Given:
    """A mount point with the escapes."""
    escaped, plain = _text(code, "input"), _expected(code, "result")
    if not escaped.startswith("/"):
        escaped, plain = f"/{escaped}", f"/{plain}"
    mount = f"30 23 0:26 / {escaped} rw - cgroup2 cgroup2 rw\n"
    return placed(name, 2, mount, "0::/\n", plain)


def _line(name: str, code: str) -> Given:
    line = _text(code, "line")
    point = _expected(code, r"mount_opt\.value\(\)")
    version = 2 if " - cgroup2 " in line else 1
    kind = re.search(r" - cgroup \S+ rw,(\S+)", line)
    own = f"4:{kind[1]}:/\n" if kind else "0::/\n"
    given = placed(name, version, line + "\n", own, point, {V2_POINT: 2})
    if kind and "cpu" not in kind[1]:
        given.not_compared = "the mount of another controller"
    return given


def _mount(name: str, code: str) -> Given:
    mounts = _text(code, "mountinfo") or _files(code).get(MOUNTINFO, "")
    point = _expected(code, r"mount_opt\.value\(\)\.mount_point")
    root = _expected(code, r"mount_opt\.value\(\)\.root") or "/"
    version = 1 if point and f" {point} rw - cgroup cgroup" in mounts else 2
    own = f"4:cpu,cpuacct:{root}\n" if version == 1 else f"0::{root}\n"
    return placed(name, version, mounts, own, point)


def _content(name: str, code: str) -> Given:
    text = _text(code, "content")
    given = of_v2(name, text, None if _is_error(code) else 5.0)
    if text and not text.endswith("\n"):
        given.not_compared = NO_NEWLINE
    return given


def _access(name: str, code: str) -> Given:
    (place,) = re.findall(r'CgroupInfo info\{"([^"]*)"', code)
    files = _files(code)
    version = 1 if '"v1"}' in code else 2
    point = "/sys/fs/cgroup/cpu" if version == 1 else V2_POINT
    kind = "cgroup cgroup rw,cpu" if version == 1 else "cgroup2 cgroup2 rw"
    path = place.removeprefix(point)
    files[CGROUP] = f"4:cpu:{path}\n" if version == 1 else f"0::{path}\n"
    files[MOUNTINFO] = f"30 23 0:26 / {point} rw - {kind}\n"
    contents = [
        joined(match)
        for match in re.findall(rf"EXPECT_EQ\(result->(?:quota|period)_content,{_TEXTS}\)", code)
    ]
    words = " ".join(contents).split()
    expected = int(words[0]) / int(words[1]) if words and words[0].isdigit() else None
    return Given(name, files, expected)


def _limits(name: str, code: str) -> Given:
    match = re.search(r"EXPECT_DOUBLE_EQ\(result\.value\(\), ([\d.]+)\)", code)
    expected = float(match[1]) if match else None
    quota = _text(code, "quota_content")
    if '"v1"' in code:
        return of_v1(name, quota, _text(code, "period_content"), expected)
    return of_v2(name, quota, expected)


def _detector(name: str, code: str) -> Given:
    """Whole machines; the number that is expected is rounded down."""
    files = _files(code)
    match = re.search(r"EXPECT_EQ\(limit\.value\(\), (\d+)U\)", code)
    if "mount.root" in code:
        return _constructed(name, code)
    given = Given(name, files, float(match[1]) if match else None)
    given.rounding = "floor" if match else ""
    return given


def _constructed(name: str, code: str) -> Given:
    own = _files(code)[CGROUP]
    point, root = _text(code, r"mount\.mount_point"), _text(code, r"mount\.root")
    place = _expected(code, r"cgroup_info\.value\(\)\.full_path")
    mount = f"30 23 0:26 {root} {point} rw - cgroup2 cgroup2 rw\n"
    inside = own.strip().removeprefix("0::").removeprefix(root).strip("/")
    given = placed(name, 2, mount, own, place, {point: 2, f"{point}/containerA": 2})
    if place is None:
        given.files |= limit_files(f"{point}/{inside}", 2, "700000 100000")
    return given


_KINDS = {
    "GetCurrentCgroupPath": _path,
    "UnescapePath": _unescaped,
    "ParseMountInfoLine": _line,
    "DiscoverCgroupMount": _mount,
    "ValidateCgroupFileContent": _content,
    "AccessCgroupV1Files": _access,
    "AccessCgroupV2Files": _access,
    "ReadActualLimitsV1": _limits,
    "ReadActualLimitsV2": _limits,
    "DetectorImpl": _detector,
    "ConstructCgroupPath": _constructed,
}
