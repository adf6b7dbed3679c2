"""Ray for real: one node in a cgroup with a quota."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from real.conftest import MakeGroup
from real.host import Group

from engines.venv import BIN, ask, empty, environment, free_port, need, slots

pytestmark = [pytest.mark.engines, pytest.mark.real]
# Its tokens are of the user's home, which the tests leave alone.
RAY = {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}


@pytest.fixture
def node(make_group: MakeGroup) -> Iterator[tuple[str, Group]]:
    """The address of a cluster of one node, and the node's cgroup with a quota of 1."""
    need("ray")
    group = make_group(cpus=1)
    place = Path(tempfile.mkdtemp(prefix="kr", dir="/tmp"))  # the path of a socket is short
    port = free_port()
    try:
        started = subprocess.run(
            [
                "sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', group.path,
                BIN / "ray", "start", "--head", f"--port={port}", f"--temp-dir={place}",
                "--include-dashboard=false", "--object-store-memory=100000000",
                "--min-worker-port=27700", "--max-worker-port=27800",
            ],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=180, check=False,
            cwd=place, env=environment(**RAY),
        )  # fmt: skip
        assert started.returncode == 0, started.stdout[-2000:]
        yield f"127.0.0.1:{port}", group
    finally:
        empty(group)
        shutil.rmtree(place, ignore_errors=True)


def test_believed_before_and_after_a_live_change(tmp_path: Path, node: tuple[str, Group]) -> None:
    address, _ = node
    cores = os.cpu_count()
    command = [BIN / "python", "-m", "kumo", "fleet", "ray", address, "--set"]
    for words in (["--dry-run"], []):  # the second shows that the first has changed nothing
        ran = subprocess.run(
            [*command, *words], capture_output=True, text=True, check=False, timeout=120,
            cwd=tmp_path, env=environment(**RAY),
        )  # fmt: skip
        assert f"{cores} -> 1" in ran.stdout, ran.stderr

    after = ask("ray", address, cwd=tmp_path, **RAY)

    assert slots(after) == [1]
    assert (after["groups"][0]["verdict"], after["groups"][0]["cpus"]) == ("fits", 1)
