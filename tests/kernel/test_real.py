"""What tests/real stages, under cgroup v2 in a virtual machine: as root, and as an ordinary user.

A user's cgroup is given to it as systemd delegates one: its directory and some files change owner.
"""

import sys
from typing import Any

import pytest

if sys.platform != "linux":
    pytest.skip("the kernels are Linux kernels", allow_module_level=True)

import kernel_boot
from conftest import skip_real

pytestmark = pytest.mark.kernel

CPUS = 4


@pytest.fixture(scope="module")
def records() -> dict[str, Any]:
    """What the guest program wrote, by the situation's name."""
    if reason := kernel_boot.missing():
        skip_real(reason)
    ran = kernel_boot.run(
        [str(kernel_boot.HERE / "real_guest.py")],
        cpus=CPUS,
        path=f"{kernel_boot.SOURCE}:{kernel_boot.HERE.parent}",
    )
    return {record["name"]: record for record in ran.until("delegated")}


@pytest.mark.parametrize(
    ("name", "quota", "counted", "levels"),
    [
        ("nested", 1.5, 1, 3),
        ("parent alone", 1.25, 1, 3),
        ("none", None, CPUS, 2),
        ("burst", 1.0, 1, 2),
        ("cpuset", None, 1, 2),
        ("delegated", 0.5, 1, 3),
    ],
)
def test_what_is_set_is_what_is_said(
    records: dict[str, Any], name: str, quota: float | None, counted: int, levels: int
) -> None:
    record = records[name]

    assert "error" not in record, record
    assert (record["quota"], record["count"]) == (quota, counted)
    assert record["said"] == record["levels"]
    assert len(record["levels"]) == levels
    assert all(where.endswith("/cpu.max") for where, _ in record["levels"])


def test_a_burst_is_not_added(records: dict[str, Any]) -> None:
    assert (records["burst"]["burst"], records["burst"]["notes"]) == (0.75, ["burst-allowed"])


def test_an_ordinary_user_limits_what_was_given_to_it(records: dict[str, Any]) -> None:
    record = records["delegated"]

    assert record["user"] == 65534
    assert record["below"] == record["given"]
    assert record["notes"] == ["quota-below-one"]
