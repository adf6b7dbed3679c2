"""Random histories on machine files: in a root of its own, each machine's files change at random.

The files stand where the machine has them, on a tmpfs, so that descriptors are kept to them as
to the kernel's. What only the kernel does is left to `history.py`: a removed cgroup that cannot
be read any more, a mount table that tells of its changes, a quota's effect.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import pkgutil
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePosixPath

import events

import kumo
from kumo._cgroups.cpulist import ONLINE
from kumo._hot import count as _hot_count
from kumo._system.machine_file import Machine, read_machine

MACHINES = sorted((Path(__file__).parent.parent / "machines").glob("*.txt"))
ROOT = "/mnt"
FAR = 200  # a descriptor that no history closes
PATH_MAX = 4096
COVERED = ("cgroup", "mountinfo")  # of /proc/self
QUOTAS = {
    "cpu.max": ("max 100000\n", "50000 100000\n", "100000 100000\n", "150000 100000\n",
                "300000 100000\n", "1000 1000000\n", "max\n", "many 100000\n", ""),
    "cpu.cfs_quota_us": ("-1\n", "50000\n", "100000\n", "150000\n", "300000\n", "x\n"),
    "cpu.cfs_period_us": ("100000\n", "50000\n", "1000000\n"),
}  # fmt: skip
CONTROLLERS = "cgroup.controllers"
GRANTS = ("SLURM_CPUS_PER_TASK", "SLURM_JOB_ID", "NSLOTS", "PBS_NCPUS", "LSB_DJOB_NUMPROC",
          "NOMAD_CPU_LIMIT", "NOMAD_ALLOC_ID", "NOMAD_CPU_CORES", "JOB_ID", "NHOSTS", "NCPUS",
          "PBS_JOBID", "OMP_NUM_THREADS")  # fmt: skip
LISTS = ("PBS_NODEFILE", "PE_HOSTFILE", "_CONDOR_MACHINE_AD", "LSB_AFFINITY_HOSTFILE")
LIST = "/.list"  # what they name


class Staged:
    """One machine's files, and what may happen to them."""

    def __init__(self, machine: Machine, choose: random.Random) -> None:
        self.choose = choose
        self.texts = {ONLINE: "0-1\n"} | {
            name: text
            for name, text in machine.sections.items()
            if name[0] == "/" and isinstance(text, str)
        }
        self.variables = {
            name[1:]: text.removesuffix("\n")
            for name, text in machine.sections.items()
            if name[0] == "$" and isinstance(text, str) and "\0" not in text
        }
        # The controller is in one hierarchy: what v1 has, no v2 group gets.
        self.has_v1 = any(path.endswith("/cpu.cfs_quota_us") for path in self.texts)
        self.quotas = sorted(path for path in self.texts if path.rpartition("/")[2] in QUOTAS)
        # The kernel has the list in each v2 group, the reports hardly ever.
        for group in v2_groups(self.texts):
            has_cpu = f"{group}/cpu.max" in self.texts
            self.texts.setdefault(f"{group}/{CONTROLLERS}", "cpu\n" if has_cpu else "memory\n")
        self.without = sorted(
            group
            for path in self.texts
            for group, _, name in [path.rpartition("/")]
            if name == CONTROLLERS and f"{group}/cpu.max" not in self.texts
        )
        self.groups = sorted({path.rpartition("/")[0] for path in self.quotas})
        self.happenings: list[Callable[[], None]] = [
            self.pin, self.override, self.grant, self.name_list, self.close_some, self.fork,
            self.nothing,
            *[self.set_quota] * 4 * bool(self.quotas), *[self.move] * 2 * bool(self.quotas),
            *[self.enable] * bool(self.without and not self.has_v1),
        ]  # fmt: skip

    def build(self) -> None:
        """Enter the machine's root, in a mount namespace of this process's own."""
        events.private_mounts()
        events.mount("none", ROOT, "tmpfs")
        os.mkdir(f"{ROOT}/proc")
        events.mount("/proc", f"{ROOT}/proc", None, 0x5000)  # MS_BIND | MS_REC
        for path, text in self.texts.items():
            if not path.startswith("/proc/"):
                os.makedirs(ROOT + os.path.dirname(path), exist_ok=True)
                write(ROOT + path, text)
        for name in COVERED:
            write(f"{ROOT}/.{name}", self.texts[f"/proc/self/{name}"])
            events.mount(f"{ROOT}/.{name}", f"{ROOT}/proc/{os.getpid()}/{name}", None, 0x1000)
        os.environ.clear()
        os.environ.update(self.variables)
        os.chroot(ROOT)
        os.chdir("/")

    def set_quota(self) -> None:
        path = self.choose.choice(self.quotas)
        before = os.fsdecode(Path(path).read_bytes())
        write(path, self.choose.choice(QUOTAS[path.rpartition("/")[2]]))
        if not self.is_allowed():
            write(path, before)

    def is_allowed(self) -> bool:
        """Whether v1 would have it so: no quota above an ancestor's."""
        rates = {group: rate for group in self.groups if (rate := v1_rate(group)) is not None}
        return not any(
            rates[below] > rates[above]
            for below in rates
            for above in rates
            if below.startswith(above.rstrip("/") + "/")
        )

    def move(self) -> None:
        """Into another group that has files, or one that has none."""
        text = self.texts["/proc/self/cgroup"]
        lines = [line for line in text.splitlines() if ":" in line]
        if lines:
            number = self.choose.randrange(len(lines))
            front, path = lines[number].rsplit(":", 1)
            group = self.choose.choice(self.groups)
            parts = group.split("/")
            new = "/" + "/".join(parts[self.choose.randrange(1, len(parts) + 1) :])
            lines[number] = f"{front}:{self.choose.choice([new, path, '/', '/nowhere'])}"
            write("/.cgroup", "".join(f"{line}\n" for line in lines))

    def enable(self) -> None:
        """Give the controller to a v2 group that has none, as the kernel shows that."""
        group = self.choose.choice(self.without)
        if not os.path.exists(f"{group}/cpu.max"):
            write(f"{group}/cpu.max", self.choose.choice(QUOTAS["cpu.max"]))
            write(f"{group}/{CONTROLLERS}", "cpu memory\n")
            self.quotas.append(f"{group}/cpu.max")

    def pin(self) -> None:
        os.sched_setaffinity(0, self.choose.sample(events.CPUS, self.choose.randint(1, 2)))

    def override(self) -> None:
        self.set_variable(events.VARIABLE, self.choose.choice(["3", "", None, None]))

    def grant(self) -> None:
        self.set_variable(self.choose.choice(GRANTS), self.choose.choice(["1", "0", "", "x", None]))

    def name_list(self) -> None:
        """A variable that names a file, or another content of it."""
        host = os.uname().nodename
        self.set_variable(self.choose.choice(LISTS), self.choose.choice([LIST, LIST, None]))
        lists = [f"{host}\n", f"{host} 1 all.q\n", "Cpus = 1\n", f"{host} 0\n", "other\n"]
        write(LIST, self.choose.choice(lists))
        if self.choose.random() < 0.2:
            os.unlink(LIST)

    def set_variable(self, name: str, value: str | None) -> None:
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value

    def close_some(self) -> None:
        for number in range(3, 64):
            if self.choose.random() < 0.3:
                os.closerange(number, number + 1)

    def fork(self) -> None:
        child = os.fork()
        if child == 0:
            os._exit(kumo.available_parallelism() != kumo.estimate().parallelism)
        assert os.waitpid(child, 0)[1] == 0, "the child's answer differs"

    def nothing(self) -> None:
        return

    def live(self, steps: int) -> int:
        """Let *steps* things happen; return how often the answer was from what is kept."""
        told: list[str] = []
        kept = 0
        for step in range(steps):
            happening = self.choose.choice(self.happenings)
            told = [*told[-9:], happening.__name__]
            happening()
            before = _hot_count._kept
            hot, surveyed = kumo.available_parallelism(), kumo.estimate().parallelism
            assert hot == surveyed, f"step {step}, {told}: {hot}, where a survey says {surveyed}"
            kept += before is not None and before is _hot_count._kept
        return kept


def v2_groups(texts: dict[str, str]) -> set[str]:
    """Each group from the process's own up, below every mount of the unified hierarchy."""
    mounts = [line.split() for line in texts["/proc/self/mountinfo"].splitlines()]
    points = [fields[4] for fields in mounts if "cgroup2" in fields[5:]]
    paths = [line[3:] for line in texts["/proc/self/cgroup"].splitlines() if line[:3] == "0::"]
    return {
        f"{point.rstrip('/')}{above}".rstrip("/")
        for point in points
        for path in map(PurePosixPath, paths)
        for above in map(str, (path, *path.parents))
        if "\0" not in above and ".." not in above
    }


def write(path: str, text: str) -> None:
    Path(path).write_bytes(os.fsencode(text))


def v1_rate(group: str) -> float | None:
    try:
        quota, period = (
            int(Path(group, name).read_text()) for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        )
    except (OSError, ValueError):
        return None
    return quota / period if quota > 0 and period > 0 else None


def histories(steps: int, seed: int) -> None:
    """At least *steps* in all, on every machine file of this system; each in its own process."""
    for module in pkgutil.walk_packages(kumo.__path__, "kumo."):
        if module.name not in ("kumo.__main__", "kumo._pytest"):
            load(module.name)
    machines = {path.stem: read_machine(path) for path in MACHINES}
    staged = [name for name, machine in machines.items() if can_stand(machine)]
    often = 0
    for name in staged:
        answer = in_child(
            partial(live_on, machines[name], f"{seed} {name}", steps // len(staged) + 1)
        )
        assert answer.isdigit(), f"{name}, {answer}"
        often += int(answer)
    assert often > steps / 4, f"only {often} of {steps} answers were from what is kept"


def live_on(machine: Machine, seed: str, steps: int) -> str:
    world = Staged(machine, random.Random(seed))
    world.build()
    return str(world.live(steps))


def in_child(call: Callable[[], str]) -> str:
    """What *call* returns in a forked child, or how it fails."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(writing, FAR)
        try:
            answer = call()
        except BaseException as error:  # noqa: BLE001 - the parent fails with it
            answer = f"{type(error).__name__}: {error}"
        os.write(FAR, os.fsencode(answer))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    return answer


def load(name: str) -> None:
    """Load a module of kumo that the survey may ask for: in another root there are none."""
    try:
        importlib.import_module(name)
    except (ImportError, AssertionError):
        return  # another system's


def can_stand(machine: Machine) -> bool:
    """Whether it is of this system, tells its mounts and cgroups by text, and has these CPUs."""
    platform = machine.sections.get("!platform", "linux\n")
    groups = machine.sections.get("/proc/self/cgroup")
    return (
        platform == "linux\n"
        and isinstance(machine.sections.get("/proc/self/mountinfo"), str)
        and isinstance(groups, str)
        and len(groups) < PATH_MAX
        # A mask has no other CPUs; lxcfs, whose list is not the kernel's, is another mount.
        and str(machine.sections.get(ONLINE, "0-1")).startswith("0-")
        and not any(path.startswith("/mnt") for path in machine.sections)
    )


ctypes.CDLL(None)  # found before there is another root
