"""The closed list of what Rust's standard library is known to get wrong about a process's limits.

Each entry says when it applies and what Rust answers then. An answer that differs from the truth
and that no entry foretells is a finding: Rust has changed, or the truth was computed wrongly.
"""

import math
from collections.abc import Callable
from typing import Any

Facts = dict[str, Any]
Foretell = Callable[[Facts, int], "int | None"]

# The characters that the kernel writes as octal escapes in mountinfo.
ESCAPED = " \t\n\\"


def _v2_place(now: Facts, mask: int) -> int | None:
    places = ("elsewhere", "remounted-elsewhere", "parts")
    return mask if now["version"] == 2 and now.get("view") in places else None


def _v2_root(now: Facts, mask: int) -> int | None:
    return mask if now["version"] == 2 and now.get("view") in ("bind", "stacked") else None


def _foreign_mount(now: Facts, mask: int) -> int | None:
    if now.get("view") not in ("namespace", "remounted-beside", "part", "left"):
        return None
    stranger: float = now.get("decoy", math.inf)
    return max(1, math.floor(min(mask, stranger)))


def _v1_place(now: Facts, mask: int) -> int | None:
    return (
        mask
        if now["version"] == 1 and now.get("view") in ("elsewhere", "remounted-elsewhere")
        else None
    )


def _v1_hidden(now: Facts, mask: int) -> int | None:
    return mask if now["version"] == 1 and now.get("view") == "stacked" else None


def _v1_first(now: Facts, mask: int) -> int | None:
    return mask if now["version"] == 1 and now.get("view") == "parts" else None


def _v1_root(now: Facts, mask: int) -> int | None:
    if now["version"] != 1 or now.get("view") != "bind":
        return None
    root = now["at"]
    strange = any(character in ESCAPED or "\udc80" <= character <= "\udcff" for character in root)
    return mask if strange else None


def _pinned(now: Facts, _: int) -> int | None:
    return 1 if now.get("pinned") else None


def _leader(now: Facts, _: int) -> int | None:
    answer: int | None = now.get("leader")
    return answer


def _real_time(now: Facts, mask: int) -> int | None:
    quota = now.get("real_time")
    return None if quota is None else max(1, math.floor(min(mask, quota)))


def _unreadable(now: Facts, mask: int) -> int | None:
    return mask if now.get("unreadable") else None


def _covered(now: Facts, mask: int) -> int | None:
    return mask if now.get("view") == "covered level" else None


ERRORS: dict[str, Foretell] = {
    "cgroup v2 is looked for at /sys/fs/cgroup alone": _v2_place,
    "the root of a cgroup v2 mount is taken for the hierarchy's": _v2_root,
    "a path inside a cgroup namespace is looked for under a mount from outside it": _foreign_mount,
    "the octal escapes of a cgroup v1 mount point are not decoded": _v1_place,
    "a cgroup v1 mount is used although a later one hides it": _v1_hidden,
    "of several cgroup v1 mounts of parts only the first is used": _v1_first,
    "the root of a cgroup v1 mount is compared with its escapes, and must be UTF-8": _v1_root,
    "the affinity of the calling thread is taken for the process's": _pinned,
    "the cgroup of the process's leader is taken for the calling thread's": _leader,
    "the quota is applied to real-time threads": _real_time,
    "the quota is given up where another mount hides the own directory": _covered,
    "the quota is given up where a directory on the way cannot be entered": _unreadable,
}


def explain(answer: int, now: Facts, mask: int) -> str | None:
    """Name the known error that leads to this answer; None where there is none."""
    for text, foretell in ERRORS.items():
        if foretell(now, mask) == answer:
            return text
    return None
