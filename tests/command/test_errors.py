"""What cannot be done: one line on stderr, nothing on stdout; the exit code says whose fault."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import skip_real

from command.conftest import VARIABLE, Kumo, machine, run
from kumo._command.main import INTERRUPTED, main
from kumo._command.options import make_parser
from kumo._command.verbs import VERBS

SOME = machine("ecs-66-task-level-v1")
USAGE = 2
INPUT = 3
CANNOT_RUN = 126
NOT_A_PID = "argument --pid: {} is not a process id, such as 1234"

PLAIN_HAS = "it has --help, --json, --pid, --machine, --memory-per-worker, --version"
WRONG_USAGE = [
    (["--bogus"], f"--bogus is not an option of kumo: {PLAIN_HAS}"),
    (["--js"], f"--js is not an option of kumo (did you mean --json?): {PLAIN_HAS}"),
    (
        ["--topology"],
        f"--topology is not an option of kumo (did you mean kumo topology?): {PLAIN_HAS}",
    ),
    (["--json=1"], "argument --json: it takes no value, not '1'"),
    (["--machine"], "argument --machine: its value is missing, as in --machine FILE"),
    (["--pid"], "argument --pid: its value is missing, as in --pid N"),
    (["--pid", "1", "--machine", SOME], "argument --machine: not allowed with argument --pid"),
    (["--machine", SOME, "--pid", "1"], "argument --pid: not allowed with argument --machine"),
]
EXPLAIN_HAS = "it has --help, --json, --svg, --pid, --machine"
NO_JSON = "--json is not an option of kumo snapshot: it has --help, --topology, --sh, --pid"
WRONG_USAGE_OF_A_VERB = [
    (
        "run",
        ["run", "--view=x", "--", "true"],
        "argument --view: it takes no value, not 'x'; there is --view=files",
    ),
    ("explain", ["explain", "--bogus"], f"--bogus is not an option of kumo explain: {EXPLAIN_HAS}"),
    ("explain", ["--bogus", "explain"], f"--bogus is not an option of kumo explain: {EXPLAIN_HAS}"),
    ("explain", ["explain", "snapshot"], "snapshot is a second verb, and there can be one"),
    ("explain", ["explain", "it"], "'it' is one word too many for kumo explain"),
    ("explain", ["--pid", "x", "explain"], NOT_A_PID.format("'x'")),
    (
        "snapshot",
        ["--json", "snapshot"],
        NO_JSON,
    ),
    (
        "snapshot",
        ["snapshot", "--json"],
        NO_JSON,
    ),
    ("env", ["env", "--pin"], "--pin is not an option of kumo env: it has --help, --share, "),
]
NO_PIDS = ["x", "0", "", " 1", "1 ", "+1", "-1", "1.0", "1_0", "0x1", "\u0661", "1\n2", "\x1b[31m"]
OVERRIDES = [
    " 4",
    "4 ",
    "+4",
    "0",
    "-1",
    "\u0664",
    "1_0",
    "4.0",
    "0x4",
    "4,2",
    "auto",
    "00",
    "9" * 5000,
]


@pytest.mark.parametrize(("arguments", "message"), WRONG_USAGE)
def test_usage(kumo: Kumo, arguments: list[str], message: str) -> None:
    assert kumo(*arguments) == (USAGE, "", f"kumo: {message} (see kumo --help)\n")


@pytest.mark.parametrize(("verb", "arguments", "message"), WRONG_USAGE_OF_A_VERB)
def test_usage_of_a_verb(kumo: Kumo, verb: str, arguments: list[str], message: str) -> None:
    ran = kumo(*arguments)

    assert ran[:2] == (USAGE, "")
    assert ran.stderr.startswith(f"kumo: {message}")
    assert ran.stderr.endswith(f" (see kumo {verb} --help)\n")
    assert ran.stderr.count("\n") == 1


@pytest.mark.parametrize("word", NO_PIDS, ids=ascii)
def test_not_a_pid(kumo: Kumo, word: str) -> None:
    message = NOT_A_PID.format(ascii(word))

    assert kumo(f"--pid={word}") == (USAGE, "", f"kumo: {message} (see kumo --help)\n")


@pytest.mark.parametrize("verb", ["bogus", "", "Explain", "a\nb", "\x1b[31m", "\u00e9"], ids=ascii)
def test_unknown_verb(kumo: Kumo, verb: str) -> None:
    ran = kumo(verb)

    meant = " (did you mean explain?)" if verb == "Explain" else ""
    listed = ", ".join(VERBS)
    assert ran == (
        *(USAGE, ""),
        f"kumo: {verb!a} is not a verb{meant}: there are {listed} (see kumo --help)\n",
    )


@pytest.mark.parametrize(("word", "meant"), [("exlpain", "explain"), ("topolgy", "topology")])
def test_a_mistyped_verb(kumo: Kumo, word: str, meant: str) -> None:
    for arguments in ([word], ["help", word], [word, "--json"], ["--json", word]):
        ran = kumo(*arguments)

        assert ran[:2] == (USAGE, "")
        assert ran.stderr.startswith(f"kumo: {word!r} is not a verb (did you mean {meant}?): ")


@pytest.mark.parametrize("option", ["--a\nb", "--\x1b[31m", "--\x9b31m", "--\u00e9"], ids=ascii)
def test_unknown_option_that_is_not_printable(kumo: Kumo, option: str) -> None:
    ran = kumo(option)

    assert ran[:2] == (USAGE, "")
    assert ran.stderr.startswith("kumo: --")
    assert " is not an option of kumo" in ran.stderr
    assert ran.stderr[:-1].isprintable(), ran.stderr
    assert ran.stderr.endswith(" (see kumo --help)\n")


@pytest.mark.parametrize("verb", [[], ["explain"], ["snapshot"], ["--json"]])
def test_pid_of_a_process_that_has_ended(kumo: Kumo, verb: list[str]) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()

    message = f"kumo: --pid {process.pid}: no such process\n"
    assert kumo(*verb, "--pid", str(process.pid)) == (INPUT, "", message)


@pytest.mark.parametrize("pid", ["4194305", "4294967297", "12345678901234"])
def test_pid_beyond_what_the_kernel_gives(kumo: Kumo, pid: str) -> None:
    assert kumo("--pid", pid) == (INPUT, "", f"kumo: --pid {pid}: no such process\n")


def test_pid_of_thousands_of_digits(kumo: Kumo) -> None:
    ran = kumo("--pid", "9" * 5000)

    assert ran.code in (USAGE, INPUT)
    assert (ran.stdout, ran.stderr.count("\n")) == ("", 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no section: a machine file has lines such as '-- !platform --'"),
        (b"hello\n", "no section: a machine file has lines such as '-- !platform --'"),
        (bytes(range(256)), "no section: a machine file has lines such as '-- !platform --'"),
        (
            b"prose\n-- bogus --\nx\n",
            "line 2: section 'bogus' is not a /path, $VARIABLE, !fact or expect",
        ),
        (
            b"-- \x1b[31m\xff --\n",
            r"line 1: section '\x1b[31m\udcff' is not a /path, $VARIABLE, !fact or expect",
        ),
        (
            b"-- /a (EBOGUS) --\n-- " + b"b" * 500 + b" --\n",
            f"line 2: section '{'b' * 60}' is not a /path, $VARIABLE, !fact or expect",
        ),
    ],
    ids=["empty", "text", "binary", "section", "escapes", "long"],
)
@pytest.mark.parametrize("verb", [[], ["explain"], ["snapshot"], ["--json"]])
def test_not_a_machine_file(
    kumo: Kumo, tmp_path: Path, content: bytes, message: str, verb: list[str]
) -> None:
    path = tmp_path / "machine.txt"
    path.write_bytes(content)

    ran = kumo(*verb, "--machine", str(path))

    assert ran == (INPUT, "", f"kumo: --machine {path}: {message}\n")


def test_missing_machine_file(kumo: Kumo, tmp_path: Path) -> None:
    path = tmp_path / "absent.txt"

    assert kumo("--machine", str(path)) == (
        *(INPUT, ""),
        f"kumo: --machine {path}: No such file or directory\n",
    )


def test_the_empty_name_of_a_machine_file_is_quoted(kumo: Kumo) -> None:
    line = "kumo: --machine '': No such file or directory\n"

    assert kumo("--machine", "") == (INPUT, "", line)


def test_directory_as_a_machine_file(kumo: Kumo, tmp_path: Path) -> None:
    assert kumo("--machine", str(tmp_path)) == (
        *(INPUT, ""),
        f"kumo: --machine {tmp_path}: Is a directory\n",
    )


def test_unreadable_machine_file(kumo: Kumo, tmp_path: Path) -> None:
    path = tmp_path / "secret.txt"
    path.write_text("-- !affinity --\n0\n")
    path.chmod(0)
    # root without capabilities may read no more than the owner of a file may
    prefix = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
    if prefix and shutil.which("setpriv") is None:
        skip_real("setpriv is not installed")

    ran = kumo("--machine", str(path), prefix=prefix)

    assert ran == (INPUT, "", f"kumo: --machine {path}: Permission denied\n")


@pytest.mark.parametrize("name", ["a\nb", "\x1b[31m", "\x9b31m", "\u202e"], ids=ascii)
def test_name_of_a_machine_file_that_is_not_printable(
    kumo: Kumo, tmp_path: Path, name: str
) -> None:
    ran = kumo("--machine", str(tmp_path / name))

    assert ran[:2] == (INPUT, "")
    assert ran.stderr.startswith(f"kumo: --machine {tmp_path}")
    assert ran.stderr[:-1].isprintable(), ran.stderr
    assert ran.stderr.endswith(": No such file or directory\n")


HUGE = "9" * 30


@pytest.mark.parametrize(
    "arguments",
    [
        ["--pid", HUGE],
        ["explain", "--at-least", HUGE],
        ["--memory-per-worker", f"{HUGE}G"],
        ["run", "--max", HUGE, "true"],
        ["run", "--workers", HUGE, "true"],
        ["run", "--share", f"1/{HUGE}", "true"],
        ["metrics", "--port", HUGE],
    ],
    ids=lambda words: words[-1] if words[0] == "--pid" else words[1],
)
def test_a_number_that_is_too_large(kumo: Kumo, arguments: list[str]) -> None:
    ran = kumo(*arguments)

    assert ran[:2] == (USAGE, "")
    assert " is too large" in ran.stderr
    assert ran.stderr.count("\n") == 1


LONG = "x" * 5000
LENGTH = 700  # characters: the list of what --with takes is in one of the lines


def options_with_values() -> list[tuple[str, str]]:
    return [
        (verb, action.option_strings[-1])
        for verb in VERBS
        for action in make_parser(verb)._actions
        if action.option_strings and action.nargs != 0
    ]


@pytest.mark.parametrize(("verb", "option"), options_with_values())
def test_a_long_value_is_cut(kumo: Kumo, verb: str, option: str) -> None:
    """One line names the option, whatever it is given."""
    if option in ("--port", "--metrics", "--address"):
        needed = {"--port": [], "--metrics": ["--pid", "1"], "--address": ["--port", "0"]}[option]
    else:
        needed = ["dask"] if verb == "fleet" else []
    kumo.skip_without_package(verb)

    ran = kumo(verb, *needed, option, LONG)

    assert ran.code in (USAGE, INPUT)
    assert ran.stdout == ""
    assert re.match(rf"kumo: (argument )?{option}\b", ran.stderr)
    assert ran.stderr.count("\n") == 1
    assert len(ran.stderr) < LENGTH


@pytest.mark.parametrize(("verb", "option"), options_with_values())
def test_a_missing_value_is_shown_by_its_form(kumo: Kumo, verb: str, option: str) -> None:
    ran = kumo(verb, option)

    form = r"(needs a command after it|its value is missing, as in -+\w[^ ]* [A-Z{][^ ]*)"
    assert ran[:2] == (USAGE, "")
    assert re.fullmatch(
        rf"kumo: (argument )?{option}:? {form} \(see kumo {verb} --help\)\n", ran.stderr
    )


@pytest.mark.parametrize(
    "words",
    [
        [LONG],
        [f"--{LONG}"],
        [f"--json={LONG}"],
        ["explain", LONG],
        ["help", LONG],
        ["fleet", LONG],
        ["fleet", "files", LONG],
        ["fleet", "mpi", f"--hostfile {LONG}"],
        ["run", "--", LONG],
    ],
    ids=lambda words: " ".join(words)[:20],
)
def test_a_long_word_is_cut(kumo: Kumo, words: list[str]) -> None:
    ran = kumo(*words)

    assert ran.code in (USAGE, INPUT, CANNOT_RUN)
    assert ran.stdout == ""
    assert ran.stderr.startswith("kumo: ")
    assert ran.stderr.count("\n") == 1
    assert len(ran.stderr) < LENGTH


def test_a_wrong_choice_names_all_of_them(kumo: Kumo) -> None:
    message = "argument --shell: 'zsh' is not one of sh, fish"

    assert kumo("env", "--shell", "zsh") == (
        *(USAGE, ""),
        f"kumo: {message} (see kumo env --help)\n",
    )


@pytest.mark.parametrize("word", ["autoo", "0"])
def test_what_the_number_of_workers_may_be(kumo: Kumo, word: str) -> None:
    message = f"argument --workers: '{word}' is not a positive decimal integer, such as 4, or auto"

    assert kumo("env", "--workers", word) == (
        *(USAGE, ""),
        f"kumo: {message} (see kumo env --help)\n",
    )


def bad_override(value: str) -> str:
    shown = ascii(value if len(value) <= 60 else value[:60] + "...")
    if value.isascii() and value.isdigit() and value.strip("0"):
        return f"{VARIABLE}={shown} is too large: at most {2**64 - 1}\n"
    return f"{VARIABLE}={shown} is not a positive decimal integer, such as 4\n"


@pytest.mark.parametrize("verb", [[], ["explain"], ["snapshot"], ["--json"]])
@pytest.mark.parametrize("value", [*OVERRIDES, "4\n", "\x1b[31m"], ids=lambda v: ascii(v)[:9])
def test_bad_override_in_the_environment(kumo: Kumo, value: str, verb: list[str]) -> None:
    ran = kumo(*verb, **{VARIABLE: value})

    assert ran == (INPUT, "", f"kumo: {bad_override(value)}")


@pytest.mark.parametrize("verb", [[], ["explain"], ["snapshot"], ["--json"]])
@pytest.mark.parametrize("value", OVERRIDES, ids=lambda value: ascii(value)[:9])
def test_bad_override_in_a_machine_file(
    kumo: Kumo, tmp_path: Path, value: str, verb: list[str]
) -> None:
    path = tmp_path / "machine.txt"
    path.write_text(f"-- ${VARIABLE} --\n{value}\n", "utf-8")

    ran = kumo(*verb, "--machine", str(path))

    assert ran == (INPUT, "", f"kumo: --machine {path}: {bad_override(value)}")


def test_module_fails_as_the_command_does(kumo: Kumo) -> None:
    for arguments in (["--bogus"], ["--pid", "x"], ["--machine", "/"]):
        assert run([kumo.python, "-m", "kumo", *arguments]) == kumo(*arguments)


def test_a_fleet_without_its_engine(kumo: Kumo) -> None:
    missing = "kumo: ENGINE is missing (see kumo fleet --help)\n"

    assert kumo("fleet") == (2, "", missing)


class Late:
    """Raises an interrupt in its destructor, from which Python drops it."""

    def __del__(self) -> None:
        raise KeyboardInterrupt


def test_an_interrupt_that_python_drops_ends_it_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def wait(options: object) -> int:
        Late()
        time.sleep(60)
        return 0

    hook = sys.unraisablehook
    monkeypatch.setattr("kumo._command.version.run", wait)

    assert main(["version"]) == INTERRUPTED
    assert sys.unraisablehook is hook


@pytest.mark.skipif(sys.platform == "win32", reason="there are no timers that send a signal")
@pytest.mark.parametrize("dropped", [0, 1, 2])
@pytest.mark.parametrize("seconds", [0, 5000])
def test_a_verb_that_has_ended_leaves_the_timer_as_it_was(
    monkeypatch: pytest.MonkeyPatch, dropped: int, seconds: int
) -> None:
    def end(options: object) -> int:
        for _ in range(dropped):
            Late()
        return 0

    def handle(signum: int, frame: object) -> None:
        """Nothing is to be done: the timer does not end."""

    monkeypatch.setattr("kumo._command.version.run", end)
    monkeypatch.setattr("kumo._command.dispatch.LATER", 9000)
    handler = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        code = main(["version"])
    finally:
        left, _ = signal.setitimer(signal.ITIMER_REAL, 0)
        handler = signal.signal(signal.SIGALRM, handler)

    assert (code, handler) == (0, handle)
    assert 0 < left <= seconds if seconds else left == 0
