"""What a program is told on schedulers and platforms, and what that costs those elsewhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from conftest import MACHINES as PATHS

import kumo
from kumo._detectors.build_farm import FARMS
from kumo._detectors.condor import parse_ad
from kumo._detectors.oar import in_cpuset
from kumo._override import VARIABLE
from kumo._snapshot import snapshot
from kumo._survey import ANNOUNCED, survey
from kumo._system.machine_file import Machine, read_machine

MACHINES = Path(__file__).parents[1] / "machines"
ANNOUNCING = {key for key in ANNOUNCED if key[0] != "!"}

# By the machine: where the grant was read, and what is said of it.
SAID = {
    "condor-slot": ("/var/lib/condor/execute/dir_4242/.machine.ad", "HTCondor: Cpus of slot1_3"),
    "flux-one-task": ("$FLUX_JOB_ID", "Flux: the job's cores are the affinity"),
    "flux-batch-script": ("$FLUX_ENCLOSING_ID", "Flux: the job's cores are the affinity"),
    "oar-lines-of-this-host": ("/var/lib/oar/4242", "OAR: the job's resources on n2.example.org"),
    "oar-cpuset-with-threads": ("$OAR_NODEFILE", "OAR: the job's cpuset is the affinity"),
    "fujitsu-vnode-core": ("$PJM_VNODE_CORE", "Fujitsu TCS: vnode-core of the job"),
    "fujitsu-whole-nodes": ("$PJM_PROC_BY_NODE", "Fujitsu TCS: processes a node, not cores"),
    "fujitsu-no-core-variables": ("$PJM_JOBID", "Fujitsu TCS: the job's cores are the affinity"),
    "cobalt-whole-nodes": ("$COBALT_JOBID", "Cobalt: whole nodes; the affinity counts"),
    "nomad-cores": ("$NOMAD_CPU_CORES", "Nomad: cores reserved for the task"),
    "nomad-megahertz": ("$NOMAD_CPU_LIMIT", "Nomad: MHz, a weight and no limit"),
    "lambda-512": ("$AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS Lambda: MB, one vCPU for each 1769"),
    "python-cpu-count-lower": ("$PYTHON_CPU_COUNT", "Python: the CPUs that it counts"),
    "python-x-cpu-count": ("-X cpu_count", "Python: the CPUs that it counts"),
}


def read(name: str) -> Machine:
    return Machine((MACHINES / f"{name}.txt").read_text("utf-8"))


@pytest.mark.parametrize("name", sorted(SAID))
def test_the_explanation_says_who_granted_it(name: str) -> None:
    where, words = SAID[name]

    lines = [line for line in str(survey(read(name))).splitlines()[1:] if f" {where} " in line]

    assert len(lines) == 1
    assert words in lines[0]


@pytest.mark.parametrize(
    ("name", "platform", "what_tells"),
    [
        ("fargate-quarter-vcpu", "Amazon ECS", "$ECS_CONTAINER_METADATA_URI_V4/task"),
        ("cloud-run-service", "Cloud Run", "gcloud run services describe"),
        ("cloud-run-job", "Cloud Run", "with `jobs`"),
        ("cloud-run-worker-pool", "Cloud Run", "`worker-pools`"),
        ("heroku-standard-1x", "Heroku", "heroku ps:type"),
        ("fly-shared-2x", "Fly.io", "steal in /proc/stat"),
        ("gvisor-real-under-quota", "gVisor", "on its host"),
        ("circleci-without-quota", "CircleCI", "resource_class"),
        ("azure-container-apps", "Azure Container Apps", "az containerapp show"),
        ("azure-container-apps-job", "Azure Container Apps", "az containerapp show"),
        ("railway-service", "Railway", "Resource Limits"),
        ("render-without-count", "Render", "instance type"),
        ("s390-lpar-limited", "a capped LPAR of IBM Z", "Hardware Management Console"),
        ("lambda-managed-instances", "Lambda Managed Instances", "capacity provider"),
    ],
)
def test_the_note_says_what_would_tell(name: str, platform: str, what_tells: str) -> None:
    notes = [note for note in survey(read(name)).notes if note.code == "platform-hides"]

    assert len(notes) == 1
    assert platform in notes[0].text
    assert what_tells in notes[0].text
    assert notes[0].errs == ("either" if platform == "gVisor" else "over")


@pytest.mark.parametrize(
    "name",
    [
        "android-python-3.13",
        "condor-slot",
        "ecs-66-task-level-v1",
        "flux-one-task",
        "flux-task-a-node",
        "github-actions-vm",
        "lambda-1769",
        "lambda-no-memory-size",
        "lambda-sam-local",
        "nomad-cores",
        "nomad-megahertz",
        "python-cpu-count-default",
        "python-cpu-count-empty",
        "python-x-cpu-count-default",
        "schedulers-empty-variables",
        "slurm-in-slurmds-service",
        "wsl2-processors",
    ],
)
def test_where_nothing_is_hidden_nothing_is_noted(name: str) -> None:
    assert survey(read(name)).notes == ()


def test_knative_is_not_taken_for_cloud_run() -> None:
    assert [note.code for note in survey(read("cloud-run-knative")).notes] == ["ancestors-hidden"]


@pytest.mark.parametrize(
    ("cgroup", "root", "hidden"),
    [
        ("0::/ecstasks.slice/ecstasks-0123.slice/docker-45.scope", "/", False),
        ("0::/ecstasks.slice/ecstasks-0123.slice/docker-45.scope",
         "/ecstasks.slice/ecstasks-0123.slice/docker-45.scope", True),
        ("0::/", "/", True),
        ("4:cpu:/ecs/0123/45", "/", False),
        ("4:cpu:/ecs/0123/45", "/ecs/0123/45", True),
        ("4:cpu:/docker/45", "/", True),
    ],
)  # fmt: skip
def test_a_tasks_limit_is_hidden_where_its_level_is(cgroup: str, root: str, hidden: bool) -> None:
    kind = "cgroup2 cgroup rw" if cgroup[0] == "0" else "cgroup cgroup rw,cpu"
    estimate = survey(
        Machine(
            f"-- !affinity --\n0-3\n-- $ECS_CONTAINER_METADATA_URI_V4 --\nhttp://x\n"
            f"-- /proc/self/cgroup --\n{cgroup}\n"
            f"-- /proc/self/mountinfo --\n30 25 0:30 {root} /sys/fs/cgroup rw - {kind}\n"
        )
    )

    assert ("platform-hides" in [note.code for note in estimate.notes]) is hidden


def test_names_in_an_ad_have_no_case_and_the_later_counts() -> None:
    ad = parse_ad('Name = "a = b"\nCPUS=2\n\nno assignment\ncpus = 4\nTotalCpus = 64.0\n')

    assert ad == {"name": '"a = b"', "cpus": "4", "totalcpus": "64.0"}


@pytest.mark.parametrize(
    ("line", "held"),
    [
        ("9:cpuset:/oar/anna_4242", True),
        ("0::/oar.slice/oar-u1000.slice", True),
        ("9:cpuset:/user.slice/oar", False),
        ("1:name=systemd:/system.slice/soar", False),
        ("", False),
    ],
)
def test_a_cgroup_of_oar(line: str, held: bool) -> None:
    assert in_cpuset(f"3:freezer:/\n{line}\n") is held


def test_a_snapshot_has_no_more_of_a_slot_than_its_cpus() -> None:
    text = snapshot(read("condor-slot"))

    assert ".machine.ad --\nCpus = 4\n-- " in text
    assert "example.org" not in text


ODD = ["", " ", "relative/path", "\u0664", "-1", "1" * 400, "\udcff"]
# Every variable that a machine file has, and those of the build farms.
NAMES = ANNOUNCING | {farm[1] for farm in FARMS}
NAMES |= {name[1:] for path in PATHS for name in read_machine(path).sections if name[0] == "$"}
NAMES -= {VARIABLE}


@pytest.mark.parametrize("key", sorted(ANNOUNCING))
@pytest.mark.parametrize("value", ODD)
def test_no_value_is_an_error(key: str, value: str) -> None:
    estimate = survey(Machine(f"-- !affinity --\n0-3\n-- ${key} --\n{value}\n"))

    assert 1 <= estimate.parallelism <= 4


@pytest.mark.parametrize("value", ODD)
def test_no_value_is_an_error_where_everything_is_announced(value: str) -> None:
    for key in NAMES:
        values = {**dict.fromkeys(NAMES, "1"), key: value}
        text = "".join(f"-- ${name} --\n{value}\n" for name, value in values.items())

        assert 1 <= survey(Machine(f"-- !affinity --\n0-3\n{text}")).parallelism <= 4


# --- this process


def ask(program: str, *options: str, arguments: Sequence[str] = (), **variables: str) -> list[str]:
    """What *program* prints in a fresh Python, with *variables* and no other that announces."""
    base = {k: v for k, v in os.environ.items() if k not in ANNOUNCING and k[:5] != "KUMO_"}
    done = subprocess.run(
        [sys.executable, *options, "-c", program, *arguments],
        env={**base, **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout.split("\n")[:-1]


def test_where_nothing_announces_them_no_detector_is_loaded_and_no_file_read() -> None:
    program = (
        "import sys, json\nfrom kumo._survey import survey, ANNOUNCED\n"
        "from kumo._system.live import LiveSystem\nsystem = LiveSystem()\nsurvey(system)\n"
        "print(json.dumps([sorted(system.asked), sorted(set(ANNOUNCED.values())),"
        " [name.rpartition('.')[2] for name in sys.modules if 'kumo._detectors.' in name]]))"
    )
    asked, announced, loaded = json.loads(ask(program)[0])

    assert {name[1:] for name in asked if name[0] == "$"} >= ANNOUNCING
    assert set(loaded) & set(announced) == set()
    assert {
        name for name in asked if name[0] == "/" and name[:5] not in ("/proc", "/sys/")
    } == set()


COUNT = "import kumo; print(kumo.available_parallelism(), kumo.estimate().binding.source)"


@pytest.mark.parametrize(
    ("options", "variables", "printed"),
    [
        ([], {"PYTHON_CPU_COUNT": "1"}, "1 python"),
        (["-X", "cpu_count=1"], {}, "1 python"),
        (["-X", "cpu_count=1"], {"PYTHON_CPU_COUNT": "9999"}, "1 python"),
    ],
)
def test_the_count_that_python_is_told(
    options: list[str], variables: dict[str, str], printed: str
) -> None:
    if len(ask("import os; [print(cpu) for cpu in os.sched_getaffinity(0)]")) < 2:
        pytest.skip("to be lowered, the count has to be 2")

    assert ask(COUNT, *options, **variables) == [printed]


@pytest.mark.parametrize("options", [["-E"], ["-X", "cpu_count=default"]])
def test_a_variable_that_python_ignores_is_ignored(options: list[str]) -> None:
    program = "import kumo; print([x.source for x in kumo.estimate().limits].count('python'))"

    assert ask(program, *options, PYTHON_CPU_COUNT="1") == ["0"]


@pytest.mark.skipif(sys.platform != "linux", reason="Android is a Linux")
def test_python_for_android_reads_what_linux_has() -> None:
    """From 3.13 on it calls its platform android."""
    program = (
        "import os, sys; sys.platform = 'android'; import kumo\n"
        "os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])\n"
        "sources = {limit.source for limit in kumo.estimate().limits}\n"
        "print(kumo.available_parallelism(), *sorted(sources & {'affinity', 'quota'}))"
    )

    (printed,) = ask(program)

    assert printed.startswith("1 affinity")
    quotas = [limit for limit in kumo.estimate().limits if limit.source == "quota"]
    assert ("quota" in printed) == bool(quotas)


FOLLOW = """
import os, sys
import kumo
from kumo._hot import count as _hot_count

name, value = sys.argv[1:]
for step in (None, value, None, value):
    os.environ.pop(name, None)
    if step is not None:
        os.environ[name] = step
    got = [kumo.available_parallelism() for _ in range(3)]
    assert got == [kumo.estimate().parallelism] * 3, (step, got)
    print(got[0], _hot_count._kept is not None)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="descriptors are kept on Linux")
@pytest.mark.parametrize(
    ("name", "lower", "beside"),
    [
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1000", {"AWS_LAMBDA_FUNCTION_NAME": "f"}),
        ("AWS_LAMBDA_FUNCTION_NAME", "f", {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1000"}),
        ("PYTHON_CPU_COUNT", "1", {}),
        ("NOMAD_CPU_CORES", "0", {"NOMAD_ALLOC_ID": "a"}),
        ("PJM_VNODE_CORE", "1", {}),
        ("FLUX_JOB_ID", "f2e", {}),
    ],
)
def test_the_hot_path_follows_a_variable(name: str, lower: str, beside: dict[str, str]) -> None:
    before, lowered, cleared, again = ask(FOLLOW, arguments=[name, lower], **beside)

    assert (before, lowered) == (cleared, again)
    assert before.split()[1] == lowered.split()[1]  # kept, where it is kept without the variable
    if name != "FLUX_JOB_ID":
        assert lowered.split()[0] == "1"


def test_nothing_is_asked_of_the_network() -> None:
    program = (
        "import sys\n"
        "def refuse(event, args):\n"
        "    assert not event.startswith(('socket', 'urllib', 'subprocess', 'os.exec')), event\n"
        "sys.addaudithook(refuse)\n"
        "import kumo; print(kumo.available_parallelism()); print(kumo.estimate())"
    )
    told = dict.fromkeys(ANNOUNCING, "x") | {
        "PYTHON_CPU_COUNT": "3",  # Python 3.13 does not start with another than a number
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "10240",
        "ECS_CONTAINER_METADATA_URI_V4": "http://169.254.170.2/v4/0123",
    }

    printed = ask(program, **told)

    assert any("Amazon ECS" in line for line in printed)
