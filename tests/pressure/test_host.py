"""Every cgroup with a quota, on trees of directories that are made here."""

from __future__ import annotations

from pathlib import Path

import pytest

from kumo._pressure import host
from kumo._pressure.host import cgroups_with_quota
from kumo._system.live import LiveSystem

COUNTED = {"cpu.stat": "nr_periods 12\nnr_throttled 3\nthrottled_usec 4500000\n"}
V2 = {
    "": {},
    "a": {"cpu.max": "150000 100000", **COUNTED},
    "a/b": {"cpu.max": "max 100000"},
    "a/b/c": {"cpu.max": "50000 100000"},
    "d": {"cpu.max": "nonsense"},
}
V1 = {
    "": {"cpu.cfs_quota_us": "-1", "cpu.cfs_period_us": "100000"},
    "x": {"cpu.cfs_quota_us": "200000", "cpu.cfs_period_us": "100000"},
}


class Mounted(LiveSystem):
    """This system with a mount table of its own."""

    mounts = ""

    def _read(self, path: str) -> str | None:
        return self.mounts if path == "/proc/self/mountinfo" else super()._read(path)


@pytest.fixture
def system(tmp_path: Path) -> Mounted:
    """A hierarchy of each version, one of which has a link that leads back to its top."""
    for name, tree in (("v2", V2), ("v1", V1)):
        for directory, files in tree.items():
            (tmp_path / name / directory).mkdir()
            for file, text in files.items():
                (tmp_path / name / directory / file).write_text(f"{text}\n")
    (tmp_path / "v2" / "a" / "loop").symlink_to(tmp_path / "v2")
    made = Mounted()
    made.mounts = (
        f"29 24 0:26 / {tmp_path}/v2 rw - cgroup2 cgroup rw\n"
        f"30 24 0:27 / {tmp_path}/v1 rw - cgroup cgroup rw,cpu\n"
        f"31 24 0:28 / {tmp_path}/gone rw - cgroup cgroup rw,cpu\n"
    )
    return made


def test_each_quota_of_the_host_with_its_counters(system: Mounted, tmp_path: Path) -> None:
    groups, complete = cgroups_with_quota(system)

    assert complete
    assert {group.where.removeprefix(f"{tmp_path}/"): group.quota_cpus for group in groups} == {
        "v1/x": 2.0, "v2/a": 1.5, "v2/a/b/c": 0.5,
    }  # fmt: skip
    (counted,) = (group for group in groups if group.where.endswith("v2/a"))
    assert (counted.periods, counted.throttled_periods, counted.throttled_seconds) == (12, 3, 4.5)


def test_no_more_cgroups_are_looked_at_than_that(
    system: Mounted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "PROGRESS_STEP", 2)
    numbers: list[int] = []

    groups, complete = cgroups_with_quota(system, most=5, progress=numbers.append)

    assert (len(groups), complete, numbers) == (2, False, [2, 4])
