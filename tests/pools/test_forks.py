"""Forks in children and grandchildren, in any thread, and what else starts processes there."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from real.host import environment

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

PROGRAM = """
import multiprocessing, os, pty, signal, subprocess, sys, threading, warnings
import kumo
warnings.simplefilter("ignore")

def by_fork():
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0

def by_subprocess():
    subprocess.run([sys.executable, "-S", "-c", ""], preexec_fn=os.setsid, check=True)

def by_multiprocessing():
    process = multiprocessing.get_context("fork").Process(target=int)
    process.start()
    process.join()
    assert process.exitcode == 0

def by_pty():
    pid, terminal = pty.fork()
    if pid == 0:
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    os.close(terminal)

def in_a_thread(call):
    errors = []
    def run():
        try:
            call()
        except BaseException as error:
            errors.append(error)
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert not errors, errors

def show_descriptors():
    directory = "/proc/self/fd"
    print(len(os.listdir(directory)) if os.path.exists(directory) else 0, flush=True)

def all_ways(depth):
    for call in (by_fork, by_subprocess, by_multiprocessing, by_pty):
        call()
        in_a_thread(call)
    if depth:
        in_a_thread(lambda: in_a_child(depth - 1))

def in_a_child(depth):
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            signal.alarm(60)
            all_ways(depth)
            with kumo.ThreadPool("child") as pool:
                assert pool.submit(int).result(60) == 0
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0, "a descendant has hung or failed"

{before}
in_a_child(2)
in_a_thread(lambda: in_a_child(1))
show_descriptors()
in_a_child(1)
show_descriptors()
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "before",
    [
        pytest.param("kumo.ProcessPool", id="a name was looked up"),
        pytest.param(
            "pool = kumo.ThreadPool('web'); pool.submit(int).result(); watch = kumo.watch(print)",
            id="threads and a watch",
        ),
        pytest.param(
            "pool = kumo.ProcessPool('web', processes=1); pool.submit(int).result()",
            id="processes",
        ),
    ],
)
def test_any_thread_of_any_descendant_may_start_processes(before: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM.replace("{before}", before)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env=environment(),
    )
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stderr
    first, second = ran.stdout.splitlines()
    assert first == second
