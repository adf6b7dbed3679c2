"""Nodes from files, and the command on them."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import kumo.fleet
from fleet.nodes import explained, online, quota
from kumo._command.main import main
from kumo._fleet import files as files_engine
from kumo._fleet.adapters import ENGINES, load

MACHINES = Path(__file__).parents[1] / "machines"
OVER = json.dumps(explained(quota(1.0), online(2)))
FITS = json.dumps(explained(quota(None), online(2)))
MACHINE = """\
Prose.
-- !platform --
linux
-- !affinity --
0-7
-- /proc/self/cgroup --
0::/
-- /proc/self/mountinfo --
29 24 0:26 / /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw,nsdelegate
-- /sys/fs/cgroup/cpu.max --
300000 100000
-- /sys/devices/system/cpu/online --
0-7
"""


def test_a_folder_of_anything(tmp_path: Path) -> None:
    (tmp_path / "m.txt").write_text(MACHINE)
    (tmp_path / "lines.json").write_text(f"n1: {OVER}\n\nn2 | SUCCESS => {FITS}\n{FITS}\nn4: no\n")
    (tmp_path / "empty").write_text("")
    (tmp_path / "broken").write_text("-- !platform --\nlinux\n-- what --\n")
    (tmp_path / ".hidden").write_text(OVER)
    (tmp_path / "sub").mkdir()
    os.mkfifo(tmp_path / "pipe")

    fleet = kumo.fleet.gather("files", str(tmp_path))

    assert {node.host: node.slots for node in fleet.nodes if node.estimate} == {
        "m": 8, "n1": 2, "n2": 2, "lines:4": 2,
    }  # fmt: skip
    assert {node.host for node in fleet.silent} == {"n4", "empty", "broken", "pipe"}
    assert [(group.verdict, len(group.hosts)) for group in fleet.groups] == [
        ("over", 1), ("over", 1), ("fits", 2),
    ]  # fmt: skip
    assert pickle.loads(pickle.dumps(fleet)) == fleet


def test_an_override_beyond_all_machines_is_a_reason(tmp_path: Path) -> None:
    (tmp_path / "m.txt").write_text(f"{MACHINE}-- $KUMO_AVAILABLE_PARALLELISM --\n{2**40}\n")

    (node,) = kumo.fleet.gather("files", str(tmp_path)).nodes

    assert node.reason == "its estimate has no number of CPUs"


def test_every_machine_of_the_tests_is_a_node() -> None:
    fleet = kumo.fleet.gather("files", str(MACHINES))

    assert fleet.silent == ()
    assert len(fleet.nodes) == len(list(MACHINES.glob("*.txt")))


def command(*words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "kumo", "fleet", *words],
        input=given, capture_output=True, text=True, check=False, timeout=60,
        env={**os.environ, "COLUMNS": ""},
    )  # fmt: skip


def test_a_count_of_one_has_a_singular_noun() -> None:
    ran = command("files", given=f"n1: {OVER}\n")

    assert ran.stdout.startswith("1 node asked, 1 answered, 0 silent; ")
    assert " on 1 host, " in ran.stdout


def test_the_table_and_its_exit_codes() -> None:
    ran = command("files", given=f"n1: {OVER}\nn2: {OVER}\nn3: {FITS}\nn4: nothing\n")

    lines = ran.stdout.splitlines()
    assert lines[0] == (
        "4 nodes asked, 3 answered, 1 silent; slots: 6, over by 2 on 2 hosts, under by 0"
    )
    assert lines[2].split()[:5] == ["hosts", "believes", "inside", "CPUs", "bound"]
    assert lines[3].split()[:4] == ["2", "2", "-", "1"]
    assert "over by 1" in lines[3]
    assert lines[4].split()[:4] == ["1", "2", "-", "2"]
    assert lines[-1] == "silent: n4: its answer is not JSON: 'nothing'"
    assert (ran.returncode, ran.stderr) == (1, "")


def test_a_silent_node_alone_is_code_4_and_all_right_is_0() -> None:
    assert command("files", given=f"{FITS}\nn4: nothing\n").returncode == 4
    assert command("files", given=FITS).returncode == 0


def test_hosts_json_and_hostfile() -> None:
    given = f"n1: {OVER}\nn2: {OVER}\nn3: {FITS}\n"

    listed = command("files", "--hosts", given=given).stdout
    data = json.loads(command("files", "--json", "--hosts", given=given).stdout)
    hostfile = command("files", "--hostfile", given=given).stdout

    assert [line.split()[0] for line in listed.splitlines()[3:]] == ["n1", "n2", "n3"]
    assert [data[key] for key in ("schema", "nodes", "slots", "over")] == [1, 3, 6, 2]
    assert [group["hosts"] for group in data["groups"]] == [["n1"], ["n2"], ["n3"]]
    assert hostfile == "n1 slots=1\nn2 slots=1\nn3 slots=2\n"


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (["nonsense"], 2, "'nonsense' is not an engine: there are files"),
        (["salurm"], 2, "'salurm' is not an engine (did you mean slurm?): there are files"),
        (["files", "/nonexistent"], 3, "files '/nonexistent': No such file or directory"),
        (["files", "a", "b"], 3, "2 targets for 1 engine:"),
        (["files", "--timeout", "0"], 2, "not a number of seconds above 0"),
        (["files", "--json", "--hostfile"], 2, "exclude each other"),
    ],
)
def test_bad_input_is_one_line(
    words: list[str], code: int, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fleet", *words]) == code

    said = capsys.readouterr().err
    assert why in said
    assert said.count("\n") == 1


def test_the_function_raises() -> None:
    with pytest.raises(ValueError, match="is not an engine"):
        kumo.fleet.gather("nonsense")
    with pytest.raises(ValueError, match="timeout must be above 0"):
        kumo.fleet.gather("files", timeout=0)
    with pytest.raises(RuntimeError, match="No such file"):
        kumo.fleet.gather("files", "/nonexistent")


@pytest.mark.parametrize("engine", ENGINES)
def test_every_adapter_has_one_shape_and_imports_no_engine(engine: str) -> None:
    from inspect import Parameter, signature

    adapter = load(engine)
    named = {p.name: p.kind for p in signature(adapter.ask).parameters.values()}

    assert named.pop("target") is Parameter.POSITIONAL_OR_KEYWORD
    assert named == dict.fromkeys(("pressure", "timeout", "progress"), Parameter.KEYWORD_ONLY)
    assert isinstance(adapter.SLOTS, str)
    assert isinstance(adapter.FIX, str)


def test_an_engine_that_cannot_be_asked_leaves_the_answers_of_the_others(tmp_path: Path) -> None:
    (tmp_path / "a").write_text(f"n1: {FITS}")

    fleet = kumo.fleet.gather("files,mpi", [str(tmp_path), "hosts"])

    assert [node.host for node in fleet.nodes] == ["n1", "mpi"]
    (reason,) = (str(node.reason) for node in fleet.silent)
    assert reason.startswith("'hosts' is not an option of mpirun")
    with pytest.raises(RuntimeError, match=r"files .*No such file"):
        kumo.fleet.gather("files,files", ["no/where", "no/file"])


def test_two_engines_can_be_asked_at_once(tmp_path: Path) -> None:
    (tmp_path / "a").write_text(f"n1: {FITS}")
    (tmp_path / "b").write_text(f"n1: {FITS}")

    fleet = kumo.fleet.gather("files,files", [str(tmp_path / "a"), str(tmp_path / "b")])

    assert [(group.slots, group.excess) for group in fleet.groups] == [(4, 2)]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (None, "No such file or directory"),
        ([], "there is no file in it"),
        (["a", "b", "c"], "3 files in it, more than 2"),
    ],
)
def test_a_target_without_nodes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: list[str] | None, message: str
) -> None:
    monkeypatch.setattr(files_engine, "MAX_FILES", 2)
    for name in files or ():
        (tmp_path / name).write_text("")
    target = tmp_path if files is not None else tmp_path / "absent"

    with pytest.raises(RuntimeError, match=message):
        kumo.fleet.gather("files", str(target))


def test_without_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)

    with pytest.raises(RuntimeError, match="files -: stdin is closed"):
        kumo.fleet.gather("files", "-")


def test_texts_that_are_too_long_and_files_that_cannot_be_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files_engine, "MAX_FILE_BYTES", len(MACHINE) - 1)
    monkeypatch.setattr(files_engine, "MAX_REPORT", 1000)
    (tmp_path / "m.txt").write_text(MACHINE)
    (tmp_path / "prose").write_text("x\n" * 501 + OVER)
    (tmp_path / "loop").symlink_to("loop")

    fleet = kumo.fleet.gather("files", str(tmp_path))

    assert {node.host: node.reason for node in fleet.silent} == {
        "m": f"more than {len(MACHINE) - 1} characters are not a machine file",
        "prose": "neither a machine file nor lines of explain --json",
        "loop": "loop: Too many levels of symbolic links",
    }
