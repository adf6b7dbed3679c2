"""What a scenario works with, and the table of all scenarios."""

import contextlib
import json
import math
import os
import traceback
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from kernel_guest.actions import report_of
from kernel_guest.child import Child
from kernel_guest.groups import CONTROLLERS, Group, cpu_list
from kernel_guest.layouts import Layout, read

Facts = dict[str, Any]
SCOPES = ("process", "thread")


class NotHereError(Exception):
    """This kernel does not offer what the scenario needs; the text says what it said."""


def truth(levels: Iterable[Group], cpus: set[int], isolated: bool = False) -> Facts:
    """Compute the right answer from what the kernel says now: the visible levels and the mask.

    Of isolated CPUs one counts, since threads are not spread over them.
    """
    limited = [(level, quota) for level in levels if (quota := level.quota()) is not None]
    quotas = [quota for _, quota in limited]
    online = len(cpu_list(read("/sys/devices/system/cpu/online")))
    least = min([float(len(cpus)), float(online), *([1.0] if isolated else []), *quotas])
    return {
        "parallelism": max(1, math.floor(least)),
        "cpus": least,
        "quota": min(quotas, default=None),
        "levels": [[os.stat(level.cpu).st_ino, quota] for level, quota in limited],
        "mask": len(cpus),
    }


class Run:
    """One scenario under way: its groups, its children and what was compared."""

    def __init__(self, layout: Layout, probe: str | None, top: str) -> None:
        self.layout = layout
        self.probe = probe
        self.checks: list[Facts] = []
        self.remarks: list[str] = []
        self._top = top
        self._clean = contextlib.ExitStack()
        self._groups: list[Group] = []
        self._clean.callback(self._remove_groups)

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *_: object) -> None:
        self._clean.close()

    def _remove_groups(self) -> None:
        for group in reversed(self._groups):
            group.remove()

    def group(self, path: str, controllers: Iterable[str] = CONTROLLERS) -> Group:
        """Make a group below the top of this scenario; the empty path is that top."""
        group = Group(self.layout, f"/{self._top}{path}")
        self._groups.append(group)
        return group.make(controllers)

    def chain(self, *names: str) -> list[Group]:
        """Make nested groups, the outermost first."""
        return [
            self.group("".join(f"/{name}" for name in names[:end])) for end in range(len(names) + 1)
        ]

    def child(self) -> Child:
        """Start a child that ends with the scenario."""
        child = Child()
        self._clean.callback(child.close)
        return child

    def check(
        self,
        step: str,
        child: Child,
        levels: Sequence[Group],
        *,
        thread: str | None = None,
        scopes: Iterable[str] = SCOPES,
        notes: Iterable[str] = (),
        absent: Iterable[str] = (),
        situation: Facts | None = None,
        isolated: bool = False,
        words: Sequence[str] | None = (),
    ) -> Facts:
        """Compare kumo, and Rust unless `words` is None, with the kernel's own answer.

        `situation` is what the closed list of Rust's errors looks at.
        """
        got = child.do("report", thread=thread)
        # Asked last: a process whose CPUs are all offline gets others only when it runs again.
        masks = child.masks()
        own = masks[child.tids[thread]] if thread else masks[child.pid]
        sets = {"process": set().union(*masks.values()), "thread": own}
        facts: Facts = {
            "step": step,
            "expected": {scope: truth(levels, sets[scope], isolated) for scope in scopes},
            "notes": list(notes),
            "absent": list(absent),
            "got": got,
        }
        if self.probe and words is not None:
            facts["rust"] = child.do("rust", self.probe, *words, thread=thread)
            asked = "process" if words else "thread"
            facts["rust_truth"] = truth(levels, sets[asked])
            facts["situation"] = {
                "version": self.layout.version,
                "pinned": words[:1] == ["pin"],
                **(situation or {}),
            }
        self.checks.append(facts)
        return facts

    def check_by_pid(
        self,
        step: str,
        observer: Child | None,
        child: Child,
        levels: Sequence[Group],
        absent: Iterable[str] = (),
    ) -> None:
        """Compare what kumo tells one process about another; without an observer, this process."""
        got = observer.do("report_of", child.pid) if observer else report_of(child.pid)
        cpus = set().union(*child.masks().values())
        self.checks.append(
            {
                "step": step,
                "expected": {"process": truth(levels, cpus)},
                "notes": [],
                "absent": list(absent),
                "got": got,
            }
        )


Scenario = Callable[[Run], None]
_table: dict[str, tuple[tuple[str, ...], Scenario]] = {}
ALL = ("v2", "hybrid", "v1")


def scenario(name: str, *layouts: str) -> Callable[[Scenario], Scenario]:
    """Enter a function into the table, for these layouts or for all."""

    def enter(function: Scenario) -> Scenario:
        _table[name] = (layouts or ALL, function)
        return function

    return enter


def names(layout: str) -> list[str]:
    """Name the scenarios of a layout."""
    return [name for name, (layouts, _) in _table.items() if layout in layouts]


def perform(name: str, layout: Layout, probe: str | None) -> Facts:
    """Run one scenario and give its record."""
    record: Facts = {"kind": "scenario", "name": name, "error": None, "not_here": None}
    checks: list[Facts] = []
    remarks: list[str] = []
    try:
        with Run(layout, probe, name) as run:
            checks, remarks = run.checks, run.remarks
            _table[name][1](run)
    except NotHereError as reason:
        record["not_here"] = str(reason)
    except Exception:
        record["error"] = traceback.format_exc()
    return record | {"checks": checks, "remarks": remarks}


def line(record: Facts) -> str:
    """Write a record as one line of ASCII; names that are not UTF-8 survive."""
    return json.dumps(record)
