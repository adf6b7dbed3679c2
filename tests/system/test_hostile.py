"""Other people's processes are hostile: what they put at a path is neither waited for nor believed.

The process of these tests has a mount namespace of its own, and puts traps over the files that
``--pid`` reads. Each question is asked in a process of its own, so that a question that hangs is a
failed test.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from errno import EFBIG, EXDEV
from pathlib import Path

import pytest
from conftest import skip_real

from kumo._cgroups.levels import parse_mounts
from kumo._system.process import _is_private, parse_stat, read_environ, start_time

if sys.platform != "linux":
    pytest.skip("/proc/PID/root is Linux's", allow_module_level=True)

TIMEOUT = 60  # a question takes milliseconds: this long is for ever
CGROUP = next(
    (m for m in parse_mounts(Path("/proc/self/mountinfo").read_text())[0] if m.root == "/"), None
)

# A process with traps: it makes them in the order of its arguments, says so, and waits.
PROCESS = """\
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.mount.argtypes = [ctypes.c_char_p] * 3 + [ctypes.c_ulong, ctypes.c_char_p]
BIND, REC, PRIVATE = 4096, 16384, 1 << 18
def mount(source, target, kind, flags, options=None):
    if libc.mount(source.encode(), target.encode(), kind, flags, options):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), target)
if libc.unshare(0x00020000):
    sys.exit("no mount namespace")
mount("none", "/", None, REC | PRIVATE)
for trap in sys.argv[1:]:
    kind, source, target = trap.split("|")
    if kind == "bind":
        mount(source, target, None, BIND)
    elif kind == "fuse":  # nobody ever answers
        fd = os.open("/dev/fuse", os.O_RDWR)
        options = b"fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other" % fd
        mount("fuse", target, b"fuse", 0, options)
print("ready", flush=True)
sys.stdin.readline()
"""
ASK = """\
import sys
from kumo._system.live import LiveSystem
system = LiveSystem(pid=int(sys.argv[1]))
try:
    print("text", repr(getattr(system, sys.argv[2])(sys.argv[3])))
except OSError as error:
    print("errno", error.errno)
"""

Start = Callable[..., int]


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def start(*traps: str) -> int:
        if os.geteuid() != 0 or CGROUP is None:
            skip_real("only root may mount, and cgroups must be mounted")
        child = subprocess.Popen(
            [sys.executable, "-c", PROCESS, *traps],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(child)
        assert child.stdout is not None
        if child.stdout.readline() != "ready\n":
            skip_real(f"no mounts, or no FUSE, in here: {child.communicate()[1][-200:]}")
        return child.pid

    yield start
    for child in started:
        child.kill()
        child.communicate()


def ask(pid: int, how: str, path: str) -> str:
    command = [sys.executable, "-c", ASK, str(pid), how, path]
    return subprocess.check_output(command, timeout=TIMEOUT, text=True).rstrip()


@pytest.fixture
def open_path() -> Iterator[Path]:
    """A directory that every user may enter, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


@pytest.fixture
def file() -> str:
    """A cgroup's file that everything has."""
    if CGROUP is None:
        skip_real("no cgroup is mounted here")
    return f"{CGROUP.point}/cgroup.procs"


def trap(tmp_path: Path, kind: str) -> str:
    if kind == "fifo":
        os.mkfifo(tmp_path / "trap")
    elif kind == "file":
        (tmp_path / "trap").write_text("100000\n")
    return {"zero": "/dev/zero", "mem": "/proc/self/mem"}.get(kind, str(tmp_path / "trap"))


def test_what_is_a_cgroups_file_is_read(start: Start, file: str) -> None:
    pid = start()

    assert ask(pid, "read", f"/proc/{pid}/root{file}").startswith("text '")
    assert ask(pid, "list", f"/proc/{pid}/root{os.path.dirname(file)}").startswith("text [")
    assert ask(pid, "read", f"/proc/{pid}/root{file}.nothing") == "text None"


@pytest.mark.parametrize("kind", ["fifo", "zero", "mem", "file"])
def test_what_is_bound_over_a_cgroups_file_is_not_read(
    start: Start, file: str, tmp_path: Path, kind: str
) -> None:
    pid = start(f"bind|{trap(tmp_path, kind)}|{file}")

    assert ask(pid, "read", f"/proc/{pid}/root{file}") == f"errno {EXDEV}"


def test_a_fuse_mount_over_a_cgroup_is_not_entered(start: Start, file: str) -> None:
    pid = start(f"fuse||{os.path.dirname(file)}")

    for how in ("read", "list"):
        assert ask(pid, how, f"/proc/{pid}/root{file}") == f"errno {EXDEV}"


@pytest.mark.parametrize("name", ["hung", "hung/hosts", "link", "link/hosts", "up/../hung/x/y"])
def test_a_file_that_a_variable_names_on_a_fuse_mount_is_not_opened(
    start: Start, open_path: Path, name: str
) -> None:
    (open_path / "hung").mkdir()
    (open_path / "up").mkdir()
    (open_path / "link").symlink_to("hung")
    pid = start(f"fuse||{open_path}/hung")

    assert ask(pid, "read_named", f"{open_path}/{name}") == f"errno {EXDEV}"


@pytest.mark.parametrize("verb", [["explain"], ["snapshot"], ["--json"], ["doctor"], ["pressure"]])
def test_every_verb_answers(start: Start, file: str, tmp_path: Path, verb: list[str]) -> None:
    os.mkfifo(tmp_path / "trap")
    assert CGROUP is not None
    pid = start(f"bind|{tmp_path}/trap|{file}", f"fuse||{tmp_path}")

    done = subprocess.run(
        [sys.executable, "-m", "kumo", *verb, "--pid", str(pid)],
        capture_output=True,
        check=False,
        timeout=TIMEOUT,
    )

    assert (done.returncode, done.stderr) == (0, b"")


# --- the environment


MAPS = """\
55d0c0000000-55d0c0001000 r-xp 00000000 08:01 42                         /usr/bin/python3
7ffd00000000-7ffd00021000 rw-p 00000000 00:00 0                          [stack]
7ffd00021000-7ffd00022000 rw-p 00000000 00:2f 1                          /home/x/fuse/trap
"""


@pytest.mark.parametrize(
    ("begin", "end", "private"),
    [
        (0x7FFD00020000, 0x7FFD00021000, True),
        (0x7FFD00020000, 0x7FFD00021001, False),
        (0x7FFD00021800, 0x7FFD00021900, False),
        (0x7FFD00022000, 0x7FFD00023000, True),
    ],
)
def test_memory_of_a_file(begin: int, end: int, private: bool) -> None:
    assert _is_private(MAPS, begin, end) == private


MAPPED = """\
import mmap, ctypes, sys, tempfile
fields = open("/proc/self/stat").read().rpartition(")")[2].split()
page = int(fields[47]) & -4096
length = (int(fields[48]) - page + 4095) & -4096
with tempfile.TemporaryFile() as file:
    file.write(ctypes.string_at(page, length))
    file.flush()
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
    assert libc.mmap(page, length, 3, 0x12, file.fileno(), 0) == page
    print("ready", flush=True)
    sys.stdin.readline()
"""


def test_an_environment_that_is_a_file_is_not_read() -> None:
    """The file could be on a FUSE mount, whose pages are waited for."""
    # Two pages of arguments lie between the stack in use and the environment, which is replaced.
    command = [sys.executable, "-c", MAPPED, "x" * 8192]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"

        answer = ask(child.pid, "env", "HOME")
        child.communicate("\n")

    assert answer == f"errno {EXDEV}"


def test_a_long_variable_costs_little() -> None:
    """120 kB, as long as one can be; of each name the first counts."""
    value = ("[1-131071]" * 12_000)[:120_000]
    variables = {"PATH": os.environ["PATH"], "SLURM_JOB_ID": "1", "SLURM_JOB_NODELIST": f"n{value}"}
    with subprocess.Popen(["sleep", "60"], env=variables) as child:
        done = subprocess.run(
            [sys.executable, "-m", "kumo", "explain", "--pid", str(child.pid)],
            capture_output=True,
            check=False,
            timeout=TIMEOUT,
        )
        environ = read_environ(child.pid)
        child.kill()

    assert done.returncode == 0
    assert b"malformed: Slurm's $SLURM_JOB_NODELIST" in done.stdout
    assert environ == variables


def test_what_never_ends_is_not_read_to_its_end() -> None:
    from kumo._system.live import MAX_FILE_BYTES, read_file

    with pytest.raises(OSError, match="too large") as caught:
        read_file("/dev/zero")
    assert caught.value.errno == EFBIG
    assert MAX_FILE_BYTES == 64 << 20


# --- whose number it is


def test_a_process_is_its_number_and_its_start() -> None:
    with subprocess.Popen(["sleep", "60"]) as one, subprocess.Popen(["sleep", "60"]) as other:
        times = start_time(one.pid), start_time(other.pid)
        one.kill()
        other.kill()

    assert None not in times
    assert times[0] == start_time(one.pid) or start_time(one.pid) is None


def test_a_process_whose_number_another_has_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    from kumo import pressure
    from kumo._doctor.checkup import check

    with subprocess.Popen(["sleep", "60"]) as child:
        ticks = iter(range(1000))
        monkeypatch.setattr("kumo._system.process.start_time", lambda _: next(ticks))
        monkeypatch.setattr("kumo._doctor.checkup.start_time", lambda _: next(ticks))
        with pytest.raises(ProcessLookupError):
            pressure(pid=child.pid, seconds=0.01)
        assert "the process ended" in check(child.pid, 0.01).remarks[0]
        child.kill()


def test_the_line_of_a_process() -> None:
    process = parse_stat(Path("/proc/self/stat").read_text())

    assert process.name
    assert (process.state, process.ended) == ("R", False)
    assert process.times is not None
    begin, end = process.environment
    assert 0 < begin < end
