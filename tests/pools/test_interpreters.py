"""A pool in a sub-interpreter runs its tasks and follows the limits there."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

INSIDE = """
import os, threading, time, kumo
cpus = sorted(os.sched_getaffinity(0))
with kumo.ThreadPool("web") as pool:
    assert [*pool.map(abs, range(-9, 0))] == [*range(9, 0, -1)]
    before = pool.size
    for thread in os.listdir("/proc/self/task"):  # the process is as wide as all of them
        os.sched_setaffinity(int(thread), cpus[:1])
    while pool.size != 1:  # the test's own timeout is the bound
        time.sleep(0.01)
    assert [*pool.map(abs, range(-9, 0))] == [*range(9, 0, -1)]
while threading.active_count() > 1:  # before 3.13, no interpreter with a thread can be destroyed
    time.sleep(0.01)
print(before == len(cpus), flush=True)
"""
OUTSIDE = """
import sys
try:
    import _interpreters as interpreters
    other = interpreters.create()
except ImportError:  # before Python 3.13
    import _xxsubinterpreters as interpreters
    other = interpreters.create(isolated=False)
path = f"import sys; sys.path[:0] = {sys.path!r}\\n"
failure = interpreters.run_string(other, path + sys.argv[1])
assert failure is None, failure
interpreters.destroy(other)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="threads are pinned as Linux does it")
def test_a_pool_in_a_sub_interpreter_follows() -> None:
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("to shrink, a pool needs two CPUs")
    command = [sys.executable, "-c", OUTSIDE, INSIDE]

    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    assert (done.returncode, done.stderr, done.stdout) == (0, "", "True\n")
