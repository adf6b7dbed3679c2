"""tikv: the tests in components/tikv_util/src/sys/cgroup.rs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from . import (
    CGROUP,
    MOUNTINFO,
    V1_MOUNT,
    V1_POINT,
    V2_POINT,
    Given,
    of_v1,
    of_v2,
    placed,
)
from .literals import body_of, functions, joined, unquoted

SOURCE = "components/tikv_util/src/sys/cgroup.rs"
WHOLE = (
    "test_cpuset_cpu_cpuacct",
    "test_cgroup_without_mountinfo",
    "test_defult_cgroup_sys",
    "test_parse_mountinfos_without_cgroup",
)
_TEXT = r'"((?:[^"\\]|\\.)*)"'
_VALUE = r"(?:Some\(([^)]*)\)|None)"


def cases(checkout: Path) -> Iterator[Given]:
    tests = body_of((checkout / SOURCE).read_text("utf-8"), r"mod tests \{")
    code = dict(functions(tests, r"fn (test_\w+)\(\) \{"))
    for text, value in re.findall(rf"\({_TEXT}, {_VALUE}\)", code["test_parse_cpu_quota_v2"]):
        expected = float(value) if value else None
        yield of_v2(f"parse_cpu_quota_v2 {text}", unquoted(text), expected)
    pair = rf"\(\({_TEXT}, {_TEXT}\), {_VALUE}\)"
    for quota, period, value in re.findall(pair, code["test_parse_cpu_quota_v1"]):
        expected = float(value) if value else None
        yield of_v1(f"parse_cpu_quota_v1 {quota} {period}", quota, period, expected)
    for lines, path in re.findall(
        rf'\({_TEXT}, (?:Some\("([^"]*)"\.to_owned\(\)\)|None)\)', code["test_parse_proc_cgroup_v2"]
    ):
        mount = f"30 23 0:26 / {V2_POINT} rw - cgroup2 cgroup2 rw\n"
        place = f"{V2_POINT}{path}" if path else None
        decoys = {f"{V2_POINT}/test-all": 2, f"{V2_POINT}/test-2": 2}
        yield placed(f"parse_proc_cgroup_v2 {lines}", 2, mount, unquoted(lines), place, decoys)
    yield from _version_1(code)
    for test in WHOLE:
        yield _whole(test, code[test])
    for text, expected in (
        (r"1-2,5-8,10,12,4", 9.0),
        (r"0.9,8-,-9,7,18446744073709551616,1-4", None),
    ):
        assert text in code["test_parse_cpu_cores"]
        given = of_v1(f"parse_cpu_cores {text}", None, None, expected)
        given.what = "cpuset"
        given.files[CGROUP] = "4:cpuset:/a\n"
        given.files[MOUNTINFO] = "30 23 0:26 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
        given.files["/sys/fs/cgroup/cpuset/a/cpuset.cpus"] = text
        given.files["/sys/fs/cgroup/cpuset/a/cpuset.effective_cpus"] = text
        given.affinity_fails = True
        if expected is None:
            given.not_compared = (
                "a list that no kernel writes, of which tikv takes what it can read"
            )
        yield given


def _version_1(code: dict[str, str]) -> Iterator[Given]:
    (raw,) = re.findall(r'r#"(.*?)"#', code["test_parse_proc_cgroup_v1"], re.DOTALL)
    own = "\n".join(line.strip() for line in raw.strip().splitlines()) + "\n"
    (path,) = re.findall(
        r'cgroups\.get\("cpu"\)\.unwrap\(\),\s*"([^"]*)"', code["test_parse_proc_cgroup_v1"]
    )
    yield placed("parse_proc_cgroup_v1", 1, V1_MOUNT, own, V1_POINT + path)
    (path,) = re.findall(r'let path = "([^"]*)"', code["test_cgroup_path_with_semicolon"])
    yield placed("cgroup_path_with_semicolon", 1, V1_MOUNT, f"1:cpu:{path}\n", V1_POINT + path)


def _whole(name: str, code: str) -> Given:
    """Mounts as bytes, and the text of /proc/self/cgroup if there is one; no limit is expected."""
    mounts = re.search(r"write_all\(\s*b(\"(?:[^\"\\]|\\.)*\")", code)
    own = re.search(r"parse_proc_cgroup_v\d\((\"(?:[^\"\\]|\\.)*\")", code)
    files = {}
    if mounts:
        files[MOUNTINFO] = joined(mounts[1])
    if own:
        files[CGROUP] = joined(own[1])
    return Given(name.removeprefix("test_"), files, None)
