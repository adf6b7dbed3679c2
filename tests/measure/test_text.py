"""What `kumo measure` prints of a measurement, and the quotas that it reads meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kumo._command.measure import _write, as_text
from kumo._measure.quotas import Quota, between, read_quotas
from kumo._measure.verdict import Measurement
from kumo._records import Limit


def measurement(**fields: Any) -> Measurement:
    given: dict[str, Any] = {
        "cpus": 2.0, "allowed": 4.0, "hidden": False, "period_ms": None, "seconds": 2.0,
        "workers": 4, "stops": 0, "contention": 0.0, "stopped": 0.0, "steal": None, "shared": None,
    }  # fmt: skip
    return Measurement(**{**given, **fields})


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ({"hidden": True}, "a limit that cannot be seen from here decides"),
        ({"shared": "/a\n"}, "other programs use the quota of /a\\n too"),
        (
            {"contention": 0.61},
            "no hidden limit was found, but other programs were busy: measure again without them",
        ),
        ({"contention": 0.6}, "no hidden limit"),
    ],
)
def test_the_first_line_is_the_verdict(fields: dict[str, Any], verdict: str) -> None:
    assert as_text(measurement(**fields)).split("\n")[0] == f"2.00 of 4.00 CPUs: {verdict}"


def test_long_lines_are_folded_at_the_width(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = as_text(measurement(contention=0.61))
    monkeypatch.setenv("COLUMNS", "40")

    text = as_text(measurement(contention=0.61))

    assert max(map(len, text.splitlines())) <= 40
    assert text.split() == whole.split()


def test_every_line() -> None:
    text = as_text(measurement(period_ms=100.0, stops=1, stopped=1.5, contention=0.5, steal=0.25))

    assert text.split("\n")[2:] == [
        "period      100.0 ms: all stopped 1 time",
        "stopped     1.50 CPUs, with no other program here running",
        "contention  0.50 CPUs, taken by other programs here",
        "steal       0.25 CPUs, as the hypervisor reports",
    ]


@pytest.mark.parametrize(
    ("hidden", "shown"),
    [
        (True, ("KUMO_AVAILABLE_PARALLELISM=2\n", "")),
        (False, ("", "kumo: no KUMO_AVAILABLE_PARALLELISM is needed: 2.00 of 4.00 CPUs came\n")),
    ],
)
def test_the_variable_is_written_if_it_is_needed(
    capfd: pytest.CaptureFixture[str], hidden: bool, shown: tuple[str, str]
) -> None:
    _write(measurement(hidden=hidden))

    assert capfd.readouterr() == shown


def test_the_periods_that_a_visible_quota_throttled(tmp_path: Path) -> None:
    texts = {"a": "nr_periods 9\nnr_throttled 7\nthrottled_usec 1\n", "b": "usage_usec 5\n"}
    for name in ("a", "b", "broken"):
        (tmp_path / name).mkdir()
    for name, text in texts.items():
        (tmp_path / name / "cpu.stat").write_text(text)
    (tmp_path / "broken" / "cpu.stat").mkdir()
    limits = [
        Limit("quota", "rate", 1.0, f"{tmp_path}/{name}/cpu.max", "100000 100000", period=0.1)
        for name in ("a", "b", "broken", "absent")
    ]
    path = str(tmp_path / "a")

    after = read_quotas(limits)

    assert after == [Quota(path, 0.1, 7)]
    assert between([Quota(path, 0.1, 3)], after) == [Quota(path, 0.1, 4)]
    assert between([], after) == []
