"""A machine file of this machine: what one estimate asked, less what is nobody else's business."""

from __future__ import annotations

from kumo._cgroup import cgroup_lines
from kumo._survey import survey

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kumo._records import Estimate
    from kumo._system import System


def snapshot(system: System) -> str:
    """Survey *system*, and return its machine file. Raise `OverrideError` as a survey does."""
    from errno import errorcode

    estimate = survey(system)
    parts = ["Written by kumo snapshot.\n"]
    for name, answer in sorted(system.asked.items(), key=lambda item: _place(item[0])):
        if isinstance(answer, OSError):
            parts.append(f"-- {name} ({errorcode.get(answer.errno or 0, 'EIO')}) --\n")
        elif answer is not None:
            text = _public(system, name, answer)
            if text is not None:
                ending = "" if name.startswith("/") and (not text or text.endswith("\n")) else "\n"
                parts.append(f"-- {name} --\n{text}{ending}")
    return "".join(parts) + "-- expect --\n" + "".join(_expect(estimate))


def _place(name: str) -> tuple[int, str]:
    return "!$/".index(name[0]), name


def _public(system: System, name: str, text: str) -> str | None:
    """Return what an estimate uses of *text*: nothing of other processes, mounts or controllers."""
    directory, _, kind = name.rpartition("/")
    if kind in ("cgroup.procs", "cgroup.threads", "tasks"):
        own = system.asked.get("!pid")
        if own in text.split():
            return f"{own}\n"
        # That a top level has the file tells whether it is the hierarchy's root.
        return "" if f"{directory}/cgroup.events" in system.asked else None
    reduce = REDUCED.get(kind) if name.startswith("/proc/") else None
    return text if reduce is None else reduce(text)


def _membership(text: str) -> str:
    kept = []
    for line in text.splitlines(keepends=True):
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        foreign = path.startswith("/") and {"", "cpu", "cpuset"}.isdisjoint(controllers.split(","))
        kept += [] if foreign else [line]
    return "".join(kept)


def _status(text: str) -> str:
    lines = text.splitlines(keepends=True)
    return "".join(line for line in lines if line.startswith("Cpus_allowed_list:"))


REDUCED: dict[str, Callable[[str], str]] = {
    "cgroup": _membership,
    "mountinfo": cgroup_lines,
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
