"""kumo's pressure under cgroup v2 in a virtual machine: microseconds, bursts and PSI.

The emulated machine is slow and its CPUs share those of the host: what is told is compared with
the kernel's own counters, and only the verdicts are judged that no slowness changes.
"""

import sys
from typing import Any

import pytest

if sys.platform != "linux":
    pytest.skip("the kernels are Linux kernels", allow_module_level=True)

import kernel_boot
from conftest import skip_real

pytestmark = pytest.mark.kernel

PROGRAM = kernel_boot.HERE.parent / "pressure/staged.py"


@pytest.fixture(scope="module")
def records() -> dict[str, Any]:
    """What the guest program wrote, by the situation's name."""
    if reason := kernel_boot.missing():
        skip_real(reason)
    guest = [str(kernel_boot.HERE / "pressure_guest.py"), str(PROGRAM)]
    ran = kernel_boot.run(guest, "--append", "psi=1", cpus=4)
    return {record["name"]: record for record in ran.until("end")}


def own(window: dict[str, Any]) -> dict[str, Any]:
    """The process's own cgroup in one window."""
    level: dict[str, Any] = window["levels"][0]
    return level


def test_a_quota_that_hurts(records: dict[str, Any]) -> None:
    record = records["quota"]
    assert [window["verdict"] for window in record["windows"]] == ["quota", "quota"], record
    total = 0.0
    for window in record["windows"]:
        level = own(window)
        assert (level["where"], level["quota"]) == ("/sys/fs/cgroup/kumo-pressure", 0.5)
        assert level["period"] == 0.1
        assert 0 < level["throttling"]["throttled"] <= level["throttling"]["periods"]
        assert level["used"] < 0.7
        assert 0 < level["full"] <= level["some"] <= 1
        total += level["throttling"]["seconds"]
    # The windows are parts of the cgroup's life, whose microseconds the kernel tells.
    assert 0.1 < total <= record["stat"]["throttled_usec"] / 1e6


def test_a_quota_above_what_is_used(records: dict[str, Any]) -> None:
    for window in records["above"]["windows"]:
        assert window["verdict"] != "quota", window
        assert own(window)["quota"] == 1.5


def test_no_quota_is_never_called_one(records: dict[str, Any]) -> None:
    for name in ("none", "idle"):
        for window in records[name]["windows"]:
            assert "quota" not in window["verdict"], window
            assert own(window)["quota"] is None
    assert {window["verdict"] for window in records["idle"]["windows"]} == {"idle"}


def test_twice_the_threads_wait(records: dict[str, Any]) -> None:
    for window in records["none"]["windows"]:
        assert window["waiting"] > 1
        assert window["verdict"] in ("affinity", "oversubscribed")
        assert 0.5 < own(window)["some"] <= 1


def test_the_machine_tells_its_pressure(records: dict[str, Any]) -> None:
    for name in ("quota", "none"):
        for window in records[name]["windows"]:
            assert 0 < window["host"] <= 1
            assert window["missing"] == []
