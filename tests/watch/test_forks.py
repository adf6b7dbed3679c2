"""A fork after which Python calls no hooks, as uWSGI makes it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from real.host import environment

PROGRAM = """
import os, signal, time
os.register_at_fork = lambda **hooks: None
import kumo
kumo.ThreadPool, kumo.watch
os.environ["KUMO_AVAILABLE_PARALLELISM"] = "4"
pool, changes = kumo.ThreadPool("web"), []
pool.submit(int).result()
watch = kumo.watch(changes.append, interval=0.01)
pid = os.fork()
if pid == 0:
    signal.alarm(60)
    status = 1
    try:
        assert pool.submit(pow, 2, 3).result(60) == 8
        os.environ["KUMO_AVAILABLE_PARALLELISM"] = "2"
        while not (pool.size == watch.estimate.parallelism == 2 and changes):
            time.sleep(0.01)
        pool.resize(3)
        pool.shutdown()
        status = 0
    finally:
        os._exit(status)
assert os.waitpid(pid, 0)[1] == 0
assert pool.submit(pow, 2, 3).result(60) == 8
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_without_pythons_hooks() -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env=environment(),
    )
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stderr
