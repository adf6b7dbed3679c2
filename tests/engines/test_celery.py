"""Celery for real: workers in a cgroup with a quota, and Redis between."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from real.conftest import MakeGroup

from engines.venv import (
    BIN,
    ask,
    environment,
    free_port,
    need,
    running,
    slots,
    wait_for_slots,
)

pytestmark = [pytest.mark.engines, pytest.mark.real]
APP = """
import os, time
from celery import Celery
app = Celery("app", broker=os.environ["BROKER"], backend=os.environ["BROKER"])
app.conf.broker_connection_retry_on_startup = True
if "PLAIN" not in os.environ:
    import kumo.celery
    kumo.celery.setup(app)
@app.task
def work(number):
    end = time.monotonic() + 0.1
    while time.monotonic() < end:
        pass
    return number
"""
# Tasks flow while the quota shrinks and grows; each has to come back.
BUSY = """
import sys, time
from app import work
def limit(cpus):
    open(sys.argv[1], "w").write(str(int(cpus * 100_000)))
results = []
for turn in range(2):
    for cpus in (2, 1):
        limit(cpus)
        results += [work.delay(number) for number in range(20)]
        results[-15].get(timeout=60)
print(len([result.get(timeout=60) for result in results]))
"""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[str]:
    need("celery")
    (tmp_path / "app.py").write_text(APP)
    port = free_port()
    command = ("redis-server", "--port", port, "--save", "", "--dir", tmp_path)
    with (
        open(tmp_path / "redis.log", "w") as log,
        running(*command, log=log, cwd=tmp_path),
    ):
        yield f"redis://127.0.0.1:{port}/0"


def wait_for_worker(place: Path, broker: str, count: int = 1) -> None:
    program = (
        "from app import app\n"
        f"while len(app.control.inspect(timeout=0.5).ping() or ()) < {count}: pass"
    )
    subprocess.run(
        [BIN / "python", "-c", program], check=True, timeout=90, cwd=place,
        env=environment(BROKER=broker, PLAIN="1"),
    )  # fmt: skip


def test_believed_after_the_fix_and_live(
    tmp_path: Path, make_group: MakeGroup, broker: str
) -> None:
    group = make_group(cpus=1)
    worker = (BIN / "celery", "-A", "app", "worker", "-l", "INFO", "-n")
    with ExitStack() as stack:
        log = stack.enter_context(open(tmp_path / "celery.log", "w"))
        plain = {"BROKER": broker, "PLAIN": "1"}
        with running(*worker, "w@plain", log=log, group=group, cwd=tmp_path, **plain):
            wait_for_worker(tmp_path, broker)
            before = ask("celery", "app", cwd=tmp_path, **plain)
            (silent,) = before["silent"]
            assert silent["slots"] == os.cpu_count()
            assert silent["reason"] == "its app does not call kumo.celery.setup(app)"

        with running(*worker, "w@kumo", log=log, group=group, cwd=tmp_path, BROKER=broker):
            wait_for_worker(tmp_path, broker)
            assert slots(ask("celery", "app", cwd=tmp_path, BROKER=broker)) == [1]
            done = subprocess.run(
                [BIN / "python", "-c", BUSY, group.path / "cpu.cfs_quota_us"],
                capture_output=True, text=True, check=True, timeout=120, cwd=tmp_path,
                env=environment(BROKER=broker, PLAIN="1"),
            )  # fmt: skip
            assert done.stdout == "80\n", "a shrink loses no task"
            group.limit(2)
            wait_for_slots(2, "celery", "app", cwd=tmp_path, BROKER=broker)
            group.limit(0.5)
            wait_for_slots(1, "celery", "app", cwd=tmp_path, BROKER=broker)
