"""Inputs made to be expensive: each is about 1 MB, or shorter, and expands into far more."""

from __future__ import annotations

from collections.abc import Callable

MEGABYTE = 1_000_000
DEEP = "/a" * 2040  # as deep as a path can be


def machine(path: str = "/", mask: str = "0-1") -> str:
    """A machine file up to its mount table, whose lines follow."""
    return (
        f"-- !affinity --\n{mask}\n-- !pid --\n7\n-- /sys/devices/system/cpu/online --\n0-1\n"
        f"-- /proc/self/cgroup --\n0::{path}\n-- /proc/self/mountinfo --\n"
    )


def repeated(line: Callable[[int], str], end: str = "\n") -> str:
    parts: list[str] = []
    size = 0
    while size < MEGABYTE:
        parts.append(line(len(parts)))
        size += len(parts[-1]) + 1
    return end.join(parts) + "\n"


def mounts(count: int, path: str = "/") -> str:
    lines = [f"{100 + i} 1 0:26 / /m{i} rw - cgroup2 c rw" for i in range(count)]
    return machine(path) + "\n".join(lines) + "\n"


def slurm(name: str, value: str) -> str:
    return f"{machine()}-- $SLURM_JOB_ID --\n1\n-- ${name} --\n{value}\n"


ONE = "50 1 0:26 {root} /m rw - cgroup2 c rw\n"

# The text is made when it is asked for.
CASES: dict[str, Callable[[], str]] = {
    "4,000 cgroup mounts": lambda: mounts(4000),
    "400 cgroup mounts, 2,000 levels": lambda: mounts(400, "/a" * 2000),
    "1 MB of cgroup mounts": lambda: (
        machine() + repeated(lambda i: f"{100 + i} 1 0:26 / /m{i} rw - cgroup2 c rw")
    ),
    "1 MB of cgroup mounts, 2,040 levels": lambda: (
        machine(DEEP) + repeated(lambda i: f"{100 + i} 1 0:26 / /m{i} rw - cgroup2 c rw")
    ),
    "1 MB of mounts, each on the one before": lambda: (
        machine() + repeated(lambda i: f"{100 + i} {99 + i} 0:26 / /m rw - cgroup2 c rw")
    ),
    "1 MB of mounts, each on the next": lambda: (
        machine() + repeated(lambda i: f"{10**6 + i} {10**6 + 1 + i} 0:26 / /m rw - cgroup2 c rw")
    ),
    "1 MB of mounts that cover levels": lambda: (
        machine(DEEP)
        + ONE.format(root="/")
        + repeated(lambda i: f"{100 + i} 50 0:26 / /m{'/a' * (1 + i % 2000)} rw - tmpfs c rw")
    ),
    "1 MB of mounts of roots that are hidden": lambda: (
        machine("/x") + repeated(lambda i: f"{100 + i} 1 0:26 /.. /m{i} rw - cgroup2 c rw")
    ),
    "1 MB of directories to search": lambda: (
        machine("/b")
        + ONE.format(root="/../..")
        + repeated(lambda i: f"-- /m/a{i}/b/b/cgroup.procs --")
    ),
    "1 MB of directories to search, a long path": lambda: (
        machine(DEEP) + ONE.format(root="/..") + repeated(lambda i: f"-- /m/a{i}/b --")
    ),
    "1,200 hidden levels": lambda: (
        machine() + ONE.format(root="/.." * 1200) + f"-- /m{'/a' * 1200}/cgroup.procs --\n7\n"
    ),
    "1 MB of errors, 2,040 levels": lambda: (
        machine(DEEP) + ONE.format(root="/") + repeated(lambda i: f"-- /q{i} (EACCES) --")
    ),
    "1 MB of errors at all depths": lambda: (
        machine(DEEP)
        + ONE.format(root="/")
        + repeated(lambda i: f"-- /m{'/b' * (i % 2000)} (EACCES) --")
    ),
    "1 MB of deep mounts beside an error": lambda: (
        machine(DEEP[:2000])
        + repeated(lambda i: f"{100 + i} 1 0:26 / /m{i}{DEEP[:2000]} rw - cgroup2 c rw")
        + "-- /q (EACCES) --\n"
    ),
    "1 MB of directories in a variable": lambda: (
        f"-- !hostname --\nn\n-- $PBS_JOBID --\n1\n-- $PBS_NODEFILE --\n{'/a' * 500_000}\n"
        "-- !platform --\nlinux\n-- !affinity --\n0-1\n-- /q (EACCES) --\n"
    ),
    "1 MB of memberships": lambda: machine().replace(
        "0::/\n", repeated(lambda i: f"{i}:controller{i}:/p")
    ),
    "1 MB of a mask": lambda: machine(mask="65535," * 166_000 + "1"),
    "1 MB of threads": lambda: machine() + "-- !threads --\n" + repeated(lambda i: f"{i} 0-65535"),
    "1 MB of threads without a mask": lambda: (
        machine() + "-- !threads --\n" + repeated(lambda i: f"{i} x{i}")
    ),
    "1 MB of rules of rctl": lambda: (
        "-- !platform --\nfreebsd\n-- !rctl_get_limits --\n"
        + repeated(lambda i: f"jail:{i}:pcpu:deny=x", ",")
    ),
    "no mask, 1 MB of mounts, 2,000 levels": lambda: (
        machine()
        .replace("-- !affinity --\n0-1", "-- !affinity (EPERM) --")
        .replace("0::/", f"2:cpu,cpuset:{'/a' * 2000}")
        + repeated(lambda i: f"{100 + i} 1 0:26 / /m{i} rw - cgroup c rw,cpu,cpuset")
    ),
    "1 MB of brackets": lambda: slurm("SLURM_JOB_NODELIST", "n" + "[1-131071]" * 100_000),
    "a bracket after 500,000 letters": lambda: slurm(
        "SLURM_JOB_NODELIST", "n" * 500_000 + "[1-131071]"
    ),
    "1 MB of ranges": lambda: slurm("SLURM_JOB_NODELIST", repeated(lambda _: "n[1-2]", ",")[:-1]),
    "131,071 nodes": lambda: slurm("SLURM_JOB_NODELIST", "n[1-131071]"),
    "1 MB of counts": lambda: slurm("SLURM_JOB_CPUS_PER_NODE", "1(x131072)," * 90_000 + "1"),
}
