"""What `kumo watch` starts and signals: how a command ended, and which process is meant."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from bare import unmeasured

from kumo._command.notify import Target, check_command, run_command
from kumo._errors import InputError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="signals as Linux has them")

ESTIMATE = SimpleNamespace(parallelism=2, cpus=2.5)
CHANGE: Any = SimpleNamespace(old=ESTIMATE, new=ESTIMATE, what="quota")


@pytest.mark.parametrize(
    ("script", "ended"),
    [
        ('test "$KUMO_CHANGE$KUMO_NEW_CPUS" = quota2.5', ""),
        ("exit 3", "ended with exit code 3"),
        ("kill -TERM $$", "was ended by SIGTERM"),
        (f"kill -{signal.SIGRTMIN + 3} $$", f"was ended by signal {signal.SIGRTMIN + 3}"),
    ],
)
def test_how_a_command_ended(capfd: pytest.CaptureFixture[str], script: str, ended: str) -> None:
    run_command(["sh", "-c", script], CHANGE)

    assert capfd.readouterr().err == (f"kumo: --exec sh {ended}\n" if ended else "")


def test_a_command_that_has_gone(capfd: pytest.CaptureFixture[str]) -> None:
    run_command(["/nonexistent/x"], CHANGE)

    message = "kumo: --exec /nonexistent/x could not be run: No such file or directory\n"
    assert capfd.readouterr().err == message
    with pytest.raises(InputError, match="no such program that can be run"):
        check_command(["/nonexistent/x"])


def test_a_process_that_does_not_exist() -> None:
    with pytest.raises(InputError, match=r"^--signal: process 4194305 does not exist$"):
        Target(4194305, signal.SIGUSR1)


@pytest.mark.parametrize("refused", [False, True])
def test_a_process_gets_the_signal_and_none_that_has_its_number(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], refused: bool
) -> None:
    """A sandbox may not know `pidfd_open`: then the time of its start distinguishes a process."""

    def refuse(pid: int) -> int:
        raise PermissionError(1, "Operation not permitted")

    if refused:
        monkeypatch.setattr(os, "pidfd_open", refuse)
    with subprocess.Popen(["sleep", "600"]) as process:
        target = Target(process.pid, signal.SIGUSR1)
        target.notify()
        assert process.wait(60) == -signal.SIGUSR1
    target.notify()

    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(sys.platform != "win32" and os.geteuid() != 0, reason="it drops root's rights")
def test_a_process_of_another_user() -> None:
    program = (
        "import os, sys\nfrom kumo._command.notify import Target\nos.setuid(65534)\n"
        "try: Target(int(sys.argv[1]), 10)\nexcept Exception as error: print(error)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, str(os.getpid())], capture_output=True, text=True,
        check=True, env=unmeasured(os.environ),
    )  # fmt: skip

    assert ran.stdout == (
        f"--signal: no right to send process {os.getpid()} a signal; run kumo as its user\n"
    )
