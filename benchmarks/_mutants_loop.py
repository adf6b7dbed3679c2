"""Runs the tests once for each change, in a fork of a process that has collected them.

    python _mutants_loop.py WORK PROCESSES    the names on stdin; a line a result in WORK

mutmut starts pytest anew for each change, which takes seconds with 4,000 tests. Here the tests
are collected once. A child has one change switched on, by mutmut's own variable, and runs the
tests that reach the function until one fails, first those that noticed a change near it. A line
of the result has the name, the outcome and the test that failed.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import shutil
import signal
import sys
from collections import Counter
from contextlib import suppress
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

# A test that takes longer, or goes through all machines again, runs after the others.
SLOW = 0.5
AGAIN = (
    "tests/detectors/test_grants.py::test_nothing_is_said_of_none",
    "tests/detectors/test_grants.py::test_the_scheduler_is_named",
    "tests/detectors/test_grants.py::test_what_decides_about_a_grant_is_looked_at_again_by_each_call",
    "tests/launch/test_plan.py::test_count_of_a_machine_is_the_estimates",
    "tests/launch/test_plan.py::test_what_the_user_set_is_never_overwritten",
    "tests/test_machines.py::test_snapshot_gives_the_same_estimate",
    "tests/test_machines.py::test_thread_scope_has_an_answer",
)
CPU_SECONDS = 120  # of a child: the slowest function's tests take some 20
WALL_SECONDS = 1800  # also on a machine that has little time for it


class Loop:
    def __init__(self, work: Path, names: list[str], processes: int) -> None:
        self.results = work / "outcomes.tsv"
        self.work, self.names, self.processes = work, names, processes
        stats = json.loads((work / "mutants" / "mutmut-stats.json").read_text("utf-8"))
        self.reach = stats["tests_by_mangled_function_name"]
        self.duration = stats["duration_by_test"]
        self.running: dict[int, str] = {}
        self.noticed: dict[str, Counter[str]] = {}  # by function and by module, the tests
        self.left: dict[str, None] = {}  # those that the quick tests did not notice
        self.read = 0  # characters of the results
        if self.results.exists():
            self._read_results()

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.items = {item.nodeid: item for item in session.items}
        self.reached = Counter(chain.from_iterable(self.reach.values()))
        gc.freeze()
        self._try([name for name in self.names if name not in self.left], quick=True)
        self._try([name for name in self.names if name in self.left], quick=False)
        self._try(["none"], quick=False)
        return True

    def _try(self, names: list[str], *, quick: bool) -> None:
        """Start a child for each, and wait for all. *quick*: with the tests that cost little."""
        for name in names:
            tests = self._tests(name, quick)
            if not tests and not self.reach.get(function_of(name)):
                self._note(name, "not covered")
                continue
            while len(self.running) >= self.processes:
                self._wait()
            self._start(name, tests, "passed the quick tests" if quick else "survived")
        while self.running:
            self._wait()

    def _tests(self, name: str, quick: bool) -> list[pytest.Item]:
        """The tests that reach the changed function; without a change, all that noticed one.

        Those first that have noticed a change of the same function, or of its module. Then those
        that reach few functions, and are about this one.
        """
        if name == "none":
            names = {test for tests in self.noticed.values() for test in tests}
            return [item for test, item in self.items.items() if test in names]
        function = function_of(name)
        own, near = (self.noticed.get(key, {}) for key in (function, function.rpartition(".")[0]))

        def order(test: str) -> tuple[bool, int, int]:
            return test not in own, -near.get(test, 0), self.reached[test]

        reach = set(self.reach.get(function, ()))
        # A test that was not there when the others were timed may reach any function.
        tests = [test for test in self.items if test in reach or test not in self.duration]
        chosen = [test for test in tests if self._is_quick(test) == quick]
        return [self.items[test] for test in sorted(chosen, key=order)]

    def _is_quick(self, test: str) -> bool:
        return self.duration.get(test, 0) < SLOW and test.partition("[")[0] not in AGAIN

    def _start(self, name: str, tests: list[pytest.Item], passed: str) -> None:
        pid = os.fork()
        if pid:
            self.running[pid] = name
            return
        code = 70
        try:
            code = self._child(name, tests, passed)
        finally:
            os._exit(code)

    def _child(self, name: str, tests: list[pytest.Item], passed: str) -> int:
        os.environ["MUTANT_UNDER_TEST"] = name
        folder = self._folder(os.getpid())
        folder.mkdir(parents=True)
        os.environ["PYTEST_DEBUG_TEMPROOT"] = str(folder)
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 5))
        signal.alarm(WALL_SECONDS)
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nothing, descriptor)
        for item, following in zip(tests, [*tests[1:], None], strict=False):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if item.session.testsfailed:
                self._note(name, "killed", item.nodeid)
                return 1
        self._note(name, passed)
        return 0

    def _wait(self) -> None:
        pid, status = os.wait()
        name = self.running.pop(pid, "")
        shutil.rmtree(self._folder(pid), ignore_errors=True)
        code = os.waitstatus_to_exitcode(status)
        if code in (-signal.SIGXCPU, -signal.SIGKILL, -signal.SIGALRM):
            self._note(name, "timeout")
        elif code not in (0, 1):
            self._note(name, "killed", f"the process ended with {code}")
        self._read_results()

    def _read_results(self) -> None:
        with self.results.open(encoding="utf-8") as file:
            file.seek(self.read)
            for line in file.read().splitlines():
                name, outcome, test = line.split("\t")
                if name == "none" and outcome == "killed":
                    raise SystemExit(f"a test fails without a change: {test}")
                self.left.pop(name, None)
                if outcome == "passed the quick tests":
                    self.left[name] = None
                if not test:
                    continue
                function = function_of(name)
                for key in (function, function.rpartition(".")[0]):
                    self.noticed.setdefault(key, Counter()).update([test])
            self.read = file.tell()

    def _folder(self, pid: int) -> Path:
        return self.work / "temporary" / str(pid)

    def _note(self, name: str, outcome: str, test: str = "") -> None:
        with self.results.open("a", encoding="utf-8") as file:
            file.write(f"{name}\t{outcome}\t{test}\n")


def function_of(name: str) -> str:
    return name.partition("__mutmut_")[0]


def main() -> int:
    work, processes, *tests = sys.argv[1:]
    names: list[str] = json.load(sys.stdin)
    os.chdir(Path(work) / "mutants")
    sys.path[:] = [str(Path(work) / "mutants" / "src"), *sys.path[1:]]
    os.environ["MUTANT_UNDER_TEST"] = ""
    for module in {name.partition("__mutmut_")[0].rpartition(".")[0] for name in names}:
        with suppress(ImportError, AssertionError):  # of another system
            import_module(module)
    options = ["-x", "-q", "--capture=sys", "-p", "no:cacheprovider", "-n0"]
    plugins: list[Any] = [Loop(Path(work), names, int(processes))]
    return int(pytest.main([*options, "--hypothesis-seed=0", *tests], plugins=plugins))


if __name__ == "__main__":
    sys.exit(main())
