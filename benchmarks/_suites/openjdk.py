"""OpenJDK: the tests of its container support, in C++ and in Java."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from . import CGROUP, MARK, MOUNTINFO, Given, limit_files, of_v1, of_v2, placed
from .literals import body_of, functions, strings, unquoted

GTEST = "test/hotspot/gtest/runtime/test_cgroupSubsystem_linux.cpp"
JTREG = "test/hotspot/jtreg/containers/cgroup/CgroupSubsystemFactory.java"
FACTORY = "test/jdk/jdk/internal/platform/cgroup/TestCgroupSubsystemFactory.java"
CONTROLLERS = (
    (1, "test/jdk/jdk/internal/platform/cgroup/CgroupV1SubsystemControllerTest.java"),
    (2, "test/jdk/jdk/internal/platform/cgroup/CgroupV2SubsystemControllerTest.java"),
)
ANOTHER = "the project refuses the whole machine for want of another controller than cpu"
_TEXT = r'"((?:[^"\\]|\\.)*)"'
_PATHS = re.compile(
    rf"TestCase (\w+) = \{{\s*{_TEXT},[^\n]*\n\s*(?:{_TEXT}|nullptr),[^\n]*\n\s*{_TEXT},[^\n]*\n"
    rf"\s*{_TEXT}"
)


def cases(checkout: Path) -> Iterator[Given]:
    yield from _gtest((checkout / GTEST).read_text("utf-8"))
    for version, file in CONTROLLERS:
        yield from _controllers(version, (checkout / file).read_text("utf-8"))
    yield from _factory((checkout / FACTORY).read_text("utf-8"))
    yield from _jtreg((checkout / JTREG).read_text("utf-8"))


# --- C++


def _gtest(source: str) -> Iterator[Given]:
    for test, code in functions(source, r"TEST\(cgroupTest, (\w+)\) \{"):
        version = 2 if "cgroupv2" in test else 1
        for name, point, root, path, place in _PATHS.findall(code):
            yield _at(f"gtest {test} {name}", version, root or "/", point, path, place)
    code = dict(functions(source, r"TEST\(cgroupTest, (\w+)\) \{"))
    # Numbers of one file, and the two numbers of another.
    for text, expected in (("8888", 0.08888), ("-1", None), ("11114\\n", 0.11114)):
        assert f'"{text}"' in code["read_number_tests"]
        yield of_v1(f"gtest read_number {text}", unquoted(text), "100000", expected)
    for text, expected in (("max 10000", None), ("abc 10000", None)):
        assert f'"{text}"' in code["read_number_tuple_test"]
        yield of_v2(f"gtest read_number_tuple {text}", text, expected)
    yield of_v2("gtest read_number_tuple empty", "", None)


def _at(name: str, version: int, root: str, point: str, path: str, place: str) -> Given:
    kind = "cgroup cgroup rw,cpu,cpuacct" if version == 1 else "cgroup2 cgroup2 rw"
    if not path.startswith("/"):
        path = f"/{path}"  # the kernel begins each path with a slash
    own = f"4:cpu,cpuacct:{path}\n" if version == 1 else f"0::{path}\n"
    return placed(name, version, f"30 23 0:26 {root} {point} rw - {kind}\n", own, place)


# --- Java


def _controllers(version: int, source: str) -> Iterator[Given]:
    for test, code in functions(source, r"public void (\w+)\(\) \{"):
        values = dict(re.findall(rf"String (\w+) = {_TEXT};", code))
        path = values.get("cgroupPath") or strings(code.split("setPath(")[-1])[0]
        point, root = values["mountPoint"], values.get("root", "/")
        sub = "mountPoint + cgroupPath" in code
        place = point + path if sub else point
        yield _at(f"V{version}Controller {test}", version, root, point, path, place)


def _constants(source: str) -> dict[str, str]:
    """The strings of the class: texts and earlier names, added."""
    values: dict[str, str] = {}
    pattern = r"private (?:static final )?String (\w+)\s*=((?:[^;\"]|\"(?:[^\"\\]|\\.)*\")*);"
    for name, expression in re.findall(pattern, source):
        text = ""
        for literal, word in re.findall(rf"{_TEXT}|(\b[A-Za-z_]\w*\b)", expression):
            text += values.get(word, "") if word else unquoted(literal)
        values[name] = text
    return values


def _written(source: str) -> dict[str, str]:
    """What the set-up writes, by the variable that holds the path."""
    values = _constants(source)
    setup = body_of(source, r"void setup\(\)[^{;]*\{")
    files: dict[str, str] = {}
    for path, content in re.findall(r"Files\.writeString\((\w+), (\w+)", setup):
        files[path] = values[content]
    for alias, path in re.findall(r"^\s*(\w+) = (\w+);", setup, re.MULTILINE):
        files[alias] = files.get(path, "")
    return files


def _factory(source: str) -> Iterator[Given]:
    files = _written(source)
    for test, code in functions(source, r"(?:public|private) void (\w+)\([^)]*\)[^{;]*\{"):
        names = dict(re.findall(r"String (mountInfo|selfCgroup) = (\w+)\.toString\(\)", code))
        if "selfCgroup" not in names or test.endswith("FileNotFound"):
            continue
        infos = [names["mountInfo"]] if names["mountInfo"] in files else []
        if not infos:  # given by those who call it
            infos = re.findall(rf"{test}\((\w+)\);", source)
        version = 2 if re.search(r"assertTrue\([^;]*isCgroupV2\(\)", code) else 1
        is_empty = "isEmpty()" in code
        for info in infos:
            given = _machine(
                f"Factory {test} {info}", 0 if is_empty else version, files[info],
                files[names["selfCgroup"]],
            )  # fmt: skip
            yield given


def _jtreg(source: str) -> Iterator[Given]:
    files = _written(source)
    code = dict(functions(source, r"public void (\w+)\([^)]*\)[^{;]*\{"))
    for test, argument in re.findall(r"test\.(\w+)\(wb(?:, test\.(\w+))?\);", source):
        body = code[test]
        names = dict(
            re.findall(r"String (\w*[mM]ount[iI]nfo|\w*[sS]elfCgroup) = (\w+)\.toString", body)
        )
        own = next(files[name] for key, name in names.items() if "elfCgroup" in key)
        info = argument or next(name for key, name in names.items() if "ount" in key)
        verdict = re.search(r"assertEQ\((\w+), retval", body)
        assert verdict is not None
        version = {"CGROUPS_V1": 1, "CGROUPS_V2": 2}.get(verdict[1], 0)
        given = _machine(f"jtreg {test} {info}", version, files[info], own)
        no_mount = "NoMount" in test or "SystemdOnly" in test or "NoCgroup2Fs" in test
        if version == 0 and not no_mount:
            given.not_compared = ANOTHER
        yield given


def _machine(name: str, version: int, mounts: str, own: str) -> Given:
    """The limit is wherever the cgroup is shown: each mount of a hierarchy shows the same."""
    given = Given(name, {CGROUP: own, MOUNTINFO: mounts}, 3.0 if version else None)
    for line in mounts.splitlines():
        fields, _, rest = line.partition(" - ")
        root, point = fields.split(" ")[3:5]
        kind, *_, options = rest.split(" ")
        dialect = 2 if kind == "cgroup2" else 1 if "cpu" in options.split(",") else 0
        path = _own_path(own, dialect)
        if dialect and version in (0, dialect) and path is not None:
            inside = path.removeprefix(root) if root != "/" else path
            if inside == path and root != "/":
                inside = ""  # another cgroup's mount, which the project reads
            given.files |= limit_files(f"{point}/{inside.strip('/')}", dialect, MARK)
    return given


def _own_path(own: str, version: int) -> str | None:
    for line in own.splitlines():
        _, controllers, path = line.split(":", 2)
        if ("cpu" in controllers.split(",")) if version == 1 else not controllers:
            return path
    return None
