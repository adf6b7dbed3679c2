"""Programs on PATH that answer, fail, babble, hang, and leave others behind."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import UserDict
from pathlib import Path
from threading import Thread
from typing import NoReturn

import pytest
from late import interrupted_late

from doctor.programs import answers, wait_until_gone, write
from kumo._runtimes.runtimes import Belief

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the stand-ins are shell scripts")
TELL = 'echo "Etc.nprocessors\t3.1.2\t{}"'


def only(directory: Path, **how: float) -> tuple[list[Belief], str]:
    """The beliefs and the failure of the one program of *directory*."""
    # Of its options those that are numbers.
    (answer,) = answers(directory, **how)  # type: ignore[arg-type]
    return answer.beliefs, answer.failure


def test_an_answer(tmp_path: Path) -> None:
    write(tmp_path, "ruby", TELL.format(8))

    assert only(tmp_path) == ([Belief("Etc.nprocessors", "3.1.2", 8)], "")


def test_an_answer_on_stderr_and_a_failing_step_after_it(tmp_path: Path) -> None:
    write(tmp_path, "nproc", 'case "$1" in --version) echo no >&2; exit 1;; esac; echo 3 >&2')

    assert only(tmp_path) == ([Belief("nproc", "?", 3)], "")


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        ("exit 7", "nothing was printed (exit code 7)"),
        ("echo 'no such option' >&2; exit 1", "no such option (exit code 1)"),
        ("echo many CPUs", "many CPUs (exit code 0)"),
        ("printf '\\033[31m\\001'", r"\x1b[31m\x01 (exit code 0)"),
        ("printf '\\377\\376'", "\ufffd\ufffd (exit code 0)"),
        ("kill -9 $$", "nothing was printed (ended by signal 9)"),
        (
            "printf 'Traceback (most recent call last):\\n  File\\nKeyError: 1\\n'; exit 1",
            "KeyError: 1 (exit code 1)",
        ),
    ],
)
def test_no_answer(tmp_path: Path, body: str, failure: str) -> None:
    write(tmp_path, "ruby", body)

    assert only(tmp_path) == ([], failure)


def test_a_shim_of_a_version_that_is_not_in_use_is_not_there(tmp_path: Path) -> None:
    write(tmp_path, "python3.8", "echo 'pyenv: python3.8: command not found' >&2; exit 127")

    assert answers(tmp_path) == []


def test_a_flood_is_cut(tmp_path: Path) -> None:
    write(tmp_path, "ruby", "head -c 3000000 /dev/zero | tr '\\0' x")

    assert only(tmp_path) == ([], "x" * 120 + "... (exit code 0)")


def test_what_cannot_be_executed(tmp_path: Path) -> None:
    (tmp_path / "ruby").write_text("#!/no/such/interpreter\n")
    (tmp_path / "ruby").chmod(0o755)
    (tmp_path / "node").write_text("echo 2")  # no permission: it is no program
    (tmp_path / "java").mkdir()

    assert only(tmp_path) == ([], "cannot be run: No such file or directory")


def test_a_program_that_hangs_is_killed_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Begun(subprocess.Popen[bytes]):
        """A program for which the time does not begin before it hangs."""

        def wait(self, timeout: float | None = None) -> int:
            while not (tmp_path / "pids").exists():
                time.sleep(0.01)
            return super().wait(timeout and 0.05)

    monkeypatch.setattr("kumo._doctor.ask.Popen", Begun)
    parts = f"{tmp_path}/parts"
    write(tmp_path, "ruby", f"sleep 600 & echo $$ $! > {parts}; mv {parts} {tmp_path}/pids; wait")

    assert only(tmp_path) == ([], "no answer within 60 s")
    wait_until_gone(tmp_path / "pids")


def test_a_child_that_outlives_its_parent_is_killed_and_not_waited_for(tmp_path: Path) -> None:
    # It keeps the output open, for which a reader of a pipe would wait.
    write(tmp_path, "ruby", f"sleep 600 & echo $! > {tmp_path}/pid; {TELL.format(8)}")

    beliefs, failure = only(tmp_path)

    assert ([belief.cpus for belief in beliefs], failure) == ([8], "")
    wait_until_gone(tmp_path / "pid")


def test_no_input_and_an_empty_directory_that_is_gone_afterwards(tmp_path: Path) -> None:
    body = f"cat; pwd > {tmp_path}/where; ls | grep -v output; {TELL.format(8)}"
    write(tmp_path, "ruby", body)

    assert only(tmp_path)[0] == [Belief("Etc.nprocessors", "3.1.2", 8)]
    assert not Path((tmp_path / "where").read_text().strip()).exists()


def test_as_many_at_a_time_as_allowed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    names = ["ruby", "node", "java", "go", "Rscript", "nproc"]
    for name in names:
        write(tmp_path, name, f"echo + >> {log}; sleep 0.2; echo - >> {log}; exit 1")

    assert len(answers(tmp_path, at_once=2)) == len(names)
    running, most = 0, 0
    for line in log.read_text().split():
        running += 1 if line == "+" else -1
        most = max(most, running)
    assert most == 2


def test_the_first_on_path_is_asked(tmp_path: Path) -> None:
    for name, cpus in (("a", 1), ("b", 2)):
        (tmp_path / name).mkdir()
        write(tmp_path / name, "ruby", TELL.format(cpus))
    path = Path(f"{tmp_path}/none{os.pathsep}{tmp_path}/a{os.pathsep}{tmp_path}/b")

    assert only(path)[0] == [Belief("Etc.nprocessors", "3.1.2", 1)]


def test_a_link_that_leads_to_what_cannot_be_looked_at_is_passed_over(tmp_path: Path) -> None:
    from kumo._doctor.ask import find

    (tmp_path / "python3").symlink_to("x" * 300)  # as one into a directory of another user

    assert list(find(str(tmp_path), "")) == []


def test_a_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs are run elsewhere than where they were found."""
    (tmp_path / "bin").mkdir()
    write(tmp_path / "bin", "ruby", TELL.format(3))
    monkeypatch.chdir(tmp_path)

    (answer,) = answers(Path("bin"))

    assert answer.beliefs == [Belief("Etc.nprocessors", "3.1.2", 3)]
    assert answer.question.program == str(tmp_path / "bin" / "ruby")


def test_flags_join_what_the_user_has_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kumo._doctor.ask import ask, find

    write(tmp_path, "go", 'echo "$GODEBUG"; exit 1')
    questions = list(find(str(tmp_path), ""))
    how = {"at_once": 1, "begun": lambda question: None}

    (alone,) = ask(questions, {"PATH": os.environ["PATH"]}, **how)  # type: ignore[arg-type]  # options of several types
    both = {"PATH": os.environ["PATH"], "GODEBUG": "containermaxprocs=0"}
    (joined,) = ask(questions, both, **how)  # type: ignore[arg-type]  # the same

    assert alone.failure == "schedtrace=1 (exit code 1)"
    assert joined.failure == "containermaxprocs=0,schedtrace=1 (exit code 1)"


# --- Pythons


def test_a_python_is_asked_once_whatever_its_names(tmp_path: Path) -> None:
    """By its real path where that is the same, else by what it says of itself."""
    (tmp_path / "python3").symlink_to(sys.executable)
    (tmp_path / "python3.99").symlink_to(sys.executable)
    write(tmp_path, "python3.98", f'exec "{sys.executable}" "$@"')
    write(tmp_path, "python3.97", "echo 'os.cpu_count()\t3.97.0\t5'")

    asked = answers(tmp_path, own=sys.executable)

    assert [answer.question.program for answer in asked] == [
        sys.executable,
        str(tmp_path / "python3.97"),
    ]
    assert asked[0].beliefs[0].cpus == os.cpu_count()


def test_names_that_only_look_like_a_python(tmp_path: Path) -> None:
    for name in ("python3-config", "python3.1x", "python", "python2.7", "xpython3"):
        write(tmp_path, name, "echo 'os.cpu_count()\t3.97.0\t5'")

    assert answers(tmp_path) == []


def test_what_prints_without_an_end_is_killed_and_fills_no_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    write(tmp_path, "ruby", "yes; echo 2")

    assert only(tmp_path) == ([], "more than 16 MB were printed (ended by signal 9)")
    assert list(temporary.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone has child subreapers")
def test_what_has_left_its_session_is_killed_with_its_children(tmp_path: Path) -> None:
    body = f"setsid sh -c 'sleep 600 & echo $$ $! > {tmp_path}/pids; wait' >/dev/null 2>&1 &"
    write(tmp_path, "ruby", f"{body} sleep 0.3; {TELL.format(8)}")

    assert only(tmp_path) == ([Belief("Etc.nprocessors", "3.1.2", 8)], "")
    wait_until_gone(tmp_path / "pids")


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone has child subreapers")
def test_children_of_before_are_left_alone(tmp_path: Path) -> None:
    write(tmp_path, "ruby", TELL.format(8))
    with subprocess.Popen(["sleep", "600"]) as child:
        only(tmp_path)

        assert child.poll() is None
        child.kill()


def test_answers_come_in_order_while_others_are_asked(tmp_path: Path) -> None:
    """The first is shown before the second has answered, for which it waits."""
    from kumo._doctor.ask import Answer, ask, find

    os.mkfifo(tmp_path / "shown")
    write(tmp_path, "nproc", "echo 3")
    write(tmp_path, "ruby", f"read line < {tmp_path}/shown; {TELL.format(8)}")
    shown = []

    def answered(answer: Answer) -> None:
        shown.append(answer.question.runtime.name)
        if len(shown) == 1:
            (tmp_path / "shown").write_text("go on\n")

    questions = list(find(str(tmp_path), ""))
    path = {"PATH": os.environ["PATH"]}
    answers = ask(questions, path, at_once=2, begun=lambda question: None, answered=answered)

    assert shown == ["nproc", "Ruby"] == [each.question.runtime.name for each in answers]


def test_a_handlers_timeout_error_is_not_taken_for_a_failure() -> None:
    from kumo._doctor.ask import Question, Running, _ask
    from kumo._runtimes.runtimes import RUNTIMES

    class Interrupted(UserDict[str, str]):
        def keys(self) -> NoReturn:
            raise TimeoutError("from a handler of SIGALRM")

    with pytest.raises(TimeoutError, match="from a handler"):
        _ask(Question(RUNTIMES[0], "/bin/true"), Interrupted(), 1.0, Running())


class Refused(Thread):
    """A thread that no system starts, as under a limit on their number."""

    def start(self) -> None:
        raise RuntimeError("can't start new thread")


def test_without_threads_a_reason_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "ruby", TELL.format(8))
    monkeypatch.setattr("kumo._doctor.ask.Thread", Refused)
    before = os.listdir("/dev/fd")

    assert only(tmp_path) == ([], "cannot be run: can't start new thread")
    assert len(os.listdir("/dev/fd")) == len(before)


def test_with_one_thread_more_and_no_other_each_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first thread of two asks both."""
    write(tmp_path, "ruby", TELL.format(8))
    write(tmp_path, "nproc", "echo 3")
    left = [True, False]

    class Limited(Thread):
        def start(self) -> None:
            if not self.daemon and not left.pop(0):  # daemons read what is printed
                raise RuntimeError("can't start new thread")
            super().start()

    monkeypatch.setattr("kumo._doctor.ask.Thread", Limited)

    assert [answer.failure for answer in answers(tmp_path, at_once=2)] == ["", ""]
    assert left == []


def test_an_interrupt_while_threads_start_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first program runs, its thread is not known yet, and its files take time to remove."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    files = "i=5000; while [ $i -gt 0 ]; do : > $i; i=$((i - 1)); done"
    write(tmp_path, "nproc", f"{files}; echo > {tmp_path}/begun; exec sleep 600")

    class Interrupted(Thread):
        def start(self) -> None:
            super().start()
            if not self.daemon:  # daemons read what is printed
                while not (tmp_path / "begun").exists():
                    time.sleep(0.001)
                raise KeyboardInterrupt

    monkeypatch.setattr("kumo._doctor.ask.Thread", Interrupted)

    with pytest.raises(KeyboardInterrupt):
        answers(tmp_path, at_once=2)
    assert list(temporary.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="looks in /proc for a thread that waits")
def test_an_interrupt_just_before_the_wait_for_an_answer(tmp_path: Path) -> None:
    write(tmp_path, "nproc", f"echo $$ > {tmp_path}/started; exec sleep 600")

    with interrupted_late(tmp_path / "started"):
        answers(tmp_path, timeout=600)
    wait_until_gone(tmp_path / "started")
