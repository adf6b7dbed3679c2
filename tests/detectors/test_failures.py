"""Sources that cannot be read or are not in the form: a note names them, and the rest counts."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

import pytest

from detectors.evidence import lines_of
from kumo._detectors._grants import parse_count
from kumo._detectors._slurm_format import NODES, parse_counts, parse_nodelist
from kumo._detectors.build_farm import parse_makeopts, parse_options
from kumo._detectors.cpu_cap import parse_cap
from kumo._detectors.grid_engine import parse_hostfile
from kumo._detectors.hypervisor import is_limited, parse_lparcfg
from kumo._detectors.job_object import parse_rate
from kumo._detectors.lpar import parse_partition
from kumo._detectors.lsf import parse_affinity, parse_hosts
from kumo._detectors.native_affinity import parse_sets
from kumo._detectors.performance_levels import parse_levels
from kumo._detectors.rctl import parse_rule
from kumo._survey import survey
from kumo._system.machine_file import Machine

RATE = "none, weight N, soft_cap N, hard_cap N or min_max N N, with a rate of 1 to 10000"
SET = "a line such as process 0-7"
# By the call: what it never answers, and the form that the note asks for.
CALLS = {
    "QueryInformationJobObject": ("hard_cap 0", RATE),
    "GetProcessAffinityMask": ("process x", SET),
    "GetProcessDefaultCpuSetMasks": ("x", "a list of CPUs such as 0-3"),
    "EfficiencyClass": ("Efficiency", "lines such as Performance 8"),
    "rctl_get_limits": ("jail:j:pcpu:deny=x", "rules such as jail:www:pcpu:deny=250"),
    "cpuset_getaffinity": ("thread 0", SET),
    "sched_getaffinity_np": ("process 0\nprocessor 1", SET),
    "getrctl": ("zone.cpu-cap 1.5", "a cap such as zone.cpu-cap 125"),
    "pset_info": ("0-3", SET),
    "hw.perflevel": ("Performance x", "lines such as Performance 8"),
    "lpar_get_info": (
        "mode=Capped",
        "mode=Capped or Uncapped, ent=, vcpu= and lcpu= with their numbers",
    ),
    "ra_getrset": ("0", "the number of processors in the set"),
}


def details(text: str, scope: Any = "process") -> list[str]:
    return [line.strip() for line, _ in lines_of(survey(Machine(text, scope)))]


def elsewhere(section: str) -> str:
    return f"-- !platform --\nother\n-- !cpus --\n8\n{section}"


@pytest.mark.parametrize("call", CALLS)
def test_a_call_that_fails_is_named(call: str) -> None:
    lines = details(elsewhere(f"-- !{call} (EPERM) --\n"))

    assert lines == [
        "online set 8 'os.cpu_count' | '8'",
        f"note unreadable over where='{call}' error='EPERM'",
    ]


@pytest.mark.parametrize("call", CALLS)
def test_what_a_call_never_answers_is_named(call: str) -> None:
    text, form = CALLS[call]

    online, *lines = details(elsewhere(f"-- !{call} --\n{text}\n"))

    assert online == "online set 8 'os.cpu_count' | '8'"
    assert [line for line in lines if line != "note job-parents-hidden over"] == [
        f"note malformed either where={call!r} text={ascii(text)!a} form={form!r} "
        "step='Report it with the output of `kumo snapshot`.'"
    ]


@pytest.mark.parametrize("call", CALLS)
def test_an_empty_answer_is_no_limit(call: str) -> None:
    """Of some calls it is none of their answers, and of others it stands for no limit."""
    expected = ["GetProcessAffinityMask", "QueryInformationJobObject", "cpuset_getaffinity"]
    expected += ["lpar_get_info", "pset_info", "ra_getrset", "sched_getaffinity_np"]

    online, *found = details(elsewhere(f"-- !{call} --\n\n"))

    assert online == "online set 8 'os.cpu_count' | '8'"
    assert [line for line in found if line != "note job-parents-hidden over"] == [
        f"note malformed either where={name!r} text=\"''\" form={CALLS[name][1]!r} "
        "step='Report it with the output of `kumo snapshot`.'"
        for name in expected
        if name == call
    ]


@pytest.mark.parametrize("call", ["rctl_get_limits", "getrctl"])
def test_of_several_limits_the_malformed_one_is_left_out_alone(call: str) -> None:
    text = {
        "rctl_get_limits": "x,jail:j:pcpu:deny=150,y",
        "getrctl": "x\nzone.cpu-cap 150\ny",
    }[call]

    counted = survey(Machine(elsewhere(f"-- !{call} --\n{text}\n")))

    assert counted.cpus == 1.5
    assert ["'x'" in note.text for note in counted.notes] == [True]


# --- the environment of another process, its cgroups


def test_an_environment_that_is_closed_is_noted_once() -> None:
    """And nothing is taken for set, so that the machine's own count stays."""
    closed = [
        f"-- ${name} (EACCES) --\n" for name in ("KUMO_AVAILABLE_PARALLELISM", "KUMO_VIEW_CPUS")
    ]
    machine = "-- !affinity --\n0-3\n-- /sys/devices/system/cpu/online --\n0-3\n"
    behind = "-- /sys/devices/system/cpu/present --\n0-7\n-- /sys/devices/system/cpu/offline --\n\n"

    open_, lines = details(machine), details(machine + behind + "".join(closed))

    assert [line for line in lines if line not in open_] == [
        "note unreadable over where='$KUMO_AVAILABLE_PARALLELISM' error='EACCES'"
    ]
    assert "online set 4 '/sys/devices/system/cpu/online' | '0-3'" in lines


JOBS = {
    "Slurm": {
        "SLURM_JOB_ID": "7", "SLURMD_NODENAME": "n2", "SLURM_CPUS_PER_TASK": "4",
        "SLURM_CPUS_ON_NODE": "8",
    },
    "Slurm, a task": {
        "SLURM_JOB_ID": "7", "SLURMD_NODENAME": "n2", "SLURM_CPUS_PER_TASK": "4",
        "SLURM_CPUS_ON_NODE": "8", "SLURM_STEP_TASKS_PER_NODE": "1", "SLURM_TASKS_PER_NODE": "1",
        "SLURM_NODEID": "0",
    },
    "OAR": {"OAR_NODEFILE": "/list"},
    "PBS": {"PBS_JOBID": "7.s", "NCPUS": "4", "PBS_NODEFILE": "/list"},
}  # fmt: skip


@pytest.mark.parametrize("job", JOBS)
def test_a_grant_is_the_same_if_the_cgroup_and_the_mask_cannot_be_read(job: str) -> None:
    text = "-- !hostname --\nn2\n-- /list --\nn2\nn2\nn2\nn2\n-- /proc/self/status --\nx\n"
    text += "".join(f"-- ${name} --\n{value}\n" for name, value in JOBS[job].items())
    closed = "-- /proc/self/cgroup (EACCES) --\n-- !affinity (EPERM) --\n"
    malformed = "-- /proc/self/cgroup --\nx\n-- !affinity --\nx\n"
    own = ("slurm", "oar", "pbs", "note grant", "note step")

    readable = [line for line in details(f"{text}-- !affinity --\n0-7\n") if line.startswith(own)]
    for unknown in (closed, malformed):
        assert [line for line in details(text + unknown) if line.startswith(own)] == readable
    assert readable


# --- texts, by their parser


@pytest.mark.parametrize(
    ("text", "jobs"),
    [
        ("", None),
        ("-O2 --load-average=4", None),
        ("-j4", "4"),
        ("-j 4", "4"),
        ("-O2 -j 12 -s", "12"),
        ("--jobs=4", "4"),
        ("--jobs 16", "16"),
        ("--jobs 16 -l 8", "16"),
        ("-j", ""),
        ("-j -s", ""),
        ("--jobs", ""),
        ("--jobs=", ""),
        ("-s -j", ""),
        ("-j2 --jobs=8", "8"),
        ("-j8 -j", ""),
        ("-jx", "x"),
    ],
)
def test_the_jobs_of_make(text: str, jobs: str | None) -> None:
    assert parse_makeopts(text) == jobs


@pytest.mark.parametrize(
    ("text", "jobs"),
    [
        ("", None),
        ("nocheck", None),
        ("parallel=4", "4"),
        ("nocheck parallel=4 noopt", "4"),
        ("parallel=4 parallel=8", "4"),
        ("parallel", ""),
        ("parallel=", ""),
        ("parallel=4=5", "4=5"),
        ("noparallel=4", None),
    ],
)
def test_the_jobs_of_a_debian_build(text: str, jobs: str | None) -> None:
    assert parse_options(text) == jobs


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (parse_rate, "none", inf),
        (parse_rate, "weight 5", inf),
        (parse_rate, "soft_cap 2500", inf),
        (parse_rate, "hard_cap 10000", 1.0),
        (parse_rate, "hard_cap 1", 0.0001),
        (parse_rate, "min_max 0 5000", 0.5),
        (parse_cap, "zone.cpu-cap 125", ("zone.cpu-cap", 1.25)),
        (parse_cap, "project.cpu-cap 50", ("project.cpu-cap", 0.5)),
        (parse_rule, "jail:www:pcpu:deny=250", 2.5),
        (parse_rule, "user:a:pcpu:deny=50/process", 0.5),
        (parse_rule, " jail:www:pcpu:deny=100 ", 1.0),
        (parse_rule, "jail:www:pcpu:log=250", None),
        (parse_rule, "jail:www:maxproc:deny=10", None),
        (parse_sets, "process 0-7", {"process": "0-7"}),
        (parse_sets, "process", {"process": ""}),
        (parse_sets, "process 0-7\nthread 3\ngroup 0-35",
         {"process": "0-7", "thread": "3", "group": "0-35"}),
        (parse_levels, "Performance 8", [("Performance", 8)]),
        (parse_levels, "Super Performance 2\nEfficiency 6",
         [("Super Performance", 2), ("Efficiency", 6)]),
        (parse_partition, "mode=Capped ent=0.30 vcpu=3 lcpu=12", 1.2),
        (parse_partition, "lcpu=12 vcpu=3 mode=Uncapped ent=0.30", inf),
        (parse_partition, "mode=Capped ent=3 vcpu=3 lcpu=24", 24.0),
        (lambda text: parse_lparcfg(text)[0],
         "shared_processor_mode=1\ncapped=1\npartition_entitled_capacity=150\n"
         "partition_active_processors=3", 0.5),
        (lambda text: parse_lparcfg(text)[0], "shared_processor_mode=0\ncapped=1", inf),
        (lambda text: parse_lparcfg(text)[0], "shared_processor_mode=1\ncapped=0", inf),
        (lambda text: parse_lparcfg(text)[0], "", inf),
        (parse_lparcfg, "serial=1\n capped=0\nshared_processor_mode=1",
         (inf, "shared_processor_mode=1 capped=0")),
        (is_limited, "LPAR Name: A\nLPAR Characteristics: Shared Limited", True),
        (is_limited, "LPAR Characteristics: Shared", False),
        (is_limited, "VM00 Characteristics: Limited", False),
        (is_limited, "LPAR Characteristics: Unlimited", False),
    ],
)  # fmt: skip
def test_a_text_in_the_form(parse: Callable[[str], object], text: str, value: object) -> None:
    assert parse(text) == value


def counted(lines: str) -> Callable[[str], object]:
    return lambda text: parse_lparcfg(f"shared_processor_mode=1\ncapped=1\n{lines}{text}")


ENTITLED, ACTIVE = "partition_entitled_capacity=", "partition_active_processors="


@pytest.mark.parametrize(
    ("parse", "text", "named"),
    [
        (parse_count, "x", "x"),
        (parse_counts, "4(x2", "4(x2"),
        (parse_counts, f"1(x{NODES}),1", f"1(x{NODES}),1"),
        (parse_nodelist, "n]1", "n]1"),
        (parse_nodelist, "n[1-65536][1-3]", "n[1-65536][1-3]"),
        (parse_nodelist, "n1,,n2", "n1,,n2"),
        (parse_nodelist, "n[1,x]", "1,x"),
        (lambda text: parse_hosts(text, "n"), "n 1 n", "n 1 n"),
        (lambda text: parse_hostfile(text, "n"), "n 1\n \nn x q", "n x q"),
        (lambda text: parse_affinity(text, "n"), "n 1\n \nn x", "n x"),
        (parse_rate, "hard_cap", "hard_cap"),
        (parse_rate, "hard_cap 1 2", "hard_cap 1 2"),
        (parse_rate, "hard_cap 0", "hard_cap 0"),
        (parse_rate, "hard_cap 10001", "hard_cap 10001"),
        (parse_rate, "min_max 5000", "min_max 5000"),
        (parse_rate, "min_max x 5000", "min_max x 5000"),
        (parse_rate, "weight x", "weight x"),
        (parse_rate, "weight", "weight"),
        (parse_rate, "soft_cap", "soft_cap"),
        (parse_rate, "none 1", "none 1"),
        (parse_rate, "cap 5", "cap 5"),
        (parse_cap, "zone.cpu-cap", "zone.cpu-cap"),
        (parse_cap, "zone.cpu-cap x", "zone.cpu-cap x"),
        (parse_cap, "zone.cpu-shares 5", "zone.cpu-shares 5"),
        (parse_rule, "jail:www:pcpu:deny=x", "jail:www:pcpu:deny=x"),
        (parse_rule, "jail:www:pcpu:deny=5=0", "jail:www:pcpu:deny=5=0"),
        (parse_sets, "thread 3", "thread 3"),
        (parse_sets, "process 0\nother 1", "process 0\nother 1"),
        (parse_levels, "8", "8"),
        (parse_levels, "Performance 8\nEfficiency x", "Efficiency x"),
        (parse_partition, "mode=Off ent=1 vcpu=1 lcpu=1", "mode=Off ent=1 vcpu=1 lcpu=1"),
        (parse_partition, "mode=Capped vcpu=1 lcpu=1", ""),
        (parse_partition, "mode=Capped ent=1 lcpu=1", ""),
        (parse_partition, "mode=Capped ent=1 vcpu=1", ""),
        (parse_partition, "mode=Capped ent=1e3 vcpu=1 lcpu=1", "1e3"),
        (parse_partition, "mode=Capped ent=0.0 vcpu=1 lcpu=1", "0.0"),
        (parse_partition, "mode=Capped ent=1.2.3 vcpu=1 lcpu=1", "1.2.3"),
        (counted(""), f"{ENTITLED}150", ""),
        (counted(""), f"{ACTIVE}3", ""),
        (counted(f"{ACTIVE}3\n"), f"{ENTITLED}0", "0"),
        (counted(f"{ENTITLED}3\n"), f"{ACTIVE}x", "x"),
    ],
)
def test_an_error_names_what_was_read(
    parse: Callable[[str], object], text: str, named: str
) -> None:
    with pytest.raises(ValueError, match=r"\A") as caught:
        parse(text)

    assert caught.value.args == (named,)


@pytest.mark.parametrize(
    ("parse", "text"), [(parse_rate, ""), (parse_rule, "jail:www:pcpu"), (parse_nodelist, "n[1,")]
)
def test_not_in_the_form(parse: Callable[[str], object], text: str) -> None:
    with pytest.raises(ValueError, match=r"\A"):
        parse(text)


# --- Windows


@pytest.mark.parametrize(
    ("counts", "cpus"),
    [
        ("-- !GetActiveProcessorCount --\n8\n-- !cpus --\n4\n", 2.0),
        ("-- !GetActiveProcessorCount --\n8\n", 2.0),
        ("-- !cpus --\n4\n", 1.0),
        ("-- !cpus --\nx\n", inf),
        ("-- !GetActiveProcessorCount --\n0\n", inf),
        ("", inf),
    ],
)
def test_the_rate_of_a_job_is_of_all_cpus(counts: str, cpus: float) -> None:
    job = "-- !platform --\nwin32\n-- !QueryInformationJobObject --\nhard_cap 2500\n"

    (rate,) = [limit for limit in survey(Machine(job + counts)).limits if limit.kind == "rate"]

    assert (rate.cpus, rate.text) == (cpus, "hard_cap 2500")


@pytest.mark.parametrize(
    ("total", "sets", "added"),
    [
        ("128", "process 0-63", "note other-groups under group='0' cpus='64' all='128'"),
        ("128", "process 64-127", "note other-groups under group='1' cpus='64' all='128'"),
        ("80", "process 0-39", "note other-groups under group='0' cpus='40' all='80'"),
        ("80", "process 64-103\ngroup 64-103",
         "note other-groups under group='1' cpus='40' all='80'"),
        ("64", "process 0-63", None),
        ("65", "process 0-63", "note other-groups under group='0' cpus='64' all='65'"),
        ("128", "process 0-31\ngroup 0-63", None),
        ("128", "process 1-63", None),
        ("128", "process 63", None),
        ("128", "process 62-63", None),
        ("128", "process 0-64", None),
        ("128", "process 0-127", None),
        ("128", "process", None),
        ("x", "process 0-63", None),
    ],
)  # fmt: skip
def test_cpus_in_other_groups(total: str, sets: str, added: str | None) -> None:
    lines = details(
        f"-- !platform --\nwin32\n-- !GetActiveProcessorCount --\n{total}\n"
        f"-- !GetProcessAffinityMask --\n{sets}\n"
    )

    assert [line for line in lines if "other-groups" in line] == ([added] if added else [])


@pytest.mark.parametrize("call", ["GetProcessAffinityMask", "cpuset_getaffinity"])
@pytest.mark.parametrize(
    ("scope", "sets", "cpus"),
    [
        ("process", "process 0-3\nthread 2", 4),
        ("thread", "process 0-3\nthread 2", 1),
        ("thread", "process 0-3", 4),
        ("process", "process", 8),
    ],
)
def test_the_set_of_a_process_or_thread(call: str, scope: Any, sets: str, cpus: int) -> None:
    counted = survey(Machine(elsewhere(f"-- !{call} --\n{sets}\n"), scope))

    assert counted.parallelism == cpus
    assert counted.notes == ()


# --- kinds of CPUs on Linux

CPU = "/sys/devices/system/cpu"


def speeds(file: str, *values: int | str) -> str:
    return "".join(f"-- {CPU}/cpu{n}/{file} --\n{v}\n" for n, v in enumerate(values))


CAPACITY, FREQUENCY = "cpu_capacity", "cpufreq/cpuinfo_max_freq"


@pytest.mark.parametrize(
    ("mask", "files", "levels"),
    [
        pytest.param("0-1", speeds(CAPACITY, 1024, 400), ["1 of capacity 1024, 1 of capacity 400"],
                     id="two CPUs"),
        pytest.param("0", speeds(CAPACITY, 1024, 400), [], id="one CPU has no other"),
        pytest.param("0-1", speeds(CAPACITY, 1024, 1024), [], id="alike"),
        pytest.param("0-1", speeds(CAPACITY, 1024, 400) + speeds(FREQUENCY, 3000000, 1000000),
                     ["1 of capacity 1024, 1 of capacity 400"], id="the capacity comes first"),
        pytest.param("0-1", speeds(CAPACITY, 1024, 1024) + speeds(FREQUENCY, 3000000, 1000000),
                     ["1 of 3.0 GHz, 1 of 1.0 GHz"], id="capacities alike, frequencies not"),
        pytest.param("1-2", speeds(CAPACITY, 1024), [], id="the process's CPUs show none"),
        pytest.param("0-1", speeds(CAPACITY, "x", 400) + speeds(FREQUENCY, 3000000, 1000000),
                     ["1 of 3.0 GHz, 1 of 1.0 GHz"], id="a malformed capacity"),
        pytest.param("0-2", speeds(CAPACITY, 1024, "x", 400),
                     ["1 of capacity 1024, 1 of capacity 400"], id="one that is malformed"),
        pytest.param("0-1", f"-- {CPU}/cpu0/{CAPACITY} (EACCES) --\n", [], id="closed"),
        pytest.param("0-2", f"-- {CPU}/cpu1/{CAPACITY} (EACCES) --\n"
                     + speeds(CAPACITY, 1024, "", 1024), [], id="one that is closed"),
        pytest.param("0-19", speeds(CAPACITY, *[1024] * 9, 400, *[1024] * 10), [],
                     id="of many, the first and the last are the strongest"),
        pytest.param("0-15", speeds(CAPACITY, *[1024] * 9, 400, *[1024] * 6),
                     ["15 of capacity 1024, 1 of capacity 400"], id="of 16 all are read"),
        pytest.param("0-16", speeds(CAPACITY, *[1024] * 9, 400, *[1024] * 7), [], id="of 17 two"),
        pytest.param("0-19", speeds(CAPACITY, *[400] * 9, 1024, *[400] * 10),
                     ["1 of capacity 1024, 19 of capacity 400"],
                     id="of many, the first is not the strongest"),
        pytest.param("0-19", speeds(CAPACITY, *[1024] * 18, 400, 400),
                     ["18 of capacity 1024, 2 of capacity 400"], id="of many, the last is another"),
        pytest.param("0-19", speeds(FREQUENCY, *[3000000] * 18, 1000000, 3000000), [],
                     id="of many, the first and the last have one frequency"),
        pytest.param("2-20", speeds(CAPACITY, 400, 400, *[1024] * 9, 400, *[1024] * 9), [],
                     id="the first that the process may use"),
        pytest.param("0,2-20", speeds(CAPACITY, 1024, 400, *[1024] * 17, 400, 1024), [],
                     id="the last that the process may use"),
    ],
)  # fmt: skip
def test_the_kinds_of_cpus(mask: str, files: str, levels: list[str]) -> None:
    lines = details(f"-- !affinity --\n{mask}\n{files}")

    noted = [line.partition("levels=")[2] for line in lines if "performance-levels" in line]
    assert [text.partition(" fast=")[0].strip("'") for text in noted] == levels


@pytest.mark.parametrize(
    ("scope", "mask", "threads", "levels"),
    [
        ("process", "0", "17 0\n2 3", ["1 of capacity 1024, 1 of capacity 400"]),
        ("thread", "0", "17 0\n2 3", []),
        ("thread", "0-3", "17 0\n2 3", ["3 of capacity 1024, 1 of capacity 400"]),
        ("process", "0", "3 0\n1 2", []),
        ("process", "0", "x", []),
    ],
)
def test_the_kinds_of_cpus_of_all_threads(
    scope: Any, mask: str, threads: str, levels: list[str]
) -> None:
    lines = details(
        f"-- !affinity --\n{mask}\n-- !threads --\n{threads}\n"
        + speeds(CAPACITY, 1024, 1024, 1024, 400),
        scope,
    )

    assert [line for line in lines if "performance-levels" in line] == [
        f"note performance-levels no levels={level!r} fast='{level[0]}'" for level in levels
    ]
