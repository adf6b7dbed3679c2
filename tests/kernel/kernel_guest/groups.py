"""Control groups: made, limited, read back and removed through the kernel's files alone."""

import errno
import os
import time
from collections.abc import Iterable

from kernel_guest.layouts import Layout, read, write
from kernel_guest.syscalls import enter_cgroup_namespace, unshare

CONTROLLERS = ("cpu", "cpuset")
CGROUP_NAMESPACE = "/proc/self/ns/cgroup"


class Group:
    """One cgroup, at the same path in every hierarchy of the layout."""

    def __init__(self, layout: Layout, path: str) -> None:
        self.layout = layout
        self.path = path
        self.cpu = layout.cpu + path
        self.cpuset = layout.cpuset + path
        # A descriptor of the cgroup namespace whose root this group is.
        self.namespace = -1

    @property
    def _directories(self) -> list[str]:
        return list(dict.fromkeys((self.cpu, self.cpuset)))

    def make(self, controllers: Iterable[str] = CONTROLLERS) -> "Group":
        """Make the directories; on cgroup v2, with these controllers and no other."""
        if self.layout.version == 2:
            enabled = " ".join(f"+{name}" for name in controllers) or "\n"
            write(f"{os.path.dirname(self.cpu)}/cgroup.subtree_control", enabled)
        for directory in self._directories:
            os.mkdir(directory)
        if self.layout.version == 1:
            # A new cpuset of cgroup v1 is empty and admits no process.
            for name in ("cpuset.cpus", "cpuset.mems"):
                write(f"{self.cpuset}/{name}", read(f"{os.path.dirname(self.cpuset)}/{name}"))
        self._keep_namespace()
        return self

    def _keep_namespace(self) -> None:
        """Make a cgroup namespace with this root.

        Now, because later no process may join a group whose children are limited.
        """
        home = os.open(CGROUP_NAMESPACE, os.O_RDONLY)
        self.join(os.getpid())
        unshare("cgroup")
        self.namespace = os.open(CGROUP_NAMESPACE, os.O_RDONLY)
        enter_cgroup_namespace(home)
        os.close(home)
        Group(self.layout, "").join(os.getpid())

    def remove(self) -> None:
        """Remove the directories, once the kernel has let go of the last process."""
        os.close(self.namespace)
        for directory in self._directories:
            for attempt in range(6000):
                try:
                    os.rmdir(directory)
                    break
                except OSError as error:
                    if error.errno != errno.EBUSY or attempt == 5999:
                        raise
                    time.sleep(0.01)

    @property
    def has_cpu(self) -> bool:
        """Tell whether the level has the files of the cpu controller."""
        return self.layout.version == 1 or os.path.exists(f"{self.cpu}/cpu.max")

    def set_quota(self, quota: int | None, period: int = 100_000) -> None:
        """Set the quota and the period, in microseconds; None is no limit."""
        if self.layout.version == 2:
            write(f"{self.cpu}/cpu.max", f"{'max' if quota is None else quota} {period}")
            return
        # The two files are checked one by one, so the old quota must not stand in the way.
        write(f"{self.cpu}/cpu.cfs_quota_us", "-1")
        write(f"{self.cpu}/cpu.cfs_period_us", str(period))
        write(f"{self.cpu}/cpu.cfs_quota_us", "-1" if quota is None else str(quota))

    def set_burst(self, burst: int) -> None:
        """Set how much unused quota may be saved up, in microseconds."""
        name = "cpu.max.burst" if self.layout.version == 2 else "cpu.cfs_burst_us"
        write(f"{self.cpu}/{name}", str(burst))

    def quota(self) -> float | None:
        """Read back the quota in CPUs; None where the level sets none."""
        if self.layout.version == 1:
            quota, period = (
                int(read(f"{self.cpu}/cpu.cfs_{name}_us")) for name in ("quota", "period")
            )
            return None if quota < 0 else quota / period
        try:
            quota_text, period_text = read(f"{self.cpu}/cpu.max").split()
        except FileNotFoundError:
            return None
        return None if quota_text == "max" else int(quota_text) / int(period_text)

    def set_cpus(self, cpus: str, mems: str | None = None) -> None:
        """Set the cpuset, as a CPU list."""
        write(f"{self.cpuset}/cpuset.cpus", cpus)
        if mems is not None:
            write(f"{self.cpuset}/cpuset.mems", mems)

    def cpus(self) -> set[int]:
        """Read back the CPUs that the cpuset grants."""
        name = "cpuset.cpus.effective" if self.layout.version == 2 else "cpuset.effective_cpus"
        return cpu_list(read(f"{self.cpuset}/{name}"))

    def join(self, pid: int) -> None:
        """Move a process here."""
        for directory in self._directories:
            write(f"{directory}/cgroup.procs", str(pid))

    def join_thread(self, tid: int) -> None:
        """Move one thread here; in the cpu hierarchy only."""
        name = "cgroup.threads" if self.layout.version == 2 else "tasks"
        write(f"{self.cpu}/{name}", str(tid))


def cpu_list(text: str) -> set[int]:
    """Read a CPU list, as in `0-3,7`."""
    cpus: set[int] = set()
    for part in filter(None, text.strip().split(",")):
        first, _, last = part.partition("-")
        cpus.update(range(int(first), int(last or first) + 1))
    return cpus
