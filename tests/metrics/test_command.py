"""``kumo metrics``: printed, written for node_exporter, served, refused."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

from kumo._command.metrics import _url

METRICS = [sys.executable, "-m", "kumo", "metrics"]
MAIN = "from kumo._command.main import main; sys.exit(main())"
TIMEOUT = 60


def run(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*METRICS, *options], capture_output=True, text=True, check=False, timeout=TIMEOUT
    )


@pytest.mark.parametrize("options", [[], ["--pid", str(os.getpid())], ["--paths"]])
def test_it_prints_the_text_format(options: list[str]) -> None:
    ran = run(*options)

    assert (ran.returncode, ran.stderr) == (0, "")
    assert re.search(r"^kumo_available_parallelism [1-9]", ran.stdout, re.MULTILINE)
    assert "kumo_pool_size{" not in ran.stdout
    assert ("where=" in ran.stdout) == (options == ["--paths"])


def test_a_textfile_is_replaced_as_a_whole(tmp_path: Path) -> None:
    file = tmp_path / "kumo.prom"
    file.write_text("what was there before")

    ran = run("--textfile", str(file))

    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert file.read_text().startswith("# HELP kumo_available_parallelism")
    assert [path.name for path in tmp_path.iterdir()] == ["kumo.prom"]


@pytest.mark.skipif(sys.platform == "win32", reason="a link needs a right there")
def test_the_textfile_may_be_a_link(tmp_path: Path) -> None:
    file, link = tmp_path / "kumo.prom", tmp_path / "link"
    file.write_text("what was there before")
    link.symlink_to(file)

    ran = run("--textfile", str(link))

    assert ran.returncode == 0
    assert link.is_symlink()
    assert file.read_text().startswith("# HELP kumo_available_parallelism")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a system without named pipes")
def test_a_textfile_never_replaces_a_pipe_or_a_device(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    ran = run("--textfile", str(pipe))

    assert (ran.returncode, ran.stdout) == (3, "")
    assert ran.stderr == f"kumo: --textfile '{pipe}': it is not a regular file\n"
    assert pipe.is_fifo()


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:9464/metrics"),
        ("::1", "http://[::1]:9464/metrics"),
        ("node.example", "http://node.example:9464/metrics"),
    ],
)
def test_the_address_that_it_prints_can_be_opened(address: str, url: str) -> None:
    assert _url(address, 9464) == url


def test_it_serves_until_it_is_interrupted() -> None:
    # A job of a shell without job control ignores the interrupt, and its children with it.
    serve = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); " + MAIN
    with subprocess.Popen(
        [sys.executable, "-c", serve, "metrics", "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stderr is not None
        match = re.fullmatch(
            r"kumo: serving (http://127\.0\.0\.1:\d+/metrics)\n", server.stderr.readline()
        )
        assert match
        with urlopen(match[1], timeout=TIMEOUT) as answer:
            assert b"kumo_available_parallelism" in answer.read()
        server.send_signal(signal.SIGINT)
        assert server.wait(TIMEOUT) == 130


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--port", "65536"], 2, "argument --port: '65536' is too large: at most 65535"),
        (["--address", "::1"], 2, "--address goes with --port alone"),
        (["--all", "--paths"], 2, "--paths does not go with --all"),
        (["--pid", "4194303"], 3, "--pid 4194303: no such process"),
        (["--textfile", "/nonexistent/x"], 3, "--textfile '/nonexistent/x': No such file"),
        (["--textfile", "."], 3, "--textfile '.': it is a directory"),
        (["--port", "0", "--address", "a..b"], 3, "--address 'a..b': it is neither a host name"),
        (["--port", "1", "--address", "203.0.113.1"], 3, "--port 1 at '203.0.113.1': "),
    ],
)
def test_what_cannot_be_done_is_one_line(options: list[str], code: int, message: str) -> None:
    ran = run(*options)

    assert ran.returncode == code
    assert ran.stderr.startswith(f"kumo: {message}")
    assert ran.stderr.count("\n") == 1


def test_without_the_library_it_names_what_to_install() -> None:
    program = (
        "import sys; sys.modules['prometheus_client'] = None\n"
        "from kumo._command.main import main; sys.exit(main(['metrics']))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert ran.returncode == 3
    assert (
        ran.stderr == "kumo: kumo metrics needs prometheus-client: pip install prometheus-client\n"
    )
