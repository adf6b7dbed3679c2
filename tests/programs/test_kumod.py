"""A stand-in for kumod takes the count from ``kumo run`` where Rust's standard library errs."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from conftest import skip_real
from real.conftest import MakeGroup
from real.host import CGROUP_NAMESPACE, Group, kumo, needs_two_cpus, run

from programs.programs import SOURCES

pytestmark = pytest.mark.programs


@pytest.fixture(scope="module")
def kumod(tmp_path_factory: pytest.TempPathFactory) -> str:
    rustc = shutil.which("rustc")
    if rustc is None:
        skip_real("the stand-in for kumod needs rustc")
    program = tmp_path_factory.mktemp("kumod") / "kumod"
    subprocess.run([rustc, "-o", str(program), str(SOURCES / "kumod.rs")], check=True)
    return str(program)


def counts(groups: list[Group], prefix: list[str], command: list[str]) -> tuple[int, int]:
    """What *command* counts by itself, and under ``kumo run``."""
    alone = int(run(groups, *prefix, *command))
    return alone, int(run(groups, *prefix, *kumo("run", "--", *command)))


def test_under_a_plain_quota_both_agree(kumod: str, make_group: MakeGroup) -> None:
    assert counts([make_group(cpus=1.0)], [], [kumod]) == (1, 1)


def test_in_a_namespace_over_a_foreign_mount(kumod: str, make_group: MakeGroup) -> None:
    """Rust takes the path for one below the mount, which shows the hierarchy of outside."""
    alone, told = counts([make_group(cpus=1.0)], [*CGROUP_NAMESPACE], [kumod])

    assert (alone, told) == (len(os.sched_getaffinity(0)), 1)


def test_where_the_thread_that_asks_is_pinned(kumod: str) -> None:
    cpus = len(needs_two_cpus())

    assert counts([], [], [kumod, "pin"]) == (1, cpus)


def test_an_override_passes_through(kumod: str, monkeypatch: pytest.MonkeyPatch) -> None:
    command = ["env", "KUMO_AVAILABLE_PARALLELISM=7", *kumo("run", "--", kumod)]

    assert int(run([], *command)) == 7
