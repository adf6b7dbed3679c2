"""Run in the virtual machine: the cgroups of tests/real under cgroup v2, one JSON object a line.

    python real_guest.py RESULTS

An emulated machine is too slow for pytest, and for an interpreter a test. So each situation is
staged with what tests/real has for it, and asked for in a forked child.
"""

import json
import os
import sys
import types
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any


def skip_real(reason: str) -> None:
    """Nothing may be skipped."""
    raise SystemExit(reason)


# The tests' own needs pytest.
sys.modules["conftest"] = types.ModuleType("conftest")
sys.modules["conftest"].skip_real = skip_real  # type: ignore[attr-defined]  # the module is made here

from real import host  # noqa: E402
from real.host import Group  # noqa: E402

import kumo  # noqa: E402 - the lines above stand in for a neighbour
from kumo._explain import as_dict  # noqa: E402

USER = 65534
GIVEN = ("", "cgroup.procs", "cgroup.threads", "cgroup.subtree_control")
_numbers = count()


def made(parent: Group | None = None, cpus: float | None = None, controller: str = "cpu") -> Group:
    """Make a cgroup, with a quota if it is to have one."""
    above = parent or host.base(controller)
    above.give(controller)
    path = above.path / f"real-{os.getpid()}-{next(_numbers)}"
    path.mkdir()
    group = Group(path, above)
    if cpus is not None:
        group.limit(cpus)
    return group


def in_child(act: Callable[[], Any]) -> Any:
    """What it returns in a forked child."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        try:
            text = json.dumps(act())
        except BaseException as error:
            text = json.dumps({"error": repr(error)})
        os.write(writing, text.encode())
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as answer:
        text = answer.read().decode()
    os.wait()
    return json.loads(text)


def asked(group: Group) -> dict[str, Any]:
    """What kumo says of a process in the group, and the levels as the group shows them."""
    group.write("cgroup.procs", os.getpid())
    estimate = kumo.estimate()
    assert kumo.available_parallelism() == estimate.parallelism
    answer = as_dict(estimate)
    return {
        "said": host.quotas(answer), "levels": group.levels(), "quota": answer["quota"],
        "count": answer["parallelism"], "burst": estimate.burst, "notes": host.codes(answer),
    }  # fmt: skip


def as_user(group: Group) -> dict[str, Any]:
    """Become an ordinary user in a cgroup that was given to it; limit a cgroup of its own."""
    group.write("cgroup.procs", os.getpid())
    os.setgroups([])
    os.setresgid(USER, USER, USER)
    os.setresuid(USER, USER, USER)
    host._base.cache_clear()
    own = host.base("cpu")
    narrow = made(own, 0.5)
    answer = asked(narrow)
    return answer | {"user": os.geteuid(), "below": str(own.path), "given": str(group.path)}


def situations() -> dict[str, Callable[[], Any]]:
    """By name: what stages it and asks."""
    nested = made(made(None, 2.5), 1.5)
    burst = made(None, 1.0)
    burst.burst(75_000)
    cpuset = made(controller="cpuset")
    cpuset.write("cpuset.cpus", "1")
    given = made()
    for path in map(given.path.joinpath, GIVEN):
        os.chown(path, USER, USER)
    return {
        "nested": lambda: asked(nested),
        "parent alone": lambda: asked(made(made(None, 1.25))),
        "none": lambda: asked(made()),
        "burst": lambda: asked(burst),
        "cpuset": lambda: asked(cpuset),
        "delegated": lambda: as_user(given),
    }


def main() -> None:
    """Write what each situation gives."""
    with Path(sys.argv[1]).open("a", buffering=1) as results:
        for name, act in situations().items():
            results.write(json.dumps({"name": name, **in_child(act)}) + "\n")


main()
