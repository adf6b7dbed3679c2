"""What a child process can be told to do, by name. Only here is kumo called."""

import math
import os
import queue
import subprocess
import threading
from collections.abc import Callable, Iterable
from typing import Any

import kumo
from kernel_guest import syscalls
from kernel_guest.layouts import read, write

Answer = Any
_threads: dict[str, "_Worker"] = {}


def _levels(limits: Iterable[Any]) -> list[list[float]]:
    """Give the inode of the group that each quota was read from, and the quota.

    All mounts of a hierarchy show a group under the same inode, and no two groups under one.
    """
    quotas = [limit for limit in limits if limit.source == "quota" and math.isfinite(limit.cpus)]
    inodes = [os.stat(os.path.dirname(os.fsencode(quota.where))).st_ino for quota in quotas]
    return [[inode, quota.cpus] for inode, quota in zip(inodes, quotas, strict=True)]


def _found(estimate: Any) -> dict[str, Answer]:
    binding = estimate.binding
    return {
        "parallelism": estimate.parallelism,
        "cpus": estimate.cpus,
        "quota": estimate.quota,
        "burst": estimate.burst,
        "binding": {"source": binding.source, "cpus": binding.cpus, "where": binding.where},
        "levels": _levels(estimate.limits),
        "notes": [note.code for note in estimate.notes],
    }


def evidence() -> dict[str, str]:
    """Give the texts that a reader of a failure needs."""
    lines = read("/proc/self/mountinfo").splitlines()
    mounts = [line for line in lines if " - cgroup" in line]
    return {"cgroup": read("/proc/thread-self/cgroup"), "mounts": "\n".join(mounts)}


def report() -> dict[str, Answer]:
    """Ask kumo in both scopes; the count alone first, as a program would."""
    answers: dict[str, Answer] = {}
    for scope in ("process", "thread"):
        count = kumo.available_parallelism(scope)
        answers[scope] = _found(kumo.estimate(scope)) | {"count": count}
    return answers | {"evidence": evidence()}


def report_of(pid: int) -> dict[str, Answer]:
    """Ask kumo about another process."""
    return {"process": _found(kumo.estimate(pid=pid)), "evidence": evidence()}


def rust(probe: str, *words: str) -> int:
    """Ask Rust's standard library, in a program started from here."""
    return int(subprocess.run([probe, *words], check=True, capture_output=True).stdout)


def own_mask() -> list[int]:
    """Give the calling thread's mask."""
    return sorted(os.sched_getaffinity(0))


def set_affinity(cpus: list[int]) -> None:
    """Set the calling thread's mask."""
    os.sched_setaffinity(0, cpus)


def set_policy(name: str, priority: int) -> None:
    """Set the calling thread's scheduling policy."""
    os.sched_setscheduler(0, getattr(os, name), os.sched_param(priority))


def set_user(uid: int) -> None:
    """Give up every privilege."""
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)


def enter_pid_namespace() -> None:
    """Go on as the first process of a new PID namespace, with a /proc of its own."""
    syscalls.unshare("pid", "mount")
    syscalls.keep_mounts_private()
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
        os._exit(0)
    syscalls.mount("proc", "/proc", "proc")


def change_root(path: str) -> None:
    """Make the directory this process's root."""
    os.chroot(path)
    os.chdir("/")


class _Worker(threading.Thread):
    """A thread that does what it is told, so that an action can be this thread's own."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.orders: queue.SimpleQueue[Callable[[], Answer]] = queue.SimpleQueue()
        self.answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()

    def run(self) -> None:
        while True:
            order = self.orders.get()
            try:
                self.answers.put(order())
            except Exception as error:
                self.answers.put(error)


def start_thread(name: str) -> int:
    """Start a thread and give its id."""
    worker = _threads[name] = _Worker()
    worker.start()
    worker.orders.put(threading.get_native_id)
    tid: int = worker.answers.get()
    return tid


ACTIONS: dict[str, Callable[..., Answer]] = {
    action.__name__: action
    for action in (
        report, report_of, rust, own_mask, set_affinity, set_policy, set_user, enter_pid_namespace,
        change_root, start_thread, syscalls.unshare, syscalls.keep_mounts_private,
        syscalls.mount, syscalls.bind, syscalls.unmount, syscalls.enter_cgroup_namespace,
        syscalls.set_dumpable, syscalls.move_mount, os.makedirs, os.rmdir, write,
    )
}  # fmt: skip


def perform(name: str, words: list[Any], thread: str | None) -> Answer:
    """Do one action, in the main thread or in a named one."""
    if thread is None:
        return ACTIONS[name](*words)
    worker = _threads[thread]
    worker.orders.put(lambda: ACTIONS[name](*words))
    answer = worker.answers.get()
    if isinstance(answer, Exception):
        raise answer
    return answer
