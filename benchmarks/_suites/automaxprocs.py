"""uber-go/automaxprocs: internal/cgroups, its tests and its testdata."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from . import CGROUP, MOUNTINFO, V1_POINT, V2_POINT, Given, limit_files, of_v1, of_v2, placed
from .literals import Go, body_of, strings

FILES = "internal/cgroups"


def cases(checkout: Path) -> Iterator[Given]:
    folder = checkout / FILES
    data = folder / "testdata"
    go = Go()

    def table(file: str, test: str) -> list[dict[str, object]]:
        return go.table((folder / file).read_text("utf-8"), test)

    def proc(*parts: str) -> str | None:
        return _text(data.joinpath("proc", *parts))

    for case in table("cgroup_test.go", "TestCGroupReadInt"):
        # The period alone is no limit, a quota that is no number neither.
        content = _text(data / "cgroups" / str(case["name"]) / str(case["paramName"]))
        is_quota = case["paramName"] == "cpu.cfs_quota_us"
        pair = (content, "100000\n") if is_quota else ("200000\n", content)
        yield of_v1(f"ReadInt/{case['name']}", *pair, None if is_quota else 2.0)
    for case in table("cgroups_test.go", "TestCGroupsCPUQuota"):
        where = data / "cgroups" / str(case["name"])
        pair = (_text(where / "cpu.cfs_quota_us"), _text(where / "cpu.cfs_period_us"))
        expected = float(str(case["expectedQuota"])) if case["expectedDefined"] else None
        yield of_v1(f"CPUQuota/{case['name']}", *pair, expected)
    mounts, own = proc("cgroups", "mountinfo") or "", proc("cgroups", "cgroup") or ""
    yield placed("NewCGroups", 1, mounts, own, V1_POINT)
    for name in ("invalid-cgroup", "invalid-mountinfo", "untranslatable"):
        files = {}
        for path, file in ((CGROUP, "cgroup"), (MOUNTINFO, "mountinfo")):
            if (text := proc(name, file)) is not None:
                files[path] = text
        yield Given(f"NewCGroupsWithErrors/{name}", files, None)
    for case in table("cgroups2_test.go", "TestCGroupsIsCGroupV2"):
        text = proc("v2", str(case["name"]))
        files = {CGROUP: proc("v2", "cgroup-root") or ""} | ({MOUNTINFO: text} if text else {})
        given = Given(f"IsCGroupV2/{case['name']}", files, 3.0 if case.get("isV2") else None)
        given.files |= limit_files(V2_POINT, 2, "300000 100000")
        yield given
    for case in table("cgroups2_test.go", "TestCGroupsCPUQuotaV2"):
        expected = float(str(case["want"])) if case.get("wantOK") else None
        content = _text(data / "cgroups" / "v2" / str(case["name"]))
        yield of_v2(f"CPUQuotaV2/{case['name']}", content, expected)
    mounts = proc("v2", "mountinfo-v2") or ""
    for case in table("cgroups2_test.go", "TestCGroup2GroupPathDiscovery"):
        path, own = str(case["wantPath"]), proc("v2", str(case["procCgroup"])) or ""
        yield placed(f"GroupPathDiscovery/{path}", 2, mounts, own, V2_POINT + path.rstrip("/"))
    for name in ("cgroup-no-match", "cgroup-invalid"):
        yield placed(
            f"GroupPathDiscovery_Errors/{name}", 2, mounts, proc("v2", name) or "", None,
            {V2_POINT: 2},
        )  # fmt: skip
    yield from _mount_points((folder / "mountpoint_test.go").read_text("utf-8"), go)
    for case in table("subsys_test.go", "TestNewCGroupSubsysFromLine"):
        yield from _subsystem(case)
    source = (folder / "subsys_test.go").read_text("utf-8")
    for line in strings(body_of(source, r"lines := \[\]string\{")):
        mounts = f"30 23 0:26 / {V1_POINT} rw - cgroup cgroup rw,cpu\n"
        expected = V1_POINT if line.startswith("not-a-number") else None
        given = placed(f"SubsysFromLineErr/{line}", 1, mounts, f"{line}\n", None, {V1_POINT: 1})
        if expected:
            given.not_compared = "the number of a hierarchy, which is not needed"
        yield given


def _mount_points(source: str, go: Go) -> Iterator[Given]:
    for case in go.table(source, "TestNewMountPointFromLine"):
        if case["name"] == "cgroup":
            own = f"4:cpu:{case['expected']['Root']}\n"
            yield placed(
                "MountPointFromLine/cgroup", 1, case["line"], own, case["expected"]["MountPoint"]
            )
        else:
            # Another file system before the cgroup's.
            lines = f"{case['line']}\n31 1 0:24 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
            yield placed(
                f"MountPointFromLine/{case['name']}", 1, lines, "4:cpu:/\n", "/sys/fs/cgroup/cpu"
            )
    body = body_of(source, r"func TestNewMountPointFromLineErr\(.*?\) \{")
    for line in strings(body):
        if " " in line and "%" not in line:
            # A line that is no mount does not stand in the way of the next.
            lines = f"{line}\n31 1 0:24 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
            yield placed(
                f"MountPointFromLineErr/{line[:40]}", 1, lines, "4:cpu:/\n", "/sys/fs/cgroup/cpu"
            )
    body = body_of(source, r"func TestMountPointTranslate\(.*?\) \{")
    (line,) = [text for text in strings(body) if " - cgroup " in text]
    point = line.split(" ")[4]
    for case in go.table(source, "TestMountPointTranslate"):
        path, place = case["pathToTranslate"], case["pathTranslated"]
        if place.endswith("cpu.cfs_quota_us"):
            path, place = path.rpartition("/")[0], place.rpartition("/")[0]
        yield placed(f"Translate/{case['name']}", 1, line, f"4:cpu:{path}\n", place)
    body = body_of(source, r"func TestMountPointTranslateError\(.*?\) \{")
    for path in strings(body):
        if " " not in path and path and "%" not in path and not path.startswith("in"):
            yield placed(f"TranslateError/{path}", 1, line, f"4:cpu:{path}\n", None, {point: 1})


def _subsystem(case: dict[str, object]) -> Iterator[Given]:
    line, expected = str(case["line"]), case["expectedSubsys"]
    assert isinstance(expected, dict)
    mount = f"30 23 0:26 / {V1_POINT} rw - cgroup cgroup rw,{','.join(expected['Subsystems'])}\n"
    place = V1_POINT + expected["Name"].rstrip("/")
    yield placed(f"SubsysFromLine/{line[:40]}", 1, mount, f"{line}\n", place)


def _text(path: Path) -> str | None:
    return path.read_text("utf-8") if path.is_file() else None
