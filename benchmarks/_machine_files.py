"""Machine files, read without kumo, so that kumo is measured by the same ruler as its peers.

The form is described beside the machine files. What matters here:

    prose
    -- /absolute/path --            a file and its text
    -- /absolute/path (EACCES) --   opening it, or anything below it, fails
    -- $NAME --                     an environment variable
    -- !fact --                     what a call answers
    -- !fact (EPERM) --             a call that fails
    -- expect --                    the right answer, `key value` a line
"""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass, field
from pathlib import Path

_SECTION = re.compile(r"^-- (?P<name>.+?)(?: \((?P<errno>E[A-Z0-9]+)\))? --$")
_RULE = ("clause-", "note-", "malformed-", "override-", "platform-", "policy-", "mask-")
_SUPER_MAGIC = {"cgroup2": 0x63677270, "cgroup": 0x27E0EB, "tmpfs": 0x01021994}


@dataclass
class Mount:
    """One cgroup line of mountinfo."""

    root: str
    point: str
    kind: str
    controllers: list[str]


@dataclass
class MachineFile:
    path: Path
    prose: str = ""
    files: dict[str, str] = field(default_factory=dict)
    denied: dict[str, str] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)
    failing: dict[str, str] = field(default_factory=dict)
    expect: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def origin(self) -> str:
        """`report`: a public one, with its address. `rule`: made for a clause of kumo's rule.
        `setup`: made from what an engine, a service manager or a sandbox documents."""
        if "\nReport: http" in self.prose:
            return "report"
        return "rule" if self.name.startswith(_RULE) else "setup"

    @property
    def platform(self) -> str:
        return self.facts.get("platform", "linux").strip()

    def affinity(self) -> set[int] | None:
        """The mask, or None where the call fails or nothing is said of it."""
        if "affinity" in self.failing or "affinity" not in self.facts:
            return None
        return cpu_list(self.facts["affinity"])

    def affinity_errno(self) -> int:
        return int(getattr(errno, self.failing.get("affinity", "ENOSYS")))

    def online(self) -> set[int]:
        """The online CPUs: as the file says, else the mask, which cannot be wider."""
        text = self.files.get("/sys/devices/system/cpu/online")
        return cpu_list(text) if text else self.affinity() or {0}

    def cgroup_lines(self) -> list[tuple[str, list[str], str]]:
        """`HIERARCHY:CONTROLLERS:PATH`, the path itself may hold colons."""
        lines = (
            line.split(":", 2) for line in self.files.get("/proc/self/cgroup", "").splitlines()
        )
        return [(line[0], line[1].split(","), line[2]) for line in lines if len(line) == 3]

    def mounts(self) -> list[Mount]:
        """`ID PARENT DEV ROOT POINT OPTIONS [TAG…] - TYPE SOURCE SUPER`, ROOT and POINT escaped."""
        rows = []
        for line in self.files.get("/proc/self/mountinfo", "").splitlines():
            head, _, tail = line.partition(" - ")
            fields, rest = head.split(" "), tail.split(" ")
            if len(fields) > 5 and len(rest) > 2 and rest[0] in _SUPER_MAGIC:
                root, point = (_unescape(text) for text in fields[3:5])
                rows.append(Mount(root, point, rest[0], rest[-1].split(",")))
        return rows

    def cgroup_mounts(self) -> list[Mount]:
        """Those in sight: the later mount hides the earlier at the same point."""
        seen = {mount.point: mount for mount in self.mounts()}
        return [mount for mount in seen.values() if mount.kind != "tmpfs"]

    def magics(self) -> dict[str, int]:
        """What statfs says of each mount point that matters."""
        return {mount.point: _SUPER_MAGIC[mount.kind] for mount in self.mounts()}

    def own_path(self, mount: Mount) -> str | None:
        """The directory of the process's own cgroup below this mount, where the mount shows it."""
        for _, controllers, path in self.cgroup_lines():
            v2 = controllers == [""]
            if v2 != (mount.kind == "cgroup2") or not (
                v2 or set(controllers) & set(mount.controllers)
            ):
                continue
            root = mount.root.rstrip("/")
            if path == root or path.startswith(root + "/"):
                inside = path[len(root) :].strip("/")
                return (
                    f"{mount.point.rstrip('/')}/{inside}".rstrip("/")
                    if ".." not in inside.split("/")
                    else None
                )
        return None


def load(path: Path) -> MachineFile:
    machine = MachineFile(path)
    name, code, body = None, None, ""
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    for line in [*re.findall(r"[^\n]*\n|[^\n]+$", text), "-- end --\n"]:
        section = _SECTION.match(line.rstrip("\n"))
        if not section:
            body += line
            continue
        _store(machine, name, code, body)
        name, code, body = section["name"], section["errno"], ""
    return machine


def load_all(folder: Path) -> list[MachineFile]:
    return [load(path) for path in sorted(folder.glob("*.txt"))]


def cpu_list(text: str) -> set[int]:
    """`0-3,8,10-11`; an empty text is no CPU."""
    cpus: set[int] = set()
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        span = range(int(first), int(last or first) + 1) if part else range(0)
        if part and not span:
            raise ValueError(f"{part} runs backwards")
        cpus.update(span)
    return cpus


def as_cpu_list(cpus: set[int]) -> str:
    """As the kernel writes it: `0-3,8`."""
    firsts = [cpu for cpu in sorted(cpus) if cpu - 1 not in cpus]
    lasts = [cpu for cpu in sorted(cpus) if cpu + 1 not in cpus]
    return ",".join(
        f"{first}-{last}" if last > first else f"{first}"
        for first, last in zip(firsts, lasts, strict=True)
    )


def as_cpu_mask(cpus: set[int]) -> str:
    """As the kernel writes it: 32-bit words, the highest first, `3,ffffffff`."""
    words = [
        sum(1 << cpu % 32 for cpu in cpus if cpu // 32 == word)
        for word in range(max(cpus, default=0) // 32 + 1)
    ]
    first, *rest = reversed(words)
    return ",".join([f"{first:x}", *(f"{word:08x}" for word in rest)])


def _store(machine: MachineFile, name: str | None, code: str | None, body: str) -> None:
    if name is None:
        machine.prose = body
    elif name == "expect":
        machine.expect = dict(line.split(" ", 1) for line in body.splitlines() if " " in line)
    elif name.startswith("$"):
        machine.env[name[1:]] = body.removesuffix("\n")
    elif name.startswith("!") and code:
        machine.failing[name[1:]] = code
    elif name.startswith("!"):
        machine.facts[name[1:]] = body
    elif code:
        machine.denied[name] = code
    else:
        machine.files[name] = body


def _unescape(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), text)
