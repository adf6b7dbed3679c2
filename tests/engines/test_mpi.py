"""Open MPI for real: mpirun to several hosts, which are this one in cgroups with quotas."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import skip_real
from real.conftest import MakeGroup

import kumo.fleet
from engines.slurm import wait_empty

pytestmark = [pytest.mark.engines, pytest.mark.real]
AGENT = Path(__file__).with_name("agent.sh")


@pytest.fixture(autouse=True)
def hosts(tmp_path: Path, make_group: MakeGroup, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The hosts half and one, with a quota of 0.5 and of 1, and free."""
    if shutil.which("mpirun") is None:
        skip_real("there is no mpirun: tests/engines/install.sh")
    groups = {"half": make_group(cpus=0.5), "one": make_group(cpus=1)}
    for host, group in groups.items():
        (tmp_path / host).symlink_to(group.path)
    for name, value in {
        "KUMO_GROUPS": str(tmp_path),
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "OMPI_MCA_plm_rsh_agent": str(AGENT),
        "OMPI_MCA_oob_tcp_if_include": "lo",
    }.items():
        monkeypatch.setenv(name, value)
    yield
    for group in groups.values():
        wait_empty(group)


def ranks(*options: str) -> int:
    """How many ranks mpirun starts."""
    ran = subprocess.run(
        ["mpirun", *options, "--bind-to", "none", "echo", "rank"],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return ran.stdout.count("rank")


def test_believed_before_and_after_the_fix(tmp_path: Path, make_group: MakeGroup) -> None:
    # mpirun itself in a quota of 1 still starts a rank for each core.
    inside = ["sh", "-c", 'echo $$ > "$0/cgroup.procs"; exec "$@"', str(make_group(cpus=1).path)]
    ran = subprocess.run(
        [*inside, sys.executable, "-m", "kumo", "fleet", "mpi", "--hostfile", "--timeout", "120"],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    cores = len(os.sched_getaffinity(0))
    if ranks() == cores:  # it counts cores, not their threads
        assert ran.returncode == 1
    assert ran.stdout.endswith(" slots=1\n")

    hostfile = tmp_path / "hosts"
    hostfile.write_text("half slots=2\none slots=2  # a comment\n")
    before = kumo.fleet.gather("mpi", f"--hostfile {hostfile}", timeout=120)
    assert {node.host: node.slots for node in before.nodes} == {"half": 2, "one": 2}
    assert [(place.excess, place.fix) for place in before.places] == [
        (1, "hostfile: half slots=1"), (1, "hostfile: one slots=1"),
    ]  # fmt: skip

    hostfile.write_text("half slots=1\none slots=1\n")
    after = kumo.fleet.gather("mpi", f"--hostfile {hostfile}", timeout=120)
    assert {place.excess for place in after.places} == {0}
    assert len(after.nodes) == 2
    assert ranks("--hostfile", str(hostfile)) == 2


def test_a_dead_host_does_not_silence_the_others() -> None:
    fleet = kumo.fleet.gather("mpi", "--host half:2,dead:2,one:1")

    assert {node.host: node.slots for node in fleet.nodes if node.estimate} == {
        "half": 2, "one": 1,
    }  # fmt: skip
    (dead,) = fleet.silent
    assert dead.host == "dead"
    assert dead.reason


def test_an_mpirun_that_refuses_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMPI_ALLOW_RUN_AS_ROOT")

    with pytest.raises(RuntimeError, match=r"mpirun: .*root"):
        kumo.fleet.gather("mpi")
