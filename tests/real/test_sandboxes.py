"""What gVisor and lxcfs show a process, from their Debian packages."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import skip_real

from real.conftest import MakeGroup
from real.host import TIMEOUT, Group, codes, kumo, needs, needs_two_cpus, run

pytestmark = pytest.mark.real

VIEW = "sys/devices/system/cpu/online"
# A PID namespace: lxcfs answers by the cgroups of its first process.
CONTAINER = ("unshare", "--mount", "--pid", "--fork", "--mount-proc")


def needs_program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        skip_real(f"{name} is not installed (apt-get install {name})")
    return path


def test_gvisor_hides_the_quota_and_the_note_says_so(make_group: MakeGroup) -> None:
    needs("cpu")
    runsc = needs_program("runsc")
    inside = [runsc, "--platform=ptrace", "--network=none", "do", *kumo("--json")]

    answer = json.loads(run([make_group(cpus=1)], *inside))

    assert "platform-hides" in codes(answer)
    assert answer["quota"] is None
    assert answer["parallelism"] == len(os.sched_getaffinity(0))


WATCHED = """
import os, kumo
cpus = sorted(os.sched_getaffinity(0))
with kumo.watch(settle=0) as watch:
    for count in (1, 2, 1):
        os.sched_setaffinity(0, cpus[:count])
        print(next(watch).new.parallelism, watch.how)
"""


def test_in_gvisor_a_watch_reads(make_group: MakeGroup) -> None:
    """Its inotify reports no write from outside."""
    needs("cpu")
    runsc = needs_program("runsc")
    inside = [runsc, "--platform=ptrace", "--network=none", "do", sys.executable, "-c", WATCHED]

    assert run([make_group()], *inside) == "1 readings\n2 readings\n1 readings\n"


@pytest.fixture
def view(tmp_path: Path) -> Iterator[Path]:
    """lxcfs with ``--enable-cfs``, which renumbers, and the list of CPUs on line that it shows."""
    needs("cpu")
    lxcfs = needs_program("lxcfs")
    if not os.access("/dev/fuse", os.W_OK):
        skip_real("/dev/fuse is not writable")
    point = tmp_path / "lxcfs"
    point.mkdir()
    pid = tmp_path / "pid"
    daemon = subprocess.Popen(
        [lxcfs, "--foreground", "--enable-cfs", "--pidfile", str(pid), str(point)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + TIMEOUT
        while not (point / VIEW).exists():
            assert daemon.poll() is None, "lxcfs has ended"
            assert time.monotonic() < deadline, "lxcfs shows nothing"
            time.sleep(0.02)
        yield point / VIEW
    finally:
        daemon.terminate()
        daemon.wait(TIMEOUT)


def inside(view: Path, *groups: Group) -> dict[str, Any]:
    """What kumo says in a container in *groups* that lxcfs shows its CPUs to."""
    script = f'mount --bind "$0" /{VIEW} && exec "$@"'
    answer = run(groups, *CONTAINER, "sh", "-c", script, str(view), *kumo("--json"))
    estimate: dict[str, Any] = json.loads(answer)
    return estimate


def test_lxcfs_renumbers_the_cpus_of_a_cpuset(make_group: MakeGroup, view: Path) -> None:
    last = needs_two_cpus()[-1]
    group = make_group(controller="cpuset")
    group.write("cpuset.mems", (group.path.parent / "cpuset.mems").read_text().strip())
    group.write("cpuset.cpus", last)

    answer = inside(view, group)

    shown = {limit["source"]: limit["text"] for limit in answer["limits"]}
    assert (shown["affinity"], shown["online"]) == (str(last), "0")
    assert answer["parallelism"] == 1
