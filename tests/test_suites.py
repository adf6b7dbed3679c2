"""The scripts that compare with other projects' tests: on small checkouts made here."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
PATHS = """\
package memlimit

func TestParseMountInfoLine(t *testing.T) {
	tests := []struct {
		name  string
		input string
	}{
		{name: "another file system", input: "36 35 98:0 / /mnt rw - ext3 /dev/root rw"}, // first
	}
}

func TestParseCgroupHierarchyLine(t *testing.T) {
	tests := []struct {
		name  string
		input string
		want  line
	}{
		{
			name:  "version 2",
			input: `0::/a b`,
			want:  line{ControllerList: "", CgroupPath: "/a" + " b"},
		},
		{name: "not a line", input: "5:cpu"},
	}
}

func TestResolveCgroupPath(t *testing.T) {
	tests := []struct {
		name          string
		mountpoint    string
		root          string
		cgroupRelPath string
		want          string
		wantErr       string
	}{
		{
			name:          "below the root",
			mountpoint:    "/m",
			root:          "/r",
			cgroupRelPath: "/r/x",
			want:          "/m/WHERE",
		},
		{name: "outside", mountpoint: "/m", root: "/r", cgroupRelPath: "/s", wantErr: "not under"},
	}
}
"""


def run(script: str, *arguments: str) -> tuple[int, str]:
    ran = subprocess.run(
        [sys.executable, str(BENCHMARKS / script), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert ran.stderr == ""
    return ran.returncode, ran.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="the benchmarks are for Linux")
@pytest.mark.parametrize(("where", "code"), [("x", 0), ("elsewhere", 1)])
def test_suites_of_a_small_checkout(tmp_path: Path, where: str, code: int) -> None:
    source = tmp_path / "checkout" / "memlimit" / "cgroups_test.go"
    source.parent.mkdir(parents=True)
    source.write_text(PATHS.replace("WHERE", where))

    returned, shown = run(
        "suites.py", f"automemlimit={tmp_path / 'checkout'}", "--results", str(tmp_path)
    )

    cases = json.loads((tmp_path / "suites.json").read_text())["cases"]
    assert (returned, len(cases)) == (code, 7)
    assert [case["verdict"] for case in cases].count("unexplained") == 2 * code
    assert ("**unexplained**" in shown) == bool(code)


SYS = "m/sys/devices/system/cpu"
EXPECTED = """\
CPU(s):              4
Off-line CPU(s) list: 3

# CPU,Core,Socket,Node,,L1d,L2
0,0,0,,,0,0
1,0,0,,,0,0
2,1,0,,,1,0
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the benchmarks are for Linux")
@pytest.mark.parametrize(
    ("expected", "code"), [(EXPECTED, 0), (EXPECTED.replace("list: 3", "list: 2"), 1)]
)
def test_a_small_dump(tmp_path: Path, expected: str, code: int) -> None:
    files = {
        f"{SYS}/online": "0-2",
        f"{SYS}/present": "0-3",
        f"{SYS}/possible": "0-63",
        f"{SYS}/offline": "3-63",
    }
    for cpu, siblings in enumerate(("3", "3", "4")):
        files |= {
            f"{SYS}/cpu{cpu}/topology/thread_siblings": siblings,
            f"{SYS}/cpu{cpu}/topology/core_siblings": "7",
            f"{SYS}/cpu{cpu}/topology/physical_package_id": "0",
            f"{SYS}/cpu{cpu}/cache/index0/level": "2",
            f"{SYS}/cpu{cpu}/cache/index0/shared_cpu_map": "7",
        }
    dumps, texts = (tmp_path / "c/tests" / name for name in ("ts/lscpu/dumps", "expected/lscpu"))
    for folder in (dumps, texts):
        folder.mkdir(parents=True)
    (texts / "lscpu-m").write_text(expected)
    with tarfile.open(dumps / "m.tar.gz", "w:gz") as tar:
        for name, text in files.items():
            about = tarfile.TarInfo(name)
            about.size = len(text) + 1
            tar.addfile(about, io.BytesIO(f"{text}\n".encode()))

    returned, _ = run("dumps.py", "--util-linux", str(tmp_path / "c"), "--results", str(tmp_path))

    assert returned == code
