"""What batch schedulers write, text by text, and what no text may do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import MACHINES
from hypothesis import given, settings
from hypothesis import strategies as st

from kumo._detectors import (
    build_farm,
    cobalt,
    condor,
    flux,
    fujitsu,
    grid_engine,
    lsf,
    nomad,
    oar,
    pbs,
    slurm,
)
from kumo._detectors._grants import MAX_CPUS, parse_count, same_host
from kumo._detectors._slurm_format import (
    MAX_NAME,
    NODES,
    job_of_cgroup,
    parse_counts,
    parse_nodelist,
)
from kumo._detectors.grid_engine import parse_hostfile
from kumo._detectors.lsf import parse_affinity, parse_hosts
from kumo._survey import ANNOUNCED, survey
from kumo._system.machine_file import Machine, read_machine


def cases(table: dict[str, Any]) -> dict[str, Any]:
    """The arguments of parametrize for a table of cases by their names."""
    return {"argvalues": list(table.values()), "ids": list(table)}


# --- counts


@pytest.mark.parametrize(
    ("text", "count"),
    **cases(
        {
            "a number": ("8", 8),
            "a newline after": ("8\n", 8),
            "a blank before": (" 8", 8),
            "leading zeros": ("08", 8),
            "the most": (str(MAX_CPUS), MAX_CPUS),
        }
    ),
)
def test_count(text: str, count: int) -> None:
    assert parse_count(text) == count


NO_COUNTS = {
    "empty": "",
    "zero": "0",
    "negative": "-1",
    "a sign": "+4",
    "an underscore": "1_0",
    "a fraction": "8.0",
    "a word": "eight",
    "digits that are not ASCII": "\u0664",
    "a superscript": "\xb2",
    "a blank inside": "1 0",
    "beyond every machine": str(MAX_CPUS + 1),
    "very many digits": "9" * 5000,
}


@pytest.mark.parametrize("text", **cases(NO_COUNTS))
def test_not_a_count(text: str) -> None:
    with pytest.raises(ValueError, match=r"\A"):
        parse_count(text)


@pytest.mark.parametrize("text", **cases({**NO_COUNTS, "empty": " ", "a surrogate": "\udcff"}))
def test_what_is_no_count_is_a_note(text: str) -> None:
    machine = Machine(
        "-- !platform --\nlinux\n-- !affinity --\n0-7\n-- !hostname --\nn2\n"
        f"-- $SLURM_JOB_ID --\n1\n-- $SLURMD_NODENAME --\nn2\n"
        f"-- $SLURM_CPUS_PER_TASK --\n{text}\n"
    )

    estimate = survey(machine)

    assert estimate.parallelism == 8
    assert [n.code for n in estimate.notes if "SLURM_CPUS_PER_TASK" in n.text] == ["malformed"]


# --- hosts


@pytest.mark.parametrize(
    ("one", "other", "same"),
    **cases(
        {
            "equal": ("n2", "n2", True),
            "a domain on one side": ("n2", "n2.example.org", True),
            "capitals": ("N2", "n2", True),
            "two domains": ("n2.a.org", "n2.b.org", False),
            "another": ("n2", "n20", False),
            "an alias of an interface": ("n2-ib0", "n2", False),
            "a dot at the end": ("n2.example.org.", "n2.example.org", True),
            "nothing": ("", "", False),
        }
    ),
)
def test_same_host(one: str, other: str, same: bool) -> None:
    assert same_host(one, other) is same
    assert same_host(other, one) is same


# --- build farms


@pytest.mark.parametrize(
    ("text", "jobs"),
    **cases(
        {
            "among other letters": ("-kj4", "4"),
            "among other letters, apart": ("-ksj 4", "4"),
            "the last one": ("-j8 -kj4", "4"),
            "letters without a number": ("-kj", ""),
            "another long option": ("--just-print", None),
            "in the values of other letters": ("-j4 -Ijail -fjobs.mk -sCj2", "4"),
        }
    ),
)
def test_makeopts_with_letters_before_j(text: str, jobs: str | None) -> None:
    assert build_farm.parse_makeopts(text) == jobs


# --- Slurm


@pytest.mark.parametrize(
    ("text", "counts"),
    **cases(
        {
            "one node": ("4", [4]),
            "repeated": ("72(x2),36", [72, 72, 36]),
            "repeated, then fewer": ("4(x2),3", [4, 4, 3]),
            "repeated last": ("2,24(x3)", [2, 24, 24, 24]),
            "once": ("8(x1)", [8]),
            "a newline after": ("40,8\n", [40, 8]),
            "as many nodes as a cluster has": (f"1(x{NODES})", [1] * NODES),
        }
    ),
)
def test_counts(text: str, counts: list[int]) -> None:
    assert parse_counts(text) == counts


@pytest.mark.parametrize(
    "text",
    **cases(
        {
            "empty": "",
            "repeated no times": "4(x0)",
            "no bracket": "4x2",
            "no count": "(x2)",
            "cut off": "4(x2",
            "cut off before the number": "4(x",
            "two in a row": "4(x2)(x2)",
            "a comma at the end": "4,",
            "a comma alone": ",",
            "text after": "4(x2)5",
            "zero CPUs": "0(x2)",
            "more nodes than there are": f"1(x{NODES}),1",
        }
    ),
)
def test_not_counts(text: str) -> None:
    with pytest.raises(ValueError, match=r"\A"):
        parse_counts(text)


@pytest.mark.parametrize(
    ("text", "names"),
    **cases(
        {
            "one node": ("n1", ["n1"]),
            "nodes": ("n1,m2", ["n1", "m2"]),
            "a range": ("n[9-11]", ["n9", "n10", "n11"]),
            "leading zeros, and a number without": ("n[03-05,7]", ["n03", "n04", "n05", "n7"]),
            "leading zeros beyond their width": ("n[98-101]", ["n98", "n99", "n100", "n101"]),
            "a padded width": ("n[008-010]", ["n008", "n009", "n010"]),
            "two brackets": ("a[1-2]b[3-4]", ["a1b3", "a1b4", "a2b3", "a2b4"]),
            "a bracket and a name": ("n[1-2],m", ["n1", "n2", "m"]),
            "two ranges": ("n[1-2],m[3-4]", ["n1", "n2", "m3", "m4"]),
            "high numbers": ("n[99999-100000]", ["n99999", "n100000"]),
            "a newline after": ("n[1-2]\n", ["n1", "n2"]),
            "the longest name": ("n" * MAX_NAME, ["n" * MAX_NAME]),
            "the longest name with a number": (
                "n" * (MAX_NAME - 3) + "[099-100]",
                ["n" * (MAX_NAME - 3) + "099", "n" * (MAX_NAME - 3) + "100"],
            ),
        }
    ),
)
def test_nodelist(text: str, names: list[str]) -> None:
    """As ``scontrol show hostnames`` of Slurm 22.05.8 answers."""
    assert parse_nodelist(text) == names


@pytest.mark.parametrize(
    "text",
    **cases(
        {
            "empty": "",
            "a comma at the end": "n1,",
            "cut off": "n[1-",
            "nothing in the bracket": "n[]",
            "a word in the bracket": "n[a-b]",
            "backwards": "n[3-1]",
            "a bracket in a bracket": "n[[1-2]]",
            "a bracket that closes nothing": "n1]",
            "a sign": "n[-1-2]",
            "digits that are not ASCII": "n[\u0661-\u0662]",
            "a huge range": "n[0-999999999999]",
            "a huge product": "n[1-9999][1-9999][1-9999]",
        }
    ),
)
def test_not_a_nodelist(text: str) -> None:
    with pytest.raises(ValueError, match=r"\A"):
        parse_nodelist(text)


def test_a_list_of_as_many_nodes_as_a_cluster_has() -> None:
    assert len(parse_nodelist(f"n[1-{NODES - 1}],m")) == NODES
    with pytest.raises(ValueError, match="m,k"):
        parse_nodelist(f"n[1-{NODES - 1}],m,k")


@pytest.mark.parametrize(
    ("text", "job"),
    **cases(
        {
            "v2": ("0::/system.slice/slurmstepd.scope/job_42/step_0/user/task_0\n", "42"),
            "v2, a node's own scope": ("0::/system.slice/n1_slurmstepd.scope/job_42/step_0", "42"),
            "v1": ("4:cpuset:/slurm/uid_1000/job_7/step_batch\n", "7"),
            "v1, several slurmd": ("3:cpuset:/slurm_n1/uid_0/job_7/step_batch\n0::/\n", "7"),
            "v1, at the end of each line": (
                "4:cpuset:/slurm/uid_0/job_7\n3:cpu:/slurm/uid_0/job_7\n",
                "7",
            ),
            "the daemon itself": ("0::/system.slice/slurmd.service\n", None),
            "another's job": ("0::/system.slice/batch/job_42\n", None),
            "no number": ("0::/system.slice/slurmstepd.scope/job_x\n", None),
            "a namespace": ("0::/\n", None),
            "empty": ("", None),
        }
    ),
)
def test_job_of_cgroup(text: str, job: str | None) -> None:
    assert job_of_cgroup(text) == job


# --- Grid Engine


@pytest.mark.parametrize(
    ("text", "slots"),
    **cases(
        {
            "one host": ("n2 3 short.q@n2 UNDEFINED\n", 3),
            "two queues": ("n2 4 q@n2 UNDEFINED\nn2 4 r@n2 UNDEFINED\n", 8),
            "others": ("n1 8 q@n1 <NULL>\nn2.example.org 2 q@n2 0,0:0,1\n", 2),
            "not listed": ("n1 8 q@n1 UNDEFINED\n", 0),
            "empty": ("", 0),
            "two columns": ("n2 3", 3),
        }
    ),
)
def test_hostfile(text: str, slots: int) -> None:
    assert parse_hostfile(text, "n2") == slots


@pytest.mark.parametrize("line", ["n2", "n2 x q@n2 UNDEFINED", "n2 0 q@n2 UNDEFINED", "3 n2"])
def test_not_a_hostfile(line: str) -> None:
    with pytest.raises(ValueError, match=f"^{line}$"):
        parse_hostfile(f"n1 2 q@n1 UNDEFINED\n{line}\n", "n2")


# --- LSF


@pytest.mark.parametrize(
    ("text", "slots"),
    **cases(
        {
            "a launch node first": ("batch2 1 n2 42 n3 42", 42),
            "twice": ("n2 2 n3 1 n2 3", 5),
            "not listed": ("n3 1", 0),
            "blanks around": (" n2  2 ", 2),
        }
    ),
)
def test_hosts(text: str, slots: int) -> None:
    assert parse_hosts(text, "n2") == slots


@pytest.mark.parametrize("text", ["", "n2", "n2 2 n3", "n2 two", "2 n2"])
def test_not_hosts(text: str) -> None:
    with pytest.raises(ValueError, match=r"\A"):
        parse_hosts(text, "n2")


@pytest.mark.parametrize(
    ("text", "mask"),
    **cases(
        {
            "one task": ("n2 0,1,2,3\n", 0b1111),
            "two tasks": ("n2 0,1\nn2 2,3\n", 0b1111),
            "tasks on the same CPUs": ("n2 0,1\nn2 0,1\n", 0b11),
            "memory's columns": ("n2 4,5 0 1\n", 0b110000),
            "ranges": ("n2 0-3\n", 0b1111),
            "others' tasks": ("n1 0,1\n", 0),
            "empty": ("", 0),
        }
    ),
)
def test_affinity(text: str, mask: int) -> None:
    assert parse_affinity(text, "n2") == mask


def test_not_an_affinity_file() -> None:
    with pytest.raises(ValueError, match=r"^n2 all$"):
        parse_affinity("n2 0,1\nn2 all\n", "n2")


# --- whatever the text

TEXTS = st.text() | st.text(alphabet="0123456789,-[]()x n.\n", max_size=60)


@given(TEXTS)
@settings(max_examples=300)
def test_a_parser_raises_nothing_but_value_error(text: str) -> None:
    for parse in (
        parse_count,
        parse_counts,
        parse_nodelist,
        lambda text: parse_hosts(text, "n"),
        lambda text: parse_hostfile(text, "n"),
        lambda text: parse_affinity(text, "n"),
    ):
        try:
            parse(text)
        except ValueError:
            continue
    job_of_cgroup(text)


# --- every machine that a scheduler has granted anything

SCHEDULERS = {
    cobalt: "Cobalt",
    condor: "HTCondor",
    flux: "Flux",
    fujitsu: "Fujitsu TCS",
    grid_engine: "Grid Engine",
    lsf: "LSF",
    nomad: "Nomad",
    oar: "OAR",
    slurm: "Slurm",
}


def announced(machine: Machine) -> set[str]:
    return {ANNOUNCED[name] for name in ANNOUNCED if name[0] != "!" and machine.env(name)}


@pytest.mark.parametrize("path", MACHINES, ids=lambda path: path.stem)
def test_the_scheduler_is_named(path: Path) -> None:
    """Whether its grant binds, is left out or is malformed."""
    told = announced(read_machine(path))
    shown = str(survey(read_machine(path)))

    for detector, name in SCHEDULERS.items():
        if detector.__name__.rpartition(".")[2] in told:
            assert name in shown
    if "pbs" in told:
        assert ("TORQUE" in shown) is path.stem.startswith("torque-")
        assert ("PBS:" in shown or "PBS's" in shown) is not path.stem.startswith("torque-")


@pytest.mark.parametrize("path", MACHINES, ids=lambda path: path.stem)
def test_what_decides_about_a_grant_is_looked_at_again_by_each_call(path: Path) -> None:
    """Beside variables and files: the host's name, the cgroup, and for Nomad the mask.

    For Slurm and PBS the mask decides about notes, and not about the grant.
    """
    for detector in (*SCHEDULERS, pbs):
        machine = read_machine(path)
        if detector.__name__.rpartition(".")[2] in announced(machine):
            list(detector.detect(machine))
            others = {name for name in machine.asked if name[0] != "$"} - machine.named.keys()

            asks = detector in (slurm, pbs) or machine.env("NOMAD_CPU_CORES")
            mask = {"!affinity"} if asks else set()
            assert others <= {"!hostname", "/proc/self/cgroup"} | mask


@pytest.mark.parametrize("name", ["pbs-nodefile-unreadable", "pbs-nodefile-relative"])
def test_a_list_that_cannot_be_read_says_nothing_about_the_job(name: str) -> None:
    path = next(path for path in MACHINES if path.stem == name)

    (left_out,) = [n for n in survey(read_machine(path)).notes if n.code == "grant-left-out"]

    assert "names nothing that can be read" in left_out.text
    assert "ended" not in left_out.text


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        (
            {"SLURM_JOB_ID": "7"},
            "job 7 runs on this host, (unknown): SLURM_JOB_NODELIST is not set",
        ),
        (
            {"SLURM_JOB_CPUS_PER_NODE": "4"},
            "nothing says that the job runs on this host, (unknown): SLURM_J",
        ),
        ({"LSB_JOBID": "7", "LSB_HOSTS": "n9"}, "this host, (unknown), is not among them"),
        ({"NSLOTS": "4"}, "JOB_ID, which every job has, is not set"),
    ],
)
def test_what_is_not_told_is_said_in_words(variables: dict[str, str], words: str) -> None:
    told = "".join(f"-- ${name} --\n{value}\n" for name, value in variables.items())

    notes = survey(Machine(f"-- !affinity --\n0-7\n{told}")).notes

    assert any(words in note.text for note in notes)
    assert not any("None" in note.text for note in notes)


@pytest.mark.parametrize("path", MACHINES, ids=lambda path: path.stem)
def test_nothing_is_said_of_none(path: Path) -> None:
    assert "None" not in str(survey(read_machine(path)))


def test_the_note_about_a_file_names_the_variable() -> None:
    told = "-- !affinity --\n0-7\n-- $PBS_JOBID --\n7\n-- $NCPUS --\n1\n-- $PBS_NODEFILE --\n"
    for section, words in [
        ("/list (EACCES)", "The file that PBS's $PBS_NODEFILE names, /list, could not be read"),
        ("/list (EFBIG)", "PBS's $PBS_NODEFILE is '/list', which is not the path of a regular"),
        ("/list (EINVAL)", "PBS's $PBS_NODEFILE is '/list', which is not the path of a regular"),
    ]:
        notes = survey(Machine(f"{told}/list\n-- {section} --\n")).notes

        assert any(note.text.startswith(words) for note in notes)


# --- whatever the variables


VARIABLES = [
    *("SLURM_JOB_ID", "SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE", "SLURM_JOB_CPUS_PER_NODE"),
    *("SLURM_JOB_NODELIST", "SLURMD_NODENAME", "SLURM_NODEID", "SLURM_TASKS_PER_NODE"),
    *("SLURM_STEP_TASKS_PER_NODE", "PBS_JOBID", "PBS_NODEFILE", "NCPUS", "PBS_NODENUM", "PBS_NP"),
    *("PBS_NUM_PPN", "PBS_VERSION", "NSLOTS", "NHOSTS", "PE_HOSTFILE", "HOSTNAME", "LSB_JOBID"),
    *("LSB_MCPU_HOSTS", "LSB_HOSTS", "LSB_DJOB_NUMPROC", "LSB_AFFINITY_HOSTFILE"),
]
VALUES = TEXTS | st.sampled_from(["n2", "1", "4", "4(x2),3", "n[1-2]", "/list", "n2 4", "2,2"])


@given(st.dictionaries(st.sampled_from(VARIABLES), VALUES), VALUES)
@settings(max_examples=300)
def test_grants_never_raise_the_count(variables: dict[str, str], listed: str) -> None:
    """Whatever the variables say, there is an answer, no higher than without them."""
    text = "-- !platform --\nlinux\n-- !affinity --\n0-7\n-- !hostname --\nn2\n"
    for name, value in {**variables, "/list": listed}.items():
        key = name if name.startswith("/") else f"${name}"
        text += f"-- {key} --\n{value.replace('-- ', '')}\n"

    assert 1 <= survey(Machine(text)).parallelism <= 8
