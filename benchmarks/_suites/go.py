"""Go's runtime: src/internal/runtime/cgroup/cgroup_test.go."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from . import CGROUP, MOUNTINFO, V1_MOUNT, V1_POINT, V2_MOUNT, V2_POINT, Given, of_v1, of_v2, placed
from .literals import Go, Unknown, body_of

FILES = "src/internal/runtime/cgroup"
# The kernel gives neither path nor line longer than these; the test's own bounds are of this size.
PATH_SIZE, LINE_SIZE = 4096, 4096 * 5
BOTH = f"{V2_MOUNT}\n{V1_MOUNT.replace('30 23', '31 30')}\n"


def cases(checkout: Path) -> Iterator[Given]:
    source = (checkout / FILES / "cgroup_test.go").read_text("utf-8")
    go = Go(_names())
    for case in go.table(source, "TestParseV1Number"):
        expected = None if case.get("wantErr") or case["want"] < 0 else case["want"] / 100000
        given = of_v1(f"ParseV1Number/{case['name']}", case["contents"], "100000\n", expected)
        yield _newline(case, given)
    for case in go.table(source, "TestParseV2Limit"):
        expected = case["want"] if case.get("wantOK") else None
        yield _newline(case, of_v2(f"ParseV2Limit/{case['name']}", case["contents"], expected))
    for case in go.table(source, "TestParseCPUCgroup"):
        yield _cgroup(case)
    malformed = re.findall(
        r'^\s*("(?:[^"\\]|\\.)*"),$',
        body_of(source, r"func TestParseCPUCgroupMalformed\(.*?\) \{"),
        re.MULTILINE,
    )
    for text in malformed:
        yield placed(
            f"ParseCPUCgroupMalformed/{text[1:-1]}",
            2,
            BOTH,
            go.value(text),
            None,
            {V2_POINT: 2, V1_POINT: 1},
        )
    for case in go.table(source, "TestContainsCPU"):
        controllers = case["in"]
        mount = f"30 23 0:26 / {V1_POINT} rw - cgroup cgroup rw,{controllers}\n"
        yield placed(
            f"ContainsCPU/{controllers}", 1, mount, f"4:{controllers}:/\n",
            V1_POINT if case["want"] else None, {V1_POINT: 1},
        )  # fmt: skip
    for case in go.table(source, "TestParseCPUMount"):
        yield _mount(case)
    malformed = re.findall(
        r'^\s*("(?:[^"\\]|\\.)*"),$',
        body_of(source, r"func TestParseCPUMountMalformed\(.*?\) \{"),
        re.MULTILINE,
    )
    for text in malformed:
        yield placed(
            f"ParseCPUMountMalformed/{text[1:-1]}",
            1,
            go.value(text),
            "4:cpu:/\n",
            None,
            {"/cgroup": 1},
        )


def _names() -> dict[str, object]:
    lower = "/so/many/overlay/layers"
    layers = lower + "".join(f":{lower}{number}" for number in range(2000))
    path = "".join(map(chr, [*range(256)] * 16))[:4090]
    return {
        "veryLongPathName": "a" * (PATH_SIZE + 10),
        "evenLongerPathName": "a" * (LINE_SIZE + 10),
        "overlayLongLowerDir": layers,
        "escapedLongPath": Unknown("escapedLongPath"),
        "longPath": path,
        "cgroup.V1": 1,
        "cgroup.V2": 2,
    }


def _newline(case: dict[str, object], given: Given) -> Given:
    if not str(case["contents"]).endswith("\n"):
        given.not_compared = "a machine file cannot hold a text without its final newline"
    return given


def _cgroup(case: dict[str, str]) -> Given:
    """The path and version that are expected; both versions are mounted, with decoys."""
    name = f"ParseCPUCgroup/{case['name']}"
    version = int(case.get("wantVer", 2))
    decoys = {V2_POINT + "/a/b/v2": 2, V2_POINT + "/a/b/c": 2, V1_POINT + "/a/b/blkio": 1}
    point = V1_POINT if version == 1 else V2_POINT
    place = None if case.get("wantErr") else point + case["want"]
    if "too-long" in case["name"]:
        decoys = {}
    return placed(name, version, BOTH, case["contents"], place, decoys)


def _mount(case: dict[str, str]) -> Given:
    name = f"ParseCPUMount/{case['name']}"
    if not isinstance(case["contents"], str):
        return Given(name, not_compared="a path of every byte from 0 to 255, which is no text")
    version = int(case.get("version", 2))
    path = case.get("cgroup", "/")
    line = f"4:cpu,cpuacct:{path}\n" if version == 1 else f"0::{path}\n"
    decoys = {}
    for mount in case["contents"].splitlines():
        fields = mount.split(" ")
        if len(fields) > 4 and " - cgroup" in mount and "\\" not in fields[4]:
            decoys[fields[4]] = 2 if " - cgroup2 " in mount else 1
    place = None if case.get("wantErr") else case["want"]
    given = placed(name, version, case["contents"], line, place, decoys if not place else {})
    assert {CGROUP, MOUNTINFO} <= given.files.keys()
    if "/.." in path:  # the directory of the process is known by its cgroup.procs
        given.facts["pid"] = "42"
        given.files[f"{place}/cgroup.procs"] = "42\n"
    return given
