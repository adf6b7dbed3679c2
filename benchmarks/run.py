"""What does `kumo run` add to a start? Times `kumo run -- true` over an exec of `true` by Python.

    python benchmarks/run.py

with what benchmarks/startup.py needs. Goal: at most 15 ms over `python -c 'os.execvp(…)'`.

Caveats first:

- Those of benchmarks/startup.py hold here too: the pair of a round is run in a random order, and
  a difference is one within a round.
- `true` is /bin/true, which ends at once. Both become it by exec, so that neither is counted twice.
- With --pin the places of the CPUs are read as well: two files of sysfs for each CPU. On a machine
  of many CPUs that takes longer than here.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import _report
import startup
from _report import number, spread

_GOAL = 15
_BARE = "python -c 'os.execvp'"
_EXEC = "import os; os.execvp('true', ['true'])"
_ARGUMENTS = {
    "kumo run": ["run", "--", "true"],
    "kumo run with options": [
        *("run", "--share", "1/2", "--round", "ceil", "--workers", "2", "--with", "make"),
        *("--without", "GOMAXPROCS", "--", "true"),
    ],
    "kumo run --pin": ["run", "--pin", "--", "true"],
}


def main() -> int:
    options = _options()
    _report.end_cleanly()
    _report.go_first()
    started = time.monotonic()
    about = _report.host()
    with tempfile.TemporaryDirectory(prefix="kumo-run-") as directory:
        pythons = startup._pythons()
        commands = {
            version: _commands(by["python -c pass"][0], by["kumo"][0])
            for version, by in startup._installed(pythons, Path(directory)).items()
        }
        times = _measure(commands, options.rounds)
    results = {
        "question": "What does kumo run add to a start?",
        "host": about,
        "rounds": options.rounds,
        "unit": "ms, one figure a round",
        "times": times,
    }
    _report.finish(results, started)
    _report.write(options.results, "run", results, _as_markdown(results))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Time what kumo run adds to a start.")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--results", type=Path, default=_report.RESULTS)
    return parser.parse_args()


def _commands(python: str, kumo: str) -> dict[str, list[str]]:
    ours = {name: [kumo, *arguments] for name, arguments in _ARGUMENTS.items()}
    return {_BARE: [python, "-c", _EXEC], **ours}


def _measure(
    commands: dict[str, dict[str, list[str]]], rounds: int
) -> dict[str, dict[str, dict[str, list[float]]]]:
    order = random.Random(1)
    times: dict[str, dict[str, dict[str, list[float]]]] = {
        version: {name: {"wall": [], "cpu": []} for name in by} for version, by in commands.items()
    }
    for number_of_round in range(-1, rounds):
        for version, by in commands.items():
            for name in order.sample(list(by), len(by)):
                wall, cpu = startup._start(by[name])
                if number_of_round >= 0:  # the one before warms the caches
                    times[version][name]["wall"].append(wall)
                    times[version][name]["cpu"].append(cpu)
        if number_of_round >= 0 and number_of_round % 25 == 24:
            _report.progress(f"[{number_of_round + 1}/{rounds}]")
    return times


def _as_markdown(results: dict[str, Any]) -> str:
    header = ("Python", "what", "bare, ms", "ms over bare: median", "quartiles")
    rows = []
    for version, by in results["times"].items():
        for name in _ARGUMENTS:
            wall, cpu = (
                [one - bare for one, bare in zip(by[name][kind], by[_BARE][kind], strict=True)]
                for kind in ("wall", "cpu")
            )
            ratio = statistics.median(_report.ratios(by[_BARE]["wall"], by[name]["wall"]))
            over = spread(wall)
            cells = [statistics.median(by[_BARE]["wall"]), over["median"]]
            rows.append(
                [
                    *(version, name, *map(number, cells)),
                    f"{number(over['q1'])} to {number(over['q3'])}",
                    *(number(statistics.median(cpu)), number(ratio)),
                    f"{'met' if over['median'] <= _GOAL else 'missed'}: {_GOAL}",
                ]
            )
    header = (*header, "CPU ms over bare", "times bare", "goal, ms")
    return f"{_report.table(header, rows, 2)}\n\n{_report.signature(results)}"


if __name__ == "__main__":
    sys.exit(main())
