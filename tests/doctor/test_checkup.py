"""Looking at one process: how long, and how often."""

from __future__ import annotations

import os

from kumo._doctor.checkup import check
from kumo._doctor.process import LOOKS


def test_a_short_window_grows_until_its_looks_prove_something() -> None:
    seen: list[int] = []
    checkup = check(os.getpid(), window=0.01, step=0.001, looked=lambda: seen.append(1))

    assert checkup.looks == len(seen) >= LOOKS
    assert checkup.remarks == []
