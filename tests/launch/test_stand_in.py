"""The stand-in for a machine of 64 CPUs keeps a pin and hands it on, as the kernel does."""

from __future__ import annotations

import subprocess

import pytest

pytestmark = pytest.mark.real

PINNED = {
    "by itself": "taskset -c 0-3 nproc",
    "by its parent": "taskset -c 0-3 sh -c 'nproc; true'",
    "by the parent of its parent": "taskset -c 0-3 sh -c '(sh -c \"nproc; true\"; true)'",
    "twice": "taskset -c 0-7 sh -c 'taskset -c 0-3 nproc; true'",
}


@pytest.mark.parametrize("command", PINNED.values(), ids=list(PINNED))
def test_a_pinned_command_sees_the_pin_and_its_sibling_all(
    machine_64: list[str], command: str
) -> None:
    ran = subprocess.run(
        [*machine_64, "sh", "-c", f"{command}; nproc"],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip

    assert ran.stdout.split() == ["4", "64"]
