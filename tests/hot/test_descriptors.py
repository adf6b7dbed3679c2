"""Descriptors and modules that a running program takes away: closed streams, files that are gone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import kumo

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="descriptors are kept on Linux")

# What a daemon does: it closes its streams. A survey of the watch's thread may hold one of their
# numbers for a moment; what is kept must leave all three free.
DAEMON = """
import ctypes
import os
import sys
import time

import kumo


def is_free(descriptor):
    try:
        os.fstat(descriptor)
    except OSError:
        return True
    return False


ctypes.CFUNCTYPE(None)(print)  # some libffi keep a file open from the first callback on
out = os.dup(1)
os.closerange(0, 3)
watch = kumo.watch(print)
kumo.available_parallelism()
assert watch.how in ("events", "readings")
assert "kumo._hot.kept" in sys.modules
deadline = time.monotonic() + 60
while not (free := all(map(is_free, range(3)))) and time.monotonic() < deadline:
    time.sleep(0.01)
os.write(out, repr((free, kumo.available_parallelism())).encode())
"""

# A survey needs a module that was not needed before, when none can be loaded any more.
CHANGED = """
import os
import sys

import kumo

before = kumo.available_parallelism()
os.rename(sys.argv[1], sys.argv[1] + ".gone")
os.environ["NSLOTS"] = "1"
print(kumo.available_parallelism() == kumo.available_parallelism() == before)
print(*(note.text.partition(" could")[0] for note in kumo.estimate().notes if "grid_engine" in note.text))
os.environ["KUMO_AVAILABLE_PARALLELISM"] = "3"
print(kumo.available_parallelism())
"""
# The first call, if a module that only the fast path needs cannot be loaded.
WITHOUT = "import sys; sys.modules['kumo._hot.kept'] = None; import kumo; print(kumo.available_parallelism())"


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    hidden = ("NSLOTS", "KUMO_AVAILABLE_PARALLELISM", "PYTHONPATH")
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    return subprocess.run(
        [sys.executable, "-B", "-c", *arguments],
        env={**kept, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_none_of_ours_is_a_standard_stream() -> None:
    ran = run(DAEMON)

    assert ran.stdout == f"(True, {kumo.available_parallelism()})", ran.stderr


def test_a_module_that_cannot_be_loaded_any_more(tmp_path: Path) -> None:
    """After `chroot`, or a change of user: the limits that were known last count."""
    package = tmp_path / "kumo"
    shutil.copytree(Path(kumo.__file__).parent, package)

    ran = run(CHANGED, str(package), PYTHONPATH=str(tmp_path))

    assert ran.stdout == "True\nThe module kumo._detectors.grid_engine\n3\n", ran.stderr
    assert ran.stderr.count("\n") == 1
    assert ran.stderr.startswith("no module could be loaded to read this process's CPU quota; ")


def test_without_the_fast_path_there_are_surveys() -> None:
    ran = run(WITHOUT)

    assert (ran.stdout, ran.stderr) == (f"{kumo.available_parallelism()}\n", "")
