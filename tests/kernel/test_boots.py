"""A machine whose guest program has not begun is booted again. A script is the emulator here."""

import re
import sys
from pathlib import Path

import pytest

if sys.platform != "linux":
    pytest.skip("the kernels are Linux kernels", allow_module_level=True)

import kernel_boot

# Its last argument is the shell command that the machine is to run.
VNG = """\
#!/bin/sh
cd "${0%%/*}"
%s
for command; do :; done
sh -c "$command"
"""
GUEST = """\
import sys
with open(sys.argv[-1], "w") as file:
    file.write('{"name": "end"}\\n')
"""


def ran(folder: Path, before: str, seconds: float) -> kernel_boot.Ran:
    """What a machine gives that does *before* first."""
    vng = folder / "venv/bin/vng"
    vng.parent.mkdir(parents=True)
    vng.write_text(VNG % before)
    vng.chmod(0o755)
    (folder / "guest.py").write_text(GUEST)
    return kernel_boot.run([str(folder / "guest.py")], seconds=seconds)


def failed(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The boots that were given up, as they are printed."""
    return re.findall(r"^boot (\d of \d): ", capsys.readouterr().out, re.MULTILINE)


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_boot, "CACHE", tmp_path)


def test_the_second_boot_counts_if_nothing_begins_in_the_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = ran(tmp_path, "mkdir booted && exit", kernel_boot.BEGIN_SECONDS)

    assert (machine.until("end"), machine.failure) == ([{"name": "end"}], None)
    assert failed(capsys) == ["1 of 3"]


def test_a_machine_that_stops_in_each_boot_fails_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = ran(tmp_path, "exec sleep 3600", 0.1)

    with pytest.raises(AssertionError, match=r"the guest program did not begin within 0\.1 s"):
        machine.until("end")
    assert failed(capsys) == ["1 of 3", "2 of 3", "3 of 3"]
