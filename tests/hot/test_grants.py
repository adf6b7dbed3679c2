"""A scheduler's variables in a running process: found at the next call, and cheap to look for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import skip_real

from kumo._survey import ANNOUNCED

PROGRAM = """
import os
import kumo
from kumo._hot import count as _hot_count

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
    ("Grid Engine", {"JOB_ID": "7", "NSLOTS": "1", "NHOSTS": "1", "HOSTNAME": host}),
    ("an empty one", {"NSLOTS": "", "SLURM_JOB_ID": ""}),
    ("another's number", {"NSLOTS": "1", "JOB_ID": None}),
]
for name in [n for n in os.environ if n.startswith(("SLURM", "PBS_", "LSB_")) or n == "NSLOTS"]:
    del os.environ[name]
for step, variables in steps:
    for name, value in variables.items():
        os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)
    first = kumo.available_parallelism()  # what was kept before may not answer
    kept, again = _hot_count._kept, kumo.available_parallelism()
    print(step, first, again, kumo.estimate().parallelism, kept is not None, kept is _hot_count._kept,
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
    assert len(steps) == 9
    for step, (first, again, estimate, *_) in steps.items():
        assert (first, again) == (estimate, estimate), step


def test_a_grant_binds_and_ends(steps: dict[str, list[str]]) -> None:
    free = steps["nothing"][0]

    assert steps["a job"][0] == steps["another grant"][0] == steps["Grid Engine"][0] == "1"
    for step in ("a malformed one", "another host's", "the job's end", "an empty one"):
        assert steps[step][0] == free, step


def test_descriptors_are_kept_in_a_job_too(steps: dict[str, list[str]]) -> None:
    if steps["nothing"][3] != "True":
        skip_real("nothing can be kept on this machine")
    assert {
        step: kept for step, (*_, kept, same) in steps.items() if (kept, same) != ("True",) * 2
    } == {}


def run(program: str, **variables: str) -> list[str]:
    """What *program* prints, in a job of *variables* alone, of Linux."""
    if sys.platform != "linux":
        skip_real("not Linux")
    environment = {n: v for n, v in os.environ.items() if n not in ANNOUNCED} | variables
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.splitlines()


JOB = {"JOB_ID": "7", "NSLOTS": "1", "NHOSTS": "1"}


def test_a_list_of_hosts_is_read_at_every_call(tmp_path: Path) -> None:
    """It may change without notice; as long as it does not, descriptors are kept."""
    path = tmp_path / "pe_hostfile"
    program = f"""
import os, kumo
from kumo._hot import count as _hot_count
path, host = {str(path)!r}, os.uname().nodename
for slots in (1, 1024, 1, None, 1, ""):
    if slots is None:
        os.unlink(path)
    else:
        with open(path, "w") as file:
            file.write(f"{{host}} {{slots}} all.q@{{host}} UNDEFINED\\n")
    first, kept = kumo.available_parallelism(), _hot_count._kept
    again = kumo.available_parallelism()
    print(first, again, kumo.estimate().parallelism, kept is not None and kept is _hot_count._kept)
"""
    free, *_ = run("import kumo; print(kumo.available_parallelism(), 1)")
    lines = [line.split() for line in run(program, **JOB, PE_HOSTFILE=str(path))]
    most = free.split()[0]

    assert [line[0] for line in lines] == ["1", most, "1", most, "1", most]
    assert all(first == again == estimate for first, again, estimate, _ in lines)
    if "True" not in run(KEPT):
        skip_real("nothing can be kept on this machine")
    assert {kept for *_, kept in lines} == {"True"}


KEPT = """
import kumo
from kumo._hot import count as _hot_count
kumo.available_parallelism()
print(_hot_count._kept is not None)
"""


def test_a_list_that_may_not_be_read_any_more(tmp_path: Path) -> None:
    path = tmp_path / "nodes"
    path.write_text("")
    program = f"""
import os, kumo
path = {str(path)!r}
print(kumo.available_parallelism() == kumo.estimate().parallelism)
os.unlink(path)
os.mkfifo(path)
print(kumo.available_parallelism() == kumo.estimate().parallelism)
codes = {{note.code for note in kumo.estimate().notes}}
print(*sorted(codes & {{"malformed", "grant-left-out"}}))
"""
    assert run(program, PBS_JOBID="7", NCPUS="1", PBS_NODEFILE=str(path)) == [
        *("True", "True"),
        "grant-left-out malformed",
    ]


NAMING = {
    "PE_HOSTFILE": JOB,
    "PBS_NODEFILE": {"PBS_JOBID": "7", "NCPUS": "1"},
    "_CONDOR_MACHINE_AD": {},
    "LSB_AFFINITY_HOSTFILE": {"LSB_JOBID": "7", "LSB_HOSTS": "not-this-host"},
    "OAR_NODEFILE": {},
    "PJM_O_NODEINF": {"PJM_VNODE_CORE": "1"},
}


@pytest.mark.parametrize("name", NAMING)
@pytest.mark.parametrize("kind", ["pipe", "device", "directory", "too large"])
def test_what_is_no_list_is_neither_waited_for_nor_read(
    name: str, kind: str, tmp_path: Path
) -> None:
    path = tmp_path / "list"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "too large":
        path.touch()
        os.truncate(path, 2**24 + 1)
    elif kind == "directory":
        path.mkdir()
    shown = "/dev/zero" if kind == "device" else str(path)
    program = (
        "import kumo\nfor _ in range(2): kumo.available_parallelism()\n"
        "print(*[note.text for note in kumo.estimate().notes], sep='\\n')"
    )

    told = run(program, **{**NAMING[name], name: shown})

    assert any(f"${name} is '{shown[:60]}" in line and "regular file" in line for line in told)


def test_a_mask_that_widens_with_cores_of_another_host() -> None:
    program = """
import os, kumo
cpus = sorted(os.sched_getaffinity(0))[:2]
os.environ.update(NOMAD_ALLOC_ID="x", NOMAD_CPU_CORES=str(cpus[-1]))
for mask in (cpus[-1:], cpus[:1], cpus, cpus[:1], cpus[-1:]):
    os.sched_setaffinity(0, mask)
    estimate = kumo.estimate()
    print(kumo.available_parallelism() == estimate.parallelism)
    print(kumo.available_parallelism() == estimate.parallelism)
    for note in estimate.notes:
        if note.code == "grant-left-out":
            print(mask == cpus[:1])
"""
    assert set(run(program)) == {"True"}


def test_empty_variables_cost_no_survey() -> None:
    program = (
        "import kumo\nfrom kumo._hot import count as _hot_count\nkumo.available_parallelism()\n"
        + (
            "kept = _hot_count._kept\nkumo.available_parallelism()\n"
            "print(kept is _hot_count._kept is not None)\n"
            "print(*[x.source for x in kumo.estimate().limits if x.kind == 'allocation'])\n"
        )
    )
    empty = dict.fromkeys((name for name in ANNOUNCED if name[0] != "!"), "")

    if run(KEPT) != ["True"]:
        skip_real("nothing can be kept on this machine")
    assert run(program, **empty) == ["True", ""]
