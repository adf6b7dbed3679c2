"""What the screen reads: a real process, this host, and pools over HTTP."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from errno import EACCES, EIO
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from kumo._system.live import System
from kumo._top.pools import fetch_pools
from kumo._top.read import _Files, read_host, reader

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes as Linux shows them")

PAGES = {
    "/metrics": b'# HELP x\nkumo_pool_size{pool="web"} 4.0\nkumo_pool_busy{pool="web"} 1\n'
    b'kumo_pool_size{part="a\\"b",pool="q\\"\\\\\\n"} 2\nkumo_pool_size{pool="odd"} 1.2.3\n',
    "/none": b"",
}
POOLS = {"web": {"size": 4.0, "busy": 1.0}, 'q"\\\n': {"size": 2.0}}


class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        page = PAGES.get(self.path)
        self.send_response(404 if page is None else 200)
        self.end_headers()
        self.wfile.write(page or b"")

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr("kumo._top.pools.TIMEOUT", 600)  # the machine may be busy
    with HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("path", "pools", "problem"),
    [
        ("/metrics", POOLS, ""),
        ("/none", {}, ""),
        ("/absent", {}, "--metrics: Not Found"),
        ("/\x00", {}, "--metrics: URL can't contain control characters"),
    ],
)
def test_pools_of_another_process(
    address: str, path: str, pools: dict[str, object], problem: str
) -> None:
    answer = fetch_pools(address + path)

    assert answer.pools == pools
    assert answer.problem.startswith(problem)
    assert bool(answer.problem) == bool(problem)


def test_nothing_listens_there() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))

        answer = fetch_pools(f"http://127.0.0.1:{bound.getsockname()[1]}")

    assert (answer.pools, answer.problem) == ({}, "--metrics: [Errno 111] Connection refused")


def test_this_process_is_read_again_and_again(address: str) -> None:
    read = reader(os.getpid(), f"{address}/metrics")
    first, second = read(), read()

    assert second.process is not None
    assert (second.process.pid, second.pools) == (os.getpid(), POOLS)
    assert second.process.threads
    assert second.cpus
    assert second.at >= first.at
    assert [group.where for group in second.groups] == [group.where for group in first.groups]


def test_a_problem_of_the_pools_is_a_remark() -> None:
    assert any("--metrics: " in remark for remark in reader(os.getpid(), "http://[")().remarks)


def test_a_process_that_ends() -> None:
    program = [sys.executable, "-c", "input()"]
    with subprocess.Popen(program, stdin=subprocess.PIPE) as process:
        read = reader(process.pid)
        assert read().process is not None
        process.communicate()

        with pytest.raises(ProcessLookupError, match="the process has ended"):
            read()
        with pytest.raises(ProcessLookupError, match="no such process"):
            reader(process.pid)


def test_this_host_has_no_process() -> None:
    sample = reader(None)()

    assert reader(None) is read_host
    assert (sample.process, sample.pools) == (None, None)
    assert sample.cpus
    assert all(group.quota_cpus is not None for group in sample.groups)


class Answers(System):
    """Files with a text, without one, or with an error; each is counted when it is read."""

    def __init__(self) -> None:
        super().__init__()
        self.files: dict[str, str | int] = {"/text": "1", "/closed": EACCES, "/broken": EIO}
        self.reads: list[str] = []

    def _read(self, path: str) -> str | None:
        self.reads.append(path)
        answer = self.files.get(path)
        if isinstance(answer, int):
            raise OSError(answer, os.strerror(answer), path)
        return answer


@pytest.mark.parametrize(
    ("path", "text", "remarks", "closed"),
    [
        ("/text", "1", [], False),
        ("/absent", "", [], False),
        ("/broken", "", ["/broken cannot be read (EIO)"], False),
        ("/closed", "", ["/closed cannot be read (EACCES)"], True),
    ],
)
def test_what_cannot_be_read_is_said(
    path: str, text: str, remarks: list[str], closed: bool
) -> None:
    absent: set[str] = set()
    files = _Files(Answers(), absent)

    assert files.text(path) == text
    assert ([*files.remarks], files.closed) == (remarks, closed)
    again = _Files(answers := Answers(), absent)
    assert again.text(path) == text
    assert answers.reads == ([] if path == "/absent" else [path])  # not looked for again
