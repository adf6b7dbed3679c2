"""The programs that `watch.py` times: each prints the clock when it sees another number of CPUs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import _groups
import _loops

IN_C = "the same in C"
READING = "import kumo._watch.bell as b; b.Bell._try_events = lambda self: None\n"
SEES = """
import sys, time, kumo
{reading}
def see(change):
    print(time.monotonic_ns(), flush=True)
watch = kumo.watch(see, settle=0)
print("ready", flush=True)
sys.stdin.read()
"""
JAVA = """
class Sees {
    public static void main(String[] words) throws Exception {
        int last = Runtime.getRuntime().availableProcessors();
        System.out.println("ready");
        while (true) {
            Thread.sleep(1);
            int now = Runtime.getRuntime().availableProcessors();
            if (now != last) System.out.println(System.nanoTime());
            last = now;
        }
    }
}
"""
GO = """
package main

import (
	"fmt"
	"runtime"
	"syscall"
	"time"
	"unsafe"
)

func main() {
	last := runtime.GOMAXPROCS(0)
	fmt.Println("ready")
	for {
		time.Sleep(time.Millisecond)
		now := runtime.GOMAXPROCS(0)
		if now != last {
			var at syscall.Timespec
			syscall.Syscall(syscall.SYS_CLOCK_GETTIME, 1, uintptr(unsafe.Pointer(&at)), 0)
			fmt.Println(at.Nano())
		}
		last = now
	}
}
"""


class Seer:
    """A program in a cgroup of its own that prints the clock when it sees another number."""

    def __init__(self, command: list[str], group: Path, by_affinity: bool) -> None:
        # Without O_TRUNC, which is an event of its own.
        self.quota = os.open(group / "cpu.cfs_quota_us", os.O_WRONLY)
        self.by_affinity = by_affinity
        self.process = subprocess.Popen(
            _groups.inside(group, *command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.line()  # it is ready

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def delay(self, cpus: int) -> float:
        """Give it so many CPUs, and return after how many milliseconds it has seen that."""
        before = time.monotonic_ns()
        if self.by_affinity:
            mask = sorted(os.sched_getaffinity(0))[:cpus]
            for task in os.listdir(f"/proc/{self.process.pid}/task"):
                os.sched_setaffinity(int(task), mask)
        else:
            os.pwrite(self.quota, str(cpus * 100_000).encode(), 0)
        return (int(self.line()) - before) / 1e6

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


def programs(workdir: Path, peers: Path | None) -> dict[str, tuple[list[str], bool]]:
    """The programs that see a change, each with whether its affinity is what changes."""
    python = [sys.executable, "-c"]
    paths = {
        "kumo": ([*python, SEES.format(reading="")], False),
        "kumo, ten readings a second": ([*python, SEES.format(reading=READING)], False),
    }
    floor = _loops.floor(workdir)
    if not floor.missing:
        paths[IN_C] = ([*floor.command, "-l"], False)
    (workdir / "Sees.java").write_text(JAVA)
    if _loops._ran(["javac", "-d", str(workdir), str(workdir / "Sees.java")]) is None:
        paths["the JVM"] = (["java", "-cp", str(workdir), "Sees"], False)
    if peers is not None:
        (workdir / "sees.go").write_text(GO)
        tool = str(peers / "venv" / "bin" / "go")
        build = [tool, "build", "-o", str(workdir / "sees"), str(workdir / "sees.go")]
        if _loops._ran(build, peers) is None:
            paths["Go, its affinity"] = ([str(workdir / "sees")], True)
    return paths
