"""A command under `kumo run` is as if it had been run directly, but for its environment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from bare import unmeasured
from command.conftest import TIMEOUT, Kumo, environment
from conftest import skip_real

from kumo._errors import InputError
from kumo._launch.exec import as_started, pin

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="exec is POSIX's")

# Prints, as JSON, what a process can tell of how it was started.
TELL = """\
import json, os, signal, sys
print(json.dumps({
    "pid": os.getpid(),
    "arguments": [ascii(word) for word in sys.argv[1:]],
    "stdin": sys.stdin.buffer.read().hex(),
    "descriptors": {
        fd: os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")
        if os.path.exists(f"/proc/self/fd/{fd}")
    },
    "group": os.getpgid(0), "session": os.getsid(0), "parent": os.getppid(),
    "directory": os.getcwd(), "umask": os.umask(0),
    "environment": {ascii(k): ascii(v) for k, v in os.environ.items()},
}))
"""
ARGUMENTS = [
    [],
    ["a b", "c\td", "e\nf"],
    ["", "", "x", ""],
    ["'", '"', "\\", "$HOME", "`id`", "*", "~", ";", "&", "|", ">"],
    ["--", "-", "--print", "--max", "-x", "--help"],
    ["=", "A=B", "--share=1/2"],
    ["\u4e91", "\U0001f4a9"],
]
KUMO_RUN = [sys.executable, "-m", "kumo", "run", "--"]
UNDECODABLE = [b"\xff", b"\x80\xfe=\xff", b"caf\xe9", b"\xed\xa0\x80"]


def run(command: list[str] | list[bytes], **options: object) -> subprocess.CompletedProcess[bytes]:
    given = {"stdin": subprocess.DEVNULL, "env": environment(), **options}
    return subprocess.run(command, capture_output=True, check=False, timeout=TIMEOUT, **given)  # type: ignore[call-overload, no-any-return]  # options of any kind


def told(command: list[str], **options: object) -> dict[str, object]:
    ran = run(command, **options)
    assert (ran.returncode, ran.stderr) == (0, b"")
    answer: dict[str, object] = json.loads(ran.stdout)
    return answer


def tell(*arguments: str) -> list[str]:
    return [sys.executable, "-I", "-c", TELL, *arguments]


# --- arguments, environment, descriptors


@pytest.mark.parametrize("arguments", ARGUMENTS, ids=lambda words: ascii(" ".join(words)))
@pytest.mark.parametrize("dashes", [["--"], []], ids=["--", "no --"])
def test_arguments(kumo: Kumo, arguments: list[str], dashes: list[str]) -> None:
    answer = told([kumo.script, "run", "--max", "2", *dashes, *tell(*arguments)])

    assert answer["arguments"] == [ascii(word) for word in arguments]


@pytest.mark.parametrize("word", UNDECODABLE, ids=repr)
@pytest.mark.parametrize("locale", ["C.UTF-8", "C", "POSIX"])
def test_undecodable_arguments_and_variables(kumo: Kumo, word: bytes, locale: str) -> None:
    direct = [b"/bin/sh", b"-c", b'printf "%s" "$1" "$ODD"', b"sh", word]
    given = {**environment(ODD="x" + os.fsdecode(word)), "LC_ALL": locale}

    ran = run([kumo.script.encode(), b"run", b"--", *direct], env=given)

    assert (ran.stdout, ran.stderr) == (word + b"x" + word, b"")


@pytest.mark.parametrize(
    "variables",
    [{"LC_ALL": "C.UTF-8"}, {}, {"LANG": "C"}, {"LC_CTYPE": "C"}, {"LC_CTYPE": "C.UTF-8"}],
    ids=str,
)
def test_environment_is_the_same_but_for_the_table(kumo: Kumo, variables: dict[str, str]) -> None:
    """Python sets LC_CTYPE in the locale C, which the command has not to see."""
    given = {"PATH": os.environ["PATH"], "EMPTY": "", **variables}
    direct = run(["env"], env=given).stdout.splitlines()
    ours = run([kumo.script, "run", "env"], env=given).stdout.splitlines()

    added = {line.partition(b"=")[0].decode() for line in set(ours) - set(direct)}
    assert set(direct) <= set(ours)
    assert "LC_CTYPE" not in added
    assert {"KUMO_AVAILABLE_PARALLELISM", "KUMO_RUN_SET", "GOMAXPROCS"} <= added


def test_process_is_the_same(kumo: Kumo, tmp_path: Path) -> None:
    with subprocess.Popen(
        [kumo.script, "run", "--", *tell()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env=environment(),
        cwd=tmp_path,
        umask=0o27,
        start_new_session=True,
    ) as started:
        answer = json.loads(started.communicate(timeout=TIMEOUT)[0])

    assert answer["pid"] == answer["group"] == answer["session"] == started.pid
    assert answer["parent"] == os.getpid()
    assert answer["directory"] == str(tmp_path)
    assert answer["umask"] == 0o27


def test_no_descriptor_is_added_or_lost(kumo: Kumo, tmp_path: Path) -> None:
    if not os.path.exists("/proc/self/fd"):
        skip_real("descriptors are listed in /proc")
    reading, writing = os.pipe()
    given = {"pass_fds": (reading, writing), "stdin": subprocess.DEVNULL}
    try:
        direct = told(tell(), **given)["descriptors"]
        ours = told([kumo.script, "run", "--pin", "--", *tell()], **given)["descriptors"]
    finally:
        os.close(reading)
        os.close(writing)

    assert isinstance(direct, dict)
    assert isinstance(ours, dict)
    assert set(ours) == set(direct)
    assert {ours[str(fd)] for fd in (reading, writing)} == {
        direct[str(fd)] for fd in (reading, writing)
    }


def test_closed_streams_stay_closed(kumo: Kumo) -> None:
    script = '"$@" <&- 2>&-'
    direct = ["sh", "-c", "ls /proc/self/fd"]
    given = unmeasured(environment())

    assert (
        run(["sh", "-c", script, "sh", kumo.script, "run", "--", *direct], env=given).stdout
        == run(["sh", "-c", script, "sh", *direct], env=given).stdout
    )


def test_nothing_is_left_behind(kumo: Kumo, tmp_path: Path) -> None:
    """Neither a file, in the directories that a program may write to, nor a process."""
    home = tmp_path / "home"
    home.mkdir()
    given = environment(HOME=str(home), TMPDIR=str(home), XDG_RUNTIME_DIR=str(home))
    before = sorted(kumo.directory.rglob("*"))
    children = "/proc/self/task/{}/children"
    if not os.path.exists(children.format(os.getpid())):
        skip_real("children are listed in /proc")
    show = f"import os; print(open({children!r}.format(os.getpid())).read())"

    during = run([kumo.script, "run", "--pin", sys.executable, "-c", show], cwd=home, env=given)
    after = run(["sh", "-c", f"grep -lsa 'TMPDIR={home}' /proc/[0-9]*/environ"])

    assert list(home.iterdir()) == []
    assert sorted(kumo.directory.rglob("*")) == before
    assert (during.stdout.strip(), during.stderr) == (b"", b"")
    assert after.stdout == b""


@pytest.mark.parametrize("given", [b"", b"one\ntwo\n", b"\x00\xff" * 70_000])
def test_stdin_is_a_pipe_and_untouched(kumo: Kumo, given: bytes) -> None:
    command = [kumo.script, "run", "cat"]

    ran = subprocess.run(
        command, input=given, capture_output=True, check=False, timeout=TIMEOUT, env=environment()
    )

    assert (ran.returncode, ran.stdout, ran.stderr) == (0, given, b"")


# --- status and signals


@pytest.mark.parametrize("status", [0, 1, 2, 3, 77, 126, 127, 130, 255])
def test_exit_status(kumo: Kumo, status: int) -> None:
    assert run([kumo.script, "run", "sh", "-c", f"exit {status}"]).returncode == status


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGKILL", "SIGPIPE"])
def test_a_signal_ends_the_command(kumo: Kumo, name: str) -> None:
    number = signal.Signals[name]
    command = [kumo.script, "run", "sh", "-c", "ulimit -c 0; echo ready; exec sleep 30"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment()) as started:
        assert started.stdout is not None
        assert started.stdout.readline() == b"ready\n"
        started.send_signal(number)
        assert started.wait(TIMEOUT) == -number


def test_a_handler_of_the_command_is_called(kumo: Kumo) -> None:
    script = "trap 'echo caught; exit 7' TERM; echo ready; while :; do sleep 0.05; done"
    command = [kumo.script, "run", "sh", "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment()) as started:
        assert started.stdout is not None
        assert started.stdout.readline() == b"ready\n"
        started.terminate()
        assert started.stdout.read() == b"caught\n"
        assert started.wait(TIMEOUT) == 7


def test_sigpipe_ends_the_command(kumo: Kumo) -> None:
    script = '{ "$0" run -- yes; echo "$?" >&2; } | head -n 1'

    ran = run(["sh", "-c", script, kumo.script])

    assert (ran.stdout, ran.stderr) == (b"y\n", b"141\n")


def test_an_interrupt_before_the_command_ends_it_too(kumo: Kumo, tmp_path: Path) -> None:
    """Not by an exception: by the signal, as the shell that waits for it has to see."""
    script = (
        "import os, signal, sys, time\n"
        "from kumo._command import main as _cli\n"
        "import kumo._survey\n"
        "def survey(*_, **__): print(flush=True); time.sleep(60)\n"
        "kumo._survey.survey = survey\n"
        "sys.exit(_cli.main(['run', 'true']))\n"
    )
    with subprocess.Popen(
        [kumo.python, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    ) as started:
        assert started.stdout is not None
        started.stdout.readline()
        started.send_signal(signal.SIGINT)
        printed = started.communicate(timeout=TIMEOUT)

    assert (started.returncode, printed) == (-signal.SIGINT, (b"", b""))


def test_signals_are_disposed_of_as_they_were(kumo: Kumo) -> None:
    """What the caller ignores stays ignored; Python's own SIGPIPE and SIGXFSZ do not."""
    if not os.path.exists("/proc/self/status"):
        skip_real("dispositions are shown in /proc")
    show = ["sed", "-n", "/^Sig[BIC]/p", "/proc/self/status"]
    script = "trap '' INT HUP USR1; \"$@\""

    direct = run(["sh", "-c", script, "sh", *show])
    ours = run(["sh", "-c", script, "sh", kumo.script, "run", "--", *show])

    assert ours.stdout == direct.stdout
    ignored = int(ours.stdout.split(b"SigIgn:")[1].split()[0], 16)
    assert ignored & 0x7FFF_FFFF == 0x203  # from 32 on, signals are the C library's


# --- what cannot be run


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A directory with programs that cannot be run."""
    for name, text, mode in [
        ("plain", "echo hi\n", 0o644),
        ("no-interpreter", "#!/nonexistent/sh\n", 0o755),
    ]:
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(mode)
    (tmp_path / "directory").mkdir()
    return tmp_path


REFUSED = [
    ("nosuch", 127, "command not found"),
    ("./nosuch", 127, "command not found"),
    ("./plain/nosuch", 127, "command not found"),
    ("", 127, "command not found"),
    ("directory", 127, "command not found"),
    ("./plain", 126, "Permission denied"),
    ("plain", 126, "Permission denied"),
    ("./directory", 126, "Permission denied"),
    ("./no-interpreter", 126, "the interpreter that its first line names was not found"),
    ("no-interpreter", 126, "the interpreter that its first line names was not found"),
    ("./" + "x" * 300, 126, "File name too long"),
]


@pytest.mark.parametrize(("command", "code", "message"), REFUSED, ids=lambda value: str(value)[:20])
def test_commands_that_cannot_be_run(
    kumo: Kumo, odd: Path, command: str, code: int, message: str
) -> None:
    given = environment(PATH=f"{odd}:/usr/bin:/bin")

    ran = run([kumo.script, "run", "--", command, "argument"], cwd=odd, env=given)

    shown = command if len(command) <= 200 else command[:200] + "..."
    assert ran.returncode == code
    assert ran.stdout == b""
    assert ran.stderr.decode() == f"kumo: {shown or repr('')}: {message}\n"


# Root goes before, so that all is loaded where the user can read neither Python nor kumo.
AS_NOBODY = """\
import os, sys
from kumo._command.main import main
os.environ["PATH"] = sys.argv[1]
main(["run", "nosuch"])
os.setgid(65534)
os.setuid(65534)
sys.exit(main(["run", sys.argv[2]]))
"""


@pytest.mark.parametrize(("command", "code", "lines"), [("nosuch", 127, 2), ("true", 0, 1)])
def test_a_path_that_may_not_be_searched(
    kumo: Kumo, tmp_path: Path, command: str, code: int, lines: int
) -> None:
    """As in bash and dash: it is passed over, and what is in it is not found."""
    if os.geteuid() != 0:
        skip_real("becoming another user needs root")
    (tmp_path / "true").write_text("exit 1\n")
    tmp_path.chmod(0o600)

    program = [kumo.python, "-c", AS_NOBODY, f"{tmp_path}:/usr/bin:/bin", command]
    ran = run(program, env=unmeasured(environment()))

    assert ran.returncode == code
    assert ran.stderr == b"kumo: nosuch: command not found\n" * lines


def test_too_long_arguments(kumo: Kumo, tmp_path: Path) -> None:
    """A thousand arguments of 1000 characters fit, as they do directly; more do not.

    That is the reason also if PATH has a file of that name before it that may not be run.
    """
    ran = run([kumo.script, "run", "sh", "-c", 'echo "$#"', "sh", *["x" * 1000] * 1000])
    assert ran.stdout == b"1000\n"

    script = 'from kumo._command.main import main; exit(main(["run", "true", "x" * 200000]))'
    (tmp_path / "true").touch(0o644)
    given = environment(PATH=f"{tmp_path}:{os.environ['PATH']}")
    ran = run([kumo.python, "-c", script], env=given)
    assert (ran.returncode, ran.stderr) == (126, b"kumo: true: Argument list too long\n")


def test_a_hostile_name_does_not_control_the_terminal(kumo: Kumo) -> None:
    ran = run([kumo.script, "run", "--", "\x1b[31m\nx"])

    assert (ran.returncode, ran.stderr) == (127, b"kumo: \\x1b[31m\\nx: command not found\n")


KNOWN = "omp, blas, numba"
WRONG = [
    ([], "a command is missing, as in kumo run -- make"),
    (["--"], "a command is missing, as in kumo run -- make"),
    (["--max", "2"], "a command is missing, as in kumo run -- make"),
    (["--bogus", "true"], "--bogus is not an option of kumo run: it has --help, "),
    (["-n", "2", "true"], "-n is not an option of kumo run"),
    (["--ma", "2", "true"], "--ma is not an option of kumo run (did you mean --max?)"),
    (["--max"], "argument --max: its value is missing, as in --max N"),
    *(
        (["--max", word, "true"], f"argument --max: {word!a} is not a positive decimal integer")
        for word in ("0", "-1", "x", "", "1.5", "+1", " 1", "1_0", "\u0661")
        if word != "-1"
    ),
    (["--workers", "0", "true"], "argument --workers: '0' is not a positive decimal integer"),
    *(
        (
            ["--share", word, "true"],
            f"argument --share: {word!a} is not a part of at most 1/1, such as 1/2 or 0.5",
        )
        for word in (
            "3/2",
            "0/2",
            "1/0",
            "1",
            "1/2/3",
            "/",
            "a/b",
            "1.5",
            "0.0",
            "0.",
            "1e-1",
            "50%",
            "",
        )
    ),
    (["--round", "up", "true"], "argument --round: 'up' is not one of floor, ceil"),
    (
        ["--with", "bogus", "true"],
        f"--with 'bogus' is not a variable of --print, nor one of {KNOWN}",
    ),
    (["--without", "", "true"], f"--without '' is not a variable of --print, nor one of {KNOWN}"),
    (["--with", "GOFLAGS", "true"], "--with GOFLAGS: it is never set: "),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG, ids=lambda value: str(value)[:40])
def test_wrong_options(kumo: Kumo, arguments: list[str], message: str) -> None:
    ran = kumo("run", *arguments)

    assert ran[:2] == (2, "")
    assert ran.stderr.startswith(f"kumo: {message}")
    assert ran.stderr.endswith(" (see kumo run --help)\n")
    assert ran.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("variable", "message"),
    [
        (
            "KUMO_AVAILABLE_PARALLELISM",
            "KUMO_AVAILABLE_PARALLELISM='auto' is not a positive decimal integer, such as 4",
        ),
        (
            "KUMO_RUN_SET",
            "KUMO_RUN_SET='auto' is not what kumo run writes, such as "
            "4:KUMO_AVAILABLE_PARALLELISM=4; unset it",
        ),
    ],
)
@pytest.mark.parametrize("verb", [["run", "true"], ["run", "--print"], ["env"], ["env", "--json"]])
def test_bad_environment(kumo: Kumo, verb: list[str], variable: str, message: str) -> None:
    ran = kumo(*verb, **{variable: "auto"})

    assert ran == (3, "", f"kumo: {message}\n")


@pytest.mark.parametrize("verb", ["run", "env"])
def test_help(kumo: Kumo, verb: str) -> None:
    ran = kumo(verb, "--help")

    assert (ran.code, ran.stderr) == (0, "")
    assert ran.stdout.startswith(f"usage: kumo {verb} [-h] [--share N/D]")
    assert all(len(line) <= 90 for line in ran.stdout.splitlines())


def test_a_script_without_a_first_line_is_run_by_the_shell(tmp_path: Path) -> None:
    """As env, nice and the shell itself do; the first of PATH, though a later one could be run."""
    for place, body in (("first", 'echo "of sh: $0 $*"\n'), ("second", "#!/bin/sh\necho later\n")):
        (tmp_path / place).mkdir()
        script = tmp_path / place / "script"
        script.write_text(body)
        script.chmod(0o755)
    path = f"{tmp_path}/first:{tmp_path}/second:{os.environ['PATH']}"

    for name in (f"{tmp_path}/first/script", "script"):
        ran = run([*KUMO_RUN, name, "a", "b c"], env={**environment(), "PATH": path})

        expected = f"of sh: {tmp_path}/first/script a b c\n".encode()
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, expected, b"")


WITHOUT_A_NAME = """\
import ctypes, sys
words = [word.encode() for word in sys.argv[1:]]
variables = [b"PATH=/usr/bin:/bin", b"=x", b"A=1"]
argv = (ctypes.c_char_p * (len(words) + 1))(*words, None)
envp = (ctypes.c_char_p * (len(variables) + 1))(*variables, None)
ctypes.CDLL(None).execve(words[0], argv, envp)
"""


def test_a_variable_without_a_name_stops_nothing() -> None:
    command = [*KUMO_RUN, "/usr/bin/env"]
    ran = run([sys.executable, "-c", WITHOUT_A_NAME, *command])

    assert (ran.returncode, ran.stderr) == (0, b"")
    assert b"A=1" in ran.stdout.split(b"\n")


SET = {"A": "1", "LC_CTYPE": "C.UTF-8"}


@pytest.mark.parametrize(
    ("now", "block", "given"),
    [
        (SET, "A=1\0", {"A": "1"}),
        (SET, "A=1\0LC_CTYPE=C.UTF-8\0", SET),
        (SET, "A=1\0LC_CTYPE=C\0", {"A": "1", "LC_CTYPE": "C"}),
        (SET, None, SET),
        (SET, PermissionError(13, "Permission denied"), SET),
        ({"A": "1", "LC_CTYPE": "de_DE"}, "", {"A": "1", "LC_CTYPE": "de_DE"}),
    ],
)
def test_what_python_has_set_itself_is_not_handed_on(
    monkeypatch: pytest.MonkeyPatch,
    now: dict[str, str],
    block: str | OSError | None,
    given: dict[str, str],
) -> None:
    def read(path: str) -> str | None:
        if isinstance(block, OSError):
            raise block
        return block

    monkeypatch.setattr("kumo._system.live.read_file", read)

    assert as_started(now) == given


@pytest.mark.skipif(sys.platform != "linux", reason="this system cannot pin")
def test_cpus_that_the_kernel_refuses() -> None:
    with pytest.raises(InputError, match=r"^--pin: the affinity cannot be set: Invalid argument$"):
        pin((99999,))
