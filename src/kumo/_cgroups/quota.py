"""One level's quota, and what the levels that can be seen leave open."""

from __future__ import annotations

from kumo._cgroups.levels import V2
from kumo._notes import malformed, note, unreadable
from kumo._records import Limit, inf
from kumo._text import error_name, quoted, show_rate, whole_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kumo._cgroups.levels import Levels, Mount
    from kumo._records import Note
    from kumo._system.live import System

# By hierarchy: the files of a quota, the file of its burst, the form of the quota's text, and
# the word for no quota. All that differs between v1 and v2 is decided here.
FILES = {
    V2: (("cpu.max",), "cpu.max.burst", "QUOTA PERIOD in microseconds", "max"),
    "cpu": (
        ("cpu.cfs_quota_us", "cpu.cfs_period_us"),
        "cpu.cfs_burst_us",
        "a quota and a period in microseconds",
        "-1",
    ),
}
HIERARCHIES = {name: hierarchy for hierarchy, (names, *_) in FILES.items() for name in names}
INITIAL_NAMESPACE = "cgroup:[4026531835]"  # PROC_CGROUP_INIT_INO in include/linux/proc_ns.h


def parse_quota(text: str, unlimited: str = "max") -> tuple[int, int] | None:
    """Return quota and period in microseconds, `None` if *text* sets no quota.

    Format: ``150000 100000``, ``max 100000``; v1's two files, joined, ``-1 100000``.
    *unlimited* is v1's ``-1``, v2's ``max``. Raise `ValueError` if *text* has another form.
    """
    quota, _, period = text.partition(" ")
    none = quota in (unlimited, "0") or (quota[:1] == "-" and _is_positive(quota[1:]))
    without = ("0", "") if unlimited == "-1" else ("0",)  # v1's period has a separate file
    if none and (period in without or _is_positive(period)):
        return None
    if not _is_positive(quota) or not _is_positive(period):
        raise ValueError(f"not a quota and a period: {text!r}")
    return int(quota), int(period)


def hierarchy_of(where: str) -> str:
    """Return the hierarchy whose quota file *where* is, a key of `FILES`, by the file's name."""
    return HIERARCHIES[where.rpartition("/")[2]]


def _is_positive(text: str) -> bool:
    """Whether *text* is a positive decimal number that fits the kernel's 64 bits."""
    return bool(whole_number(text))


def level_limits(
    system: System, controller: str, visible: Levels, at_home: bool
) -> Iterator[Limit | Note]:
    """Yield a limit for each level, from the process's own cgroup up.

    If the controller belongs to another hierarchy, levels without its files say nothing.
    """
    for distance, directories in enumerate(visible.directories):
        if not directories and not at_home:
            continue
        if not directories:
            where = visible.covered[distance]
            yield note("level-covered", where=quoted(where))
            yield Limit("quota", "rate", inf, f"{where}/{FILES[controller][0][0]}", "(covered)")
            continue
        records = list(_level(system, controller, directories))
        if at_home or not any(isinstance(r, Limit) and r.text == "(absent)" for r in records):
            yield from records


def _level(system: System, controller: str, directories: list[str]) -> Iterator[Limit | Note]:
    """Read one level through the first mount that shows its files."""
    names, burst_name, _, _ = FILES[controller]
    failure: tuple[str, OSError] | None = None
    for directory in directories:
        where = f"{directory}/{names[0]}"
        try:
            texts = [system.read(f"{directory}/{name}") for name in names]
        except OSError as error:
            failure = failure or (error.filename or where, error)
            continue
        if texts[0] is not None:
            text = " ".join([(part or "").strip() for part in texts])
            yield from _quota(system, controller, where, text, f"{directory}/{burst_name}")
            return
    if failure is not None:
        yield unreadable(*failure)
        yield Limit("quota", "rate", inf, failure[0], f"({error_name(failure[1])})")
    else:
        yield Limit("quota", "rate", inf, f"{directories[0]}/{names[0]}", "(absent)")


def _quota(
    system: System, controller: str, where: str, text: str, burst_path: str
) -> Iterator[Limit | Note]:
    _, _, form, unlimited = FILES[controller]
    try:
        rate = parse_quota(text, unlimited)
    except ValueError:
        yield malformed(where, text, form)
        rate = None
    if rate is None:
        yield Limit("quota", "rate", inf, where, text)
        return
    quota, period = rate
    try:
        burst = (system.read(burst_path) or "0").strip()
    except OSError:
        burst = "0"  # it is never added: a burst that cannot be read changes nothing
    extra = int(burst) / period if _is_positive(burst) else 0.0
    yield Limit("quota", "rate", quota / period, where, text, extra, period / 1e6)
    if extra:
        yield note("burst-allowed", where=quoted(burst_path), burst=show_rate(extra))


def seams(
    system: System, controller: str, path: str, visible: Levels, mounts: list[Mount]
) -> Iterator[Note]:
    """Yield notes on what cannot be seen: the hierarchy, the process's own cgroup, ancestors."""
    shown = quoted(path)
    if not any(mount.shows(controller) for mount in mounts):
        hierarchy = (
            "cgroup v1 hierarchy of the cpu controller" if controller else "cgroup2 hierarchy"
        )
        from kumo._cgroups.unmounted import not_mounted

        yield from not_mounted(system, f"No mount shows the {hierarchy}", "the cgroup file system")
    elif not visible.directories:
        yield note("path-outside-mounts", path=shown)
    else:
        if ancestors_hidden(system, controller, visible):
            top = (visible.directories[-1] or [*visible.covered.values()])[0]
            yield note("ancestors-hidden", top=quoted(top))
        if controller == V2 and system.scope == "process":
            kind = first_file(system, [f"{own}/cgroup.type" for own in visible.directories[0]])
            if kind is not None and kind[1].strip() == "threaded":
                yield note("threaded-cgroup", path=shown)


def ancestors_hidden(system: System, controller: str, visible: Levels) -> bool:
    """Whether the topmost level that can be seen is known or likely not to be the hierarchy's root.

    v2 has ``cgroup.events`` and ``cpu.max`` in every cgroup but the root's;
    v1 has ``cgroup.sane_behavior`` in the root's alone.
    """
    tops = visible.directories[-1]
    if controller == V2:
        below_root = [f"{top}/{name}" for top in tops for name in ("cgroup.events", "cpu.max")]
        if first_file(system, below_root) is not None:
            return True
        if first_file(system, [f"{top}/cgroup.procs" for top in tops]) is not None:
            return False
    elif first_file(system, [f"{top}/cgroup.sane_behavior" for top in tops]) is not None:
        return False
    namespace = system.fact("cgroup_namespace")
    return not visible.whole or namespace not in (None, INITIAL_NAMESPACE)


def first_file(system: System, paths: list[str]) -> tuple[str, str] | None:
    """Return the first of *paths* that is there and can be read, and its text."""
    for path in paths:
        try:
            text = system.read(path)
        except OSError:
            continue
        if text is not None:
            return path, text
    return None


def directory_limit(system: System, controller: str, directory: str) -> Limit | None:
    """Return the quota of one cgroup directory of *controller*; `None` if it has no such file."""
    for record in _level(system, controller, [directory]):
        if isinstance(record, Limit) and record.text != "(absent)":
            return record
    return None
