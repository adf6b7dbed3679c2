"""A server with several workers, as the page of metrics has it: gunicorn, for real."""

from __future__ import annotations

import importlib.util
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

import pytest
from conftest import skip_real

LIMIT = 120  # seconds


def sample(text: str, name: str) -> float:
    match = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    assert match, text
    return float(match[1])


@pytest.mark.programs
def test_limits_are_those_of_every_worker_and_pools_of_one(tmp_path: Path) -> None:
    if importlib.util.find_spec("gunicorn") is None:
        skip_real("gunicorn is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = tmp_path / "multiproc"
    folder.mkdir()
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)}
    command = [sys.executable, "-m", "gunicorn", "--workers", "2", "--bind", f"127.0.0.1:{port}"]
    server = subprocess.Popen(
        [*command, "--chdir", str(Path(__file__).parent), "served:application"],
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    answers: dict[str, str] = {}  # the last one of each worker
    busy: set[str] = set()
    asked = 0
    try:
        until = time.monotonic() + LIMIT
        while len(answers) < 2 or not busy:
            assert time.monotonic() < until, answers
            try:
                path = "metrics" if busy else "busy"
                with urlopen(f"http://127.0.0.1:{port}/{path}", timeout=LIMIT) as answer:
                    worker, text = answer.headers["X-Worker"], answer.read().decode()
            except OSError:
                time.sleep(0.1)  # it has just been started
                continue
            asked += 1
            busy = busy or {worker}
            answers[worker] = text
            # prometheus-client adds up what the workers counted.
            assert sample(text, "requests_total") == asked
    finally:
        server.terminate()
        server.wait(LIMIT)

    first, second = answers.values()
    for name in ("kumo_available_parallelism", "kumo_cpus", 'kumo_pool_size{pool="web"}'):
        assert sample(first, name) == sample(second, name)
    numbers = {
        worker: sample(text, 'kumo_pool_busy{pool="web"}') for worker, text in answers.items()
    }
    assert {worker for worker, number in numbers.items() if number} <= busy
