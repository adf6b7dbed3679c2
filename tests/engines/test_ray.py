"""Ray for real: a cluster of two hosts in network namespaces, each in a cgroup with a quota."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from real.conftest import MakeGroup
from real.host import Group

from engines.venv import BIN, empty, environment, need

pytestmark = [pytest.mark.engines, pytest.mark.real]
# Its tokens are of the user's home, which the tests leave alone.
RAY = {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
PORT = "27699"
# To import Ray takes seconds, so that one process asks all questions: at last of a node that
# hangs, and then dies as soon as both are asked.
ASK = """
import json, os, signal, sys, time
from kumo._command.main import main
from kumo._fleet import ray
cluster, procs = sys.argv[1:]
for words in (["--set", "--dry-run"], ["--set"], ["--json"]):
    main(["fleet", "ray", cluster, "--timeout", "120", *words])
    print(end="\\f", flush=True)

def send(number):
    for pid in open(procs):
        os.kill(int(pid), number)

def show(text):
    if text == "asking 2 nodes" and dies:
        send(signal.SIGKILL)

for dies, timeout in ((False, 3), (True, 150)):
    send(signal.SIGSTOP)
    nodes = ray.ask(cluster, pressure=None, timeout=timeout, progress=show)
    print(json.dumps(sorted(node.reason or "" for node in nodes)), end="\\f", flush=True)
    if not dies:
        send(signal.SIGCONT)
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder with a short name, as the path of a socket has to be."""
    need("ray")
    with tempfile.TemporaryDirectory(prefix="kr", dir="/tmp", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def run_on(host: str, *words: object, place: Path) -> str:
    """Return the output of a program in a network namespace."""
    ran = subprocess.run(
        ["nsenter", f"--net=/run/netns/{host}", *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=400, check=False,
        cwd=place, env=environment(**RAY),
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout[-2000:]
    return ran.stdout


def start(host: str, group: Group, *options: str, place: Path) -> None:
    enter = ("sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', group.path)
    run_on(
        host, *enter, BIN / "ray", "start", *options, "--object-store-memory=100000000",
        "--min-worker-port=27700", "--max-worker-port=27800", place=place,
    )  # fmt: skip


def test_two_hosts_a_live_change_and_a_node_that_hangs_and_dies(
    place: Path, make_group: MakeGroup, hosts: list[tuple[str, str]]
) -> None:
    (head, address), (other, other_address) = hosts
    cores = os.cpu_count()
    groups = make_group(cpus=1), make_group(cpus=1)
    with ExitStack() as stack:
        for group in groups:
            stack.callback(empty, group)
        start(
            head, groups[0], "--head", f"--node-ip-address={address}", f"--port={PORT}",
            f"--temp-dir={place}", "--include-dashboard=false", place=place,
        )  # fmt: skip
        cluster = f"{address}:{PORT}"
        there = f"--node-ip-address={other_address}"
        start(other, groups[1], f"--address={cluster}", there, place=place)

        procs = groups[1].path / "cgroup.procs"
        tried, done, after, hangs, dies = run_on(
            head, BIN / "python", "-c", ASK, cluster, procs, place=place
        ).split("\f")[:5]  # fmt: skip

    for changes in (tried, done):  # the second shows that the first has changed nothing
        assert changes.count(f"{cores} -> 1") == 2, changes
    fleet = json.loads(after[after.index("{") :])
    assert (fleet["nodes"], fleet["answered"], fleet["over"]) == (2, 2, 0)
    assert {group["verdict"] for group in fleet["groups"]} == {"fits"}
    # Both hosts are of one kernel here, which at 2 CPUs is the limit that they share.
    assert sum(group["slots"] * len(group["hosts"]) for group in fleet["groups"]) == 2
    assert json.loads(hangs.strip().splitlines()[-1]) == ["", "no answer in 3 seconds"]
    answered, reason = json.loads(dies.strip().splitlines()[-1])
    assert answered == ""
    assert reason not in ("", "no answer in 150 seconds")
