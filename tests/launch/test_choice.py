"""What the installed command sets: counts, pinning, nesting, and how it is shown."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command.conftest import TIMEOUT, Kumo, Ran, environment
from conftest import skip_real
from real.conftest import MakeGroup
from real.host import in_groups, needs_two_cpus

from kumo._runtimes.knobs import KNOBS

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="exec is POSIX's")

OWN = "KUMO_AVAILABLE_PARALLELISM"
SHOW = [sys.executable, "-I", "-c", "import json, os; print(json.dumps(dict(os.environ)))"]
EIGHT = {OWN: "8"}


def seen(ran: Ran) -> dict[str, str]:
    assert (ran.code, ran.stderr) == (0, "")
    answer: dict[str, str] = json.loads(ran.stdout)
    return answer


def run(kumo: Kumo, *arguments: str, **variables: str) -> dict[str, str]:
    """The environment of a command under ``kumo run`` with *arguments*."""
    return seen(kumo("run", *arguments, "--", *SHOW, **variables))


def rows(text: str) -> dict[str, tuple[str, str, str]]:
    """The lines of --print by variable: action, value, reason."""
    lines = [line.split(maxsplit=3) for line in text.split("\n\n", 1)[1].splitlines()]
    return {name: (action, value, why) for action, name, value, why in lines}


# --- options


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        ([], "8"),
        (["--max", "3"], "3"),
        (["--max", "99"], "8"),
        (["--share", "1/2"], "4"),
        (["--share", "0.5"], "4"),
        (["--share", ".25"], "2"),
        (["--share", "1.0"], "8"),
        (["--share", "1/3"], "2"),
        (["--share", "1/3", "--round", "ceil"], "3"),
        (["--share", "1/2", "--max", "3"], "3"),
    ],
)
def test_count(kumo: Kumo, arguments: list[str], count: str) -> None:
    made = run(kumo, *arguments, **EIGHT)

    assert made["PYTHON_CPU_COUNT"] == made["GOMAXPROCS"] == count
    assert made[OWN] == "8"  # the user's own word
    assert "OMP_NUM_THREADS" not in made


def test_workers_with_and_without(kumo: Kumo) -> None:
    options = ["--workers", "3", "--with", "make", "--with", "java", "--without", "GOMAXPROCS"]
    made = run(kumo, *options, **EIGHT)

    assert (made["OMP_NUM_THREADS"], made["PYTHON_CPU_COUNT"]) == ("2", "8")
    assert made["MAKEFLAGS"] == "-j8"
    assert made["JAVA_TOOL_OPTIONS"] == "-XX:ActiveProcessorCount=8"
    assert "GOMAXPROCS" not in made


def test_what_is_set_already_stays(kumo: Kumo) -> None:
    own = {"GOMAXPROCS": "99", "MAKEFLAGS": "-k", "MESON_TESTTHREADS": "1", "PYTHON_CPU_COUNT": ""}
    made = run(kumo, "--with", "make", "--max", "1", **EIGHT, **own)

    assert {name: made[name] for name in own} == own
    assert "MESON_NUM_PROCESSES" not in made
    assert made["RAYON_NUM_THREADS"] == "1"


# --- what is shown


def test_print_says_what_is_set_and_why(kumo: Kumo) -> None:
    options = ["--share", "1/2", "--with", "make", "--without", "DENO_JOBS", "--workers", "2"]
    ran = kumo("run", *options, "--print", "/nonexistent/command", GOMAXPROCS="3", **EIGHT)

    assert (ran.code, ran.stderr) == (0, "")
    assert ran.stdout.startswith("4  (override 8, --share 1/2, --round floor)\n\n")
    shown = rows(ran.stdout)
    assert set(shown) == set(KNOBS)
    assert shown["PYTHON_CPU_COUNT"] == ("set", "4", KNOBS["PYTHON_CPU_COUNT"].reader)
    assert shown["OMP_NUM_THREADS"][:2] == ("set", "2")
    assert shown["MAKEFLAGS"][:2] == ("set", "-j4")
    assert shown["GOMAXPROCS"] == ("keep", "3", "set in the environment")
    assert shown["DENO_JOBS"] == ("skip", "-", "--without")
    assert shown["ZSTD_NBTHREADS"] == ("skip", "-", "--with zstd: serial by default")
    assert shown["GHCRTS"][2].startswith("never: ")


@pytest.mark.parametrize("locale", [{"LC_ALL": "C"}, {"PYTHONIOENCODING": "ascii"}], ids=str)
def test_print_in_a_locale_that_cannot_show_it(kumo: Kumo, locale: dict[str, str]) -> None:
    ran = kumo("run", "--print", GOMAXPROCS="caf\u00e9\x1b", **locale)

    assert (ran.code, ran.stderr) == (0, "")
    assert rows(ran.stdout)["GOMAXPROCS"][:2] in {("keep", "caf\\xe9\\x1b"), ("keep", "café\\x1b")}


OPTIONS = ["--max", "3", "--workers", "2", "--with", "java", "--with", "erlang", "--with", "make"]
SHELLS = {
    "sh": ["sh", "-c", 'eval "$("$0" env "$@")" && exec env -0'],
    "bash": ["bash", "-c", 'eval "$("$0" env "$@")" && exec env -0'],
    "fish": ["fish", "--no-config", "-c", "$argv[1] env --shell fish $argv[2..] | source; env -0"],
}
MARKS = {"fish": pytest.mark.programs}


@pytest.mark.parametrize(
    "shell", [pytest.param(name, marks=MARKS.get(name, ())) for name in SHELLS]
)
def test_env_gives_a_shell_what_run_gives_a_command(kumo: Kumo, shell: str) -> None:
    if shutil.which(shell) is None:
        skip_real(f"{shell} is not installed")
    given = environment(**EIGHT)
    command = [*SHELLS[shell], kumo.script, *OPTIONS]
    printed = subprocess.run(command, capture_output=True, check=True, env=given, text=True)

    made = dict(line.split("=", 1) for line in printed.stdout.split("\0") if line)

    expected = run(kumo, *OPTIONS, **EIGHT)
    assert made["KUMO_RUN_SET"] == expected["KUMO_RUN_SET"]
    assert {n: made.get(n) for n in KNOBS} == {n: expected.get(n) for n in KNOBS}
    assert made["ERL_ZFLAGS"] == "+S 3:3"


def test_env_quotes_what_is_no_number(kumo: Kumo) -> None:
    lines = kumo("env", "--max", "1", "--with", "erlang").stdout.splitlines()

    assert "export PYTHON_CPU_COUNT=1" in lines
    assert "export ERL_ZFLAGS='+S 1:1'" in lines
    lines = kumo("env", "--max", "1", "--with", "erlang", "--shell", "fish").stdout.splitlines()
    assert "set -gx PYTHON_CPU_COUNT 1" in lines
    assert "set -gx ERL_ZFLAGS '+S 1:1'" in lines


def test_env_as_json(kumo: Kumo) -> None:
    ran = kumo("env", "--json", "--max", "3", GOMAXPROCS="5", **EIGHT)

    answer = json.loads(ran.stdout)
    assert (ran.code, ran.stderr, ran.stdout.count("\n")) == (0, "", 1)
    assert set(answer) == {"schema", "parallelism", "environment", "variables"}
    assert (answer["schema"], answer["parallelism"]) == (1, 3)
    made = run(kumo, "--max", "3", GOMAXPROCS="5", **EIGHT)
    assert answer["environment"] == {name: made[name] for name in answer["environment"]}
    assert [row["name"] for row in answer["variables"]] == list(KNOBS)
    (row,) = (row for row in answer["variables"] if row["name"] == "GOMAXPROCS")
    assert row == {
        "name": "GOMAXPROCS",
        "action": "keep",
        "value": "5",
        "why": "set in the environment",
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--pin"], "--pin is not an option of kumo env"),
        (["true"], "'true' is one word too many for kumo env"),
        (["--shell", "csh"], "argument --shell: 'csh' is not one of sh, fish"),
        (["--json", "--shell", "sh"], "argument --shell: not allowed with argument --json"),
    ],
)
def test_wrong_options_of_env(kumo: Kumo, arguments: list[str], message: str) -> None:
    ran = kumo("env", *arguments)

    assert (ran.code, ran.stdout) == (2, "")
    assert ran.stderr.startswith(f"kumo: {message}")
    assert ran.stderr.endswith(" (see kumo env --help)\n")


# --- nested


def test_the_inner_gets_no_more_than_the_outer_gave(kumo: Kumo) -> None:
    nested = seen(
        kumo("run", "--max", "1", kumo.script, "run", "--max", "99", "--workers", "1", *SHOW)
    )

    assert nested[OWN] == nested["PYTHON_CPU_COUNT"] == nested["OMP_NUM_THREADS"] == "1"


def test_the_inner_gets_a_share_of_what_the_outer_gave(kumo: Kumo) -> None:
    half = [kumo.script, "run", "--share", "1/2"]
    nested = seen(kumo("run", "--share", "1/2", *half, *half, *SHOW, **EIGHT))

    assert nested["PYTHON_CPU_COUNT"] == "1"
    assert nested["KUMO_RUN_SET"].startswith("1:")


def test_the_users_override_in_between_is_kept_but_gives_no_more(kumo: Kumo) -> None:
    between = ["env", f"{OWN}=7", "GOMAXPROCS=5", kumo.script, "run"]
    nested = seen(kumo("run", "--max", "1", *between, *SHOW))

    assert (nested[OWN], nested["GOMAXPROCS"]) == ("7", "5")
    assert nested["PYTHON_CPU_COUNT"] == "1"


def test_a_narrower_affinity_in_between_counts(kumo: Kumo) -> None:
    cpus = needs_two_cpus()
    if shutil.which("taskset") is None:
        skip_real("the affinity is set by taskset")
    narrow = ["taskset", "-c", str(cpus[-1])]
    nested = seen(kumo("run", *narrow, kumo.script, "run", *SHOW))
    users = seen(kumo("run", *narrow, kumo.script, "run", *SHOW, **EIGHT))

    assert nested[OWN] == nested["PYTHON_CPU_COUNT"] == "1"
    assert users[OWN] == users["PYTHON_CPU_COUNT"] == "8"  # the user's word, whatever else holds


# --- pinned

AFFINITY = [sys.executable, "-I", "-c", "import os; print(sorted(os.sched_getaffinity(0)))"]


def test_pin_narrows_the_affinity(kumo: Kumo) -> None:
    cpus = needs_two_cpus()

    one = json.loads(kumo("run", "--pin", "--max", "1", "--", *AFFINITY).stdout)
    every = json.loads(kumo("run", "--pin", "--", *AFFINITY).stdout)
    more = json.loads(kumo("run", "--pin", "--", *AFFINITY, **{OWN: "99"}).stdout)

    assert len(one) == 1
    assert one[0] in cpus
    assert every == more == cpus
    shown = kumo("run", "--pin", "--max", "1", "--print").stdout.splitlines()[1]
    assert shown == f"pinned to CPUs {one[0]}"


def test_pinned_programs_count_by_themselves(kumo: Kumo) -> None:
    needs_two_cpus()
    count = ["--without", "omp", "nproc"]
    assert kumo("run", "--pin", "--max", "1", *count).stdout == "1\n"
    assert kumo("run", "--max", "1", *count).stdout != "1\n"


# --- under a real quota


@pytest.mark.real
@pytest.mark.parametrize(
    ("arguments", "count"), [([], 1), (["--round", "ceil"], 2), (["--round", "ceil", "--pin"], 2)]
)
def test_under_a_quota(kumo: Kumo, make_group: MakeGroup, arguments: list[str], count: int) -> None:
    group = make_group(cpus=1.5)
    outer = in_groups([group], [])

    made = seen(kumo("run", *arguments, *SHOW, prefix=outer))

    assert made["PYTHON_CPU_COUNT"] == made[OWN] == str(count)


@pytest.mark.real
def test_programs_under_a_quota(kumo: Kumo, make_group: MakeGroup) -> None:
    """nproc of cgroup v1 knows no quota; it needs --pin, or OMP_NUM_THREADS as at a count of 1."""
    everything = str(len(needs_two_cpus()))
    outer = in_groups([make_group(cpus=1)], [])

    def told(*command: str) -> str:
        ran = kumo("run", *command, prefix=outer)
        assert (ran.code, ran.stderr) == (0, "")
        return ran.stdout.strip()

    assert told("nproc") == "1"
    assert told("--without", "omp", "nproc") == everything
    assert told("--without", "omp", "--pin", "nproc") == "1"
    assert told("--workers", "1", "nproc") == "1"


COUNTS = """\
import kumo
print(kumo.available_parallelism(), flush=True)
input()
print(kumo.available_parallelism())
"""


@pytest.mark.real
@pytest.mark.parametrize(
    ("options", "later"),
    [([], "1\n"), (["--without", OWN, "--without", "PYTHON_CPU_COUNT"], "2\n")],
    ids=["as it is", "live"],
)
def test_what_keeps_the_count_live(
    kumo: Kumo, make_group: MakeGroup, options: list[str], later: str
) -> None:
    """A growth of the quota reaches kumo in the command where no variable says what was before."""
    needs_two_cpus()
    group = make_group(cpus=1)
    command = [kumo.script, "run", *options, "--", kumo.python, "-c", COUNTS]
    with subprocess.Popen(
        in_groups([group], command),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
        text=True,
    ) as started:
        assert started.stdout is not None
        assert started.stdout.readline() == "1\n"
        group.limit(2)
        printed, _ = started.communicate("\n", timeout=TIMEOUT)

    assert printed == later


def python_3_13() -> str | None:
    """A Python that reads PYTHON_CPU_COUNT: this one, or one of PATH or pyenv."""
    if sys.version_info >= (3, 13):
        return sys.executable
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv", "versions")
    built = next(map(str, sorted(pyenv.glob("3.13.*/bin/python"))), None)
    return built or shutil.which("python3.13")


@pytest.mark.real
def test_python_under_a_quota(kumo: Kumo, make_group: MakeGroup) -> None:
    everything = len(needs_two_cpus())
    python = python_3_13()
    if python is None:
        skip_real("PYTHON_CPU_COUNT needs Python 3.13")
    outer = in_groups([make_group(cpus=1)], [])
    asks = "import os; print(os.cpu_count(), os.process_cpu_count())"
    command = [python, "-c", asks]
    direct = subprocess.run([*outer, *command], capture_output=True, check=True, text=True)

    assert direct.stdout.split() == [str(os.cpu_count()), str(everything)]
    assert kumo("run", *command, prefix=outer).stdout == "1 1\n"


@pytest.mark.real
def test_a_narrower_quota_in_between_counts(kumo: Kumo, make_group: MakeGroup) -> None:
    inner = in_groups([make_group(cpus=1)], [kumo.script, "run", *SHOW])

    nested = seen(kumo("run", "--", *inner))

    assert nested[OWN] == nested["PYTHON_CPU_COUNT"] == "1"
