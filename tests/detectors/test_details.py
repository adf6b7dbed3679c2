"""Records that no machine file shows: what is added to those of a plain machine, word by word."""

from __future__ import annotations

import pytest

from detectors.evidence import lines_of
from kumo._detectors import pbs, rctl
from kumo._records import Limit
from kumo._survey import ELSEWHERE, _detectors, survey
from kumo._system.machine_file import Machine

PLAIN = "-- !platform --\nlinux\n-- !affinity --\n0-3\n-- !hostname --\nh1\n"


def lines(text: str) -> list[str]:
    return [line.strip() for line, _ in lines_of(survey(Machine(text)))]


@pytest.mark.parametrize(
    ("text", "added"),
    [
        pytest.param(
            "-- $ECS_CONTAINER_METADATA_URI_V4 --\nhttp://x\n-- /proc/self/cgroup (EACCES) --\n",
            [
                "note platform-hides over platform='Amazon ECS' what=\"the task's CPU limit\" "
                "place='Limits.CPU of $ECS_CONTAINER_METADATA_URI_V4/task' differs='is less'",
                "note unreadable over where='/proc/self/cgroup' error='EACCES'",
            ],
            id="a task whose cgroup cannot be read",
        ),
        pytest.param(
            "-- $LSB_JOBID --\n7\n-- $LSB_HOSTS --\nh1 h1\n"
            "-- $LSB_AFFINITY_HOSTFILE --\n/aff\n-- /aff (EACCES) --\n",
            [
                "lsf allocation 2 '$LSB_HOSTS' | '2 (LSF: slots of job 7 on h1)'",
                "note unreadable over where=\"The file that LSF's $LSB_AFFINITY_HOSTFILE names, "
                "/aff,\" error='EACCES'",
            ],
            id="LSF's file of CPUs cannot be read",
        ),
        pytest.param(
            "-- !policy --\nSCHED_FIFO\n-- /proc/self/cgroup (EACCES) --\n",
            ["note real-time over policy='SCHED_FIFO' quota='a quota that cannot be read here'"],
            id="a real-time policy, and no quota is known",
        ),
        pytest.param(
            "-- $SLURM_JOB_ID --\n7\n-- $SLURM_JOB_NODELIST --\nh1\n",
            [],
            id="a shell of salloc without a count",
        ),
        pytest.param(
            "-- $SLURM_JOB_CPUS_PER_NODE --\n4\n-- $SLURM_JOB_NODELIST --\nh1\n",
            ["slurm allocation 4 '$SLURM_JOB_CPUS_PER_NODE' | '4 (Slurm: job ? on this node)'"],
            id="a job without a number",
        ),
        pytest.param("-- $KUMO_VIEW_CPUS --\n1\n", ["note view no cpus='1 CPU'"], id="a view of 1"),
        pytest.param(
            "-- $KUMO_VIEW_CPUS --\n2\n", ["note view no cpus='2 CPUs'"], id="a view of 2"
        ),
        pytest.param(
            "-- $NIX_BUILD_TOP --\n/b\n-- $CONDA_BUILD --\n1\n-- $CPU_COUNT --\n3\n",
            ["build allocation 3 '$CPU_COUNT' | '3 (conda-build: CPUs of a build)'"],
            id="two build farms, the first without a count",
        ),
        pytest.param(
            "-- $NIX_BUILD_TOP --\n/b\n-- $NIX_BUILD_CORES --\nx\n"
            "-- $CONDA_BUILD --\n1\n-- $CPU_COUNT --\n3\n",
            [
                "build allocation 3 '$CPU_COUNT' | '3 (conda-build: CPUs of a build)'",
                "note malformed either where='$NIX_BUILD_CORES' text=\"'x'\" "
                "form='a positive decimal integer' "
                "step='Correct it, or unset it.'",
            ],
            id="two build farms, the first with a malformed count",
        ),
    ],
)
def test_what_is_added(text: str, added: list[str]) -> None:
    plain = lines(PLAIN)

    assert [line for line in lines(PLAIN + text) if line not in plain] == added


@pytest.mark.parametrize(
    ("platform", "modules"),
    [
        ("linux", ["override", "slurm", "cgroup_quota", "affinity", "machine"]),
        ("win32", ["override", "slurm", *ELSEWHERE, "affinity", "machine"]),
    ],
)
def test_each_system_has_its_detectors_from_the_narrowest_scope(
    platform: str, modules: list[str]
) -> None:
    system = Machine(
        f"-- !platform --\n{platform}\n-- $SLURM_JOB_ID --\n7\n"
        "-- $KUMO_AVAILABLE_PARALLELISM --\n4\n"
    )

    assert [
        each.__module__.rpartition(".")[2] for each in _detectors(system, notes=True)
    ] == modules


@pytest.mark.parametrize(
    ("membership", "held"),
    [
        ("4:cpuset:/pbspro.service/jobid/77.pbs1", True),
        ("1:name=systemd:/\n0::/pbs_jobs.service/jobid/77.pbs1", True),
        ("4:cpuset:/pbspro.service/jobid/78.pbs1", False),
        ("4:cpuset:/pbs jobs/77.pbs1", True),
        ("4:cpuset:/pbs:jobs/77.pbs1", True),
        ("4:cpuset:/pbspro.slice/pbspro-77.pbs1.slice", True),
        ("4:cpuset:/pbspro.slice/pbspro-77\\x2epbs1.slice", True),
        ("4:cpuset:/pbspro.slice/pbspro-77\\x2Epbs1.slice", True),
        ("4:cpuset:/pbspro.slice/pbspro-77\\xzzpbs1.slice", False),
        ("4:cpuset:/pbspro.slice/pbspro-77.pbs1\\x2.slice", False),
        ("4:cpuset:/pbspro.slice/77.pbs1.slice", False),
        ("0::/user.slice/77.pbs1", False),
        ("4:cpuset:/pbspro.service/jobid/77.pbs1.old", False),
        ("", False),
    ],
)
def test_only_the_jobs_own_cgroup_is_in_it(membership: str, held: bool) -> None:
    assert pbs.in_cpuset(membership, "77.pbs1") is held
    assert not pbs.in_cpuset(membership, "")


def test_rules_after_a_malformed_one_count_too() -> None:
    machine = Machine(f"-- !{rctl.CALL} --\nx,jail:j:pcpu:deny=150\n")

    records = list(rctl.detect(machine))

    assert [record.cpus for record in records if isinstance(record, Limit)] == [1.5]
    assert len(records) == 2
