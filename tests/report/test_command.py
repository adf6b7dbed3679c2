"""``kumo report``: written, refused, interrupted, and about a process that ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import kumo
from kumo._command.main import main
from kumo._report.facts import gather

MAIN = "from kumo._command.main import main; sys.exit(main())"
# A job of a shell without job control ignores the interrupt, and its children with it.
REPORT = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); " + MAIN
TIMEOUT = 60
needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="processes as Linux shows them")


@contextmanager
def begun(*options: str) -> Iterator[subprocess.Popen[str]]:
    """Start ``kumo report``, and wait until it watches."""
    command = [sys.executable, "-c", REPORT, "report", *options]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("kumo: watching ")
        yield process


def test_it_replaces_the_file_and_prints_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "r.html"
    file.write_text("what was there before" * 10_000)

    assert main(["report", "--seconds", "0.3", "-o", str(file)]) == 0

    out, err = capsys.readouterr()
    assert (out, err) == (f"{file}\n", "")
    assert file.read_text("utf-8").startswith("<!doctype html>")
    assert str(kumo.estimate(machine=file)) == str(kumo.estimate())


@needs_proc
def test_it_prints_to_stdout(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["report", "--pid", str(os.getpid()), "--seconds", "0.1", "-o", "-"]) == 0

    page = capsysbinary.readouterr().out.decode()
    assert f"<h1>CPU limits of process {os.getpid()} (" in page
    assert page.endswith("</html>\n")


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--seconds", "0"], 2, "argument --seconds: '0' is not a number of seconds above 0"),
        (["--seconds", "nan"], 2, "argument --seconds: 'nan' is not a number of seconds above 0"),
        (["--pid", "4194303", "-o", "-"], 3, "--pid 4194303: no such process"),
        (["-o", "/"], 3, "-o '/': it is a directory"),
        (["-o", ""], 3, "-o '': "),
        (["-o", "x" * 300], 3, f"-o '{'x' * 200}...': "),
        (["-o", "/nonexistent/x"], 3, "-o '/nonexistent/x': there is no directory '/nonexistent'"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    options: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", *options]) == code

    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"kumo: {message}")
    assert err.count("\n") == 1


def test_without_the_library_it_names_what_to_install(tmp_path: Path) -> None:
    program = f"import sys; sys.modules['jinja2'] = None; {MAIN}"
    ran = subprocess.run(
        [sys.executable, "-c", program, "report"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert ran.returncode == 3
    assert ran.stderr == "kumo: kumo report needs jinja2: pip install jinja2\n"


@needs_proc
def test_an_interrupt_ends_it_and_leaves_no_file(tmp_path: Path) -> None:
    file = tmp_path / "r.html"
    with begun("--seconds", "600", "-o", str(file)) as process:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=TIMEOUT)

    assert (process.returncode, out, err) == (130, "", "")
    assert not file.exists()


@needs_proc
def test_a_process_that_ends_meanwhile_has_a_report(tmp_path: Path) -> None:
    file = tmp_path / "r.html"
    with (
        subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as watched,
        begun("--pid", str(watched.pid), "--seconds", "60", "-o", str(file)) as process,
    ):
        watched.kill()
        watched.wait()
        process.communicate(timeout=TIMEOUT)

    assert process.returncode == 0
    text = file.read_text("utf-8")
    assert "the process ended after" in text
    assert str(kumo.estimate(machine=file)) == str(kumo.estimate())


def test_progress_is_heard_to_the_end() -> None:
    heard: list[float] = []

    facts = gather(None, 0.5, heard.append)

    assert heard == sorted(heard)
    assert heard[-1] >= 0.5
    assert len(facts.samples) in (2, 3)
    assert facts.checkup is None
