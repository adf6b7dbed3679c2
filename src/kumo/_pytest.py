"""A plugin for pytest: ``pytest -n auto`` of pytest-xdist starts as many workers as kumo counts.

https://pytest-xdist.readthedocs.io/en/stable/distribution.html

pytest rewrites the assertions of every package that has a plugin, and warns if the package has
been imported already. kumo has nothing to rewrite: PYTEST_DONT_REWRITE, here and in the package's
own docstring, keeps pytest from both for these two modules, and `_leave_alone` for the others.
"""

from __future__ import annotations

import os
from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MARKED, _CACHE = "_must_rewrite", "_marked_for_rewrite_cache"


def pytest_load_initial_conftests(early_config: Any) -> None:
    """Come after pytest-xdist and before every conftest.py: the last to come is asked first."""
    _leave_alone(getattr(early_config.pluginmanager, "rewrite_hook", None))
    if hasattr(early_config.hook, "pytest_xdist_auto_num_workers"):
        early_config.pluginmanager.register(AutoWorkers(), "kumo-auto-workers")


def _leave_alone(hook: Any) -> None:
    """Take kumo from the packages that pytest rewrites: no public way leads there.

    In a pytest that keeps them elsewhere kumo is rewritten, which costs time and harms nothing.
    """
    marked, cache = (getattr(hook, name, None) for name in (_MARKED, _CACHE))
    if isinstance(marked, set) and isinstance(cache, dict):
        marked.discard("kumo")
        cache.clear()


class AutoWorkers:
    """The count for ``-n auto`` and ``-n logical``, if no conftest.py says it."""

    def pytest_xdist_auto_num_workers(self) -> int | None:
        """The count; `None` leaves it to pytest-xdist, whose own variable the user has set.

        Raise pytest's `UsageError` if the override is malformed.
        """
        from kumo._hot.count import available_parallelism
        from kumo._override import OverrideError
        from kumo._text import whole_number

        given = os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS", "")
        try:
            count = available_parallelism()
        except OverrideError as error:
            if given:
                return None
            raise import_module("pytest").UsageError(str(error)) from None
        workers = whole_number(given, 7)
        if workers is not None:
            divide(count, workers)
        elif not given:
            divide(count, count)
        return None if given else count


def divide(count: int, workers: int) -> None:
    """Give each of so many workers its part of the threads, as far as nothing is set.

    The workers inherit this process's environment.
    """
    from kumo._runtimes.knobs import KNOBS

    inner = [knob for knob in KNOBS.values() if knob.use == "inner"]
    users = dict(os.environ)
    for knob in inner:
        if not any(name in users for name in (knob.name, *knob.unless)):
            os.environ[knob.name] = knob.value(max(1, count // max(1, workers)))
