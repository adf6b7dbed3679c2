"""A machine file from stdin: whole, and every way in which it cannot be read."""

from __future__ import annotations

import errno
import io
import os
import sys

import pytest

from command.conftest import machine
from kumo._command import options
from kumo._command.main import main


class Failing(io.RawIOBase):
    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))


def stdin(source: bytes | io.RawIOBase) -> io.TextIOWrapper:
    raw = io.BytesIO(source) if isinstance(source, bytes) else source
    return io.TextIOWrapper(io.BufferedReader(raw))


def test_a_machine_file_from_stdin(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    path = machine("docker-cpus-0.5")
    with open(path, "rb") as file:
        monkeypatch.setattr(sys, "stdin", stdin(file.read()))

    assert main(["explain", "--machine", "-"]) == 0
    shown = capfd.readouterr()
    assert main(["explain", "--machine", path]) == 0
    assert shown == capfd.readouterr()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "kumo: --machine -: stdin is closed\n"),
        (stdin(Failing()), "kumo: --machine -: Input/output error\n"),
        (stdin(b"x" * 11), "kumo: --machine -: more than 10 bytes are not a machine file\n"),
    ],
)
def test_what_is_no_machine_file(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    given: io.TextIOWrapper | None,
    message: str,
) -> None:
    monkeypatch.setattr(options, "MAX_STDIN", 10)
    monkeypatch.setattr(sys, "stdin", given)

    assert main(["--machine", "-"]) == 3
    assert capfd.readouterr() == ("", message)
