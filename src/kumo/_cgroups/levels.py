"""From ``/proc/self/cgroup`` and the mount table to the directories of each cgroup level.

The parsers take text. `levels` asks a system which directories show the process's own
cgroup and its ancestors, and gives them by their distance from it.
"""

from __future__ import annotations

from kumo._notes import malformed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kumo._records import Note
    from kumo._system.live import System

MEMBERSHIP_FORM = "a line of the form ID:CONTROLLERS:/PATH"
MOUNTINFO_FORM = "a mountinfo line"
# The key of the cgroup v2 hierarchy, whose line names no controller.
V2 = ""
PATH_MAX = 4096  # include/uapi/linux/limits.h: the kernel shows no longer path, end included


def parse_membership(text: str) -> tuple[dict[str, str], list[str]]:
    """Return the cgroup path by controller, ``""`` for v2, and the lines that have no such form.

    Format: ``4:cpu,cpuacct:/path`` (v1), ``1:name=systemd:/path``, ``0::/path`` (v2).
    The path is raw and may hold colons.
    https://man7.org/linux/man-pages/man7/cgroups.7.html
    """
    paths: dict[str, str] = {}
    bad = []
    for line in text.split("\n"):
        controllers, path = membership(line)
        for controller in controllers:
            paths.setdefault(controller, path)
        if line and not controllers:
            bad.append(line)
    return paths, bad


def membership(line: str) -> tuple[list[str], str]:
    """Return one line's controllers and path; no controllers where it has another form."""
    number, controllers, path = [*line.split(":", 2), "", ""][:3]
    well_formed = number.isascii() and number.isdigit() and path[:1] == "/" and len(path) < PATH_MAX
    return (controllers.split(","), path) if well_formed else ([], "")


class Mount:
    """One line of the mount table."""

    __slots__ = ("covers", "fstype", "line", "number", "options", "parent", "point", "root")

    def __init__(self, line: str) -> None:
        """Raise `ValueError` where *line* is not a mountinfo line.

        Format: ``36 35 0:26 /root /mount/point rw,noatime shared:1 - cgroup source rw,cpu``
        with any number of optional fields before the dash; root and mount point have
        octal escapes. https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html
        """
        left, dash, right = line.partition(" - ")
        fields = left.split(" ")
        self.fstype, _, source = right.partition(" ")
        if not dash or len(fields) < 6 or not fields[4].startswith("/"):
            raise ValueError(f"not a mountinfo line: {line!r}")
        self.line = line
        self.covers: list[Mount] = []  # the mounts that stand on directories of this one
        self.number, self.parent = fields[0], fields[1]
        self.root, self.point = unescape(fields[3]), unescape(fields[4])
        if max(len(self.root), len(self.point)) >= PATH_MAX:
            raise ValueError(f"a path in a mountinfo line is too long: {line[:60]!r}")
        self.options = source.rpartition(" ")[2].split(",")

    def shows(self, controller: str) -> bool:
        """Whether this is a mount of the controller's v1 hierarchy, or of v2 for ``""``."""
        if controller == V2:
            return self.fstype == "cgroup2"
        return self.fstype == "cgroup" and controller in self.options


def unescape(text: str) -> str:
    r"""Return *text* with ``\040`` and the like, three octal digits, turned into characters."""
    head, *tails = text.split("\\")
    for tail in tails:
        digits = tail[:3]
        code = int(digits, 8) if len(digits) == 3 and not digits.strip("01234567") else 0
        if 0 < code < 0x80:
            head += chr(code) + tail[3:]
        elif 0x80 <= code <= 0xFF:
            head += chr(0xDC00 + code) + tail[3:]  # the byte, as surrogateescape keeps it
        else:
            head += "\\" + tail
    return head


def parse_mounts(text: str) -> tuple[list[Mount], list[str]]:
    """Return the cgroup mounts that are not hidden by others, and the malformed lines."""
    mounts, bad = [], []
    for line in text.split("\n"):
        try:
            mounts.append(Mount(line))
        except ValueError:
            if line:
                bad.append(line)
    by_number = {mount.number: mount for mount in mounts}
    for mount in mounts:
        if mount.fstype in ("cgroup", "cgroup2"):
            mount.covers = [other for other in mounts if other.parent == mount.number]
    return [
        mount
        for place, mount in enumerate(mounts)
        if mount.fstype in ("cgroup", "cgroup2") and not _hidden(mount, place, mounts, by_number)
    ], bad


def _hidden(mount: Mount, place: int, mounts: list[Mount], by_number: dict[str, Mount]) -> bool:
    """Whether the way to the mount's point leads into another mount."""
    way: dict[str, Mount] = {}  # by the mount it stands on, each mount that is crossed
    crossed: Mount | None = mount
    while crossed is not None and crossed.parent not in way:
        way[crossed.parent] = crossed
        crossed = by_number.get(crossed.parent)
    own = {step.number for step in way.values()}
    for position, other in enumerate(mounts):
        beside = way.get(other.parent)
        if other.number in own:
            continue
        if other.point == mount.point:  # on top of it; where that is not known, the later one
            if other.parent == mount.number or position > place:
                return True
        elif beside is not None and under(beside.point, other.point):
            return True
    return False


def under(path: str, top: str) -> bool:
    """Whether *path* is *top* or lies below it, by whole components."""
    return path == top or path.startswith(top if top.endswith("/") else top + "/")


def locate(root: str, path: str) -> tuple[int, list[str]] | None:
    """Return where the cgroup *path* is below a mount whose root is *root*; `None` if outside it.

    That is a number of levels whose names are hidden, then names. Both are relative to the
    cgroup namespace's root, with one ``/..`` for each level above it.
    https://man7.org/linux/man-pages/man7/cgroup_namespaces.7.html
    """
    root_ups, root_names = _ups(root)
    path_ups, path_names = _ups(path)
    if root_ups == path_ups and path_names[: len(root_names)] == root_names:
        return 0, path_names[len(root_names) :]
    if root_ups > path_ups and not root_names:
        return root_ups - path_ups, path_names
    return None


def _ups(path: str) -> tuple[int, list[str]]:
    names = [name for name in path.split("/") if name]
    ups = 0
    while ups < len(names) and names[ups] == "..":
        ups += 1
    return ups, names[ups:]


class Levels:
    """The directories that show the process's own cgroup and its ancestors.

    *directories* holds, by the distance from the process's own cgroup, the same level as
    each mount shows it, *covered* one that another mount covers; *whole*: from the root on.
    """

    __slots__ = ("covered", "directories", "whole")

    def __init__(self) -> None:
        self.directories: list[list[str]] = []
        self.covered: dict[int, str] = {}
        self.whole = False

    def add(self, mount: Mount, names: list[str]) -> None:
        self.whole = self.whole or mount.root == "/"
        top = mount.point.rstrip("/")
        for distance in range(len(names) + 1):
            if distance == len(self.directories):
                self.directories.append([])
            directory = "/".join([top, *names[: len(names) - distance]])
            if any(under(directory, cover.point) for cover in mount.covers):
                self.covered[distance] = directory
            else:
                self.directories[distance].append(directory)


def levels(system: System, controller: str, path: str, mounts: list[Mount]) -> Levels:
    """Return the levels of the cgroup *path* in the controller's hierarchy."""
    found = Levels()
    for mount in mounts:
        place = locate(mount.root, path) if mount.shows(controller) else None
        if place is not None:
            hidden, names = place
            own = names if not hidden else _search(system, mount.point.rstrip("/"), hidden, names)
            if own is not None:
                found.add(mount, own)
    return found


def _search(system: System, top: str, hidden: int, names: list[str]) -> list[str] | None:
    """Return the process's own directory below *top*, *hidden* unnamed levels above *names*."""
    for found in _descend(system, top, hidden):
        if _is_own(system, "/".join([top, *found, *names])):
            return found + names
    return None


def _descend(system: System, top: str, depth: int) -> Iterator[list[str]]:
    if depth == 0:
        yield []
        return
    try:
        children = system.list(top) or ()
    except OSError:
        return  # what cannot be listed cannot be recognised as the process's own
    for child in children:
        for rest in _descend(system, f"{top}/{child}", depth - 1):
            yield [child, *rest]


def _is_own(system: System, directory: str) -> bool:
    """Whether the thread that the estimate is for, a process's first one, is listed there.

    ``cgroup.procs`` lists a process in the cgroup of each of its threads, so the lists of
    threads come first: v2's and v1's.
    """
    thread = system.fact("tid") if system.scope == "thread" else None
    for name in ("cgroup.threads", "tasks", "cgroup.procs"):
        own = system.fact("pid") if name == "cgroup.procs" or thread is None else thread
        try:
            text = system.read(f"{directory}/{name}")
        except OSError:
            continue  # the next list may be open to this user
        if text is not None:
            return own in text.split()
    return False


def read_mounts(system: System) -> tuple[list[Mount], list[Note]]:
    """Return the visible cgroup mounts. Raise `OSError` where the table cannot be read."""
    mounts, bad = parse_mounts(system.read("/proc/self/mountinfo") or "")
    return mounts, [malformed("/proc/self/mountinfo", line, MOUNTINFO_FORM) for line in bad[:1]]
