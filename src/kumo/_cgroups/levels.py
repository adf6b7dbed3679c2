"""From ``/proc/self/cgroup`` and the mount table to the directories of each cgroup level.

The parsers take text. `levels` asks a system which directories show the process's own
cgroup and its ancestors, and gives them by their distance from it.

A process may make many mounts with long names, and ask for them to be read. So the cost of all
of this is linear in the length of the mount table. It does not grow with mounts times levels.
"""

from __future__ import annotations

from kumo._notes import malformed
from kumo._text import whole_number

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
MAX_PLACES = 4  # mounts through which one level is looked at
MAX_SEARCHED = 2**22  # characters of all directories in a search for the process's own


def parse_membership(text: str) -> tuple[dict[str, str], list[str]]:
    """Return the cgroup path by controller, ``""`` for v2, and the lines that have no such form.

    Format: ``4:cpu,cpuacct:/path`` (v1), ``1:name=systemd:/path``, ``0::/path`` (v2).
    The path is raw and may contain colons.
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
    """Return one line's controllers and path; no controllers if it has another form."""
    number, controllers, path = [*line.split(":", 2), "", ""][:3]
    if whole_number(number) is None or path[:1] != "/" or len(path) >= PATH_MAX:
        return [], ""
    return controllers.split(","), path


class Mount:
    """One line of the mount table."""

    __slots__ = ("covers", "fstype", "line", "number", "options", "parent", "point", "root")

    def __init__(self, line: str) -> None:
        """Raise `ValueError` if *line* is not a mountinfo line.

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
        self.covers: list[Mount] = []  # the mounts on directories of this one
        self.number, self.parent = fields[0], fields[1]
        if max(len(fields[3]), len(fields[4])) < 4 * PATH_MAX:  # an escape has four characters
            self.root, self.point = unescape(fields[3]), unescape(fields[4])
        else:
            self.root, self.point = fields[3], fields[4]
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
    table: dict[str, Mount] = {}
    bad = []
    for line in text.split("\n"):
        try:
            mount = Mount(line)
        except ValueError:
            if line:
                bad.append(line)
        else:
            # No kernel uses a number twice, but emulations of the file do. Both mounts count.
            if mount.number in table:
                mount.number += f" in line {len(table)}"
            table[mount.number] = mount
    mounts = list(table.values())
    on: dict[str, list[Mount]] = {}  # by a mount's number, those on its directories
    for mount in mounts:
        on.setdefault(mount.parent, []).append(mount)
    for mount in mounts:
        mount.covers = on.get(mount.number, [])
    hidden = _hidden(mounts, on)
    return [m for m in mounts if m.fstype in ("cgroup", "cgroup2") and m.number not in hidden], bad


def _hidden(mounts: list[Mount], on: dict[str, list[Mount]]) -> set[str]:
    """Return the numbers of the mounts whose point is reached by nothing: another is in the way.

    *on* has the mounts by the one they lie on. The way to a mount leads over all those that
    it lies on, directly or not. Another mount is in the way if it lies beside one of these and
    its point is a directory above the other's. So is one with the mount's own point that lies on
    the mount or was mounted later, unless it is a part of the way itself.
    """
    crossed, twins = _beside(on)
    later_at_point: dict[str, int] = {}  # by a mount's number: those with its point after it
    by_point: dict[str, int] = {}
    for mount in reversed(mounts):
        later_at_point[mount.number] = by_point.get(mount.point, 0)
        by_point[mount.point] = later_at_point[mount.number] + 1
    hidden: set[str] = set()
    for mount, later_on_way, inherited in _from_the_roots(mounts, on, crossed, twins):
        later = later_at_point[mount.number] - later_on_way
        on_top = any(
            other.point == mount.point and other is not mount for other in on.get(mount.number, ())
        )
        if inherited or mount.number in crossed or later or on_top:
            hidden.add(mount.number)
    return hidden


def _beside(on: dict[str, list[Mount]]) -> tuple[set[str], set[str]]:
    """Return the mounts below the point of another that lies on the same mount, and at it."""
    crossed: set[str] = set()
    twins: set[str] = set()
    for beside in on.values():
        # In this order whatever is below a directory follows it directly.
        ordered = sorted(beside, key=lambda mount: mount.point.replace("/", "\0"))
        above: list[Mount] = []
        for mount in ordered:
            while above and not under(mount.point, above[-1].point):
                above.pop()
            if above and above[-1].point == mount.point:
                twins |= {mount.number, above[-1].number}
                if above[-1].number in crossed:
                    crossed.add(mount.number)
            else:
                if above:
                    crossed.add(mount.number)
                above.append(mount)
    return crossed, twins


def _from_the_roots(
    mounts: list[Mount], on: dict[str, list[Mount]], crossed: set[str], twins: set[str]
) -> Iterator[tuple[Mount, int, bool]]:
    """Yield each mount after the one it lies on: the mount and its way.

    That is how many mounts of the way have its point and a later place in the table, and whether
    another mount is in the way of those that it lies on.
    """
    places = {mount.number: place for place, mount in enumerate(mounts)}
    visited: set[str] = set()
    on_way: dict[str, list[int]] = {}  # by point, the places of the mounts on the way, in order
    # Those on no other, then whatever is left: in a broken table mounts may lie on each other.
    roots = [mount for mount in mounts if mount.parent not in places]
    for root in (*roots, *mounts):
        stack = [(root, False, False, False)]
        while stack:
            mount, leaving, inherited, twin_here = stack.pop()
            way = on_way.setdefault(mount.point, [])
            place = places[mount.number]
            if leaving:
                del way[_before(way, place) - 1]
                continue
            if mount.number in visited:
                continue
            visited.add(mount.number)
            at = _before(way, place)
            yield mount, len(way) - at, inherited
            way.insert(at, place)
            stack.append((mount, True, False, False))
            crossing = inherited or mount.number in crossed
            # A second mount at the very point of a mount is judged by the places of the two.
            twin = twin_here or mount.number in twins
            for other in on.get(mount.number, ()):
                here = other.point == mount.point
                stack.append((other, False, crossing or (twin and not here), twin and here))


def _before(way: list[int], place: int) -> int:
    """Return how many of the places in order are not after *place*."""
    if not way or way[-1] <= place:  # nearly always: mounts lie on earlier ones
        return len(way)
    from bisect import bisect_right

    return bisect_right(way, place)


def under(path: str, top: str) -> bool:
    """Whether *path* is *top* or lies below it, by whole components."""
    return path == top or path.startswith(top if top.endswith("/") else top + "/")


def locate(
    root: tuple[int, list[str]], path: tuple[int, list[str]]
) -> tuple[int, list[str]] | None:
    """Return the place of the cgroup *path* below a mount of root *root*; `None` if outside it.

    That is a number of levels whose names are hidden, then names. Both are what `steps` makes.
    https://man7.org/linux/man-pages/man7/cgroup_namespaces.7.html
    """
    (root_ups, root_names), (path_ups, path_names) = root, path
    if root_ups == path_ups and path_names[: len(root_names)] == root_names:
        return 0, path_names[len(root_names) :]
    if root_ups > path_ups and not root_names:
        return root_ups - path_ups, path_names
    return None


def steps(path: str) -> tuple[int, list[str]]:
    """Return how many levels above the cgroup namespace's root *path* begins, and its names.

    It has one ``/..`` for each of these levels.
    """
    names = [name for name in path.split("/") if name]
    ups = 0
    while ups < len(names) and names[ups] == "..":
        ups += 1
    return ups, names[ups:]


class Levels:
    """The directories that show the process's own cgroup and its ancestors.

    *directories* has, by the distance from the process's own cgroup, the same level as each
    mount shows it. *covered* has one that another mount covers. *whole*: all from the root on.
    """

    __slots__ = ("_full", "_places", "covered", "directories", "whole")

    def __init__(self) -> None:
        self.directories: list[list[str]] = []
        self.covered: dict[int, str] = {}
        self.whole = False
        # Through how many mounts each level has been looked at. Each mount shows levels from the
        # process's own on. So the numbers never grow with the distance, and the levels that need
        # no further mount come first.
        self._places: list[int] = []
        self._full = 0

    def add(self, mount: Mount, names: list[str]) -> None:
        """Add the levels that *mount* shows: its point and the directories *names* below it."""
        self.whole = self.whole or mount.root == "/"
        if self._full > len(names):
            return
        for distance, directory, covered in _chain(mount, names)[self._full :]:
            if distance == len(self._places):
                self._places.append(0)
                self.directories.append([])
            self._places[distance] += 1
            if covered:
                self.covered[distance] = directory
            else:
                self.directories[distance].append(directory)
        while self._full < len(self._places) and self._places[self._full] == MAX_PLACES:
            self._full += 1


def _chain(mount: Mount, names: list[str]) -> list[tuple[int, str, bool]]:
    """Return the levels that *mount* shows, the process's own first, and which are covered."""
    points = {cover.point.removesuffix("/") for cover in mount.covers}
    directory = mount.point.removesuffix("/")
    covered = directory in points
    chain = [(len(names), directory, covered)]
    for at, name in enumerate(names, 1):
        directory = f"{directory}/{name}"
        covered = covered or directory in points
        chain.append((len(names) - at, directory, covered))
    return chain[::-1]


def levels(system: System, controller: str, path: str, mounts: list[Mount]) -> Levels:
    """Return the levels of the cgroup *path* in the controller's hierarchy."""
    visible = Levels()
    search = _Search(system)
    own_path = steps(path)
    for mount in mounts:
        place = locate(steps(mount.root), own_path) if mount.shows(controller) else None
        if place is not None:
            hidden, names = place
            own = names if not hidden else search.own(mount.point.removesuffix("/"), hidden, names)
            if own is not None:
                visible.add(mount, own)
    return visible


class _Search:
    """Looks for the process's own directory, in no more of them than `MAX_SEARCHED` allows."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.left = MAX_SEARCHED
        self.answers: dict[tuple[str, int], list[str] | None] = {}

    def own(self, top: str, hidden: int, names: list[str]) -> list[str] | None:
        """Return the process's own directory below *top*, *hidden* unnamed levels above *names*."""
        if (top, hidden) not in self.answers:
            below = self._find(top, hidden, "".join(f"/{name}" for name in names))
            self.answers[top, hidden] = None if below is None else below + names
        return self.answers[top, hidden]

    def _find(self, top: str, hidden: int, names: str) -> list[str] | None:
        # By depth, the children that are left to look at: recursion would end with the stack.
        open_levels: list[Iterator[str]] = [iter([top])]
        way: list[str] = []
        while open_levels:
            directory = next(open_levels[-1], None)
            if directory is None or self.left < 0:
                open_levels.pop()
                continue
            self.left -= len(directory) + len(names)
            del way[len(open_levels) - 1 :]
            way.append(directory)
            if len(open_levels) <= hidden:
                open_levels.append(self._children(directory))
            elif _is_own(self.system, directory + names):
                return [each.rpartition("/")[2] for each in way[1:]]
        return None

    def _children(self, directory: str) -> Iterator[str]:
        try:
            children = self.system.list(directory) or ()
        except OSError:
            return iter(())  # what cannot be listed cannot be recognised as the process's own
        return (f"{directory}/{child}" for child in children)


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


def read_own(system: System) -> tuple[dict[str, str], list[Mount]]:
    """Return the process's cgroup paths and the visible mounts; none if they cannot be read.

    The detector of quotas reports that.
    """
    try:
        paths, _ = parse_membership(system.read(system.proc("cgroup")) or "")
        return paths, read_mounts(system)[0]
    except OSError:
        return {}, []


def read_mounts(system: System) -> tuple[list[Mount], list[Note]]:
    """Return the visible cgroup mounts. Raise `OSError` if the table cannot be read."""
    mounts, bad = parse_mounts(system.read("/proc/self/mountinfo") or "")
    return mounts, [malformed("/proc/self/mountinfo", line, MOUNTINFO_FORM) for line in bad[:1]]
