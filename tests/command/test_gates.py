"""Gates and sizes of the command: --at-least and --memory-per-worker."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from command.conftest import Kumo

MACHINES = Path(__file__).parents[1] / "machines"
FEW = str(MACHINES / "envoy-47321-pod-level-root.txt")  # 3.5 CPUs
MEMORY = """-- !affinity --
0-15
-- /proc/self/cgroup --
0::/app
-- /proc/self/mountinfo --
29 24 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw
-- /sys/devices/system/cpu/online --
0-15
-- /sys/fs/cgroup/app/memory.max --
6442450944
-- /proc/meminfo --
MemTotal:       33554432 kB
"""


@pytest.mark.parametrize("number", ["1", "3"])
def test_enough_is_explained(kumo: Kumo, number: str) -> None:
    explained = kumo("explain", "--machine", FEW)

    assert kumo("explain", "--at-least", number, "--machine", FEW) == explained
    assert kumo("--at-least", number, "explain", "--machine", FEW) == explained


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_too_few_is_one_line_and_an_exit_code(kumo: Kumo, options: list[str]) -> None:
    code, out, err = kumo("explain", "--at-least", "4", "--machine", FEW, *options)

    assert (code, out) == (1, "")
    assert err == (
        "kumo: the count is 3, which is less than 4: quota /sys/fs/cgroup/cpu.max 350000 100000\n"
    )


@pytest.mark.parametrize("number", ["0", "-1", "x", "", "1.5", "٤"])
def test_not_a_number_to_have_at_least(kumo: Kumo, number: str) -> None:
    code, out, err = kumo("explain", f"--at-least={number}", "--machine", FEW)

    assert (code, out) == (2, "")
    assert "is not a positive number of CPUs, such as 4" in err
    assert err.count("\n") == 1


def test_memory_bounds_the_count_and_is_explained(kumo: Kumo, tmp_path: Path) -> None:
    machine = tmp_path / "machine.txt"
    machine.write_text(MEMORY)

    assert kumo("--memory-per-worker", "2G", "--machine", str(machine)).stdout == "3\n"
    assert kumo("--machine", str(machine)).stdout == "16\n"
    shown = kumo("explain", "--memory-per-worker", "2G", "--machine", str(machine)).stdout
    assert shown.splitlines()[2].split()[:4] == [
        "binds", "memory", "3.00", "/sys/fs/cgroup/app/memory.max",
    ]  # fmt: skip
    explained = json.loads(
        kumo("--json", "--memory-per-worker", "4G", "--machine", str(machine)).stdout
    )
    assert (explained["parallelism"], explained["binding"]["kind"]) == (1, "memory")


def test_memory_and_a_gate_together(kumo: Kumo, tmp_path: Path) -> None:
    machine = tmp_path / "machine.txt"
    machine.write_text(MEMORY)

    ran = kumo("explain", "--memory-per-worker=2G", "--at-least=4", "--machine", str(machine))

    assert ran.code == 1
    assert "memory /sys/fs/cgroup/app/memory.max 6442450944" in ran.stderr


@pytest.mark.parametrize("size", ["2X", "0", "-1G", ""])
def test_not_a_size(kumo: Kumo, size: str) -> None:
    code, out, err = kumo(f"--memory-per-worker={size}", "--machine", FEW)

    assert (code, out) == (2, "")
    assert "is not a size such as 2G or 512M" in err
