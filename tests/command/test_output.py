"""What the command prints when all is well: the whole of it, on the machine files."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from conftest import MACHINES, skip_real

from command.conftest import VARIABLE, Kumo, environment, machine, run
from kumo._command.main import main
from kumo._command.verbs import VERBS

WHOLE = "ecs-66-task-level-v1"
NOTED = "nub-140-affinity-blocked"
FRACTION = "coreutils-108-399pct"
EXPECTED = Path(__file__).with_name("expected")
FORMS = ["explain", "snapshot", "--json"]

OVERRIDDEN = """\
-- !platform --
linux
-- !affinity --
0-3
-- $KUMO_AVAILABLE_PARALLELISM --
6
-- /sys/devices/system/cpu/online --
0-3
"""
OVERRIDDEN_EXPLAINED = """\
6 CPUs: $KUMO_AVAILABLE_PARALLELISM is 6, which overrides every limit

binds  override  6  $KUMO_AVAILABLE_PARALLELISM     6
       affinity  4  sched_getaffinity               0-3
       online    4  /sys/devices/system/cpu/online  0-3

cgroup-not-mounted: /proc/self/cgroup does not exist, so CPU quotas cannot be read. \
The true count may be lower. Mount /proc and the cgroup file system in the container or sandbox.

override-exceeds-machine: KUMO_AVAILABLE_PARALLELISM asks for 6 CPUs, more than the 4 online. \
The true count may be lower. Lower or unset it unless you mean to start more workers than CPUs.
"""


@pytest.mark.parametrize(("name", "count"), [(WHOLE, 1), (NOTED, 2), (FRACTION, 3)])
def test_plain(kumo: Kumo, name: str, count: int) -> None:
    assert kumo("--machine", machine(name)) == (0, f"{count}\n", "")


@pytest.mark.parametrize("verb", FORMS)
@pytest.mark.parametrize("name", [WHOLE, NOTED])
def test_whole_output(kumo: Kumo, name: str, verb: str) -> None:
    expected = (EXPECTED / f"{name}.{verb.strip('-')}").read_text("utf-8")

    assert kumo(verb, "--machine", machine(name)) == (0, expected, "")


def test_explained_override(kumo: Kumo, tmp_path: Path) -> None:
    path = tmp_path / "machine.txt"
    path.write_text(OVERRIDDEN)

    assert kumo("explain", "--machine", str(path)) == (0, OVERRIDDEN_EXPLAINED, "")


def test_headline_of_a_fraction(kumo: Kumo) -> None:
    first, second, *_ = kumo("explain", "--machine", machine(FRACTION)).stdout.splitlines()

    assert re.fullmatch(
        r"3 CPUs: the quota in /sys/fs/cgroup/\S+/cpu.max is 3.99, rounded down", first
    )
    assert second == ""


@pytest.mark.parametrize("verb", FORMS)
def test_module_is_the_same_command(kumo: Kumo, verb: str) -> None:
    arguments = [verb, "--machine", machine(WHOLE)]

    assert run([kumo.python, "-m", "kumo", *arguments]) == kumo(*arguments)


@pytest.mark.parametrize("verb", FORMS)
def test_order_of_verb_and_options_does_not_matter(kumo: Kumo, verb: str) -> None:
    path = machine(NOTED)

    first = kumo(verb, "--machine", path)

    assert first == kumo("--machine", path, verb) == kumo(f"--machine={path}", verb)


def test_json_is_what_explain_prints_for_programs(kumo: Kumo) -> None:
    plain = kumo("--json", "--machine", machine(NOTED))

    assert plain == kumo("explain", "--json", "--machine", machine(NOTED))
    assert plain == kumo("--json", "explain", "--machine", machine(NOTED))


def is_limit(value: dict[str, Any]) -> bool:
    texts = all(type(value[key]) is str for key in ("source", "kind", "where", "text"))
    kinds = ("override", "allocation", "rate", "set")
    cpus = value["cpus"] is None or type(value["cpus"]) in (int, float)
    return list(value) == ["source", "kind", "cpus", "where", "text"] and (
        texts and cpus and value["kind"] in kinds
    )


@pytest.mark.parametrize("path", MACHINES, ids=lambda path: path.stem)
def test_schema_1(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--json", "--machine", str(path)])
    stdout, stderr = capsys.readouterr()
    answer = json.loads(stdout)

    assert (code, stderr, stdout.count("\n")) == (0, "", 1)
    assert list(answer) == [
        *("schema", "parallelism", "cpus", "quota", "binding", "limits", "notes"),
    ]
    assert (answer["schema"], type(answer["parallelism"]), type(answer["cpus"])) == (1, int, float)
    assert answer["quota"] is None or type(answer["quota"]) is float
    assert all(map(is_limit, [answer["binding"], *answer["limits"]]))
    assert answer["binding"] in answer["limits"]
    assert all(list(note) == ["code", "text"] for note in answer["notes"])
    assert all(type(text) is str and text for note in answer["notes"] for text in note.values())


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A process with an override of its own, which lives until the test has ended."""
    if sys.platform != "linux":
        pytest.skip("other processes are asked for on Linux alone")
    command = [sys.executable, "-c", "input()"]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(**{VARIABLE: "7"}),
    ) as process:
        yield process


def test_pid_of_a_live_process(kumo: Kumo, child: subprocess.Popen[bytes]) -> None:
    pid = str(child.pid)

    assert kumo("--pid", pid, **{VARIABLE: "3"}) == kumo(f"--pid={pid}") == (0, "7\n", "")
    explained = kumo("explain", "--pid", pid)
    assert explained == kumo("--pid", pid, "explain")
    assert (explained.code, explained.stderr) == (0, "")
    assert explained.stdout.startswith(f"7 CPUs: ${VARIABLE} is 7, ")
    answer = json.loads(kumo("--json", "--pid", pid).stdout)
    assert (answer["parallelism"], answer["binding"]["where"]) == (7, f"${VARIABLE}")
    assert f"\n-- ${VARIABLE} --\n7\n" in kumo("snapshot", "--pid", pid).stdout


@pytest.mark.parametrize("zeros", [1, 8, 20])
def test_pid_with_zeros_before_it_is_no_other_process(
    kumo: Kumo, child: subprocess.Popen[bytes], zeros: int
) -> None:
    ran = kumo("--pid", "0" * zeros + str(child.pid))

    assert ran[:2] in ((0, "7\n"), (2, ""))


def test_live_answers_agree(kumo: Kumo) -> None:
    count = kumo()
    answer = json.loads(kumo("--json").stdout)

    assert count == (0, f"{answer['parallelism']}\n", "")
    assert kumo("explain").stdout.split()[0] == str(answer["parallelism"])


def test_snapshot_of_this_machine_gives_its_answer(kumo: Kumo, tmp_path: Path) -> None:
    path = tmp_path / "machine.txt"
    path.write_bytes(kumo("snapshot").stdout.encode("utf-8", "surrogateescape"))

    assert kumo("--json", "--machine", str(path)) == kumo("--json")
    assert kumo("explain", "--machine", str(path)) == kumo("explain")


@pytest.mark.parametrize("verb", [*FORMS, ""])
def test_override_in_the_environment(kumo: Kumo, verb: str) -> None:
    ran = kumo(*filter(None, [verb]), **{VARIABLE: "12"})

    assert (ran.code, ran.stderr) == (0, "")
    first = {"": "12\n", "explain": "12 CPUs: $KUMO", "snapshot": "Written", "--json": "{"}
    assert ran.stdout.startswith(first[verb])


def test_environment_is_not_the_machine_file_s(kumo: Kumo) -> None:
    assert kumo("--machine", machine(WHOLE), **{VARIABLE: "12"}) == (0, "1\n", "")


def test_empty_override_is_none(kumo: Kumo) -> None:
    assert kumo("--json", **{VARIABLE: ""}) == kumo("--json")


def test_version(kumo: Kumo) -> None:
    expected = f"kumo {version('kumo-parallelism')}\n"

    for arguments in (["--version"], ["-V"], ["version"], ["explain", "--version"]):
        assert kumo(*arguments) == (0, expected, "")


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["help"], ["help", "--help"]])
def test_help(kumo: Kumo, arguments: list[str]) -> None:
    ran = kumo(*arguments, COLUMNS="40")

    assert (ran.code, ran.stderr) == (0, "")
    assert ran.stdout.startswith("usage: kumo ")
    if "--help" not in arguments[1:]:
        for word in (*VERBS, "--json", "--pid", "--machine", "--version", VARIABLE):
            assert word in ran.stdout


def test_what_run_would_set_is_folded_at_the_width(kumo: Kumo) -> None:
    folded = kumo("run", "--print", COLUMNS="60").stdout.splitlines()
    whole = kumo("run", "--print").stdout.splitlines()

    assert max(map(len, folded)) <= 60 < max(map(len, whole))
    assert sorted("".join("".join(folded).split())) == sorted("".join("".join(whole).split()))


def test_make(kumo: Kumo, tmp_path: Path) -> None:
    if shutil.which("make") is None:
        skip_real("make is not installed")
    (tmp_path / "Makefile").write_text("all:\n\t@echo $(filter -j%,$(MAKEFLAGS))\n")
    script = 'make --directory "$0" --no-print-directory -j$("$1" --machine "$2")'

    ran = run(["sh", "-c", script, str(tmp_path), kumo.script, machine(FRACTION)])

    assert ran == (0, "-j3\n", "")
