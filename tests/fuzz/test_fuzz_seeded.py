"""A short campaign from a fixed seed, and the inputs that once broke something."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from fuzz import inputs, targets
from fuzz.__main__ import LENGTH, Campaign
from kumo._system.machine_file import COMPRESSED

CORPUS = sorted((Path(__file__).parent / "corpus").iterdir())


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_what_once_broke_something(path: Path) -> None:
    data = path.read_bytes()

    targets.try_parser(data[1:])
    targets.try_machine(data[1:])
    targets.try_page(data[1:])


@pytest.mark.slow
def test_a_short_campaign_reaches_detectors_and_breaks_nothing() -> None:
    campaign = Campaign(thorough=4)
    chance = random.Random(20260101)

    for _ in range(4000):
        campaign.one(chance.randbytes(LENGTH))

    assert campaign.reached >= 0.8 * campaign.files
    assert campaign.parsed > 500
    assert campaign.pages > 150


def test_reports_are_whole_and_damaged() -> None:
    """Otherwise the campaign would try one kind alone."""
    chance = random.Random(20260102)
    pages = [inputs.page(chance.randbytes(LENGTH)) for _ in range(60)]

    assert {is_whole for *_, is_whole in pages} == {True, False}
    assert {COMPRESSED in page for _, page, _ in pages} == {True, False}


def test_what_is_raised_names_the_input(capsys: pytest.CaptureFixture[str]) -> None:
    campaign = Campaign(thorough=1)

    class Broken:
        def try_machine(self, data: bytes, thorough: bool) -> bool:
            raise ArithmeticError

    campaign.targets = Broken()  # type: ignore[assignment]  # a stand-in
    with pytest.raises(ArithmeticError):
        campaign.one(b"\0\1\2")
    assert capsys.readouterr().out == "input 000102\n"
