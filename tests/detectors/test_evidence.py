"""Where a limit was read and what stood there, and the details of notes, are as they were kept."""

from __future__ import annotations

import pytest

from detectors.evidence import (
    KEPT,
    MACHINES,
    ODD_KEPT,
    lines_of,
    lines_of_odd,
    order_of,
    read_kept,
)
from detectors.odd import ODD
from kumo._survey import survey
from kumo._system.machine_file import read_machine

EVIDENCE, EVIDENCE_OF_ODD = read_kept(KEPT), read_kept(ODD_KEPT)


@pytest.mark.parametrize("name", EVIDENCE)
def test_evidence(name: str) -> None:
    estimate = survey(read_machine(MACHINES / f"{name}.txt"))
    lines = {order_of(estimate), *(line for line, _ in lines_of(estimate))}

    # If the new text is right: cd tests; python -m detectors.evidence
    assert [line for line in EVIDENCE[name] if line not in lines] == []


@pytest.mark.parametrize("name", ODD)
def test_evidence_of_odd_machines(name: str) -> None:
    lines = lines_of_odd(ODD[name])

    # If the new text is right: cd tests; python -m detectors.evidence
    assert lines == EVIDENCE_OF_ODD[name]
