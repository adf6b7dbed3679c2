"""Puts one command on a machine that a machine file describes, and runs it there.

    python _stage.py STAND_IN MACHINE.txt [KEY=VALUE…] -- COMMAND…

It takes a mount namespace of its own and builds a root directory in it: the host's, except that
`/sys`, the machine's cgroup mounts and every path that the machine names hold what the machine
has there (`_kernel_files.py`). The files of `/proc/PID` are covered for this process, which then
becomes the command. Calls are answered by `stand_in.c`. All of it goes with the process.

What cannot be shown: a file in `/proc` that is absent (it stands there unreadable), an errno of a
file other than EACCES and ENOENT, a second thread with a mask of its own, and what the kernel
does with a limit.
"""

from __future__ import annotations

import ctypes
import os
import socket
import sys
from pathlib import Path, PurePosixPath

from _kernel_files import add_v1_controllers, files_of, folders_of, links_of, proc_of
from _machine_files import MachineFile, cpu_list, load

# Every host has this directory and nothing here needs its own: the new root is mounted over it.
ROOT = "/sys"
FAILED = 97
LISTS = ("/cgroup.procs", "/cgroup.threads", "/tasks")
_NEW_MOUNTS, _NEW_HOSTNAME, _NEW_USERS = 0x20000, 0x4000000, 0x10000000
_BIND, _RECURSIVE, _PRIVATE = 0x1000, 0x4000, 0x40000
_POLICIES = {"SCHED_FIFO": 1, "SCHED_RR": 2, "SCHED_BATCH": 3, "SCHED_IDLE": 5, "SCHED_DEADLINE": 6}
_PATH = "/usr/local/bin:/usr/bin:/bin"


def cannot_show(machine: MachineFile) -> str | None:
    """Why a program cannot be put on this machine, where it cannot."""
    if machine.platform != "linux":
        return f"the machine runs {machine.platform}"
    if {"threads"} & {*machine.facts, *machine.failing}:
        return "further threads with masks of their own"
    if "x_cpu_count" in machine.facts:
        return "a Python started with -X cpu_count"
    count = machine.env.get("PYTHON_CPU_COUNT", "")
    if count not in ("", "default") and not count.isdigit():
        return "a $PYTHON_CPU_COUNT with which no CPython from 3.13 on starts"
    if "cpus" in machine.facts:
        return "a count of CPUs that is not the length of the list on line"
    if "/proc" in machine.denied:
        return "/proc is closed"
    try:
        machine.affinity(), machine.online()
    except ValueError as error:
        return f"a CPU list that no kernel writes: {error}"
    codes = set(machine.denied.values()) - {"EACCES", "ENOENT"}
    return f"files that fail with {', '.join(sorted(codes))}" if codes else None


def main(arguments: list[str]) -> None:
    split = arguments.index("--")
    (stand_in, path, *pairs), command = arguments[:split], arguments[split + 1 :]
    machine = load(Path(path))
    env = dict(pair.split("=", 1) for pair in pairs)
    if env.pop("V1_CONTROLLERS", None):
        add_v1_controllers(machine)
    enter_namespace()
    build_root(machine)
    cover_proc(machine)
    if "hostname" in machine.facts:
        socket.sethostname(machine.facts["hostname"].strip())
    os.chroot(ROOT)
    os.chdir("/")
    os.execve(
        stand_in,
        [stand_in, *call_answers(machine), "--", *command],
        {"PATH": _PATH} | env | machine.env,
    )


def call_answers(machine: MachineFile) -> list[str]:
    mask = machine.affinity()
    known = (
        (mask or set())
        | machine.online()
        | cpu_list(machine.files.get("/sys/devices/system/cpu/possible", ""))
    )
    answer = (
        ["-e", str(machine.affinity_errno())]
        if mask is None
        else ["-a", ",".join(map(str, sorted(mask)))]
    )
    name, _, reset_on_fork = machine.facts.get("policy", "").strip().partition("|")
    policy = _POLICIES.get(name, 0) | (0x40000000 if reset_on_fork else 0)
    mounts = [
        text for point, magic in machine.magics().items() for text in ("-m", f"{point}={magic}")
    ]
    return [*answer, "-n", str(max(known) + 1), "-p", str(policy), *mounts]


def enter_namespace() -> None:
    uid, gid = os.geteuid(), os.getegid()
    _call("unshare", _NEW_MOUNTS | _NEW_HOSTNAME | (_NEW_USERS if uid else 0))
    if uid:
        for name, text in (
            ("setgroups", "deny"),
            ("uid_map", f"0 {uid} 1"),
            ("gid_map", f"0 {gid} 1"),
        ):
            Path(f"/proc/self/{name}").write_text(text)
    _mount("none", "/", "", _RECURSIVE | _PRIVATE)


def build_root(machine: MachineFile) -> None:
    files = files_of(machine)
    folders = folders_of(machine, files)
    opened = {str(parent) for path in folders for parent in PurePosixPath(path).parents} | folders
    fresh = {"/sys", *(mount.point for mount in machine.mounts())} - {"/"}
    host = list(os.scandir("/"))
    _mount("tmpfs", ROOT, "tmpfs")
    _graft(host, opened, fresh | set(files))
    for folder in sorted(folders):
        os.makedirs(ROOT + folder, exist_ok=True)
    for path, text in files.items():
        _write(ROOT + path, _own_pid(machine, text) if path.endswith(LISTS) else text)
    for path, target in links_of(machine, folders).items():
        os.symlink(target, ROOT + path)
    for path in machine.denied:
        if not path.startswith("/proc/") and os.path.lexists(ROOT + path):
            os.chmod(ROOT + path, 0)


def _graft(entries: list[os.DirEntry[str]], opened: set[str], hidden: set[str]) -> None:
    """Show the host's entries in the new root; what leads to a machine's path is made anew."""
    for entry in entries:
        target = ROOT + entry.path
        if entry.path in hidden:
            continue
        if entry.path in opened:
            os.mkdir(target)
            if entry.is_dir(follow_symlinks=False):
                _graft(list(os.scandir(entry.path)), opened, hidden)
        elif entry.is_symlink():
            os.symlink(os.readlink(entry.path), target)
        else:
            os.mkdir(target) if entry.is_dir() else _write(target, "")
            _mount(entry.path, target, "", _BIND | _RECURSIVE)


def cover_proc(machine: MachineFile) -> None:
    process = f"/proc/{os.getpid()}"
    thread = f"{process}/task/{os.getpid()}"
    texts = proc_of(machine)
    for path, text in texts.items():
        targets = [path.replace("/proc/self", process).replace("/proc/thread-self", thread)]
        own = path.removeprefix("/proc/self/")
        if own != path and f"/proc/thread-self/{own}" not in texts:
            targets.append(f"{thread}/{own}")
        _write(f"{ROOT}/.covering", text or "", 0o444 if text is not None else 0)
        for target in targets:
            _mount(f"{ROOT}/.covering", ROOT + target, "", _BIND)
        os.unlink(f"{ROOT}/.covering")


def _own_pid(machine: MachineFile, text: str) -> str:
    """The list with this process, and its only thread, where the machine has its own."""
    own = {machine.facts.get(name, "").strip() for name in ("pid", "tid")}
    return "".join(f"{os.getpid() if line in own else line}\n" for line in text.splitlines())


def _write(path: str, text: str, mode: int = 0o644) -> None:
    with open(path, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        file.write(text)
    os.chmod(path, mode)


def _mount(source: str, target: str, kind: str, flags: int = 0) -> None:
    _call(
        "mount",
        os.fsencode(source),
        os.fsencode(target),
        kind.encode(),
        ctypes.c_ulong(flags),
        None,
    )


def _call(name: str, *arguments: object) -> None:
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments):
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}", str(arguments[1:2]))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except OSError as error:
        print(f"_stage.py: {error}", file=sys.stderr)
        sys.exit(FAILED)
