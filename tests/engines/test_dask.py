"""Dask for real: its workers in cgroups with quotas, and as hosts in network namespaces."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest
from real.conftest import MakeGroup

from engines.venv import BIN, ask, environment, free_port, need, running, slots, wait_for_slots

pytestmark = [pytest.mark.engines, pytest.mark.real]
LOG = "dask.log"


@pytest.fixture(autouse=True)
def _dask() -> None:
    need("dask")


def scheduler(
    stack: ExitStack, place: Path, host: str = "127.0.0.1"
) -> tuple[str, subprocess.Popen[str]]:
    """Start a scheduler, and return its address and its process."""
    log = stack.enter_context(open(place / LOG, "a"))  # noqa: SIM115
    port = free_port()
    command = (BIN / "dask", "scheduler", "--host", host, "--port", port, "--no-dashboard")
    process = stack.enter_context(running(*command, log=log, cwd=place))
    return f"tcp://{host}:{port}", process


def wait_for_workers(count: int, address: str, place: Path) -> None:
    program = "import sys; from distributed import Client; Client(sys.argv[1], timeout=60)"
    subprocess.run(
        [BIN / "python", "-c", f"{program}.wait_for_workers({count}, timeout=60)", address],
        check=True, timeout=120, cwd=place, env=environment(),
    )  # fmt: skip


def test_believed_after_the_fix_and_live(tmp_path: Path, make_group: MakeGroup) -> None:
    group = make_group(cpus=1)
    with ExitStack() as stack:
        address, _ = scheduler(stack, tmp_path)
        log = stack.enter_context(open(tmp_path / LOG, "a"))
        worker = (BIN / "dask", "worker", address, "--no-dashboard")
        with running(*worker, group=group, log=log, cwd=tmp_path):
            wait_for_workers(1, address, tmp_path)
            before = ask("dask", address, cwd=tmp_path)
            assert slots(before) == [len(os.sched_getaffinity(0))]
            assert before["groups"][0]["verdict"] == "over"
            assert before["groups"][0]["cpus"] == 1

        with running(*worker, "--preload", "kumo.dask", group=group, log=log, cwd=tmp_path):
            wait_for_workers(1, address, tmp_path)
            assert slots(ask("dask", address, cwd=tmp_path)) == [1]
            group.limit(2)
            wait_for_slots(2, "dask", address, cwd=tmp_path)
            group.limit(0.5)
            wait_for_slots(1, "dask", address, cwd=tmp_path)


def test_an_address_that_is_none_is_one_line(tmp_path: Path) -> None:
    ran = subprocess.run(
        [BIN / "python", "-m", "kumo", "fleet", "dask", "two words"],
        capture_output=True, text=True, check=False, timeout=120, cwd=tmp_path, env=environment(),
    )  # fmt: skip

    assert ran.returncode == 3
    assert ran.stderr.startswith("kumo: dask: no scheduler answers at 'two words': ")
    assert ran.stderr.count("\n") == 1


def test_workers_that_hang_and_die_and_a_scheduler_that_dies(tmp_path: Path) -> None:
    with ExitStack() as stack:
        address, manager = scheduler(stack, tmp_path)
        log = stack.enter_context(open(tmp_path / LOG, "a"))
        worker = (BIN / "dask", "worker", address, "--no-dashboard", "--no-nanny", "--name")
        stack.enter_context(running(*worker, "good", log=log, cwd=tmp_path))
        bad = stack.enter_context(running(*worker, "bad", log=log, cwd=tmp_path))
        wait_for_workers(2, address, tmp_path)
        os.kill(bad.pid, signal.SIGSTOP)

        fleet = ask("dask", address, "--timeout", "15", cwd=tmp_path)

        assert (fleet["nodes"], fleet["answered"]) == (2, 1)
        assert fleet["silent"][0]["reason"] == "no answer in 15 seconds"
        assert fleet["silent"][0]["workers"] == ["bad"]
        # It dies when the other has answered; then a further one hangs, and the scheduler dies.
        answers = ask_and_end(bad.pid, address, tmp_path)
        assert answers["good"] is None
        assert answers["bad"] not in (None, "no answer in 120 seconds")
        worst = stack.enter_context(running(*worker, "worst", log=log, cwd=tmp_path))
        wait_for_workers(2, address, tmp_path)
        os.kill(worst.pid, signal.SIGSTOP)
        answers = ask_and_end(manager.pid, address, tmp_path)
        assert answers["good"] is None
        assert answers["worst"] not in (None, "no answer in 120 seconds")


# Asks for all workers, and ends a process as soon as one of them has answered.
ASK_AND_END = """
import json, os, signal, sys
from kumo._fleet import dask
dask.SHOW_EVERY = 1
def show(text):
    if text.startswith("answered: 1 "):
        os.kill(int(sys.argv[2]), signal.SIGKILL)
nodes = dask.ask(sys.argv[1], pressure=None, timeout=120, progress=show)
print("\\f" + json.dumps({node.workers[0]: node.reason for node in nodes}))
"""


def ask_and_end(pid: int, address: str, place: Path) -> dict[str, str | None]:
    """Return by its name why each worker is silent."""
    ran = subprocess.run(
        [BIN / "python", "-c", ASK_AND_END, address, str(pid)],
        capture_output=True, text=True, check=False, timeout=150, cwd=place, env=environment(),
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    answer: dict[str, str | None] = json.loads(ran.stdout.rpartition("\f")[2])
    return answer


def test_two_hosts(tmp_path: Path, make_group: MakeGroup, hosts: list[tuple[str, str]]) -> None:
    with ExitStack() as stack:
        gateway = hosts[0][1].rpartition(".")[0] + ".1"
        address, _ = scheduler(stack, tmp_path, gateway)
        log = stack.enter_context(open(tmp_path / LOG, "a"))
        groups = [make_group(cpus=1), make_group(cpus=1)]
        for (name, host), group in zip(hosts, groups, strict=True):
            inside = ("ip", "netns", "exec", name, BIN / "dask", "worker", address)
            # ip netns exec mounts /sys anew, without the cgroups below it.
            enter = ("nsenter", f"--net=/run/netns/{name}", *inside[4:])
            options = ("--no-dashboard", "--no-nanny", "--host", host, "--name", name)
            stack.enter_context(running(*enter, *options, group=group, log=log, cwd=tmp_path))
        wait_for_workers(2, address, tmp_path)

        fleet = ask("dask", address, cwd=tmp_path)

        assert (fleet["nodes"], fleet["answered"]) == (2, 2)
        assert fleet["over"] == 2 * (len(os.sched_getaffinity(0)) - 1)
