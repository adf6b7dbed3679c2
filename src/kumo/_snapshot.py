"""A machine file of this machine: what one estimate asked, less what is nobody else's business."""

from __future__ import annotations

from kumo._cgroups.levels import V2, membership, parse_mounts
from kumo._cgroups.unmounted import root_of
from kumo._survey import survey

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kumo._records import Estimate
    from kumo._system.live import System


def snapshot(system: System, topology: bool = False) -> str:
    """Survey *system*, and return its machine file, with *topology* that of all its cores too.

    Raise `OverrideError` as a survey does.
    """
    from errno import errorcode

    estimate = survey(system)
    if topology:
        from kumo._topology.read import read_cores, read_topology

        read_topology(system)
        read_cores(system)
    parts = ["Written by kumo snapshot.\n"]
    for name, answer in sorted(system.asked.items(), key=lambda item: _place(item[0])):
        if isinstance(answer, OSError):
            parts.append(f"-- {_heading(name)} ({errorcode.get(answer.errno or 0, 'EIO')}) --\n")
        elif answer is not None:
            text = _public(system, name, answer)
            if text is not None:
                ending = "" if name[0] not in "!$" and (not text or text.endswith("\n")) else "\n"
                parts.append(f"-- {_heading(name)} --\n{text}{ending}")
    return "".join(parts) + "-- expect --\n" + "".join(_expect(estimate))


def script() -> str:
    """Return the shell script that writes a machine file of a Linux machine without Python."""
    from pkgutil import get_data

    text = get_data("kumo", "_snapshot.sh")
    assert text is not None  # it is a part of the package
    return text.decode()


def _heading(name: str) -> str:
    """Escape a newline, which a heading cannot contain, and what would read as one escaped."""
    if not any(part in name for part in ("\n", "\\012", "\\134")):
        return name
    return name.replace("\\", "\\134").replace("\n", "\\012")


def _place(name: str) -> tuple[int, str]:
    return {"!": 0, "$": 1}.get(name[0], 2), name


def _public(system: System, name: str, text: str) -> str | None:
    """Return what an estimate uses of *text*: nothing of other processes, mounts or controllers."""
    directory, _, kind = name.rpartition("/")
    if kind in ("cgroup.procs", "cgroup.threads", "tasks"):
        own = system.asked.get("!pid")
        if own in text.split():
            return f"{own}\n"
        # That a top level has the file shows whether it is the hierarchy's root.
        return "" if f"{directory}/cgroup.events" in system.asked else None
    if name.endswith(("/.machine.ad", "\\.machine.ad")):
        return _slot(text)
    reduce = REDUCED.get(kind) if name.startswith("/proc/") else None
    return text if reduce is None else reduce(text)


def _membership(text: str) -> str:
    """The lines that an estimate uses; without any, one that says that there are others."""
    kept = []
    for line in text.split("\n"):
        controllers, _ = membership(line)
        if line and (not controllers or not {"", "cpu", "cpuset"}.isdisjoint(controllers)):
            kept.append(line + "\n")
    return "".join(kept) or ("0:other:/\n" if text.strip("\n") else "")


def _status(text: str) -> str:
    lines = text.split("\n")
    return "".join(f"{line}\n" for line in lines if line.startswith("Cpus_allowed_list:"))


def _mounts(text: str) -> str:
    """Return what an estimate uses: the visible cgroup mounts, and what covers parts of them."""
    mounts, bad = parse_mounts(text)
    kept: dict[str, None] = {}
    for mount in mounts:
        if any(map(mount.shows, (V2, "cpu", "cpuset"))):
            kept.update(dict.fromkeys([mount.line, *(cover.line for cover in mount.covers)]))
    root = [line for line in text.split("\n") if root_of(line)]
    return "".join(line + "\n" for line in [*root, *kept, *bad[:1]])


def _slot(text: str) -> str:
    """The CPUs of HTCondor's slot; its other attributes are about the host and its owner."""
    lines = text.split("\n")
    return "".join(
        f"{line}\n" for line in lines if line.partition("=")[0].strip().lower() == "cpus"
    )


REDUCED: dict[str, Callable[[str], str]] = {
    "cgroup": _membership,
    "mountinfo": _mounts,
    "status": _status,
}


def _expect(estimate: Estimate) -> Iterator[str]:
    quota = estimate.quota
    yield f"parallelism {estimate.parallelism}\n"
    yield f"cpus {estimate.cpus!r}\n"
    yield f"quota {'none' if quota is None else repr(quota)}\n"
    yield f"binding {estimate.binding.source}\n"
    for code in dict.fromkeys(note.code for note in estimate.notes):
        yield f"note {code}\n"
