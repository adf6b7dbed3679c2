"""Under gevent and eventlet the count is right, and never switches greenlets."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from conftest import skip_real

HERE = Path(__file__).parent
import v1


@pytest.mark.real
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("which", ["gevent", "eventlet"])
def test_the_standard_library_is_replaced(which: str, when: str) -> None:
    if reason := v1.why_not() if sys.platform == "linux" else "not Linux":
        skip_real(reason)
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        pytest.skip("greenlets need the global lock")
    if importlib.util.find_spec(which) is None:
        skip_real(f"{which} is not installed")
    child = subprocess.Popen(
        [sys.executable, "-W", "ignore", str(HERE / "greenlets.py"), which, when],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        out, err = child.communicate(timeout=120)
        assert (child.returncode, out) == (0, "right\n"), err[-2000:]
    finally:
        child.kill()
        v1.remove_tree(child.pid)
