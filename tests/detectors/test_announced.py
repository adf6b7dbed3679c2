"""A source states in its own module what announces it; the lazy table says the same."""

from __future__ import annotations

import pkgutil
from importlib import import_module

import pytest

import kumo._detectors
from kumo._detectors._grants import SCHEDULERS, whose
from kumo._override import VARIABLE
from kumo._survey import ANNOUNCED, ANNOUNCED_BY_FILE, ELSEWHERE, HOSTS, NOTES_ALONE, OVERRIDE

MODULES = {
    info.name: import_module(f"kumo._detectors.{info.name}")
    for info in pkgutil.iter_modules(kumo._detectors.__path__)
    if not info.name.startswith("_")
}


@pytest.mark.parametrize(
    ("stated_as", "table"),
    [("ANNOUNCED", ANNOUNCED), ("ANNOUNCING_FILES", ANNOUNCED_BY_FILE)],
)
def test_the_lazy_tables_are_what_the_modules_state(stated_as: str, table: dict[str, str]) -> None:
    stated = {
        name: module
        for module, detector in MODULES.items()
        for name in getattr(detector, stated_as, ())
    }

    assert stated == table


def test_what_a_count_leaves_out_has_no_limit() -> None:
    without = {name for name in ANNOUNCED_BY_FILE.values() if not hasattr(MODULES[name], "Limit")}

    assert without == {*NOTES_ALONE}


def test_every_detector_is_asked() -> None:
    always = {"affinity", "cgroup_quota", "machine", "override"}
    lazy = {*ANNOUNCED.values(), *ANNOUNCED_BY_FILE.values(), *ELSEWHERE}

    assert {name for name in MODULES if hasattr(MODULES[name], "detect")} == always | lazy


def test_the_override_is_loaded_by_its_name() -> None:
    assert OVERRIDE == VARIABLE


def test_what_is_announced_has_a_name() -> None:
    for module in set(ANNOUNCED.values()):
        assert MODULES[module].SOURCE


def test_a_variable_of_no_known_scheduler_is_shown_alone() -> None:
    assert whose("SLURM_JOB_ID") == "Slurm's $SLURM_JOB_ID"
    assert whose("LAVA_CPUS") == "$LAVA_CPUS"


def test_a_scheduler_states_whose_its_variables_are() -> None:
    stated = {
        start: owner
        for detector in MODULES.values()
        for start, owner in getattr(detector, "SCHEDULERS", {}).items()
    }

    assert stated == SCHEDULERS
    assert {start: whose(start) for start in stated} == {
        start: f"{owner}'s ${start}" for start, owner in stated.items()
    }


def test_what_is_announced_and_states_no_scheduler_is_a_host() -> None:
    without = {name for name in ANNOUNCED.values() if not hasattr(MODULES[name], "SCHEDULERS")}

    assert without == {*HOSTS}
