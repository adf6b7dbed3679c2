"""Run CPython's own tests of ThreadPoolExecutor with kumo.ThreadPool in its place.

    python standard_suite.py

Prints a JSON object: each test's name, and "ok", "skipped" or the traceback.
"""

from __future__ import annotations

import concurrent.futures
import itertools
import json
import sys
import unittest
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kumo

SUITE = "test.test_concurrent_futures"
PARTS = ("test_thread_pool", "test_shutdown", "test_wait", "test_init", "test_as_completed")
IMPORT = "from concurrent.futures import ThreadPoolExecutor"
HERE = Path(__file__).parent

_numbers = itertools.count()


class ThreadPoolExecutor(kumo.ThreadPool):
    """A pool that takes the standard executor's arguments."""

    def __init__(
        self,
        max_workers: int | None = None,
        thread_name_prefix: str = "",
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
    ) -> None:
        super().__init__(
            f"{thread_name_prefix or 'suite'}-{next(_numbers)}",
            threads=max_workers,
            initializer=initializer,
            initargs=initargs,
        )


class Results(unittest.TestResult):
    """What became of each test."""

    def __init__(self) -> None:
        super().__init__()
        self.outcomes: dict[str, str] = {}

    def stopTest(self, test: unittest.TestCase) -> None:  # noqa: N802 - unittest's name
        wrong = [text for case, text in [*self.failures, *self.errors] if case is test]
        skipped = any(case is test for case, _ in self.skipped)
        name = f"{type(test).__name__}.{test.id().rpartition('.')[2]}"
        self.outcomes[name] = wrong[0] if wrong else "skipped" if skipped else "ok"


def put_in_place() -> None:
    """Give the suite the pool, in the programs that it starts too."""
    from test.support import script_helper

    run = script_helper.assert_python_ok

    def run_with_pool(*arguments: str, **options: Any) -> Any:
        here = f"import sys; sys.path.insert(0, {str(HERE)!r}); "
        replaced = [
            word.replace(IMPORT, f"{here}from standard_suite import ThreadPoolExecutor")
            for word in arguments
        ]
        assert replaced != list(arguments), "a program of the suite imports it otherwise"
        return run(*replaced, **options)

    script_helper.assert_python_ok = run_with_pool
    concurrent.futures.ThreadPoolExecutor = ThreadPoolExecutor  # type: ignore[misc]  # a class is replaced


def cases(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    """The tests of thread pools."""
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from cases(test)
        elif getattr(test, "executor_type", None) is ThreadPoolExecutor:
            yield test


def main() -> None:
    from test import support

    support.verbose = False
    put_in_place()
    suite = __import__(SUITE, fromlist=("__path__",))
    modules = [f"{SUITE}.{part}" for part in PARTS] if hasattr(suite, "__path__") else [SUITE]
    loaded = unittest.defaultTestLoader.loadTestsFromNames(modules)
    watching = kumo.watch(lambda change: None)  # its thread is not what the suite looks for
    results = Results()
    unittest.TestSuite(cases(loaded)).run(results)
    watching.close()
    json.dump(results.outcomes, sys.stdout)


if __name__ == "__main__":
    sys.modules["standard_suite"] = sys.modules["__main__"]
    main()
