"""Outputs that are closed, full or gone, and texts that the terminal or the locale cannot show."""

from __future__ import annotations

import io
import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from real.conftest import MakeGroup, make_group  # noqa: F401 - a fixture
from real.host import in_groups

from command.conftest import NEEDS, Kumo, Ran, machine, run
from command.server import CLOSED
from kumo._command import output
from kumo._command.main import main
from kumo._command.options import make_parser
from kumo._command.verbs import VERBS


def options_of(verb: str) -> set[str]:
    actions = make_parser(verb)._actions
    return {option for action in actions for option in action.option_strings}


SOME = machine("ecs-66-task-level-v1")
GROUP = "/sys/fs/cgroup/cpu,cpuacct/ecs/task-0001"
FIRST_LINE = f"1 CPU: the quota in {GROUP}/cpu.cfs_quota_us is 1.00\n"
# What each verb is called with here, so that it prints something, and soon.
ARGUMENTS = {
    "count": [],
    "explain": ["--machine", SOME],
    "snapshot": ["--machine", SOME],
    "run": ["--print"],
    "env": [],
    "doctor": [],
    "watch": [],
    "topology": ["--machine", SOME],
    "pressure": ["--seconds", "0.05"],
    "top": ["--help"],  # it needs a terminal
    "measure": ["--seconds", "0.5"],
    "fleet": ["files", SOME],
    "metrics": [],
    "report": ["-o", "-", "--seconds", "0.05"],
    "help": [],
    "version": [],
}
# The wheel comes without these.
CALLS = [
    *([verb, *arguments] for verb, arguments in ARGUMENTS.items()),
    *([verb, "--json", *ARGUMENTS[verb]] for verb in VERBS if "--json" in options_of(verb)),
    [],
    ["--machine", SOME],
    ["--json", "--machine", SOME],
    ["doctor", "--all"],
    ["pressure", "--watch", "--seconds", "0.05"],
    ["--version"],
    ["--help"],
    ["run", "--help"],
]
# Without an option doctor asks each runtime and library that is installed.
# A measurement is half a second of every CPU.
SLOW = [call for call in CALLS if call in (["doctor"], ["doctor", "--json"]) or "0.5" in call]
TRIED = [pytest.param(call, marks=[pytest.mark.slow] * (call in SLOW)) for call in CALLS]
# What is said before the answer is there.
BEFORE = re.compile(r"kumo: spins on .* burst credits\n")
ASCII = [
    {"PYTHONIOENCODING": "ascii"},
    {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    {"LC_ALL": "POSIX"},
]
CUPS = """\
-- !affinity --
0-3
-- /proc/self/cgroup --
0::/caf\u00e9/\u4e91
-- /proc/self/mountinfo --
26 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup rw
-- /sys/devices/system/cpu/online --
0-3
-- /sys/fs/cgroup/caf\u00e9/\u4e91/cpu.max --
150000 100000
-- /sys/fs/cgroup/caf\u00e9/cpu.max --
max 100000
-- /sys/fs/cgroup/cgroup.procs --
"""
ESCAPE = "\x1b[31m\x9b31m\x07\u202e"
# A machine where every text that can hold anything holds escapes.
HOSTILE = f"""\
{ESCAPE}
-- !affinity (EPERM) --
-- !policy --
SCHED_OTHER
-- !threads --
7 {ESCAPE}
-- /proc/self/status --
Cpus_allowed_list:\t{ESCAPE}
-- /proc/self/cgroup --
{ESCAPE}
0::/{ESCAPE}
-- /proc/self/mountinfo --
{ESCAPE}
26 24 0:26 / /sys/\\033[31m\\007 rw - cgroup2 cgroup rw
-- /sys/devices/system/cpu/online --
{ESCAPE}
-- !cpus --
{ESCAPE}
-- /sys/\x1b[31m\x07/{ESCAPE}/cpu.max --
50000 100000
-- /sys/\x1b[31m\x07/{ESCAPE}/cpu.max.burst --
10000
-- /sys/\x1b[31m\x07/{ESCAPE}/cgroup.type --
threaded
-- /sys/\x1b[31m\x07/{ESCAPE}/cpuset.cpus.effective --
0-3
-- /sys/\x1b[31m\x07/cpu.max --
{ESCAPE}
-- /sys/\x1b[31m\x07/cgroup.events --
populated 1
"""


def into(stdout: int | str, kumo: Kumo, arguments: list[str], **variables: str) -> Ran:
    """Run the command with *stdout*, a descriptor or a file, and return what it says of it."""
    if arguments:
        kumo.skip_without_package(arguments[0])
    descriptor = os.open(stdout, os.O_WRONLY) if isinstance(stdout, str) else stdout
    nothing = "/nonexistent"  # for doctor to ask
    try:
        ran = kumo.with_streams(arguments, {"PATH": nothing, **variables}, stdout=descriptor)
    finally:
        if descriptor != CLOSED:
            os.close(descriptor)
    return Ran(ran.code, "", BEFORE.sub("", ran.stderr))


def test_every_verb_is_tried() -> None:
    assert set(ARGUMENTS) == set(VERBS)


@pytest.mark.parametrize("buffering", ["", "1"])
@pytest.mark.parametrize("arguments", TRIED, ids=lambda words: " ".join(words[:2]))
def test_full_output(kumo: Kumo, arguments: list[str], buffering: str) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full")

    ran = into("/dev/full", kumo, arguments, PYTHONUNBUFFERED=buffering)

    assert ran == (3, "", "kumo: cannot write the output: No space left on device\n")


@pytest.mark.parametrize("buffering", ["", "1"])
@pytest.mark.parametrize("arguments", TRIED, ids=lambda words: " ".join(words[:2]))
def test_reader_is_gone(kumo: Kumo, arguments: list[str], buffering: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)

    ran = into(writing, kumo, arguments, PYTHONUNBUFFERED=buffering)

    assert ran == (141, "", "")


@pytest.mark.parametrize("arguments", TRIED, ids=lambda words: " ".join(words[:2]))
def test_closed_output(kumo: Kumo, arguments: list[str]) -> None:
    ran = into(CLOSED, kumo, arguments)

    assert ran == (3, "", "kumo: cannot write the output: stdout is closed\n")


@pytest.mark.parametrize("buffering", ["", "1"])
@pytest.mark.parametrize("where", ["full", "gone", "closed"])
def test_a_process_that_is_started_ends_as_the_server_answers(
    kumo: Kumo, where: str, buffering: str
) -> None:
    def ran(asked: Kumo) -> Ran:
        reading, writing = os.pipe()
        os.close(reading)
        full = os.open("/dev/full" if os.path.exists("/dev/full") else os.devnull, os.O_WRONLY)
        stdout = {"full": full, "gone": writing, "closed": CLOSED}
        given = {"PYTHONUNBUFFERED": buffering}
        try:
            return asked.with_streams(["explain", "--machine", SOME], given, stdout=stdout[where])
        finally:
            os.close(writing)
            os.close(full)

    assert ran(kumo) == ran(Kumo(kumo.directory))


@pytest.mark.parametrize(("arguments", "code"), [(["--bogus"], 2), (["--machine", "/"], 3)])
def test_closed_error_output(kumo: Kumo, arguments: list[str], code: int) -> None:
    assert kumo.with_streams(arguments, {}, stderr=CLOSED) == (code, "", "")


@pytest.mark.parametrize(("arguments", "code"), [(["--bogus"], 2), (["--machine", "/"], 3)])
def test_full_error_output(kumo: Kumo, arguments: list[str], code: int) -> None:
    assert run(["sh", "-c", '"$@" 2>/dev/full', "sh", kumo.script, *arguments]) == (code, "", "")


def test_a_measurement_needs_no_error_output(kumo: Kumo) -> None:
    command = ["sh", "-c", '"$@" 2>/dev/full', "sh", kumo.script, "measure", "--seconds", "0.5"]

    ran = run(command)

    assert (ran.code, ran.stderr) == (0, "")
    assert "of" in ran.stdout


def test_head(kumo: Kumo) -> None:
    script = '"$0" explain --machine "$1" | head -n 1'

    assert run(["sh", "-c", script, kumo.script, SOME]) == (0, FIRST_LINE, "")


@pytest.mark.parametrize("variables", ASCII, ids=lambda variables: " ".join(variables.values()))
def test_paths_that_the_locale_cannot_show(
    kumo: Kumo, tmp_path: Path, variables: dict[str, str]
) -> None:
    path = tmp_path / "machine.txt"
    path.write_text(CUPS, "utf-8")
    arguments = ["--machine", str(path)]

    shown = kumo("explain", *arguments, **variables)
    whole = kumo("explain", *arguments)

    assert (whole.code, whole.stderr, shown.code, shown.stderr) == (0, "", 0, "")
    assert "/sys/fs/cgroup/caf\u00e9/\u4e91/cpu.max" in whole.stdout
    escaped = whole.stdout.replace("\u00e9", "\\xe9").replace("\u4e91", "\\u4e91")
    assert shown.stdout in (whole.stdout, escaped)
    assert kumo(*arguments, **variables) == (0, "1\n", "")
    assert kumo("--json", *arguments, **variables) == kumo("--json", *arguments)


@pytest.mark.parametrize("variables", ASCII, ids=lambda variables: " ".join(variables.values()))
def test_snapshot_is_utf_8_in_every_locale(
    kumo: Kumo, tmp_path: Path, variables: dict[str, str]
) -> None:
    path = tmp_path / "machine.txt"
    path.write_bytes(CUPS.encode().replace(b"\xc3\xa9", b"\xff"))

    first = kumo("snapshot", "--machine", str(path))
    shown = kumo("snapshot", "--machine", str(path), **variables)
    again = tmp_path / "again.txt"
    again.write_bytes(shown.stdout.encode("utf-8", "surrogateescape"))

    assert shown == first
    assert kumo("--json", "--machine", str(again)) == kumo("--json", "--machine", str(path))


def test_name_of_a_machine_file_that_the_locale_cannot_show(kumo: Kumo, tmp_path: Path) -> None:
    ran = kumo("--machine", str(tmp_path / "caf\u00e9"), PYTHONIOENCODING="ascii")

    message = f"kumo: --machine {tmp_path}/caf\\xe9: No such file or directory\n"
    assert ran == (3, "", message)


@pytest.mark.parametrize("verb", [[], ["explain"], ["--json"]])
def test_texts_of_a_machine_do_not_control_the_terminal(
    kumo: Kumo, tmp_path: Path, verb: list[str]
) -> None:
    path = tmp_path / "machine.txt"
    path.write_text(HOSTILE, "utf-8")

    ran = kumo(*verb, "--machine", str(path))

    assert (ran.code, ran.stderr) == (0, "")
    assert [line for line in ran.stdout.splitlines() if not line.isprintable()] == []


def test_hostile_machine_reaches_the_notes(kumo: Kumo, tmp_path: Path) -> None:
    """What the test above relies on."""
    path = tmp_path / "machine.txt"
    path.write_text(HOSTILE, "utf-8")

    notes = json.loads(kumo("--json", "--machine", str(path)).stdout)["notes"]

    escaped = {note["code"] for note in notes if "[31m" in note["text"]}
    assert escaped >= {"malformed", "affinity-failed", "ancestors-hidden", "threaded-cgroup"}


# --- every verb in a cgroup whose name the locale cannot show


@pytest.mark.real
@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in ("help", "version")])
def test_a_cgroup_that_the_locale_cannot_show(
    kumo: Kumo,
    make_group: MakeGroup,  # noqa: F811 - the fixture
    verb: str,
) -> None:
    group = make_group(cpus=1.5, name="g\xe9")
    arguments = [word for word in ARGUMENTS[verb] if word not in ("--machine", SOME)]
    if verb in NEEDS and kumo.directory != Path(sys.prefix):
        arguments = ["--help"]
    # kumo watch goes on, so its first line is enough
    command = [kumo.script, verb, *arguments]
    if verb == "watch":
        command = ["sh", "-c", '"$@" | head -n 1; exit 0', "sh", "timeout", "5", *command]

    ran = run(in_groups((group,), command), PYTHONIOENCODING="ascii")

    assert BEFORE.sub("", ran.stderr) == ""
    # Python is oversubscribed there; and an empty stdin has no nodes.
    assert ran.code == 0 or (verb, ran.code) in (("doctor", 1), ("fleet", 4))
    if verb in ("explain", "doctor", "watch", "pressure"):
        assert r"g\xe9" in ran.stdout
    assert ran.stdout.isascii() or verb == "snapshot"  # a machine file is UTF-8


# --- the parts


class Terminal(io.StringIO):
    """A stdout that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_text_that_cannot_be_encoded_is_escaped_and_written_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding="ascii"))

    output.write("a\u4e91\udcff\n")

    assert raw.getvalue() == b"a\\u4e91\\udcff\n"


def test_json_begins_with_its_schema_number(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    monkeypatch.setattr("sys.stdout", shown)

    output.write_json({"a": "\xe9", "schema": 1})

    assert shown.getvalue() == '{"schema": 1, "a": "\\u00e9"}\n'
    with pytest.raises(KeyError, match="schema"):
        output.write_json({"a": 1})


@pytest.mark.skipif(os.name == "nt", reason="no colours there")
@pytest.mark.parametrize(
    ("stdout", "variables", "expected"),
    [
        (Terminal, {}, "\x1b[1mx\x1b[0m"),
        (Terminal, {"NO_COLOR": "1"}, "x"),
        (Terminal, {"NO_COLOR": ""}, "\x1b[1mx\x1b[0m"),
        (Terminal, {"TERM": "dumb"}, "x"),
        (io.StringIO, {}, "x"),
    ],
)
def test_colour_is_for_terminals(
    monkeypatch: pytest.MonkeyPatch,
    stdout: Callable[[], io.StringIO],
    variables: dict[str, str],
    expected: str,
) -> None:
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stdout", stdout())

    assert output.paint("x", "bold") == expected


@pytest.mark.parametrize("columns", [40, 60, 80, 300])
def test_a_table_folds_at_the_width_and_loses_nothing(
    monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    rows = [("binds", "/sys/fs/cgroup/" + "a-long-name/" * 9 + "cpu.max", "200000 100000", "2.00")]

    header, row = output.table(("", "file", "answer", "CPUs"), [*rows, ("", "b", "c", "-")])[:2]

    assert max(map(len, [*header, *row])) <= columns
    assert sorted("".join("".join(row).split())) == sorted("".join(rows[0]).replace(" ", ""))
    assert (len(row) == 1) == (columns == 300)


def test_explain_folds_and_is_bold_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "TERM", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    stdout = Terminal()
    monkeypatch.setattr("sys.stdout", stdout)

    assert main(["explain", "--machine", SOME]) == 0

    lines = stdout.getvalue().splitlines()
    bold = [line for line in lines if line.startswith("\x1b[1m") and line.endswith("\x1b[0m")]
    assert "binds" in bold[0]
    assert not any("affinity" in line for line in bold)
    assert max(len(re.sub(r"\x1b\[\d*m", "", line)) for line in lines) <= 80


@pytest.mark.parametrize(
    ("stdout", "columns", "expected"),
    [
        (io.StringIO, None, None),
        (io.StringIO, "60", 60),
        (io.StringIO, "0", None),
        (io.StringIO, "wide", None),
        (Terminal, "70", 70),
        (Terminal, None, 80),  # it has no descriptor to ask
    ],
)
def test_the_width_is_the_terminals(
    monkeypatch: pytest.MonkeyPatch,
    stdout: Callable[[], io.StringIO],
    columns: str | None,
    expected: int | None,
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns is not None:
        monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr("sys.stdout", stdout())

    assert output.width() == expected


def test_progress_is_shown_on_a_terminal_alone_and_cleared(monkeypatch: pytest.MonkeyPatch) -> None:
    for stderr, expected in ((Terminal(), "\r\x1b[Khalf\r\x1b[K"), (io.StringIO(), "")):
        monkeypatch.setattr("sys.stderr", stderr)

        with output.Progress() as progress:
            progress.show("half")

        assert stderr.getvalue() == expected
