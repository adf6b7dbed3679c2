"""kumo's watch under cgroup v2 in a virtual machine: events alone report each change."""

import shlex
import sys
import tempfile
from pathlib import Path

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
    with tempfile.TemporaryDirectory(prefix="kumo-watch-") as name:
        folder = Path(name)
        (folder / "shared").mkdir()
        script = kernel_boot.HERE / "watch_guest.py"
        words = [sys.executable, "-B", str(script), str(folder / "shared/results")]
        command = f"cd / && PYTHONPATH={shlex.quote(kernel_boot.SOURCE)} {shlex.join(words)}"
        vng = [
            "timeout", "--kill-after=5", "600",
            str(kernel_boot.CACHE / "venv/bin/vng"), "--disable-kvm", "--force-9p", "--verbose",
            "--run", str(kernel_boot.kernel()), "--cpus", "4", "--memory", "1G",
            "--user", "root", f"--rwdir={folder / 'shared'}", "--exec", command,
        ]  # fmt: skip
        failure = kernel_boot._run(vng, folder / "console")
        collected = kernel_boot._collect(folder / "shared/results")
        tail = (folder / "console").read_text(errors="replace").splitlines()[-40:]
        assert collected, "\n".join([str(failure), *tail])
    (record,) = collected
    assert (record.pop("how"), record.pop("how at the end")) == ("events", "events")
    assert [what for what, right in record.items() if not right] == []
