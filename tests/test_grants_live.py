"""A scheduler's variables in a running process: found at the next call, and cheap to look for."""

from __future__ import annotations

import subprocess
import sys

import pytest
from conftest import skip_real

PROGRAM = """
import os
import kumo
from kumo import _live

host = os.uname().nodename
job = {"SLURM_JOB_ID": "7", "SLURMD_NODENAME": host, "SLURM_CPUS_ON_NODE": "1"}
elsewhere = {"SLURMD_NODENAME": "not-" + host}
steps = [
    ("nothing", {}),
    ("a job", job),
    ("another grant", {"SLURM_CPUS_PER_TASK": "1", "SLURM_CPUS_ON_NODE": "1024"}),
    ("a malformed one", {"SLURM_CPUS_PER_TASK": "one"}),
    ("another host's", elsewhere),
    ("the job's end", dict.fromkeys([*job, "SLURM_CPUS_PER_TASK"])),
    ("Grid Engine", {"NSLOTS": "1", "NHOSTS": "1", "HOSTNAME": host}),
    ("its end", {"NSLOTS": None}),
]
for name in [n for n in os.environ if n.startswith(("SLURM", "PBS_", "LSB_")) or n == "NSLOTS"]:
    del os.environ[name]
for step, variables in steps:
    for name, value in variables.items():
        os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)
    first = kumo.available_parallelism()  # what was kept before may not answer
    kept, again = _live._kept, kumo.available_parallelism()
    print(step, first, again, kumo.estimate().parallelism, kept is not None, kept is _live._kept,
          sep=",")
"""


@pytest.fixture(scope="module")
def steps() -> dict[str, list[str]]:
    if sys.platform != "linux":
        skip_real("not Linux")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60
    )
    return {line.partition(",")[0]: line.split(",")[1:] for line in done.stdout.splitlines()}


def test_the_next_call_says_what_an_estimate_says(steps: dict[str, list[str]]) -> None:
    assert len(steps) == 8
    for step, (first, again, estimate, *_) in steps.items():
        assert (first, again) == (estimate, estimate), step


def test_a_grant_binds_and_ends(steps: dict[str, list[str]]) -> None:
    free = steps["nothing"][0]

    assert steps["a job"][0] == steps["another grant"][0] == steps["Grid Engine"][0] == "1"
    for step in ("a malformed one", "another host's", "the job's end", "its end"):
        assert steps[step][0] == free, step


def test_descriptors_are_kept_in_a_job_too(steps: dict[str, list[str]]) -> None:
    if steps["nothing"][3] != "True":
        skip_real("nothing can be kept on this machine")
    assert {
        step: kept for step, (*_, kept, same) in steps.items() if (kept, same) != ("True",) * 2
    } == {}


def test_a_list_of_hosts_is_read_at_every_call(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A file that is not the kernel's is not kept: it may change without notice."""
    if sys.platform != "linux":
        skip_real("not Linux")
    path = tmp_path_factory.mktemp("spool") / "pe_hostfile"
    program = f"""
import os, kumo
from kumo import _live
path, host = {str(path)!r}, os.uname().nodename
os.environ.update(NSLOTS="1", NHOSTS="1", PE_HOSTFILE=path)
for slots in (1, 1024, 1):
    with open(path, "w") as file:
        file.write(f"{{host}} {{slots}} all.q@{{host}} UNDEFINED\\n")
    print(kumo.available_parallelism(), kumo.estimate().parallelism, _live._kept is None)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    one, many, again = [line.split() for line in done.stdout.splitlines()]

    assert one == again == ["1", "1", "True"]
    assert many[0] == many[1]
    assert many[2] == "True"
