"""A Slurm cluster on this host: a controller and several daemons, each in a cgroup of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from conftest import skip_real
from real.host import Group, in_groups

PROGRAMS = ("munged", "slurmctld", "slurmd", "srun", "sinfo", "scontrol")
READY_SECONDS = 60


def port() -> int:
    """Return a port that is free now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        number: int = one.getsockname()[1]
        return number


def wait_empty(group: Group) -> None:
    """Wait for processes that end after their parent, for which there is no event."""
    deadline = time.monotonic() + READY_SECONDS
    while members := group.read("cgroup.procs"):
        assert time.monotonic() < deadline, f"still there: {members}"
        time.sleep(0.05)


class Cluster:
    """Starts everything in *directory*; *groups* has each node's cgroups, empty for none.

    *wrapped* has shell text for a node's daemon, run in a mount namespace of its own with the
    *variables*; it ends with ``exec "$@"``.
    """

    def __init__(
        self,
        directory: Path,
        groups: Mapping[str, Sequence[Group]],
        cpus: int,
        wrapped: Mapping[str, str] | None = None,
        **variables: str,
    ) -> None:
        for program in PROGRAMS:
            if shutil.which(program) is None:
                skip_real(f"there is no {program}: tests/engines/install.sh")
        self.directory = directory
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.groups = groups
        self.wrapped = wrapped or {}
        self.environment = {
            **os.environ, "SLURM_CONF": str(directory / "slurm.conf"), **variables,
        }  # fmt: skip
        self._configure(list(groups), cpus)
        try:
            self._start_all()
        except BaseException:
            self.stop()
            raise

    def _configure(self, nodes: Sequence[str], cpus: int) -> None:
        here, directory = socket.gethostname(), self.directory
        lines = [
            "ClusterName=kumo",
            f"SlurmctldHost={here}(127.0.0.1)",
            f"SlurmctldPort={port()}",
            f"AuthInfo=socket={directory}/munge.socket",
            "SlurmUser=root",
            "SlurmdUser=root",
            f"StateSaveLocation={directory}/state",
            f"SlurmdSpoolDir={directory}/%n",
            f"SlurmctldPidFile={directory}/slurmctld.pid",
            f"SlurmdPidFile={directory}/%n.pid",
            f"SlurmctldLogFile={directory}/slurmctld.log",
            f"SlurmdLogFile={directory}/%n.log",
            "ProctrackType=proctrack/linuxproc",
            "TaskPlugin=task/none",
            "SelectType=select/cons_tres",
            "SelectTypeParameters=CR_CPU",
            "SlurmdParameters=config_overrides",
            "SchedulerParameters=sched_interval=1",
            "ReturnToService=2",
            "SlurmdTimeout=300",
            *(
                f"NodeName={node} NodeHostname={here} NodeAddr=127.0.0.1 Port={port()} CPUs={cpus}"
                for node in nodes
            ),
            "PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE State=UP",
        ]
        (directory / "slurm.conf").write_text("".join(f"{line}\n" for line in lines))
        (directory / "state").mkdir()
        key = directory / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)

    def _start_all(self) -> None:
        directory = self.directory
        self.start(
            "munged",
            ["munged", "--foreground", "--force", f"--socket={directory}/munge.socket",
             f"--key-file={directory}/munge.key", f"--pid-file={directory}/munged.pid",
             f"--log-file={directory}/munged.log", f"--seed-file={directory}/munged.seed"],
        )  # fmt: skip
        self.start("slurmctld", ["slurmctld", "-D", "-c"])
        for node, inside in self.groups.items():
            (directory / node).mkdir(exist_ok=True)
            command = ["slurmd", "-D", "-N", node]
            if node in self.wrapped:
                command = ["unshare", "-m", "sh", "-c", self.wrapped[node], "sh", *command]
            self.start(node, in_groups(tuple(inside), command))
        deadline = time.monotonic() + READY_SECONDS
        while (states := self.states()) != dict.fromkeys(self.groups, "idle"):
            if time.monotonic() > deadline:
                raise TimeoutError(f"Slurm's nodes are {states}: {self.logs()}")
            time.sleep(0.2)  # Slurm has no event for it

    def start(self, name: str, command: Sequence[str]) -> None:
        """Start a daemon that stays in the foreground."""
        with (self.directory / f"{name}.out").open("wb") as output:
            self.processes[name] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                env=self.environment, start_new_session=True,
            )  # fmt: skip

    def states(self) -> dict[str, str]:
        """Return each node's state as sinfo has it."""
        ran = subprocess.run(
            ["sinfo", "-h", "-N", "-o", "%N %t"],
            capture_output=True, text=True, check=False, env=self.environment,
            timeout=READY_SECONDS,
        )  # fmt: skip
        return dict(line.split() for line in ran.stdout.splitlines())

    def logs(self) -> str:
        """Return the end of everything that was logged."""
        files = [*self.directory.glob("*.log"), *self.directory.glob("*.out")]
        texts = {path.name: path.read_text(errors="replace")[-1500:] for path in files}
        return "\n".join(f"{name}: {text}" for name, text in texts.items())

    def restart(self) -> None:
        """Start everything anew with the configuration as it now is."""
        self.stop()
        self._start_all()

    def stop(self) -> None:
        """End every process that was started, the newest first."""
        self._wait_for_jobs()
        for process in reversed(self.processes.values()):
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes.clear()
        for group in [group for inside in self.groups.values() for group in inside]:
            for pid in group.read("cgroup.procs").split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)  # a step's daemon without its controller
            wait_empty(group)

    def _wait_for_jobs(self) -> None:
        """Wait until the controller has heard of the end of each job, or for a moment."""
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            ran = subprocess.run(
                ["squeue", "-h"],
                capture_output=True, check=False, env=self.environment, timeout=READY_SECONDS,
            )  # fmt: skip
            if not ran.stdout.strip():
                return
            time.sleep(0.1)
