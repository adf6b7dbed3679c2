"""Runs commands on described machines, and checks that a program sees there what is described."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE

import _stage
from _machine_files import MachineFile

_STAGE = Path(_stage.__file__)
_SECONDS = 60
_PR_SET_CHILD_SUBREAPER = 36

# Reads as any program would: what it prints is what the described machine looks like from inside.
_LOOK = """
import errno, json, os, sys
def read(path):
    try:
        with open(path, "rb") as file:
            return file.read().decode("utf-8", "surrogateescape")
    except OSError as error:
        return [errno.errorcode[error.errno]]
try:
    mask = sorted(os.sched_getaffinity(0))
except OSError as error:
    mask = errno.errorcode[error.errno]
files = {path: read(path) for path in json.load(sys.stdin)}
print(json.dumps({"mask": mask, "files": files}))
"""


@dataclass(frozen=True)
class Outcome:
    answer: int | None
    trouble: str = ""
    """What stood on the error stream where there was no answer."""
    shown: bool = True
    """Whether the machine could be set up, and the command started and ended in time."""


def stand_in(workdir: Path) -> Path:
    """The compiled `stand_in.c`."""
    source, target = _STAGE.parent / "stand_in.c", workdir / "stand_in"
    workdir.mkdir(parents=True, exist_ok=True)
    if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
        subprocess.run(["gcc", "-O1", "-o", str(target), str(source)], check=True)
    return target


def adopt_orphans() -> None:
    """A stage's supervising process outlives it by a moment and is left to us."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def run(
    answerer: Path,
    machine: MachineFile,
    command: tuple[str, ...],
    staging: tuple[str, ...] = (),
    text: str = "",
) -> tuple[int, str, str]:
    """Return the exit status and both streams of the command on the machine."""
    place = [str(answerer), str(machine.path.resolve()), *staging]
    child = subprocess.Popen(
        [sys.executable, "-B", str(_STAGE), *place, "--", *command],
        stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True, errors="replace",
        start_new_session=True,
    )  # fmt: skip
    try:
        streams = child.communicate(text, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        streams = "", f"no answer within {_SECONDS} s"
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.communicate()
    _bury_orphans()
    return child.returncode, *streams


def _bury_orphans() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def ask(
    answerer: Path, machine: MachineFile, command: tuple[str, ...], staging: tuple[str, ...] = ()
) -> Outcome:
    code, out, err = run(answerer, machine, command, staging)
    if code in (_stage.FAILED, -signal.SIGKILL):
        return Outcome(None, _last_line(err), shown=False)
    word = out.strip().rpartition("\n")[2]
    if code or not word.isdigit():
        return Outcome(None, _trouble(out + err) or f"exit status {code}")
    return Outcome(int(word))


def _trouble(text: str) -> str:
    """The line that says most: the JVM's and Go's `fatal error:`, else the last."""
    lines = (line.lstrip("# ") for line in text.splitlines() if "fatal error:" in line)
    return next(lines, _last_line(text))


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2]


def not_as_described(answerer: Path, machine: MachineFile) -> str | None:
    """What a program sees there that the machine file says otherwise, if anything."""
    named = {**machine.files, **machine.denied}
    paths = [path for path in named if not path.endswith(_stage.LISTS)]
    code, out, err = run(
        answerer, machine, (sys.executable, "-I", "-B", "-c", _LOOK), text=json.dumps(paths)
    )
    if code:
        return _last_line(err) or f"exit status {code}"
    seen = json.loads(out)
    mask = machine.affinity()
    wanted_mask = machine.failing.get("affinity", "ENOSYS") if mask is None else sorted(mask)
    if seen["mask"] != wanted_mask:
        return f"the mask reads {seen['mask']}"
    for path in paths:
        failure = _denied(machine, path)
        wanted: str | list[str] = [failure] if failure else machine.files[path]
        if not _agree(path, wanted, seen["files"][path]):
            return f"{path} reads {seen['files'][path]!r}"
    return None


def _denied(machine: MachineFile, path: str) -> str | None:
    return next(
        (
            code
            for over, code in machine.denied.items()
            if path == over or path.startswith(over + "/")
        ),
        None,
    )


def _agree(path: str, wanted: str | list[str], seen: str | list[str]) -> bool:
    """`status` has the real machine's other lines beside the described ones."""
    if path == "/proc/self/status" and isinstance(wanted, str):
        return isinstance(seen, str) and wanted in seen
    return wanted == seen
