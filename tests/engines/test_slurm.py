"""Slurm for real: a controller and daemons in cgroups with quotas, asked by kumo fleet."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from real.conftest import MakeGroup

from engines.slurm import Cluster
from kumo._fleet.records import Fleet

pytestmark = [pytest.mark.engines, pytest.mark.real]
SECONDS = 180  # the limit of a wait that ends as soon as there is an answer
PACKAGE = Path(__file__).parents[2] / "src" / "kumo"
# In the daemon's own mount namespace: no Python that has kumo, or a kumo of another version.
WITHOUT_KUMO = f'mount -t tmpfs none "{sys.prefix}"; mount -t tmpfs none "{PACKAGE}"; exec "$@"'
OTHER_KUMO = f'mount --bind "$OTHER" "{PACKAGE}"; exec "$@"'


@pytest.fixture
def cluster(tmp_path: Path, make_group: MakeGroup) -> Iterator[Cluster]:
    """Nodes with a quota of 0.5, of 1, and none."""
    groups = {"n1": [make_group(cpus=0.5)], "n2": [make_group(cpus=1)], "n3": [make_group()]}
    made = Cluster(tmp_path, groups, cpus=2)
    try:
        yield made
    finally:
        made.stop()


def command(cluster: Cluster, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "kumo", "fleet", "slurm", *words],
        capture_output=True, text=True, check=False, env=cluster.environment, timeout=SECONDS,
    )  # fmt: skip


def asked(cluster: Cluster, monkeypatch: pytest.MonkeyPatch, *options: str) -> Fleet:
    import kumo.fleet

    monkeypatch.setenv("SLURM_CONF", cluster.environment["SLURM_CONF"])
    return kumo.fleet.gather("slurm", " ".join(options), timeout=SECONDS)


def test_believed_before_and_after_the_fix(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What people paste into slurm.conf counts the hardware, also in the quota of 0.5.
    ran = subprocess.run(
        ["slurmd", "-C"], capture_output=True, text=True, check=True, timeout=SECONDS
    )
    assert "CPUs=1 " not in ran.stdout
    before = asked(cluster, monkeypatch, "-w", "n1,n2")
    assert {(node.workers[0], node.slots) for node in before.nodes} >= {("n1", 2), ("n2", 2)}
    over = {place.nodes[0].workers[0]: (place.cpus, place.excess) for place in before.places}
    assert over == {"n1": (0.5, 1), "n2": (1, 1)}
    assert "CPUs=1" in before.places[0].fix

    # The fix: the line of slurm.conf that kumo names.
    conf = tmp_path / "slurm.conf"
    conf.write_text(conf.read_text().replace("CPUs=2", "CPUs=1"))
    cluster.restart()

    after = asked(cluster, monkeypatch, "-w", "n1,n2")
    assert {place.excess for place in after.places} == {0}
    assert [node.slots for node in after.nodes] == [1, 1]


def test_inside_an_allocation_and_its_hostfile(cluster: Cluster) -> None:
    fleet = f"{sys.executable} -m kumo fleet slurm --timeout {SECONDS}"
    script = f"{fleet} --json --hosts; echo $?; {fleet} --hostfile"

    ran = subprocess.run(
        ["salloc", "-Q", "-w", "n1,n2", "-N", "2", "-n", "4", "sh", "-c", script],
        capture_output=True, text=True, check=False, env=cluster.environment, timeout=2 * SECONDS,
    )  # fmt: skip

    report, code, *hostfile = ran.stdout.splitlines()
    data = json.loads(report)
    assert (data["nodes"], data["answered"], data["slots"], data["over"]) == (2, 2, 4, 2)
    assert code == "1"
    # Both nodes are on this host: 1 CPU each.
    assert [line.rpartition(" ")[2] for line in hostfile] == ["slots=2"]


def test_the_answers_of_others_count(tmp_path: Path, make_group: MakeGroup) -> None:
    """One that hangs, one without kumo, one with another version, one that is dead."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "__init__.py").write_text("__version__ = '9'")
    (other / "__main__.py").write_text("""print('{"schema": 7, "limits": []}')""")
    directory = tmp_path / "cluster"
    directory.mkdir()
    nodes = {"good": [make_group(cpus=1)]}
    nodes |= {name: [make_group()] for name in ("without", "other", "hangs", "dead")}
    wrapped = {"without": WITHOUT_KUMO, "other": OTHER_KUMO}
    cluster = Cluster(directory, nodes, cpus=2, wrapped=wrapped, OTHER=str(other))
    try:
        subprocess.run(
            ["scontrol", "update", "NodeName=dead", "State=DOWN", "Reason=test"],
            check=True, env=cluster.environment, timeout=SECONDS,
        )  # fmt: skip
        cluster.processes["hangs"].send_signal(signal.SIGSTOP)

        ran = command(cluster, "--json", "--timeout", "20")

        data = json.loads(ran.stdout)
        assert ran.returncode == 1
        assert [(group["workers"], group["excess"]) for group in data["groups"]] == [(["good"], 1)]
        reasons = {node["workers"][0]: node["reason"] for node in data["silent"]}
        assert set(reasons) == {"without", "other", "hangs", "dead"}
        assert "kumo is not installed there" in reasons["without"]
        assert reasons["other"].startswith("its kumo is newer: schema 7")
        assert reasons["hangs"].startswith("no answer within 20 s")
        assert reasons["dead"] == "Slurm has it as down"
    finally:
        cluster.processes["hangs"].send_signal(signal.SIGCONT)
        cluster.stop()
