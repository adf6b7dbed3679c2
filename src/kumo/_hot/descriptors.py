"""One kept descriptor, and one cgroup level read through kept descriptors."""

from __future__ import annotations

import sys

assert sys.platform == "linux"  # so that type checkers leave it out elsewhere

import os
from math import inf
from os import SEEK_CUR, SEEK_SET, lseek, pread

from kumo._cgroups.quota import parse_quota

MOST = 1024  # bytes; a list of controllers is the longest text, a quota has 41 at most
_marks = iter(range(0x5EED, 1 << 30, 2))


class StaleError(Exception):
    """What is kept is not what decides any more; never leaves this module."""


class File:
    """One kept descriptor, its mark, and the text last read from it."""

    __slots__ = ("descriptor", "mark", "text")

    def __init__(self, path: str) -> None:
        self.descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.mark = -1
        self.text = b""
        try:
            self.mark = lseek(self.descriptor, next(_marks), SEEK_SET)
        except OSError:
            os.close(self.descriptor)
            raise

    def check(self) -> None:
        if lseek(self.descriptor, 0, SEEK_CUR) != self.mark:
            raise StaleError

    def changed(self) -> bool:
        """Read anew; whether the text is another than at the last reading."""
        if lseek(self.descriptor, 0, SEEK_CUR) != self.mark:
            raise StaleError
        text = pread(self.descriptor, MOST, 0)
        if text == self.text:
            return False
        self.text = text
        return True

    def close(self) -> None:
        """Close the descriptor if it is still ours."""
        try:
            if lseek(self.descriptor, 0, SEEK_CUR) == self.mark:
                os.close(self.descriptor)
        except OSError:
            return  # somebody has closed it


class Level:
    """One cgroup level: its quota file, or where it has none, the list of its controllers."""

    __slots__ = ("cpus", "period", "quota")

    def __init__(self, quota: File, period: File | None = None) -> None:
        self.quota = quota
        self.period = period
        self.cpus = inf

    def read(self) -> float:
        """Return the quota in CPUs, `math.inf` without one."""
        changed = self.quota.changed()
        if self.period is None:
            if changed:
                self.cpus = self._rate(self.quota.text)
        elif self.quota.text[:1] == b"-":
            self.cpus = inf
        elif self.period.changed() or changed or self.cpus == inf:
            self.cpus = self._rate(self.quota.text.strip() + b" " + self.period.text, "-1")
        return self.cpus

    def _rate(self, text: bytes, unlimited: str = "max") -> float:
        try:
            rate = parse_quota(text.decode("ascii").strip(), unlimited)
        except ValueError:
            raise StaleError from None  # malformed: the survey says what to make of it
        return inf if rate is None else rate[0] / rate[1]


class Absent(Level):
    """A v2 level without ``cpu.max``: it gets one when its list of controllers changes."""

    __slots__ = ()

    def read(self) -> float:
        if self.quota.changed():
            raise StaleError
        return inf
