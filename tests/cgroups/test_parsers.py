"""The parsers, text by text: the names of the cases are their specification."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kumo._cgroups.cpu_stat import Throttling, difference, parse_cpu_stat
from kumo._cgroups.cpulist import CEILING, format_cpulist, parse_cpulist
from kumo._cgroups.cpuset import allowed_cpus, fallbacks
from kumo._cgroups.levels import (
    MAX_PLACES,
    PATH_MAX,
    Levels,
    Mount,
    locate,
    parse_membership,
    parse_mounts,
    steps,
    under,
    unescape,
)
from kumo._cgroups.quota import directory_limit, hierarchy_of, parse_quota
from kumo._cgroups.unmounted import root_of
from kumo._override import VARIABLE, OverrideError, parse_override
from kumo._snapshot import _mounts as reduce_mounts
from kumo._survey import survey
from kumo._system.machine_file import Machine, MachineError, parse_sections, read_machine


def cases(table: dict[str, Any]) -> dict[str, Any]:
    """The arguments of parametrize for a table of cases by their names."""
    return {"argvalues": list(table.values()), "ids": list(table)}


# --- CPU lists


def bits(*cpus: int) -> int:
    return sum(1 << cpu for cpu in cpus)


@pytest.mark.parametrize(
    ("text", "mask"),
    **cases(
        {
            "one CPU": ("3", bits(3)),
            "CPU 0": ("0", bits(0)),
            "a range": ("0-3", bits(0, 1, 2, 3)),
            "a range of one": ("5-5", bits(5)),
            "ranges and CPUs": ("0,2,4-6", bits(0, 2, 4, 5, 6)),
            "not in order": ("6,0-1", bits(0, 1, 6)),
            "overlapping ranges count once": ("0-3,2-5,5", bits(0, 1, 2, 3, 4, 5)),
            "adjacent ranges": ("1-2,3-4", bits(1, 2, 3, 4)),
            "empty": ("", 0),
            "blank": (" \n", 0),
            "final newline": ("0-1\n", bits(0, 1)),
            "blank lines after": ("0-1\n\n", bits(0, 1)),
            "a tab before, as in /proc/self/status": ("\t0-1", bits(0, 1)),
            "leading zeros": ("007", bits(7)),
            "beyond 1024": ("1023-1025", bits(1023, 1024, 1025)),
            "the last number there is": (str(CEILING - 1), bits(CEILING - 1)),
        }
    ),
)
def test_cpulist(text: str, mask: int) -> None:
    assert parse_cpulist(text) == mask


@pytest.mark.parametrize(
    "text",
    **cases(
        {
            "a word": "all",
            "no first": "-3",
            "no last": "3-",
            "backwards": "3-0",
            "two dashes": "0-1-2",
            "an empty item": "0,,1",
            "a comma at the end": "0,1,",
            "a comma alone": ",",
            "a blank inside": "0, 1",
            "two lines": "0\n1",
            "a sign": "+1",
            "an underscore": "1_0",
            "a fraction": "1.0",
            "a hexadecimal mask": "ff",
            "a stride, which the kernel reads and never writes": "0-7:2/4",
            "digits that are not ASCII": "\uff11-\uff13",
            "a superscript": "\xb2",
            "beyond every machine": str(CEILING),
            "a range beyond every machine": f"0-{CEILING}",
            "very many digits": "9" * 5000,
            "bytes that are not UTF-8": "\udcff",
            "NUL": "0\0",
        }
    ),
)
def test_not_a_cpulist(text: str) -> None:
    with pytest.raises(ValueError, match="not a CPU"):
        parse_cpulist(text)


@pytest.mark.parametrize(
    ("mask", "text"),
    **cases(
        {
            "none": (0, ""),
            "CPU 0": (bits(0), "0"),
            "two neighbours are a range": (bits(4, 5), "4-5"),
            "ranges and CPUs": (bits(0, 2, 4, 5, 6), "0,2,4-6"),
            "beyond 64": (bits(63, 64, 65, 1000), "63-65,1000"),
        }
    ),
)
def test_format_cpulist(mask: int, text: str) -> None:
    assert format_cpulist(mask) == text


@given(st.sets(st.integers(0, 2000)))
def test_what_is_formatted_parses_to_the_same(cpus: set[int]) -> None:
    assert parse_cpulist(format_cpulist(bits(*cpus))) == bits(*cpus)


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 20)), min_size=1))
def test_a_list_is_the_union_of_its_ranges(ranges: list[tuple[int, int]]) -> None:
    text = ",".join(f"{low}-{low + more}" for low, more in ranges)

    cpus = {cpu for low, more in ranges for cpu in range(low, low + more + 1)}
    assert parse_cpulist(text) == bits(*cpus)


# --- /proc/self/cgroup


@pytest.mark.parametrize(
    ("text", "paths"),
    **cases(
        {
            "v2": ("0::/a/b\n", {"": "/a/b"}),
            "the hierarchy's root": ("0::/\n", {"": "/"}),
            "v1, one controller": ("4:cpu:/a\n", {"cpu": "/a"}),
            "v1, several, in any order": ("4:cpuacct,cpu:/a\n", {"cpuacct": "/a", "cpu": "/a"}),
            "v1, a named hierarchy is no controller": (
                "1:name=systemd:/a\n",
                {"name=systemd": "/a"},
            ),
            "a hierarchy named like a controller": ("1:name=cpu:/a\n", {"name=cpu": "/a"}),
            "hybrid": (
                "3:cpuset:/c\n2:cpu,cpuacct:/b\n0::/a\n",
                {"cpuset": "/c", "cpu": "/b", "cpuacct": "/b", "": "/a"},
            ),
            "colons in the path": ("0::/a:b:c\n", {"": "/a:b:c"}),
            "spaces in the path": ("0::/a b - c\n", {"": "/a b - c"}),
            "no escapes in the path": ("0::/a\\040b\\x2d\n", {"": "/a\\040b\\x2d"}),
            "a removed cgroup": ("0::/a (deleted)\n", {"": "/a (deleted)"}),
            "above the namespace's root": ("0::/../../a\n", {"": "/../../a"}),
            "a carriage return is part of the path": ("0::/a\r\n", {"": "/a\r"}),
            "bytes that are not UTF-8": ("0::/\udce9\n", {"": "/\udce9"}),
            "a number of several digits": ("1234567890:cpu:/a\n", {"cpu": "/a"}),
            "the first of two lines counts": ("0::/a\n0::/b\n", {"": "/a"}),
            "blank lines": ("\n0::/a\n\n\n", {"": "/a"}),
            "no final newline": ("0::/a", {"": "/a"}),
            "empty": ("", {}),
        }
    ),
)
def test_membership(text: str, paths: dict[str, str]) -> None:
    assert parse_membership(text) == (paths, [])


@pytest.mark.parametrize(
    "line",
    **cases(
        {
            "no colon": "garbage",
            "one colon": "0:/a",
            "no number": ":cpu:/a",
            "a word for a number": "x:cpu:/a",
            "a sign": "-1:cpu:/a",
            "a number that is not ASCII": "\uff14:cpu:/a",
            "a path that is not absolute": "0::a",
            "no path": "0::",
            "a blank before": " 0::/a",
            "blanks": "  ",
        }
    ),
)
def test_not_a_membership(line: str) -> None:
    assert parse_membership(f"{line}\n0::/own\n") == ({"": "/own"}, [line])


# --- the mount table

V2 = "26 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup rw"


@pytest.mark.parametrize(
    ("line", "root", "point", "controllers"),
    **cases(
        {
            "v2": (V2, "/", "/sys/fs/cgroup", [""]),
            "v1": ("30 25 0:30 /a /cg/cpu rw - cgroup cgroup rw,cpu", "/a", "/cg/cpu", ["cpu"]),
            "v1, several controllers in any order": (
                "30 25 0:30 / /cg rw - cgroup cgroup rw,cpuset,cpuacct,cpu",
                "/",
                "/cg",
                ["cpu", "cpuset"],
            ),
            "v1, cpu in the name only": (
                "30 25 0:30 / /cpu rw - cgroup cpu rw,cpuacct",
                "/",
                "/cpu",
                [],
            ),
            "v1, a named hierarchy": (
                "30 25 0:30 / /cg rw - cgroup none rw,name=cpu",
                "/",
                "/cg",
                [],
            ),
            "one optional field": (
                "26 24 0:26 / /cg rw shared:9 - cgroup2 cgroup rw",
                "/",
                "/cg",
                [""],
            ),
            "many optional fields": (
                "26 24 0:26 / /cg rw shared:9 master:1 propagate_from:2 unbindable - cgroup2 c rw",
                "/",
                "/cg",
                [""],
            ),
            "an empty source": ("30 25 0:30 / /cg rw - cgroup  rw,cpu", "/", "/cg", ["cpu"]),
            "escapes in root and point": (
                r"26 24 0:26 /a\134x2d /b\040c\011d rw - cgroup2 cgroup rw",
                r"/a\x2d",
                "/b c\td",
                [""],
            ),
            "an escaped dash between spaces": (
                r"26 24 0:26 / /a\040-\040b rw - cgroup2 cgroup rw",
                "/",
                "/a - b",
                [""],
            ),
            "above the namespace's root": (
                "26 24 0:26 /../.. /cg rw - cgroup2 cgroup rw",
                "/../..",
                "/cg",
                [""],
            ),
            "spaces and a dash in another file system's options": (
                "50 22 0:50 / /mnt/c rw - 9p C:\\134 rw,path=C:\\a b - cgroup2 cgroup rw,cpu",
                "/",
                "/mnt/c",
                [],
            ),
            "a controller among another file system's options": (
                "50 22 0:50 / /mnt rw - fuse.x x rw,cpu",
                "/",
                "/mnt",
                [],
            ),
        }
    ),
)
def test_mount(line: str, root: str, point: str, controllers: list[str]) -> None:
    mount = Mount(line)

    assert (mount.root, mount.point) == (root, point)
    assert [name for name in ("", "cpu", "cpuset") if mount.shows(name)] == controllers


@pytest.mark.parametrize(
    "line",
    **cases(
        {
            "a word": "garbage",
            "no dash": "26 24 0:26 / /sys/fs/cgroup rw cgroup2 cgroup rw",
            "a dash at the end": "26 24 0:26 / /sys/fs/cgroup rw -",
            "too few fields": "26 24 / /sys/fs/cgroup rw - cgroup2 cgroup rw",
            "a point that is not absolute": "26 24 0:26 / sys rw - cgroup2 cgroup rw",
            "a line of /proc/self/mounts": "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0",
        }
    ),
)
def test_not_a_mount(line: str) -> None:
    assert parse_mounts(f"{line}\n{V2}\n")[1] == [line]
    assert [mount.line for mount in parse_mounts(f"{line}\n{V2}\n")[0]] == [V2]


@pytest.mark.parametrize("length", [PATH_MAX, PATH_MAX + 1, 4 * PATH_MAX, 5 * PATH_MAX])
@pytest.mark.parametrize("form", ["26 24 0:26 {} /cg", "26 24 0:26 / {}"])
def test_a_path_that_is_too_long_is_in_no_mount_table(length: int, form: str) -> None:
    end = " rw - cgroup2 cgroup rw"
    longest, escaped = "/" + "x" * (PATH_MAX - 2), "/" + r"\040" * (PATH_MAX - 2)

    with pytest.raises(ValueError, match=r"^a path in a mountinfo line is too long: '26 24 0:26 "):
        Mount(form.format("/" + "x" * (length - 1)) + end)
    for path, read in ((longest, longest), (escaped, "/" + " " * (PATH_MAX - 2))):
        found = Mount(form.format(path) + end)
        assert read in (found.root, found.point)


@pytest.mark.parametrize(
    ("text", "decoded"),
    **cases(
        {
            "nothing to decode": ("/a/b", "/a/b"),
            "a space": (r"a\040b", "a b"),
            "a tab": (r"a\011b", "a\tb"),
            "a newline": (r"a\012b", "a\nb"),
            "a backslash": (r"a\134b", r"a\b"),
            "a number sign": (r"a\043b", "a#b"),
            "once, not twice": (r"a\134040b", r"a\040b"),
            "several in a row": (r"\040\040\134", "  \\"),
            "a byte that is not ASCII": (r"\303\251", "\udcc3\udca9"),
            "the last of ASCII": (r"\177", "\x7f"),
            "the first beyond ASCII": (r"\200", "\udc80"),
            "two digits": (r"a\04", r"a\04"),
            "a digit that is not octal": (r"a\048", r"a\048"),
            "hexadecimal": (r"a\x2d", r"a\x2d"),
            "digits after the third": (r"\0401", " 1"),
            "more than a byte": (r"\400", r"\400"),
            "NUL, which no path has": (r"\000", r"\000"),
            "digits that are not ASCII": ("\\\u0660\u0664\u0660", "\\\u0660\u0664\u0660"),
            "a backslash at the end": ("a\\", "a\\"),
            "two backslashes": ("a\\\\040", "a\\ "),
            "text after a byte that is not ASCII": (r"caf\303\251-1", "caf\udcc3\udca9-1"),
        }
    ),
)
def test_unescape(text: str, decoded: str) -> None:
    assert unescape(text) == decoded


@given(st.text(alphabet=" \t\n\\#a/0123\xe9"))
def test_what_the_kernel_escapes_is_decoded_again(path: str) -> None:
    escaped = "".join(f"\\{ord(c):03o}" if c in " \t\n\\#" else c for c in path)

    assert unescape(escaped) == path


def mount(number: int, parent: int, point: str, fstype: str = "cgroup2", root: str = "/") -> str:
    return f"{number} {parent} 0:{number} {root} {point} rw - {fstype} {fstype} rw,cpu"


SYS = [mount(22, 1, "/", "ext4"), mount(24, 22, "/sys", "sysfs")]
CG = "/sys/fs/cgroup"


@pytest.mark.parametrize(
    ("lines", "visible"),
    **cases(
        {
            "one mount": ([*SYS, mount(26, 24, CG)], ["26"]),
            "no cgroup mounts": (SYS, []),
            "in the order of the table": (
                [*SYS, mount(31, 22, "/b", "cgroup"), mount(30, 22, "/a", "cgroup")],
                ["31", "30"],
            ),
            "the later hides the earlier at the same point": (
                [*SYS, mount(26, 24, CG), mount(27, 26, CG, root="/x")],
                ["27"],
            ),
            "of three at one point the last is seen": (
                [*SYS, mount(26, 24, CG), mount(27, 26, CG), mount(28, 27, CG)],
                ["28"],
            ),
            "another file system at the same point": (
                [*SYS, mount(26, 24, CG), mount(27, 26, CG, "tmpfs")],
                [],
            ),
            "a mount moved onto another keeps its place in the table": (
                [*SYS, mount(26, 27, CG), mount(27, 24, CG, "tmpfs")],
                ["26"],
            ),
            "a tmpfs moved onto the cgroup mount": (
                [*SYS, mount(26, 27, CG, "tmpfs"), mount(27, 24, CG)],
                [],
            ),
            "a mount over a directory above": (
                [*SYS, mount(26, 24, CG), mount(60, 24, "/sys/fs", "tmpfs")],
                [],
            ),
            "a mount over the directory above, with the cgroup mount on it": (
                [*SYS, mount(60, 24, "/sys/fs", "tmpfs"), mount(26, 60, CG)],
                ["26"],
            ),
            "the same, listed the other way round": (
                [*SYS, mount(26, 60, CG), mount(60, 24, "/sys/fs", "tmpfs")],
                ["26"],
            ),
            "a second /sys over the first": (
                [*SYS, mount(26, 24, CG), mount(60, 24, "/sys", "sysfs")],
                [],
            ),
            "a new root over the old": ([*SYS, mount(26, 24, CG), mount(60, 22, "/", "ext4")], []),
            "a mount that the first /sys covers": (
                [SYS[0], mount(60, 22, "/sys/fs", "tmpfs"), SYS[1], mount(26, 24, CG)],
                ["26"],
            ),
            "a mount below the second of two at one point": (
                [
                    *SYS,
                    mount(60, 24, "/sys/fs", "tmpfs"),
                    mount(61, 60, "/sys/fs"),
                    mount(26, 61, CG),
                ],
                ["61", "26"],
            ),
            "a mount below the second of two at one point, which is covered": (
                [
                    *SYS,
                    mount(60, 24, "/sys/fs", "tmpfs"),
                    mount(61, 60, "/sys/fs"),
                    mount(26, 61, CG),
                    mount(62, 61, "/sys/fs", "tmpfs"),
                ],
                [],
            ),
            "a neighbour's directory with a common prefix": (
                [*SYS, mount(26, 24, CG), mount(60, 24, "/sys/fs/cg", "tmpfs")],
                ["26"],
            ),
            "a mount on a directory below": (
                [*SYS, mount(26, 24, CG), mount(60, 26, f"{CG}/a", "tmpfs")],
                ["26"],
            ),
            "/sys listed before its parent": (
                [SYS[1], mount(26, 24, CG), SYS[0]],
                ["26"],
            ),
            "a parent that is not in the table": ([mount(26, 24, CG)], ["26"]),
            "mounts that are each other's parent": (
                [mount(24, 26, "/sys", "sysfs"), mount(26, 24, CG)],
                ["26"],
            ),
            "a mount that is its own parent": ([mount(26, 26, CG)], ["26"]),
        }
    ),
)
def test_visible_mounts(lines: list[str], visible: list[str]) -> None:
    mounts, bad = parse_mounts("\n".join([*lines, ""]))

    assert ([one.number for one in mounts], bad) == (visible, [])


def test_a_number_that_is_used_twice_hides_no_mount() -> None:
    mounts, bad = parse_mounts(
        "21 20 0:20 / /sys rw - sysfs sysfs rw\n"
        "25 21 0:22 /a /unrelated rw - cgroup2 cgroup2 rw\n"
        "25 21 0:22 /b /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
        "25 21 0:23 / /sys/fs/foo rw - foo foo rw\n"
    )

    assert ([mount.point for mount in mounts], bad) == (["/unrelated", "/sys/fs/cgroup"], [])


def test_a_covered_directory_is_known_to_its_mount() -> None:
    lines = [*SYS, mount(26, 24, CG), mount(60, 26, f"{CG}/a", "tmpfs")]

    (only,) = parse_mounts("\n".join(lines))[0]

    assert [cover.point for cover in only.covers] == [f"{CG}/a"]


def test_what_a_snapshot_keeps_of_the_mount_table() -> None:
    net_cls = "40 22 0:40 / /net rw - cgroup none rw,net_cls"
    cover = mount(60, 26, f"{CG}/a", "tmpfs")
    lines = [*SYS, "garbage 1", mount(26, 24, CG), cover, net_cls, "garbage 2"]

    kept = reduce_mounts("\n".join([*lines, ""]))

    assert kept.split("\n") == [mount(26, 24, CG), cover, "garbage 1", ""]


@pytest.mark.parametrize(
    ("path", "top", "is_under"),
    **cases(
        {
            "itself": ("/a", "/a", True),
            "a directory below": ("/a/b", "/a", True),
            "a common prefix": ("/ab", "/a", False),
            "above": ("/a", "/a/b", False),
            "everything is under the root": ("/a", "/", True),
            "the root under itself": ("/", "/", True),
        }
    ),
)
def test_under(path: str, top: str, is_under: bool) -> None:
    assert under(path, top) == is_under


# --- from a cgroup path to a place below a mount


@pytest.mark.parametrize(
    ("root", "path", "place"),
    **cases(
        {
            "the whole hierarchy": ("/", "/a/b", (0, ["a", "b"])),
            "the root in the whole hierarchy": ("/", "/", (0, [])),
            "root and path are the same": ("/a/b", "/a/b", (0, [])),
            "the path below the root": ("/a", "/a/b/c", (0, ["b", "c"])),
            "not at a component's boundary": ("/foo", "/foobar", None),
            "a neighbour": ("/a", "/b", None),
            "the root deeper than the path": ("/a/b", "/a", None),
            "the root deeper than the namespace's": ("/a", "/", None),
            "one level above the namespace's root": ("/..", "/", (1, [])),
            "one level above, a name below": ("/..", "/a", (1, ["a"])),
            "three levels above": ("/../../..", "/a/b", (3, ["a", "b"])),
            "a sibling of the namespace's root": ("/..", "/../sib", (0, ["sib"])),
            "a sibling, seen from one level higher": ("/../..", "/../sib", (1, ["sib"])),
            "both two levels above": ("/../..", "/../../y/z", (0, ["y", "z"])),
            "the path leaves the mount": ("/", "/../x", None),
            "the path leaves the mount by one level more": ("/..", "/../../x", None),
            "names after /.., the path below them": ("/../svc", "/../svc/x", (0, ["x"])),
            "names after /.., the same": ("/../svc", "/../svc", (0, [])),
            "names after /.., not at a boundary": ("/../svc", "/../svc2", None),
            "names after /.. are no ancestor of the namespace's root": ("/../other", "/", None),
            "names after two levels, the path on one": ("/../../b", "/../c", None),
            "a name that begins with two dots": ("/..a", "/..a/b", (0, ["b"])),
            "spaces and colons": ("/a b", "/a b/c:d", (0, ["c:d"])),
        }
    ),
)
def test_locate(root: str, path: str, place: tuple[int, list[str]] | None) -> None:
    assert locate(steps(root), steps(path)) == place


def shown(cgroup: list[str], namespace: list[str]) -> str:
    """The kernel's way to show *cgroup* in a namespace: up to what is common, then down."""
    common = 0
    while [*cgroup, ""][common] == [*namespace, None][common]:
        common += 1
    return "/.." * (len(namespace) - common) + "".join(f"/{n}" for n in cgroup[common:]) or "/"


places = st.lists(st.sampled_from(["a", "b", "ab"]), max_size=4)


@given(places, places, places)
def test_locate_finds_every_cgroup_below_the_mount_and_no_other(
    namespace: list[str], root: list[str], cgroup: list[str]
) -> None:
    place = locate(steps(shown(root, namespace)), steps(shown(cgroup, namespace)))

    if cgroup[: len(root)] == root:
        assert place is not None
        hidden, names = place
        below = cgroup[len(root) :]
        assert (hidden + len(names), names) == (len(below), below[hidden:])
        assert below[:hidden] == namespace[len(root) :][:hidden]  # the namespace's own ancestors
    else:
        assert place is None


# --- quotas


@pytest.mark.parametrize(
    ("text", "rate"),
    **cases(
        {
            "one and a half CPUs": ("150000 100000", (150000, 100000)),
            "another period": ("125000 50000", (125000, 50000)),
            "the smallest": ("1000 1000000", (1000, 1000000)),
            "the largest signed 64-bit number": ("9223372036854775807 1", (2**63 - 1, 1)),
            "max": ("max 100000", None),
            "v1's -1": ("-1 100000", None),
            "any negative number": ("-100000 100000", None),
            "zero": ("0 100000", None),
        }
    ),
)
def test_quota(text: str, rate: tuple[int, int] | None) -> None:
    assert parse_quota(text) == rate


@pytest.mark.parametrize("text", ["-1 100000", "-1 0", "-1 ", "0 100000", "0 ", "0 0", "-5 "])
def test_no_quota_of_v1_whatever_the_period_is(text: str) -> None:
    """The period has a separate file, which may be absent."""
    assert parse_quota(text, "-1") is None


@pytest.mark.parametrize(("text", "unlimited"), [("max", "max"), ("max ", "max"), ("max 0", "-1")])
def test_a_quota_of_v2_has_a_period(text: str, unlimited: str) -> None:
    with pytest.raises(ValueError, match="not a quota and a period"):
        parse_quota(text, unlimited)


@pytest.mark.parametrize(
    "text",
    **cases(
        {
            "empty": "",
            "a quota alone": "100000",
            "a quota and a blank, as v1 without a period": "100000 ",
            "a period alone, as v1 with an empty quota": " 100000",
            "three fields": "100000 100000 1",
            "two blanks": "100000  100000",
            "a tab": "100000\t100000",
            "a zero period": "100000 0",
            "a negative period": "100000 -1",
            "words": "one cpu",
            "max in capitals": "MAX 100000",
            "minus and a word": "-x 100000",
            "minus alone": "- 100000",
            "a plus": "+100000 100000",
            "a fraction": "1.5 1",
            "an exponent": "1e5 100000",
            "an underscore": "100_000 100000",
            "hexadecimal": "0x10 100000",
            "beyond 64 bits": f"{10**20} 100000",
            "a period beyond 64 bits": f"100000 {10**20}",
            "very many digits": f"{'9' * 5000} 100000",
            "digits that are not ASCII": "\uff11000 \uff11000",
            "bytes that are not UTF-8": "\udcff 100000",
        }
    ),
)
def test_not_a_quota(text: str) -> None:
    with pytest.raises(ValueError, match="not a quota and a period"):
        parse_quota(text)


# --- the override


@pytest.mark.parametrize(
    ("text", "count"),
    **cases(
        {
            "one": ("1", 1),
            "a count": ("12", 12),
            "leading zeros": ("007", 7),
            "the largest that kumod takes": (str(2**64 - 1), 2**64 - 1),
            "many leading zeros": ("0" * 100 + "4", 4),
        }
    ),
)
def test_override(text: str, count: int) -> None:
    assert parse_override(text) == count


@pytest.mark.parametrize(
    "text",
    **cases(
        {
            "zero": "0",
            "zeros": "000",
            "negative": "-4",
            "a plus": "+4",
            "a blank before": " 4",
            "a newline after": "4\n",
            "a fraction": "4.0",
            "a word": "auto",
            "hexadecimal": "0x4",
            "an underscore": "1_0",
            "a list": "4,2",
            "digits that are not ASCII": "\u0664",
            "a superscript": "\xb2",
            "beyond 64 bits": str(2**64),
            "very many digits": "9" * 5000,
            "bytes that are not UTF-8": "\udcff",
        }
    ),
)
def test_not_an_override(text: str) -> None:
    with pytest.raises(OverrideError) as caught:
        parse_override(text)

    assert (caught.value.variable, caught.value.value) == (VARIABLE, text)


# --- machine files


@pytest.mark.parametrize(
    ("text", "sections"),
    **cases(
        {
            "a path": ("-- /a/b --\nx\n", {"/a/b": "x\n"}),
            "a variable": ("-- $A --\nx\n", {"$A": "x\n"}),
            "a fact": ("-- !a --\nx\n", {"!a": "x\n"}),
            "what is expected": ("-- expect --\nparallelism 1\n", {"expect": "parallelism 1\n"}),
            "prose before the first section": ("a\n\n-- b\n-- /a --\nx\n", {"/a": "x\n"}),
            "an empty file": ("-- /a --\n-- /b --\nx\n", {"/a": "", "/b": "x\n"}),
            "an empty file at the end": ("-- /a --\n", {"/a": ""}),
            "a blank line": ("-- /a --\n\n-- /b --\n", {"/a": "\n", "/b": ""}),
            "blank lines at the end": ("-- /a --\nx\n\n\n", {"/a": "x\n\n\n"}),
            "a file without a final newline gets one": ("-- /a --\nx", {"/a": "x\n"}),
            "a heading without a final newline": ("-- /a --", {"/a": ""}),
            "the later of two sections counts": ("-- /a --\nx\n-- /a --\ny\n", {"/a": "y\n"}),
            "a space in a path": ("-- /a b --\nx\n", {"/a b": "x\n"}),
            "parentheses that name no errno": ("-- /a (deleted) --\nx\n", {"/a (deleted)": "x\n"}),
            "parentheses that name an unknown errno": ("-- /a (EFOO) --\n", {"/a (EFOO)": ""}),
            "almost a heading": (
                "-- /a --\n--/b --\n-- /b--\n -- /b --\n-- /b -- \n",
                {"/a": "--/b --\n-- /b--\n -- /b --\n-- /b -- \n"},
            ),
            "a carriage return": ("-- /a --\nx\r\n", {"/a": "x\r\n"}),
            "other separators of lines": (
                "-- /a --\nx\x0b\x85\u2028y\n",
                {"/a": "x\x0b\x85\u2028y\n"},
            ),
        }
    ),
)
def test_sections(text: str, sections: dict[str, str]) -> None:
    assert parse_sections(text) == sections


@pytest.mark.parametrize(
    ("text", "message"),
    **cases(
        {
            "empty": ("", "no section"),
            "prose alone": ("some words\n", "no section"),
            "a relative path": ("-- a/b --\n", "line 1: section 'a/b'"),
            "the line's number counts from the prose on": (
                "prose\n\n-- /a --\nx\n-- nonsense --\n",
                "line 5: section 'nonsense'",
            ),
            "a variable without its sign": ("-- A --\n", "line 1: section 'A'"),
            "expect with more words": ("-- expect it --\n", "line 1: section 'expect it'"),
            "expect with an errno": ("-- expectation (EPERM) --\n", "line 1: section 'expectation"),
            "an empty name": ("--   --\n", "line 1: section ' '"),
            "a long name is cut": (f"-- {'x' * 500} --\n", f"line 1: section '{'x' * 60}'"),
            "a name that is not printable": ("-- \x1b[2J --\n", r"line 1: section '\x1b[2J'"),
        }
    ),
)
def test_not_a_machine_file(text: str, message: str) -> None:
    with pytest.raises(MachineError) as caught:
        parse_sections(text)

    assert message in str(caught.value)
    assert str(caught.value).isprintable()


def machine(**sections: str) -> Machine:
    """A machine with the files *a*, *b*, … in its root."""
    return Machine("".join(f"-- /{name} --\n{text}" for name, text in sections.items()))


def test_a_path_that_no_section_names_does_not_exist() -> None:
    assert machine(a="x\n").read("/b") is None


def test_a_file_is_read_with_its_newlines() -> None:
    assert machine(a="x\n\n", b="").read("/a") == "x\n\n"
    assert machine(a="x\n\n", b="").read("/b") == ""


@pytest.mark.parametrize(
    ("heading", "asked"),
    **cases(
        {
            "a file": ("/a/b (EACCES)", "/a/b"),
            "a file below a directory": ("/a (EACCES)", "/a/b"),
            "a file far below": ("/a (EACCES)", "/a/b/c/d"),
        }
    ),
)
def test_an_errno_holds_for_a_path_and_for_what_is_below(heading: str, asked: str) -> None:
    broken = Machine(f"-- {heading} --\n-- /a/b --\nx\n")

    with pytest.raises(OSError, match=r".") as caught:
        broken.read(asked)

    assert (caught.value.errno, caught.value.filename) == (errno.EACCES, asked)


def test_an_errno_holds_for_no_neighbour() -> None:
    assert Machine("-- /a (EACCES) --\n-- /ab --\nx\n").read("/ab") == "x\n"


def test_an_errno_beats_a_text_of_the_same_name() -> None:
    with pytest.raises(PermissionError):
        Machine("-- /a --\nx\n-- /a (EACCES) --\n").read("/a")


def test_an_errno_of_a_directory_holds_for_its_list() -> None:
    broken = Machine("-- /a (EACCES) --\n-- /a/b/c --\nx\n")

    with pytest.raises(PermissionError):
        broken.list("/a")
    assert list(broken.list("/") or ()) == ["a"]


def test_a_fact_may_fail() -> None:
    with pytest.raises(PermissionError):
        Machine("-- !affinity (EPERM) --\n").fact("affinity")


def test_a_directory_lists_the_directories_that_paths_imply() -> None:
    tree = Machine("-- /a/z/x --\n-- /a/b/y --\n-- /a/b/c/d --\n-- /a/file --\n-- /ab/c/d --\n")

    assert list(tree.list("/a") or ()) == ["b", "z"]
    assert list(tree.list("/a/") or ()) == ["b", "z"]
    assert tree.list("/a/z") is None
    assert tree.list("/nowhere") is None


def test_a_variable_and_a_fact_lose_one_final_newline() -> None:
    machine = Machine("-- $A --\n4\n\n-- $EMPTY --\n-- !pid --\n17\n")

    assert (machine.env("A"), machine.env("EMPTY"), machine.env("UNSET")) == ("4\n", None, None)
    assert (machine.fact("pid"), machine.fact("unknown")) == ("17", None)


@pytest.mark.parametrize(
    ("text", "platform"),
    **cases(
        {
            "linux where no section says it": ("-- /a --\n", "linux"),
            "what the section says": ("-- !platform --\ndarwin\n", "darwin"),
        }
    ),
)
def test_platform(text: str, platform: str) -> None:
    assert Machine(text).fact("platform") == platform


def test_each_name_is_asked_once_and_remembered() -> None:
    machine = Machine("-- /a --\nx\n-- /b (EACCES) --\n")
    machine.read("/a")
    machine.sections["/a"] = "changed\n"
    with pytest.raises(PermissionError):
        machine.read("/b")

    assert machine.read("/a") == "x\n"
    assert machine.read("/c") is None
    assert list(machine.asked) == ["/a", "/b", "/c"]
    assert machine.asked["/a"] == "x\n"
    assert isinstance(machine.asked["/b"], PermissionError)


def test_what_is_expected() -> None:
    assert Machine("-- /a --\n-- expect --\nparallelism 2\n").expect() == "parallelism 2\n"
    assert Machine("-- /a --\n").expect() == ""


def test_a_file_keeps_bytes_that_are_not_utf8_and_carriage_returns(tmp_path: Path) -> None:
    path = tmp_path / "machine.txt"
    path.write_bytes(b"-- /caf\xe9 --\n\xff\xfe\r\n\r")

    machine = read_machine(path)

    assert machine.sections == {"/caf\udce9": "\udcff\udcfe\r\n\r\n"}


def test_a_text_without_a_final_newline_reads_the_same() -> None:
    """The form cannot hold such files; kernels of sandboxes write them."""
    text = (
        "-- !affinity --\n0-7\n-- /proc/self/cgroup --\n0::/app\n-- /proc/self/mountinfo --\n"
        f"{V2}\n-- /sys/fs/cgroup/app/cpu.max --\n150000 100000\n"
        "-- /sys/devices/system/cpu/online --\n0-7\n"
    )
    bare = Machine(text)
    bare.sections = {
        name: body.removesuffix("\n") if isinstance(body, str) else body
        for name, body in bare.sections.items()
    }

    assert survey(bare) == survey(Machine(text))
    assert survey(bare).cpus == 1.5


THREADED = """\
-- !affinity --
0
-- !threads --
8 0-7
-- /proc/self/cgroup --
0::/d
-- /proc/thread-self/cgroup --
0::/d/t
-- /proc/self/mountinfo --
26 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup rw
-- /sys/fs/cgroup/d/cpu.max --
600000 100000
-- /sys/fs/cgroup/d/t/cpu.max --
150000 100000
-- /sys/devices/system/cpu/online --
0-7
"""


def test_the_process_is_the_union_of_its_threads_in_the_main_threads_cgroup() -> None:
    assert survey(Machine(THREADED)).cpus == 6.0


def test_a_thread_is_its_own_mask_in_its_own_cgroup() -> None:
    estimate = survey(Machine(THREADED, "thread"))

    assert (estimate.cpus, estimate.quota) == (1.0, 1.5)


def test_without_a_cgroup_of_its_own_a_thread_is_in_the_processs() -> None:
    text = THREADED.replace("/proc/thread-self/cgroup", "/elsewhere")

    assert survey(Machine(text, "thread")).quota == 6.0


@pytest.mark.parametrize(
    ("machine", "step"),
    [
        (
            "clause-override-nothing-known",
            "Mount /proc and the cgroup file system in the container",
        ),
        ("clause-v1-mount-missing", "Mount the cgroup file system in the container"),
    ],
)
def test_the_note_on_what_is_not_mounted_asks_for_what_is_missing(machine: str, step: str) -> None:
    path = Path(__file__).parents[1] / "machines" / f"{machine}.txt"

    (text,) = [n.text for n in survey(read_machine(path)).notes if n.code == "cgroup-not-mounted"]

    assert step in text


# The whole hierarchy of v1 and, mounted later, a part of it. What would show that the topmost
# level is the hierarchy's own root, cgroup.sane_behavior, is not there.
TWO_MOUNTS = """\
-- /proc/self/cgroup --
4:cpu:/a/b
-- /proc/self/mountinfo --
30 1 0:30 / /whole rw - cgroup cgroup rw,cpu
31 1 0:30 /a /part rw - cgroup cgroup rw,cpu
-- !affinity --
0-7
"""
FIRST, SECOND = "/whole/a/b/cpu.cfs_quota_us", "/part/b/cpu.cfs_quota_us"


@pytest.mark.parametrize(
    ("files", "unreadable"),
    **cases(
        {
            "a later mount of a part hides nothing": ("", []),
            "the first failure is reported": (
                f"-- {FIRST} (EACCES) --\n-- {SECOND} (EIO) --\n",
                [FIRST],
            ),
            "another mount shows it": (f"-- {FIRST} (EACCES) --\n-- {SECOND} --\n-1\n", []),
        }
    ),
)
def test_a_level_in_two_mounts(files: str, unreadable: list[str]) -> None:
    notes = [note for note in survey(Machine(TWO_MOUNTS + files)).notes if note.errs != "no"]

    assert [note.code for note in notes] == ["unreadable" for _ in unreadable]
    assert all(path in note.text for path, note in zip(unreadable, notes, strict=True))


def test_a_mount_is_covered_whatever_lies_between_the_two_by_name() -> None:
    covered = "29 24 0:26 / /a/b rw - cgroup2 cgroup rw\n"
    covers = "30 24 0:27 / /a-b rw - tmpfs x rw\n31 24 0:28 / /a rw - tmpfs x rw\n"

    assert len(parse_mounts(covered)[0]) == 1
    assert parse_mounts(covered + covers)[0] == []


# --- single files of a cgroup


@pytest.mark.parametrize(
    ("text", "throttling"),
    **cases(
        {
            "v2": (
                "nr_periods 12\nnr_throttled 3\nthrottled_usec 4500000\nburst_usec 250000\n",
                (12, 3, 4.5, 0.25),
            ),
            "v2 before bursts": (
                "nr_periods 12\nnr_throttled 3\nthrottled_usec 4500000\n",
                (12, 3, 4.5, 0),
            ),
            "v1": (
                "nr_periods 1\nnr_throttled 0\nthrottled_time 4500000000\nburst_time 250000000\n",
                (1, 0, 4.5, 0.25),
            ),
            "v1 before bursts": ("nr_periods 1\nnr_throttled 0\nthrottled_time 0\n", (1, 0, 0, 0)),
            "no time": ("nr_periods 1\nnr_throttled 0\n", None),
            "no periods": ("nr_throttled 0\nthrottled_usec 0\n", None),
            "none throttled": ("nr_periods 0\nthrottled_usec 0\n", None),
        }
    ),
)
def test_cpu_stat(text: str, throttling: tuple[float, ...] | None) -> None:
    assert parse_cpu_stat(text) == throttling


def test_the_difference_of_two_readings() -> None:
    before, after = Throttling(1, 2, 3.0, 4.0), Throttling(11, 22, 33.0, 44.0)

    assert difference(before, after) == (10, 20, 30.0, 40.0)
    assert difference(None, after) is difference(before, None) is None


@pytest.mark.parametrize(
    ("controller", "files", "limit"),
    **cases(
        {
            "v2": ("", "-- /g/cpu.max --\n150000 100000\n", (1.5, "/g/cpu.max")),
            "v1": (
                "cpu",
                "-- /g/cpu.cfs_quota_us --\n150000\n-- /g/cpu.cfs_period_us --\n100000\n",
                (1.5, "/g/cpu.cfs_quota_us"),
            ),
            "another hierarchy's": ("cpu", "-- /g/cpu.max --\n150000 100000\n", None),
            "unreadable": ("", "-- /g/cpu.max (EACCES) --\n", (float("inf"), "/g/cpu.max")),
        }
    ),
)
def test_the_quota_of_a_directory(
    controller: str, files: str, limit: tuple[float, str] | None
) -> None:
    read = directory_limit(Machine(files), controller, "/g")

    assert (read and (read.cpus, read.where)) == limit


def test_the_hierarchy_of_a_quota_file() -> None:
    assert hierarchy_of("/sys/fs/cgroup/a/cpu.max") == ""
    assert (
        hierarchy_of("/cpu/cpu.max/cpu.cfs_quota_us") == hierarchy_of("cpu.cfs_period_us") == "cpu"
    )


CPUSET = """\
-- /proc/self/cgroup --
0::/a
-- /proc/self/mountinfo --
29 24 0:26 / /c rw - cgroup2 cgroup rw
-- /c/a/cpuset.cpus.effective --
2-3
-- /sys/devices/system/cpu/online --
0-7
"""


def test_after_a_malformed_list_the_next_source_is_asked() -> None:
    machine = Machine(f"{CPUSET}-- /proc/self/status --\nCpus_allowed_list:\tx\n")

    sets = [(limit.source, limit.cpus, limit.where, limit.text) for limit in fallbacks(machine)]
    assert sets == [("cpuset", 2, "/c/a/cpuset.cpus.effective", "2-3")]


@pytest.mark.parametrize(
    ("mask", "allowed"),
    [(0b1, (0b1100, "/c/a/cpuset.cpus.effective")), (0xFF, None), (0xFFF, None)],
)
def test_the_cpus_that_a_process_may_take(mask: int, allowed: tuple[int, str] | None) -> None:
    assert allowed_cpus(Machine(CPUSET), mask) == allowed


# --- levels


NAMESPACE = """\
-- !pid --
17
-- !tid --
18
-- /proc/self/cgroup --
0::/
-- /proc/thread-self/cgroup --
0::/
-- /proc/self/mountinfo --
26 24 0:26 /.. {point} rw - cgroup2 cgroup rw
-- !affinity --
0-7
"""


@pytest.mark.parametrize(
    ("scope", "files", "quota"),
    **cases(
        {
            "the process": ("process", {"a/cgroup.procs": "16", "b/cgroup.procs": "9\n17"}, 2),
            "the process's first thread": (
                "process",
                {"a/cgroup.threads": "18", "a/cgroup.procs": "17", "b/cgroup.threads": "17"},
                2,
            ),
            "a thread is in the list of threads": (
                "thread",
                {"a/cgroup.threads": "17", "a/cgroup.procs": "17", "b/cgroup.threads": "18"},
                2,
            ),
            "a thread by its process": (
                "thread",
                {"a/cgroup.procs": "18", "b/cgroup.procs": "17"},
                2,
            ),
            "the next list after a closed one": (
                "process",
                {
                    "a/cgroup.procs": "1",
                    "b/cgroup.threads (EOPNOTSUPP)": "",
                    "b/cgroup.procs": "17",
                },
                2,
            ),
            "no list names it": ("process", {"a/cgroup.procs": "1", "b/cgroup.procs": "171"}, None),
        }
    ),
)
@pytest.mark.parametrize("point", ["/c", "/"])
def test_the_processs_own_directory_is_the_one_that_lists_it(
    point: str, scope: Any, files: dict[str, str], quota: float | None
) -> None:
    """In a namespace whose root's name is hidden, here a or b."""
    top = point.rstrip("/")
    for name in ("a", "b"):
        files = {**files, f"{name}/cpu.max": f"{'1' if name == 'a' else '2'}00000 100000"}
    listed = "".join(f"-- {top}/{name} --\n{text}\n" for name, text in files.items())

    counted = survey(Machine(NAMESPACE.format(point=point) + listed, scope))

    assert counted.quota == quota
    assert [limit.where for limit in counted.limits if limit.cpus == quota] == (
        [f"{top}/b/cpu.max"] if quota else []
    )


def test_a_level_is_looked_at_through_a_few_mounts_and_none_is_forgotten() -> None:
    shown = Levels()
    for number in range(2 * MAX_PLACES):
        shown.add(Mount(mount(number, 1, f"/m{number}", root="/a")), ["b", "c"])
    assert not shown.whole
    shown.add(Mount(mount(99, 1, "/whole")), ["a", "b", "c"])

    first = [f"/m{number}" for number in range(MAX_PLACES)]
    assert shown.whole
    assert shown.directories == [
        [f"{point}/b/c" for point in first],
        [f"{point}/b" for point in first],
        first,
        ["/whole"],
    ]


def test_levels_of_another_hierarchy_say_nothing_without_its_files() -> None:
    """The cpu controller is in v1: v2's levels have no cpu.max, which is as it should be."""
    counted = survey(
        Machine(
            "-- !affinity --\n0-7\n-- /proc/self/cgroup --\n4:cpu:/a\n0::/b\n"
            "-- /proc/self/mountinfo --\n"
            "30 1 0:30 / /v1 rw - cgroup cgroup rw,cpu\n31 1 0:31 / /v2 rw - cgroup2 c rw\n"
            "-- /v1/a/cpu.cfs_quota_us --\n300000\n-- /v1/a/cpu.cfs_period_us --\n100000\n"
            "-- /v1/cgroup.sane_behavior --\n0\n"
        )
    )

    assert [limit.where for limit in counted.limits if limit.source == "quota"] == [
        "/v1/a/cpu.cfs_quota_us",
        "/v1/cpu.cfs_quota_us",
    ]


# --- systems without cgroups


@pytest.mark.parametrize(
    ("root", "system"),
    **cases(
        {
            "OpenVZ": ("1 0 0:30 / / rw - simfs /vz/private/1 rw", "OpenVZ"),
            "an LX zone": ("1 0 0:30 / / rw - zfs zones/0123 rw", "LX zone"),
            "the pool's own file system": ("1 0 0:30 / / rw - zfs zones rw", "LX zone"),
            "WSL1": ("1 0 0:2 / / rw,noatime - wslfs rootfs rw", "WSL1"),
            "WSL1 before": ("1 0 0:2 / / rw,noatime - lxfs rootfs rw", "WSL1"),
            "ZFS on Linux": ("1 0 0:30 / / rw shared:1 - zfs rpool/ROOT/ubuntu rw", None),
            "a pool of a similar name": ("1 0 0:30 / / rw - zfs zones2/x rw", None),
            "a name that is the pool's": ("1 0 0:30 / / rw - ext4 zones/0123 rw", None),
            "not the root directory": ("1 0 0:30 / /vz rw - simfs /vz/private/1 rw", None),
            "no source": ("1 0 0:30 / / rw - simfs", None),
            "no such line": ("simfs", None),
            "a few fields": ("/ / / / / - simfs a b", None),
        }
    ),
)
def test_the_system_by_its_root_directory(root: str, system: str | None) -> None:
    assert root_of(root) == system
