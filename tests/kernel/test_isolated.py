"""Isolated CPUs on a real kernel: three busy threads, unpinned and pinned, and what kumo counts.

The machine is booted with isolcpus=1-3, and makes an isolated cpuset partition of CPUs 5-7.
"""

import shlex
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

if sys.platform != "linux":
    pytest.skip("the kernels are Linux kernels", allow_module_level=True)

import kernel_boot
from conftest import skip_real

pytestmark = pytest.mark.kernel

_records: list[dict[str, Any]] = []


def record(name: str) -> dict[str, Any]:
    """Boot the machine once, and return what its guest program wrote about one situation."""
    if reason := kernel_boot.missing():
        skip_real(reason)
    if not _records:
        _boot()
    same = [record for record in _records if record["name"] == name]
    if not same:
        pytest.fail(f"no record of {name}\n{_records[-1].get('console', '')}")
    return same[0]


def _boot() -> None:
    with tempfile.TemporaryDirectory(prefix="kumo-isolated-") as name:
        folder = Path(name)
        script = kernel_boot.HERE / "isolated_guest.py"
        words = [sys.executable, "-B", str(script), str(folder / "shared/results")]
        command = f"cd / && PYTHONPATH={shlex.quote(kernel_boot.SOURCE)} {shlex.join(words)}"
        (folder / "shared").mkdir()
        vng = [
            "timeout", "--kill-after=5", "600",
            str(kernel_boot.CACHE / "venv/bin/vng"), "--disable-kvm", "--force-9p",
            "--verbose", "--run", str(kernel_boot.kernel()), "--cpus", "8", "--memory", "1G",
            "--append", "isolcpus=1-3", "--user", "root", f"--rwdir={folder / 'shared'}",
            "--exec", command,
        ]  # fmt: skip
        kernel_boot._run(vng, folder / "console")
        _records.extend(kernel_boot._collect(folder / "shared/results"))
        tail = (folder / "console").read_text(errors="replace").splitlines()[-40:]
        _records.append({"name": "console", "console": "\n".join(tail)})
        print(*_records[:-1], sep="\n")


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
