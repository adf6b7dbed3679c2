"""The verb in a real terminal, which tmux is, and without one."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from bare import unmeasured
from conftest import skip_real
from real.conftest import MakeGroup, make_group
from real.host import RUN, environment, in_groups

__all__ = ["make_group"]  # fixture

LIMIT = 60  # seconds
TOP = [sys.executable, "-m", "kumo", "top"]


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ([], 3, "kumo top needs a terminal: use kumo pressure --watch or kumo metrics"),
        (["--metrics", "http://localhost:9464/"], 2, "--metrics goes with --pid alone"),
        (["--pid", "1", "--metrics", "file:///x"], 2, "--metrics 'file:///x': not an address"),
    ],
)
def test_what_cannot_be_done_is_one_line(options: list[str], code: int, message: str) -> None:
    ran = subprocess.run(
        [*TOP, *options], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )

    assert (ran.returncode, ran.stdout) == (code, "")
    assert ran.stderr.startswith(f"kumo: {message}")
    assert ran.stderr.count("\n") == 1


def test_without_textual_it_names_what_to_install() -> None:
    program = (
        "import sys; sys.modules['textual'] = None\n"
        "import kumo._command.output as output; output.in_terminal = lambda: True\n"
        "from kumo._command.main import main; sys.exit(main(['top']))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert (ran.returncode, ran.stdout) == (3, "")
    assert ran.stderr == (
        "kumo: kumo top needs Textual: pip install textual, "
        "or use kumo pressure --watch or kumo metrics\n"
    )


class Terminal:
    """A shell in a tmux of its own."""

    def __init__(self, program: str) -> None:
        self.tmux = [program, "-L", f"kumo-{RUN}", "-f", os.devnull]
        size = ("-x", "80", "-y", "24")
        subprocess.run(
            [*self.tmux, "new-session", "-d", *size, "env", "PS1=$ ", "sh"],
            check=True,
            env={**environment(), "LC_ALL": "C.UTF-8"},
        )

    def press(self, *keys: str) -> None:
        subprocess.run([*self.tmux, "send-keys", *keys], check=True)

    def screen(self) -> str:
        command = [*self.tmux, "capture-pane", "-p"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def wait_for(self, pattern: str) -> str:
        until = time.monotonic() + LIMIT
        while not re.search(pattern, text := self.screen()):
            assert time.monotonic() < until, text
            time.sleep(0.1)
        return text

    def code(self) -> int:
        """Return the exit code of what has ended: the shell is back, and what was typed shows."""
        self.wait_for(r"(?m)^\$ ?$")
        self.press("echo code $?", "Enter")
        return int(self.wait_for(r"(?m)^code \d+$").split("\ncode ")[1].split()[0])

    def end(self) -> None:
        subprocess.run([*self.tmux, "kill-server"], check=True)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    program = shutil.which("tmux")
    if program is None:
        skip_real("no tmux: Debian's package of that name brings it")
    started = Terminal(program)
    yield started
    started.end()


@pytest.mark.real
def test_a_throttled_process_in_a_terminal(
    make_group: MakeGroup, terminal: Terminal, tmp_path: Path
) -> None:
    pid = tmp_path / "pid"
    outer = make_group(cpus=0.02)  # so little that a busy machine delivers it too
    inner = make_group(outer)
    spin = subprocess.Popen(in_groups([inner], ["sh", "-c", "while :; do :; done"]))
    start = f"clear; {' '.join(TOP)} --pid {spin.pid}"
    try:
        terminal.press(start, "Enter")
        text = terminal.wait_for(r"(?m)^▶ .*0\.02 .*[1-9]\d*%.*[▂▃▄▅▆▇█]")
        assert f"({spin.pid})  0.02 CPUs → 1  quota at {outer.path.name[:20]}" in text
        assert "threads 1, count 1" in text
        outer.limit(0.5)
        terminal.wait_for(r"\d\d:\d\d:\d\d  quota 0\.02 → 0\.50 at ")
        terminal.press("q")
        assert terminal.code() == 0

        terminal.press(start, "Enter")
        terminal.wait_for(r"(?m)^▶ ")
        terminal.press("C-c")
        assert terminal.code() == 130

        terminal.press(f"clear; sh -c 'echo $$ > {pid}; exec {' '.join(TOP)}'", "Enter")
        terminal.wait_for("this host: ")
        os.kill(int(pid.read_text()), signal.SIGTERM)
        assert terminal.code() == 128 + signal.SIGTERM
    finally:
        spin.kill()
        spin.wait()


@pytest.mark.real
@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="it drops root's rights"
)
def test_what_needs_root_is_said() -> None:
    program = (
        "import os, sys; from kumo._top.read import reader; read = reader(int(sys.argv[1]))\n"
        "read()\n"
        "os.setuid(65534); print(read().remarks)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, str(os.getpid())],
        capture_output=True,
        text=True,
        check=False,
        env=unmeasured(environment()),
    )

    assert ran.stderr == ""
    assert "could not be read (EACCES)" in ran.stdout
    assert "'root can read more'" in ran.stdout
