"""A snapshot taken under a real limit gives the same answer on any machine."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from real.conftest import MakeGroup
from real.host import (
    CGROUP_NAMESPACE,
    MOUNT_NAMESPACE,
    Group,
    kumo,
    mount_again,
    quota_name,
    run,
    top,
)

pytestmark = pytest.mark.real

Situation = Callable[[MakeGroup], tuple[list[Group], list[str]]]

STRANGE = ["a:b", "a b", "a\\040b", "a\tb", " (deleted)", "-- x --", " - x rw,cpu", "\x1b[31m"]
STRANGE += ["\u00e9", "\udcff"]  # the last is a byte that is not UTF-8


def plain(make_group: MakeGroup) -> tuple[list[Group], list[str]]:
    return [make_group(make_group(cpus=1.5))], []


def with_burst(make_group: MakeGroup) -> tuple[list[Group], list[str]]:
    group = make_group(cpus=0.5)
    group.burst(25_000)
    return [group], []


def one_cpu(make_group: MakeGroup) -> tuple[list[Group], list[str]]:
    return [make_group(cpus=1.5)], ["taskset", "-c", str(min(os.sched_getaffinity(0)))]


def in_namespace(make_group: MakeGroup) -> tuple[list[Group], list[str]]:
    make_group(cpus=0.25)
    return [make_group(make_group(cpus=1.5), cpus=1.25)], list(CGROUP_NAMESPACE)


def remounted(make_group: MakeGroup) -> tuple[list[Group], list[str]]:
    script = f'umount --lazy "$0" && mount {shlex.join(mount_again())} && exec "$@"'
    again = ["sh", "-c", script, top()]
    return [make_group(make_group(cpus=1.5), cpus=1.25)], [*CGROUP_NAMESPACE, *again]


def hidden(make_group: MakeGroup) -> tuple[list[Group], list[str]]:
    script = 'mount -t tmpfs tmpfs "$0" && exec "$@"'
    over = ["sh", "-c", script, top()]
    return [make_group(cpus=1.5)], [*MOUNT_NAMESPACE, *over]


def foreign(make_group: MakeGroup) -> tuple[list[Group], list[str]]:
    script = 'mount --bind "$1" "$0" && shift && exec "$@"'
    over = ["sh", "-c", script, top(), str(make_group(cpus=0.25).path)]
    return [make_group(cpus=1.5)], [*MOUNT_NAMESPACE, *over]


def assert_same_answer(file: Path, groups: list[Group], prefix: list[str]) -> str:
    """Take a snapshot and an answer in the same place; the file gives that answer here."""
    text = run(groups, *prefix, *kumo("snapshot"))
    answer = run(groups, *prefix, *kumo("--json"))
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    again = run([], *kumo("--json", "--machine", str(file)))
    assert json.loads(again) == json.loads(answer)
    return text


@pytest.mark.parametrize(
    "situation", [plain, with_burst, one_cpu, in_namespace, remounted, hidden, foreign]
)
def test_snapshot(make_group: MakeGroup, tmp_path: Path, situation: Situation) -> None:
    assert_same_answer(tmp_path / "machine.txt", *situation(make_group))


@pytest.mark.parametrize("name", STRANGE, ids=ascii)
def test_snapshot_in_a_cgroup_with_a_strange_name(
    make_group: MakeGroup, tmp_path: Path, name: str
) -> None:
    group = make_group(cpus=1.5, name=name)

    text = assert_same_answer(tmp_path / "machine.txt", [group], [])

    assert f"{name}/{quota_name(group.version)} --\n150000" in text


def test_snapshot_tells_nothing_of_others(make_group: MakeGroup, tmp_path: Path) -> None:
    group = make_group(cpus=1.5)
    beside = make_group(cpus=0.25)

    text = assert_same_answer(tmp_path / "machine.txt", [group], list(CGROUP_NAMESPACE))

    assert beside.path.name not in text
    assert str(os.getpid()) not in text.replace(group.path.name, "").split()
    assert {line for line in text.splitlines() if "memory" in line or "PATH" in line} == set()


def test_snapshot_of_another_process(make_group: MakeGroup, tmp_path: Path) -> None:
    group = make_group(cpus=1.5)
    script = '"$@" --pid $$ && "$@" snapshot --pid $$ && "$@" --json --pid $$'

    count, _, rest = run([group], "sh", "-c", script, "sh", *kumo()).partition("\n")
    text, _, answer = rest.rstrip("\n").rpartition("\n")
    (tmp_path / "machine.txt").write_text(text)

    again = run([], *kumo("--json", "--machine", str(tmp_path / "machine.txt")))
    assert (count, json.loads(again)) == ("1", json.loads(answer))
