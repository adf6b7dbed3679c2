"""Where a limit was read and what stood there, and the details of notes, are as they were kept."""

from __future__ import annotations

import pytest

from detectors.evidence import MACHINES, lines_of, read_kept
from kumo._survey import survey
from kumo._system.machine_file import read_machine

EVIDENCE = read_kept()


@pytest.mark.parametrize("name", EVIDENCE)
def test_evidence(name: str) -> None:
    lines = dict(lines_of(survey(read_machine(MACHINES / f"{name}.txt"))))

    # If the new text is right: python tests/detectors/evidence.py
    assert [line for line in EVIDENCE[name] if line not in lines] == []
