"""A process that does what its standard input says, an order a line, and tells what kumo says.

An order is a JSON object: *do*, an action's name; *words*, its arguments; *thread*, the
name of the thread that is to do it, null for the main one.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any

import kumo
from kumo._explain import as_dict

Orders = queue.SimpleQueue[dict[str, Any]]
THREADS: dict[str, tuple[Orders, Orders]] = {}


def ask(scope: Any, pid: int | None = None) -> dict[str, Any]:
    """What kumo says, through every door that a program has."""
    first = None if pid else kumo.available_parallelism(scope)  # it may keep what others find
    estimate = kumo.estimate(scope, pid=pid)
    count = estimate.parallelism
    again = count if pid else kumo.available_parallelism(scope)
    assert count == again == (first or count) == estimate.workers("lockstep")
    more = {"independent": estimate.workers("independent"), "burst": estimate.burst}
    return {**as_dict(estimate), **more}


def pin(cpus: list[int]) -> None:
    os.sched_setaffinity(0, cpus)


def schedule(policy: str, *, reset: bool) -> None:
    number = getattr(os, policy) | (os.SCHED_RESET_ON_FORK if reset else 0)
    os.sched_setscheduler(0, number, os.sched_param(1 if policy == "SCHED_FIFO" else 0))


def join(path: str, *, alone: bool) -> None:
    """Move this process, or with *alone* the calling thread, to the cgroup *path*."""
    with open(f"{path}/{'tasks' if alone else 'cgroup.procs'}", "w") as file:
        file.write(str(threading.get_native_id() if alone else os.getpid()))


def become(user: int) -> None:
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def run(*command: str) -> None:
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def fork(path: str) -> Any:
    """Fork; what kumo says in the child, in the cgroup *path*."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        join(path, alone=False)
        os.write(writing, json.dumps(ask("process")).encode())
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as answer:
        text = answer.read()
    os.wait()
    return json.loads(text)


def start(name: str) -> None:
    """Start a thread that can be given orders by its *name*."""
    THREADS[name] = queue.SimpleQueue(), queue.SimpleQueue()
    threading.Thread(target=serve, args=THREADS[name], daemon=True).start()


def serve(orders: Orders, answers: Orders) -> None:
    while True:
        answers.put(perform(orders.get()))


ACTIONS: dict[str, Callable[..., Any]] = {
    action.__name__: action for action in (ask, pin, schedule, join, become, run, fork, start)
}


def perform(order: dict[str, Any]) -> dict[str, Any]:
    """Have one order done; the answer holds its value or a traceback."""
    try:
        return {"value": ACTIONS[order["do"]](*order["words"], **order["options"])}
    except Exception:  # noqa: BLE001  (whatever it is, it belongs to the test that gave the order)
        return {"error": traceback.format_exc()}


def main() -> None:
    ask("thread")  # what it loads is loaded before it changes its user or its mounts
    for line in sys.stdin:
        order = json.loads(line)
        if order["thread"] is None:
            answer = perform(order)
        else:
            orders, answers = THREADS[order["thread"]]
            orders.put(order)
            answer = answers.get()
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
