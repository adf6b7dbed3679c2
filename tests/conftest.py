"""What tests share: the machine files, and how a test that needs a real limit is skipped."""

from __future__ import annotations

import gc
import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import find, settings, strategies

settings.register_profile("kumo", deadline=None)  # a loaded machine is no failure
settings.load_profile("kumo")

# Text is folded at its number, and a test says at which. Processes that xdist starts have one: GNU
# readline, once it is imported, sets it for child processes.
os.environ.pop("COLUMNS", None)

MACHINES = sorted(Path(__file__).with_name("machines").glob("*.txt"))


# A test with one of these fixtures needs what plain ``pytest`` does not.
NEEDS = {
    "make_group": "real",
    "wheel": "programs",  # made by pip and hatchling, from the network
    "compiled": "programs",
    "library": "programs",
    "machine_64": "programs",
    "needs": "programs",
}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for fixture, mark in NEEDS.items():
            if fixture in getattr(item, "fixturenames", ()):
                item.add_marker(mark)


def pytest_collection_finish() -> None:
    """Let no garbage collection look at the tests themselves, which are most of the heap."""
    # Hypothesis asks the collector what refers to its random numbers, and what is frozen it does
    # not see. So these are made before.
    find(strategies.none(), lambda nothing: True, settings=settings(database=None))
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Divide the tests that run by default among processes, if all of them are to run.

    What is chosen takes less than the start of the processes, or sets limits on this machine: two
    at a time would see each other's. A small number, since each process collects all of the tests.
    """
    default = config.getini("addopts")
    is_chosen = config.option.keyword or config.option.markexpr not in default
    if is_chosen or config.args != config.getini("testpaths"):
        return 0
    return min(4, len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1)


def pytest_configure() -> None:
    """Take signals as a terminal sends them, also if a shell in the background ignores them.

    Programs that the tests start inherit what is ignored, and many are to be interrupted. They
    inherit variables, too: an override of the developer's shell is not what tests are about.
    """
    os.environ.pop("KUMO_AVAILABLE_PARALLELISM", None)
    for number, default in (
        (signal.SIGINT, signal.default_int_handler),
        (getattr(signal, "SIGQUIT", signal.SIGINT), signal.SIG_DFL),
    ):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, default)


def skip_real(reason: str) -> NoReturn:
    """Skip with *reason*; fail where ``KUMO_REQUIRE_REAL=1`` says that nothing may be skipped."""
    if os.environ.get("KUMO_REQUIRE_REAL") == "1":
        pytest.fail(f"may not be skipped here: {reason}", pytrace=False)
    pytest.skip(reason)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--fuzz-examples", type=int, default=400, help="examples of the fuzzing of machine files"
    )
    parser.addoption(
        "--pool-seconds", type=float, default=10, help="how long a pool follows a random quota"
    )
    parser.addoption(
        "--installed", action="store_true", help="try the command from a wheel that is built now"
    )
    parser.addoption("--fuzz-seed", type=int, default=20260101, help="where the fuzzing begins")
    parser.addoption(
        "--history-steps", type=int, default=2000, help="steps of the hot path's random history"
    )
