"""kumo's watch under cgroup v2 in a virtual machine: events alone report each change."""

import sys

import pytest

if sys.platform != "linux":
    pytest.skip("the kernels are Linux kernels", allow_module_level=True)

import kernel_boot
from conftest import skip_real

pytestmark = pytest.mark.kernel


def test_events_under_cgroup_v2() -> None:
    """Quotas of two levels, a controller off and on, a cpuset, a cgroup that is made again."""
    if reason := kernel_boot.missing():
        skip_real(reason)
    ran = kernel_boot.run([str(kernel_boot.HERE / "watch_guest.py")], cpus=4)
    (record,) = ran.until("watch")
    assert (record.pop("how"), record.pop("how at the end")) == ("events", "events")
    assert [what for what, right in record.items() if not right] == []
