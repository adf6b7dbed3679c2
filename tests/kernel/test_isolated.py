"""Isolated CPUs on a real kernel: three busy threads, unpinned and pinned, and what kumo counts.

The machine is booted with isolcpus=1-3, and makes an isolated cpuset partition of CPUs 5-7.
"""

import functools
import sys
from typing import Any

import pytest

if sys.platform != "linux":
    pytest.skip("the kernels are Linux kernels", allow_module_level=True)

import kernel_boot
from conftest import skip_real

pytestmark = pytest.mark.kernel


@functools.cache
def _ran() -> kernel_boot.Ran:
    guest = [str(kernel_boot.HERE / "isolated_guest.py")]
    ran = kernel_boot.run(guest, "--append", "isolcpus=1-3")
    print(*ran.records, sep="\n")
    return ran


def record(name: str) -> dict[str, Any]:
    """Boot the machine once, and return what its guest program wrote about one situation."""
    if reason := kernel_boot.missing():
        skip_real(reason)
    same = [record for record in _ran().records if record["name"] == name]
    if not same:
        pytest.fail(f"no record of {name}: {_ran().failure}\n{_ran().console}")
    return same[0]


@pytest.mark.parametrize(
    ("name", "counted", "source"),
    [
        ("balanced", 3, "affinity"),
        ("isolcpus", 1, "isolated"),
        ("isolcpus and one more", 1, "isolated"),
        ("isolated partition", 1, "isolated"),
    ],
)
def test_the_count_is_what_unpinned_threads_get(name: str, counted: int, source: str) -> None:
    asked = record(name)

    assert asked["estimate"] == counted
    assert asked["count"] == [counted] * 3
    assert asked["kept"], "the count came from a survey each time"
    assert asked["binding"] == source
    assert ("isolated-cpus" in asked["notes"]) is (counted == 1)
    assert len(asked["unpinned"]["on"]) == counted


@pytest.mark.parametrize("name", ["isolcpus", "isolcpus and one more", "isolated partition"])
def test_pinned_threads_use_every_cpu(name: str) -> None:
    assert record(name)["pinned"]["on"] == record(name)["mask"][-3:]


def test_a_pool_of_pinned_processes_uses_every_isolated_cpu() -> None:
    pool = record("pool")

    assert pool["size"] == 3
    assert pool["places"] == [[5], [6], [7]]


def test_a_partition_that_changes_is_followed_at_once() -> None:
    for state, counts, estimate in record("toggle")["steps"]:
        assert estimate == (1 if state == "isolated" else 3), state
        assert counts == [estimate] * 3, state


def test_the_guest_ran_to_its_end() -> None:
    assert record("end")
