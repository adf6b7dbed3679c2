"""An ordinary user with a cgroup of its own, as ``systemd-run --user -p Delegate=yes`` gives one.

No systemd is needed: what it does to delegate a cgroup is to change the owner of its directory and
of some of its files, which a test can do as well.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import skip_real

from real.conftest import MakeGroup
from real.host import Group, environment, in_groups, needs_root

pytestmark = pytest.mark.real

USER = 65534
HERE = Path(__file__).parent
# The interpreter and this checkout may be in a folder of root: it may read them, and no more.
READING = "+dac_read_search"
AS_USER = (
    "setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups",
    f"--bounding-set=-all,{READING}", f"--inh-caps=-all,{READING}",
    f"--ambient-caps=-all,{READING}",
)  # fmt: skip


def delegate(group: Group) -> None:
    """Give the cgroup to the user: that is all that the kernel asks for."""
    given = ("", "cgroup.procs", "cgroup.threads", "cgroup.subtree_control", "tasks")
    for path in map(group.path.joinpath, given):
        if path.exists():
            os.chown(path, USER, USER)


def test_the_tests_that_set_limits_pass_as_that_user(make_group: MakeGroup, tmp_path: Path) -> None:
    needs_root("to delegate a cgroup")
    if shutil.which("setpriv") is None:
        skip_real("setpriv is not installed")
    group = make_group()
    delegate(group)
    work = tmp_path / "work"
    work.mkdir()
    os.chown(work, USER, USER)
    tmp_path.chmod(0o755)
    command = [
        *AS_USER, sys.executable, "-B", "-m", "pytest", "-q", "-rs", "-m", "real",
        "-p", "no:cacheprovider", "-k", "tightest_level or between_two_calls",
        str(HERE / "test_quota.py"),
    ]  # fmt: skip
    variables = {"TMPDIR": str(work), "HOME": str(work), "USER": "nobody"}

    ran = subprocess.run(
        in_groups([group], command), env=environment() | variables | {"KUMO_REQUIRE_REAL": "0"},
        cwd=HERE.parents[1], capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "13 passed" in ran.stdout
    assert "skipped" not in ran.stdout
