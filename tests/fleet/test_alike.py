"""Machine files that differ in names alone: the same estimates as a survey of each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kumo._explain import as_dict
from kumo._fleet.alike import MAX_FORMS, OTHERS, Estimates, put_together, take_apart
from kumo._survey import survey
from kumo._system.machine_file import Machine

MACHINES = sorted((Path(__file__).parents[1] / "machines").glob("*.txt"))
POD = """\
-- !platform --
linux
-- !affinity --
0-7
-- /proc/self/cgroup --
0::/kubepods.slice/kubepods-pod{name}.slice
-- /proc/self/mountinfo --
{mount} 24 0:{mount} / /sys/fs/cgroup ro - cgroup2 cgroup rw
-- /sys/fs/cgroup/kubepods.slice/kubepods-pod{name}.slice/cpu.max --
{quota} {period}
-- /sys/devices/system/cpu/online --
0-7
"""
NAMES = [
    "1b2c3d4e_0000_4a5b_8c9d_000000000001",
    "9e8d7c6b_1111_4a5b_8c9d_000000000002",
    "5f5f5f5f_2222_4a5b_8c9d_000000000003",
    "00000000_3333_4a5b_8c9d_ffffffffffff",
]


def surveyed(text: str) -> dict[str, Any]:
    return as_dict(survey(Machine(text)))


def pod(name: str, quota: int = 250_000, period: int = 100_000, mount: int = 29) -> str:
    return POD.format(name=name, quota=quota, period=period, mount=mount)


@pytest.mark.parametrize("path", MACHINES, ids=lambda path: path.stem)
def test_every_machine_of_the_tests_under_several_names(path: Path) -> None:
    text = path.read_text(encoding="utf-8", errors="surrogateescape")
    form, names, highest = take_apart(text)
    others = put_together(form, [name.translate(OTHERS) for name in names], highest)
    estimates = Estimates()

    for variant in (text, others, text, others):
        assert estimates.of(variant) == surveyed(variant)


def test_pods_have_one_form_and_each_its_own_names() -> None:
    estimates = Estimates()

    for mount, name in enumerate(NAMES, 29):
        text = pod(name, mount=mount)
        estimate = estimates.of(text)
        assert estimate == surveyed(text)
        assert name in estimate["binding"]["where"]

    assert [bool(marked) for marked in estimates._known.values()] == [True]


def test_a_name_that_is_also_a_number_of_the_quota() -> None:
    estimates = Estimates()

    estimates_of = [
        estimates.of(pod(name, quota=500_000, period=int(name.strip("_"))))["cpus"]
        for name in ("__100000", "__125000", "__200000", "__250000")
    ]

    assert estimates_of == [5.0, 4.0, 2.5, 2.0]


def test_a_note_that_cuts_a_name() -> None:
    estimates = Estimates()
    for name in NAMES:
        text = pod(name).replace("250000 100000", "nothing").replace("kubepods", "k" * 88)

        estimate = estimates.of(text)

        assert estimate == surveyed(text)
        assert [note["code"] for note in estimate["notes"]] == ["malformed"]


def test_names_between_which_there_is_what_looks_like_a_mark() -> None:
    estimates = Estimates()
    for name in ("aaaaa/1:5aaaaa", "bbbbb/1:5bbbbb", "ccccc/1:5ccccc", "\0aaaa"):
        text = pod("12345678").replace("kubepods.slice", name)
        assert estimates.of(text) == surveyed(text)


def test_the_memory_has_a_bound() -> None:
    estimates = Estimates()
    for quota in range(10_000, 10_000 + 2 * MAX_FORMS):
        estimates.of(pod(NAMES[0], quota=quota))

    assert len(estimates._known) == MAX_FORMS
