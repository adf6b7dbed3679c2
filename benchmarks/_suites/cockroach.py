"""CockroachDB's package for cgroups: pkg/util/cgroups, or pkg/cgroup where tikv/pd carries it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from . import Given
from .literals import Go

PLACES = ("pkg/util/cgroups/cgroups_test.go", "pkg/cgroup/cgroup_mock_test.go")
TESTS = ("TestCgroupsGetCPU", "testCgroupGetCPUHelper", "testCgroupsGetCPUPeriodAndQuota")
_NAMED = re.compile(r"^\s*(\w+)\s*=\s*(`[^`]*`|\"(?:[^\"\\]|\\.)*\")", re.MULTILINE)


def cases(checkout: Path) -> Iterator[Given]:
    path = next(path for place in PLACES if (path := checkout / place).is_file())
    source = path.read_text("utf-8")
    texts = {name: Go().value(literal) for name, literal in _NAMED.findall(source)}
    # The second time the controllers are in the other order.
    swapped = {
        name: text.replace("rw,cpu,cpuacct", "rw,cpuacct,cpu").replace(
            ":cpu,cpuacct:", ":cpuacct,cpu:"
        )
        for name, text in texts.items()
    }
    for order, names in (("", texts), (" swapped", swapped)):
        for test in TESTS:
            if (
                f"func {test}(" in source
                and "[]struct {" in source.split(f"func {test}(")[1].split("\n}\n")[0]
            ):
                for number, case in enumerate(Go(names).table(source, test), 1):
                    yield _given(f"{test} {number}{order}", case)


def _given(name: str, case: dict[str, object]) -> Given:
    files = case.get("paths") or {}
    assert isinstance(files, dict)
    quota, period = int(str(case.get("quota", 0))), int(str(case.get("period", 0)))
    return Given(name, files, quota / period if quota > 0 else None)
