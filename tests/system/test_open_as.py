"""What another process's variables name is opened as that process would open it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from errno import EACCES, EINVAL, ELOOP, EXDEV
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from conftest import skip_real

import kumo
from kumo._system.live import read_named
from kumo._system.open_as import open_as, parse_user

if sys.platform != "linux":
    pytest.skip("/proc/PID/root is Linux's", allow_module_level=True)

NOBODY = 65534
Start = Callable[..., int]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a process with variables, as a user and with a root where that is asked for."""
    started: list[subprocess.Popen[str]] = []

    def start(variables: dict[str, str], user: int | None = None) -> int:
        child = subprocess.Popen(
            ["/usr/bin/sh", "-c", "echo; read line"],
            env=variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            user=user,
            extra_groups=() if user is not None else None,
        )
        started.append(child)
        assert child.stdout is not None
        assert child.stdout.readline() == "\n"
        return child.pid

    yield start
    for child in started:
        child.communicate("\n")


@pytest.fixture
def open_path() -> Iterator[Path]:
    """A directory that everybody may search, as pytest's own are not."""
    with TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


def read_as(pid: int, path: Path | str) -> str:
    with os.fdopen(open_as(pid, str(path))) as file:
        return file.read()


def refused(pid: int, path: Path | str) -> int | None:
    with pytest.raises(OSError) as caught:  # noqa: PT011 - its number is what is returned
        read_as(pid, path)
    return caught.value.errno


def needs_root() -> None:
    if os.geteuid() != 0:
        skip_real("only root may look into another user's process")


# --- the way to a file


def test_links_are_followed_within_the_process_root(open_path: Path) -> None:
    (open_path / "a").mkdir()
    (open_path / "a" / "list").write_text("n1\n")
    (open_path / "absolute").symlink_to(open_path / "a")
    (open_path / "relative").symlink_to("a")
    (open_path / "a" / "up").symlink_to("../relative")
    (open_path / "beyond").symlink_to("/" + "../" * 40 + str(open_path)[1:] + "/a")

    for way in ("a", "absolute", "relative", "a/up", "beyond", "a/../a", "./a//"):
        assert read_as(os.getpid(), f"{open_path}/{way}/list") == "n1\n"


def test_a_link_to_itself(open_path: Path) -> None:
    (open_path / "loop").symlink_to("loop")

    assert refused(os.getpid(), open_path / "loop") == ELOOP


def test_what_is_no_file_is_not_opened(open_path: Path) -> None:
    os.mkfifo(open_path / "pipe", 0o644)

    for path in (open_path / "pipe", open_path, "/"):
        assert refused(os.getpid(), path) == EINVAL
    for path in ("/dev/zero", "/proc/self/mem"):
        assert refused(os.getpid(), path) == EXDEV


def test_what_is_not_there_is_absent(open_path: Path) -> None:
    (open_path / "file").touch()

    assert read_named(f"{open_path}/nothing", os.getpid()) is None
    assert read_named(f"{open_path}/file/nothing", os.getpid()) is None
    assert read_named("/etc/passwd", 4194305) is None


def test_no_descriptor_stays_open(open_path: Path) -> None:
    before = os.listdir("/proc/self/fd")

    refused(os.getpid(), open_path)
    refused(os.getpid(), "/etc/alternatives/../../dev/null")

    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_the_user_is_the_real_one() -> None:
    assert parse_user("Name:\tx\nUid:\t1000\t0\t0\t0\nGid:\t1\t1\t1\t1\n") == 1000
    with pytest.raises(ProcessLookupError):
        parse_user("")


# --- whom it is for


@pytest.mark.parametrize(
    ("mode", "above", "owner", "readable"),
    [
        (0o644, 0o755, 0, True),
        (0o600, 0o755, 0, False),
        (0o640, 0o755, 0, False),
        (0o644, 0o700, 0, False),
        (0o600, 0o755, NOBODY, True),
        (0o044, 0o755, NOBODY, False),
        (0o644, 0o710, 0, False),
    ],
)
def test_a_user_reads_what_that_user_may(
    mode: int, above: int, owner: int, readable: bool, open_path: Path, start: Start
) -> None:
    needs_root()
    secret = open_path / "above" / "list"
    secret.parent.mkdir()
    secret.write_text("secret\n")
    os.chown(secret, owner, 0)
    secret.chmod(mode)
    secret.parent.chmod(above)
    pid = start({}, NOBODY)

    if readable:
        assert read_as(pid, secret) == "secret\n"
    else:
        assert refused(pid, secret) == EACCES


def test_root_reads_what_everybody_may(open_path: Path, start: Start) -> None:
    """A program with root's rights has the environment of who started it."""
    needs_root()
    (open_path / "list").write_text("n1\n")
    pid = start({})

    assert read_as(pid, open_path / "list") == "n1\n"
    (open_path / "list").chmod(0o600)
    assert refused(pid, open_path / "list") == EACCES


@pytest.mark.parametrize("verb", ["explain", "snapshot"])
def test_no_secret_is_shown(verb: str, open_path: Path, start: Start) -> None:
    needs_root()
    secret = open_path / "secret"
    secret.write_text("very secret\n")
    secret.chmod(0o600)
    (open_path / "link").symlink_to(secret)
    for path in (secret, open_path / "link"):
        job = {"JOB_ID": "7", "NSLOTS": "1", "NHOSTS": "1", "PE_HOSTFILE": str(path)}
        pid = start(job, NOBODY)

        shown = subprocess.run(
            [sys.executable, "-m", "kumo", verb, "--pid", str(pid)],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout

        assert "very" not in shown
        assert str(path) in shown
        assert "unreadable" in shown


def test_a_file_in_another_mount_namespace(open_path: Path) -> None:
    """The path is the process's own, and not the asker's, who has another file there."""
    needs_root()
    (open_path / "list").write_text("elsewhere 1 all.q\n")
    script = (
        f"mount -t tmpfs none {open_path} && chmod 755 {open_path} && "
        f'echo "$(uname -n) 1 all.q" > {open_path}/list && echo && read line'
    )
    child = subprocess.Popen(
        ["unshare", "-m", "--propagation", "private", "sh", "-c", script],
        env={"PATH": os.environ["PATH"], "PE_HOSTFILE": f"{open_path}/list"}
        | {"JOB_ID": "7", "NSLOTS": "1", "NHOSTS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout is not None
        if child.stdout.readline() != "\n":
            skip_real("no mount namespaces here")
        texts = {limit.source: limit.text for limit in kumo.estimate(pid=child.pid).limits}
    finally:
        child.communicate("\n")

    assert texts["grid-engine"] == "1 (Grid Engine: slots of job 7 on this host)"
