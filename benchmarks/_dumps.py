"""Reads other projects' dumps of /sys, and what they expect to see in them.

A dump is a tar archive of a machine's `/sys` and `/proc` below one directory. Nothing of it is
kept here: `dumps.py` is pointed at a checkout, and each dump becomes a machine file in memory.
"""

from __future__ import annotations

import posixpath
import re
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from _machine_files import as_cpu_list

CPU = "/sys/devices/system/cpu"
NODE = "/sys/devices/system/node"
# What kumo reads, and the masks beside its lists, from which lscpu and hwloc read the same.
WANTED = re.compile(
    r"/sys/devices/("
    r"system/cpu/(online|offline|present|possible|isolated)"
    r"|system/cpu/cpu\d+/topology/\w+"
    r"|system/cpu/cpu\d+/cache/index\d+/(level|shared_cpu_list|shared_cpu_map)"
    r"|system/cpu/cpu\d+/(cpu_capacity|cpufreq/\w+|acpi_cppc/highest_perf)"
    r"|system/cpu/cpufreq/policy\d+/\w+"
    r"|system/node/(online|node\d+/(cpulist|cpumap))"
    r"|cpu_(core|atom|lowpower)/cpus)$"
)
MASKS = {
    "topology/thread_siblings": "topology/thread_siblings_list",
    "topology/core_cpus": "topology/core_cpus_list",
    "topology/core_siblings": "topology/core_siblings_list",
    "topology/package_cpus": "topology/package_cpus_list",
    "topology/die_cpus": "topology/die_cpus_list",
    "shared_cpu_map": "shared_cpu_list",
    "cpumap": "cpulist",
}
Groups = set[frozenset[int]]


@dataclass
class Seen:
    """What a program sees on a machine: its online CPUs, and them in groups.

    A group that it does not show is None, which is not compared.
    """

    cpus: set[int] = field(default_factory=set)
    offline: set[int] | None = None
    cores: Groups | None = None
    packages: Groups | None = None
    nodes: Groups | None = None
    dies: Groups | None = None
    caches: Groups | None = None
    kinds: Groups | None = None
    """None at all if all cores are of one kind."""


FIELDS = ("cpus", "offline", "cores", "packages", "nodes", "dies", "caches", "kinds")


def machine_text(archive: Path, restricted_to: set[int] | None = None) -> str:
    """Return the dump as a machine file; its process may use the online CPUs, or fewer."""
    files = _files(archive)
    for name in list(files):
        for mask, cpulist in MASKS.items():
            if name.endswith("/" + mask):
                files[name.removesuffix(mask) + cpulist] = _list_of_mask(files[name])
    if f"{CPU}/online" not in files:
        files[f"{CPU}/online"] = as_cpu_list(
            {int(name.split("/")[5][3:]) for name in files if "/topology/" in name}
        )
    if f"{NODE}/online" not in files:
        nodes = {int(name.split("/")[5][4:]) for name in files if name.endswith("/cpulist")}
        if nodes:
            files[f"{NODE}/online"] = as_cpu_list(nodes)
    own = as_cpu_list(restricted_to) if restricted_to else files[f"{CPU}/online"].strip()
    sections = {"!affinity": own, **files}
    return "".join(f"-- {name} --\n{text.rstrip()}\n" for name, text in sorted(sections.items()))


def has_cpuset(archive: Path) -> bool:
    """Whether the dump is that of a process which a cpuset restricts."""
    with tarfile.open(archive) as tar:
        return any(re.search(r"/proc/self/(cpuset|cgroup)$", name) for name in tar.getnames())


def _files(archive: Path) -> dict[str, str]:
    files: dict[str, str] = {}
    links: dict[str, str] = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            name = "/" + member.name.removeprefix("./").partition("/")[2]
            if member.issym() and name.endswith("/cpufreq"):
                links[name] = posixpath.normpath(f"{posixpath.dirname(name)}/{member.linkname}")
            elif member.isfile() and WANTED.match(name):
                content = tar.extractfile(member)
                assert content is not None
                # Some dumps end their files with NULs.
                files[name] = content.read().rstrip(b"\0").decode("utf-8", "surrogateescape")
    for name, target in links.items():
        for each in ("cpuinfo_max_freq", "base_frequency"):
            if f"{target}/{each}" in files:
                files[f"{name}/{each}"] = files[f"{target}/{each}"]
    return files


def _list_of_mask(text: str) -> str:
    """`00000000,0000000f` as `0-3`."""
    return as_cpu_list(set(_cpus_of_mask("".join(text.strip().split(",")))))


def _cpus_of_mask(text: str) -> Iterator[int]:
    number = int(text or "0", 16)
    return (cpu for cpu in range(number.bit_length()) if number >> cpu & 1)


# --- lscpu: tests/ts/lscpu/dumps/NAME.tar.gz and tests/expected/lscpu/lscpu-NAME


def lscpu_cases(checkout: Path) -> Iterator[tuple[str, Path, Seen]]:
    """Yield each dump's name, its archive and what lscpu expects of it."""
    for archive in sorted(checkout.glob("tests/ts/lscpu/dumps/*.tar.gz")):
        name = archive.name.removesuffix(".tar.gz")
        yield name, archive, _lscpu(checkout / "tests/expected/lscpu" / f"lscpu-{name}")


def _lscpu(expected: Path) -> Seen:
    """The summary, then `--parse`, whose first table numbers CPU,Core,Socket,Node,,caches."""
    text = expected.read_text("utf-8")
    offline = re.search(r"^Off-line CPU\(s\) list:\s*(\S+)", text, re.MULTILINE)
    header, table = _first_table(text)
    rows = [row.split(",") for row in table]
    columns: dict[str, Groups | None] = {}
    for column in ("Core", "Socket", "Node"):
        place = header.index(column)
        columns[column] = _groups((int(row[0]), row[place]) for row in rows)
    last = len(header) - 1
    return Seen(
        cpus={int(row[0]) for row in rows},
        offline=_strided(offline[1]) if offline else set(),
        cores=columns["Core"],
        packages=columns["Socket"],
        nodes=columns["Node"],
        caches=_groups((int(row[0]), row[last]) for row in rows) if last > 4 else None,
    )


def _first_table(text: str) -> tuple[list[str], list[str]]:
    header: list[str] = []
    rows: list[str] = []
    for line in text.splitlines():
        if line.startswith("# CPU,"):
            if header:
                break
            header = line.removeprefix("# ").split(",")
        elif header and line[:1].isdigit():
            rows.append(line)
    return header, rows


def _strided(text: str) -> set[int]:
    """lscpu writes `0-62:2` for every second one."""
    cpus: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition(":")
        first, _, last = span.partition("-")
        cpus.update(range(int(first), int(last or first) + 1, int(step or 1)))
    return cpus


def _groups(pairs: Iterable[tuple[int, str]]) -> Groups:
    groups: dict[str, set[int]] = {}
    for cpu, value in pairs:
        if value:
            groups.setdefault(value, set()).add(cpu)
    return {frozenset(cpus) for cpus in groups.values()}


# --- hwloc: tests/hwloc/linux/NAME.test names a tarball and the output, as a tree or as XML

# These draw a machine of another test again, with less of it.
_LESS = ("--merge", "--no-caches", "--disallowed", "--filter", "exclude")
_MEMORY = ("NUMANode", "MemCache")
_LINE = re.compile(r"^( *)(\w+)(?: L#\d+)?(?: \(P#(\d+)\b)?")


def hwloc_cases(checkout: Path) -> Iterator[tuple[str, Path, Seen]]:
    """Yield each test's name, its archive and what hwloc expects of it."""
    for test in sorted(checkout.glob("tests/hwloc/linux/*.test")):
        about = dict(re.findall(r"^(\w+): *(.*)$", test.read_text("utf-8"), re.MULTILINE))
        less = any(word in about.get("options", "") or word in about for word in _LESS)
        if not less and about["source"].endswith(".tar.bz2"):
            expected = test.parent / about["target"]
            seen = _of_xml(expected) if expected.suffix == ".xml" else _of_tree(expected)
            # A die that is its package is not shown.
            seen.dies = seen.dies or None
            kinds = _KIND.findall(expected.read_text("utf-8"))
            seen.kinds = {frozenset(_cpus_of_xml(mask)) for mask in kinds} if kinds[1:] else set()
            yield test.stem, test.parent / about["source"], seen


_KIND = re.compile(
    r"^(?:CPU kind #\d+ .*cpuset |.*<cpukind cpuset=\")(0x[0-9a-fx,]+)", re.MULTILINE
)


@dataclass
class _Object:
    kind: str
    cpus: set[int]
    above: tuple[str, ...]
    """The kinds of the objects around it."""


def _of_tree(expected: Path) -> Seen:
    """Indentation shows what holds what; a NUMANode stands beside what is near it."""
    objects: list[_Object] = []
    path: list[tuple[int, _Object]] = []
    for line in expected.read_text("utf-8").splitlines():
        match = _LINE.match(line)
        if not match or line.startswith(("depth ", " depth ")) or "(type #" in line:
            if path:
                break
            continue
        indent, kind, number = len(match[1]), match[2], match[3]
        while path and path[-1][0] >= indent:
            path.pop()
        around = tuple(each.kind for _, each in path)
        cpus: set[int] = set()
        if kind in _MEMORY and path:
            cpus = path[-1][1].cpus  # the set of what it stands beside, filled below
        made = _Object(kind, cpus, around)
        objects.append(made)
        path.append((indent, made))
        if kind == "PU":
            for _, each in path:
                each.cpus.add(int(number))
    return _seen(objects)


def _of_xml(expected: Path) -> Seen:
    def walk(element: ElementTree.Element, above: tuple[str, ...]) -> Iterator[_Object]:
        kind = element.get("type", "")
        if element.get("cpuset"):
            yield _Object(kind, set(_cpus_of_xml(element.get("cpuset", ""))), above)
        for child in element.findall("object"):
            yield from walk(child, (*above, kind))

    # The document type names a file that is not there; nothing of it is needed.
    text = re.sub(r"<!DOCTYPE[^>]*>", "", expected.read_text("utf-8"))
    root = ElementTree.fromstring(text)
    return _seen([each for top in root.findall("object") for each in walk(top, ())])


def _cpus_of_xml(text: str) -> Iterator[int]:
    """`0x00000001,0x0000ffff`, the highest 32 bits first; an empty word is 0."""
    words = [word.removeprefix("0x").rjust(8, "0") for word in text.split(",")]
    return _cpus_of_mask("".join(words))


def _seen(objects: list[_Object]) -> Seen:
    def of(*kinds: str) -> Groups:
        return {frozenset(each.cpus) for each in objects if each.kind in kinds and each.cpus}

    def is_last_level(each: _Object) -> bool:
        return is_cache(each.kind) and not any(is_cache(kind) for kind in each.above)

    def is_cache(kind: str) -> bool:
        # MemCache is a cache of the memory's side.
        return bool(re.fullmatch(r"L\dd?(Cache|iCache)", kind)) and "i" not in kind

    return Seen(
        cpus={cpu for group in of("PU") for cpu in group},
        cores=of("Core"),
        packages=of("Package"),
        nodes=of("NUMANode"),
        dies=of("Die"),
        caches={frozenset(each.cpus) for each in objects if is_last_level(each) and each.cpus},
    )
