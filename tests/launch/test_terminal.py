"""A terminal, and the job control of a shell on it, are as without `kumo run`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

import pytest
from command.conftest import Kumo

from launch.conftest import Terminal

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="terminals are POSIX's")

Start = Callable[[list[str]], Terminal]
Both = Callable[[list[str]], tuple[list[str], list[str]]]


@pytest.mark.parametrize("under", [False, True], ids=["direct", "kumo run"])
def test_stdin_is_the_terminal(terminal: Start, in_both: Both, under: bool) -> None:
    script = "test -t 0 && test -t 1 && test -t 2 && read line && echo got $line"
    shell = terminal(in_both(["/bin/sh", "-c", script])[under])
    shell.write("some words\n")

    ended = shell.end()

    assert ended.status == 0
    assert "got some words\r\n" in ended.shown


@pytest.mark.parametrize("under", [False, True], ids=["direct", "kumo run"])
@pytest.mark.parametrize(("key", "number"), [("\x03", signal.SIGINT), ("\x1c", signal.SIGQUIT)])
def test_keys_send_their_signals(
    terminal: Start, in_both: Both, under: bool, key: str, number: signal.Signals
) -> None:
    script = "ulimit -c 0; echo ready; exec sleep 30"
    shell = terminal(in_both(["/bin/sh", "-c", script])[under])
    shell.wait_for("ready")
    shell.write(key)

    status = shell.end().status

    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == number


@pytest.mark.parametrize("under", [False, True], ids=["direct", "kumo run"])
def test_stop_and_continue(terminal: Start, in_both: Both, under: bool) -> None:
    """A shell with job control sees the command stop at Ctrl-Z, and brings it back."""
    job = " ".join(in_both(["sh", "-c", "'echo rea''dy; exec cat'"])[under])
    shell = terminal(["/bin/bash", "--norc", "--noprofile", "-i"])
    shell.write("PS1='prompt''> '\n")
    shell.wait_for("prompt> ")
    shell.write(f"{job}\n")
    shell.wait_for("\nready\r\n")  # until then bash reads the terminal
    shell.write("first\n")
    shell.wait_for("first\r\nfirst\r\n")
    shell.write("\x1a")
    shell.wait_for("Stopped")
    shell.write("jobs -l; echo in the shell $((20 + 3))\n")
    shell.wait_for("in the shell 23")
    shell.write("fg\n")
    shell.wait_for(f"fg\r\n{job.partition(' -c')[0]}")
    shell.write("second\n")
    shell.wait_for("second\r\nsecond\r\n")
    shell.write("\x04")
    shell.write("exit 5\n")

    assert os.waitstatus_to_exitcode(shell.end().status) == 5


def test_terminal_is_left_as_it_was(terminal: Start, kumo: Kumo) -> None:
    script = 'before=$(stty -g); "$1" run true; test "$before" = "$(stty -g)" && echo same'
    shell = terminal(["/bin/sh", "-c", script, "sh", kumo.script])

    assert "same" in shell.end().shown
