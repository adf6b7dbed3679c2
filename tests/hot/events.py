"""What happens to a process, for real; each event returns the count that is then right.

Run in a process of its own: it changes its cgroup, mask, namespaces and descriptors.
The CPUs are taken to be the machine's, at least two, all of them allowed.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from v1 import Group, make_tree, mount_point

VARIABLE = "KUMO_AVAILABLE_PARALLELISM"
CPUS = sorted(os.sched_getaffinity(0))
CLONE_NEWNS, CLONE_NEWCGROUP = 0x00020000, 0x02000000
libc = ctypes.CDLL(None, use_errno=True)


def call(function: Callable[..., int], *arguments: object) -> None:
    if function(*arguments) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def unshare(flags: int) -> None:
    call(libc.unshare, flags)


def mount(source: str, target: str, kind: str | None = None, flags: int = 0) -> None:
    call(libc.mount, source.encode(), target.encode(), kind and kind.encode(), flags, None)


def private_mounts() -> None:
    """A mount namespace of the process's own, whose changes reach no other."""
    unshare(CLONE_NEWNS)
    mount("none", "/", None, 0x4000 | 0x40000)  # MS_REC | MS_PRIVATE


@contextlib.contextmanager
def tree() -> Iterator[list[Group]]:
    groups = make_tree()
    try:
        yield groups
    finally:
        # From inside another namespace it cannot be removed; whoever started the process does.
        with contextlib.suppress(OSError):
            groups[0].remove()


class Thread:
    """A thread that waits, and whose mask can be set from outside."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.stop.wait, daemon=True)
        self.thread.start()

    def pin(self, *cpus: int) -> None:
        os.sched_setaffinity(self.thread.native_id or 0, cpus)

    def end(self) -> None:
        """End it, and wait until the kernel has let go of it, which is later than Python has."""
        self.stop.set()
        self.thread.join()
        while Path(f"/proc/self/task/{self.thread.native_id}").exists():
            os.sched_yield()


def quota_of_each_level(groups: list[Group]) -> Iterator[int]:
    for group in reversed(groups):
        group.set(100_000)
        yield 1
        group.set(200_000)
        yield 2
        group.set(-1)
    yield len(CPUS)
    groups[0].set(500_000, 500_000)
    yield 1
    (groups[0].path / "cpu.cfs_period_us").write_text("250000")
    yield 2
    (groups[0].path / "cpu.cfs_period_us").write_text("500000")
    yield 1


def moved_to_another_cgroup(groups: list[Group]) -> Iterator[int]:
    narrow = groups[0].child("narrow")
    narrow.set(100_000)
    narrow.join()
    yield 1
    groups[2].join()
    yield len(CPUS)


def removed_and_made_again(groups: list[Group]) -> Iterator[int]:
    yield len(CPUS)
    groups[0].join()
    groups[2].path.rmdir()
    groups[2].child(".").set(100_000)
    groups[2].join()
    yield 1


def mask_changed_from_outside(groups: list[Group]) -> Iterator[int]:
    pid = os.getpid()
    child = os.fork()
    if child == 0:
        os.sched_setaffinity(pid, CPUS[:1])
        os._exit(0)
    os.waitpid(child, 0)
    yield 1
    os.sched_setaffinity(0, CPUS)
    yield len(CPUS)


def threads_pinned_and_not(groups: list[Group]) -> Iterator[int]:
    other = Thread()
    yield len(CPUS)
    os.sched_setaffinity(0, CPUS[:1])
    yield len(CPUS)
    other.pin(CPUS[1])
    yield 2
    other.pin(CPUS[0])
    yield 1
    other.pin(*CPUS)
    yield len(CPUS)
    other.end()
    yield 1
    os.sched_setaffinity(0, CPUS)
    yield len(CPUS)


def override_set_and_cleared(groups: list[Group]) -> Iterator[int]:
    os.environ[VARIABLE] = "7"
    yield 7
    os.environ[VARIABLE] = ""
    yield len(CPUS)
    os.environ[VARIABLE] = "9"
    yield 9
    del os.environ[VARIABLE]
    yield len(CPUS)


def join_roots() -> None:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if " - cgroup" in line:
            Group(Path(line.split()[4])).join()


def cgroup_namespace_entered(groups: list[Group]) -> Iterator[int]:
    """The membership reads the same before and after: ``/`` in every hierarchy."""
    groups[2].set(100_000)
    join_roots()
    yield len(CPUS)
    groups[2].join()
    unshare(CLONE_NEWCGROUP)
    yield 1


def mount_added_and_removed(groups: list[Group]) -> Iterator[int]:
    private_mounts()
    groups[2].set(100_000)
    yield 1
    point = str(mount_point("cpu"))
    mount("none", point, "tmpfs")
    yield len(CPUS)
    call(libc.umount2, point.encode(), 2)
    yield 1


def mount_namespace_entered(groups: list[Group]) -> Iterator[int]:
    """The old namespace's table stays as it is when the new one's changes."""
    groups[2].set(100_000)
    yield 1
    private_mounts()
    mount("none", str(mount_point("cpu")), "tmpfs")
    yield len(CPUS)


def put_others(groups: list[Group], numbers: list[int]) -> list[str]:
    """Make the descriptors stand for another group's files; return what they stand for."""
    other = groups[0].child("other").path
    for number in numbers:
        held = os.readlink(f"/proc/self/fd/{number}")
        name = Path(held).name if Path(held).name.startswith("cpu.") else "cpu.cfs_quota_us"
        fresh = os.open(other / name, os.O_RDONLY)
        os.dup2(fresh, number)
        os.close(fresh)
    return [os.readlink(f"/proc/self/fd/{number}") for number in numbers]


def descriptors_reused(groups: list[Group]) -> Iterator[int]:
    """Every descriptor above 2 is another group's file now, of the same text as ours."""
    yield len(CPUS)
    numbers = [int(name) for name in os.listdir("/proc/self/fd") if int(name) > 2]
    numbers = [number for number in numbers if os.path.exists(f"/proc/self/fd/{number}")]
    theirs = put_others(groups, numbers)
    groups[2].set(100_000)
    yield 1
    assert [os.readlink(f"/proc/self/fd/{number}") for number in numbers] == theirs
    groups[2].set(-1)
    yield len(CPUS)


def one_descriptor_reused(groups: list[Group]) -> Iterator[int]:
    """The same for each kept file alone."""
    from kumo._hot import count as _hot_count

    for place in range(2 * len(groups)):
        groups[2].set(200_000)
        yield 2
        assert _hot_count._kept is not None
        files = [file for level in _hot_count._kept.levels for file in (level.quota, level.period)]
        numbers = [file.number for file in files[place : place + 1] if file is not None]
        theirs = put_others(groups, numbers)
        groups[2].set(100_000)
        yield 1
        assert [os.readlink(f"/proc/self/fd/{number}") for number in numbers] == theirs
        for number in numbers:
            os.close(number)


def mount_table_descriptor_reused(groups: list[Group]) -> Iterator[int]:
    """What tells of changed mounts is another file, and then they change."""
    from kumo._hot import count as _hot_count

    private_mounts()
    groups[2].set(100_000)
    yield 1
    assert _hot_count._kept is not None
    # Polled as an urgent event, the null device is quiet, as an unchanged mount table is.
    (reader,) = _hot_count._kept.first
    os.dup2(os.open(os.devnull, os.O_RDONLY), reader.mounts.number)
    mount("none", str(mount_point("cpu")), "tmpfs")
    yield len(CPUS)


def namespace_descriptor_reused(groups: list[Group]) -> Iterator[int]:
    """What tells of the own namespaces is another process's, and then they change."""
    from kumo._hot import count as _hot_count

    groups[2].set(100_000)
    join_roots()
    yield len(CPUS)
    child = os.fork()
    if child == 0:
        signal.pause()
    try:
        assert _hot_count._kept is not None
        theirs = os.open(f"/proc/{child}/ns", os.O_RDONLY)
        os.dup2(theirs, _hot_count._kept.spaces.number)
        groups[2].join()
        unshare(CLONE_NEWCGROUP)
        yield 1
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def membership_descriptor_reused(groups: list[Group]) -> Iterator[int]:
    """The number is the program's own descriptor to the same file: it stays open, as it was."""
    from kumo._hot import count as _hot_count

    yield len(CPUS)
    assert _hot_count._kept is not None
    theirs = _hot_count._kept.membership.number
    fresh = os.open("/proc/self/cgroup", os.O_RDONLY)
    os.dup2(fresh, theirs)
    os.close(fresh)
    os.lseek(theirs, 7, os.SEEK_SET)
    os.close(_hot_count._kept.spaces.number)  # what is kept is given up
    groups[2].set(100_000)
    yield 1
    assert os.lseek(theirs, 0, os.SEEK_CUR) == 7
    yield 1


def descriptors_closed(groups: list[Group]) -> Iterator[int]:
    yield len(CPUS)
    os.closerange(3, 1000)
    groups[2].set(100_000)
    yield 1


def descriptors_exhausted(groups: list[Group]) -> Iterator[int]:
    """What is kept goes on being read, where a survey could open nothing."""
    quota = os.open(groups[2].path / "cpu.cfs_quota_us", os.O_WRONLY)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    yield len(CPUS)
    os.write(quota, b"100000")
    yield 1
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    os.write(quota, b"-1")
    os.close(quota)
    yield len(CPUS)


def moved_without_a_descriptor(groups: list[Group]) -> Iterator[int]:
    """The last known limit counts where no file can be opened any more, and one warning says so."""
    import logging

    import kumo

    warnings: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: warnings.append(record.getMessage())  # type: ignore[method-assign]  # a method is replaced
    logging.getLogger("kumo").addHandler(handler)
    groups[2].set(100_000)
    yield 1
    narrow = groups[2].child("narrow")
    move = os.open(narrow.path / "cgroup.procs", os.O_WRONLY)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    child = os.fork()
    if child == 0:
        same = kumo.available_parallelism() == 1
        os._exit(0 if same and kumo.available_cpus() == 1.0 else 1)
    assert os.waitpid(child, 0)[1] == 0
    os.write(move, b"0")
    yield 1
    assert len(warnings) == 1
    assert "limit of 1 CPU " in warnings[0]
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    os.close(move)
    groups[2].set(-1)
    yield len(CPUS)
    groups[2].join()
    narrow.remove()
    yield len(CPUS)


def forked(groups: list[Group]) -> Iterator[int]:
    """The child is another process: it moves alone, and its descriptors are its own."""
    import kumo

    yield len(CPUS)
    narrow = groups[0].child("narrow")
    narrow.set(100_000)
    for fork in (os.fork, libc.fork):  # with Python's hooks and without
        child = fork()
        if child == 0:
            same = kumo.available_parallelism() == len(CPUS)
            narrow.join()
            os._exit(0 if same and kumo.available_parallelism() == 1 else 1)
        assert os.waitpid(child, 0)[1] == 0
        yield len(CPUS)


def user_changed(groups: list[Group]) -> Iterator[int]:
    """What was opened by one user is not read on for another: as a survey says, with a note."""
    groups[2].set(100_000)
    yield 1
    (groups[2].path / "cpu.cfs_quota_us").chmod(0)
    os.seteuid(65534)
    call(libc.prctl, 4, 1, 0, 0, 0)  # PR_SET_DUMPABLE: the own /proc files stay open to it
    yield len(CPUS)
    os.seteuid(0)
    yield 1


def proc_hidden(groups: list[Group]) -> Iterator[int]:
    """Nothing tells the cgroup any more: as a survey says, with a note."""
    groups[2].set(100_000)
    yield 1
    private_mounts()
    mount("none", "/proc", "tmpfs")
    yield len(CPUS)
    call(libc.umount2, b"/proc", 2)
    yield 1


def scheduled_in_real_time(groups: list[Group]) -> Iterator[int]:
    groups[0].set(100_000)
    for group in groups:  # where the kernel has CONFIG_RT_GROUP_SCHED, a group needs runtime
        if (group.path / "cpu.rt_runtime_us").exists():
            (group.path / "cpu.rt_runtime_us").write_text("200000")
    yield 1
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    yield len(CPUS)
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    yield 1
