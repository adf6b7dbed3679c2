"""What does kumo add to a start? Times `import kumo` and the command `kumo` over a bare Python.

    python benchmarks/startup.py

with CPython 3.10 to 3.13 on the PATH or under pyenv, each that there is, and a network or a pip
that knows where to find hatchling, to build kumo as pip does.

Goals: the import at most 3 ms over bare, the command at most 15 ms over bare.

Caveats first:

- Each pair is run one after the other, in another order each round; what is reported is the
  median over the rounds of the difference within one. A start takes some 10 to 20 ms, of which
  the difference is a small part: where other programs run meanwhile (see the load average) its
  quartiles are wide, the highest priority notwithstanding, which they run at where it is allowed.
  CPU time, of the user and the system together, suffers less.
- The files are in the page cache and compiled to bytecode by pip. A first start after a boot or
  from a read-only directory without bytecode takes longer.
- `import kumo` loads what the import needs. The first call loads more, and surveys the system:
  "import and first call".
- `kumo` is the launcher that pip writes, which imports `re` of its own in older versions of pip.
  `python -m kumo` is without it, and has runpy instead.
- The environment is a virtual one with kumo alone in it. The command and its bare Python are run
  without -I, as they are by users, and so read the environment's `.pth` files, of which there are
  none.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import _report
from _report import number, spread

_ROOT = Path(__file__).resolve().parent.parent
_VERSIONS = ("3.10", "3.11", "3.12", "3.13")
_FIRST_CALL = "import kumo; kumo.available_parallelism()"
# What is run, over which bare start, and the goal in ms.
_OVER = {
    "import kumo": ("python -I -c pass", 3),
    "import and first call": ("python -I -c pass", None),
    "kumo": ("python -c pass", 15),
    "python -m kumo": ("python -c pass", None),
}


def main() -> int:
    options = _options()
    _report.end_cleanly()
    _report.go_first()
    started = time.monotonic()
    about = _report.host()
    with tempfile.TemporaryDirectory(prefix="kumo-startup-") as directory:
        pythons = _pythons()
        commands = _installed(pythons, Path(directory))
        times = _measure(commands, options.rounds)
    results = {
        "question": "What does kumo add to a start?",
        "host": about,
        "rounds": options.rounds,
        "unit": "ms, one figure a round",
        "pythons": {
            version: _full(python) if python else "not found" for version, python in pythons.items()
        },
        "times": times,
    }
    _report.finish(results, started)
    _report.write(options.results, "startup", results, _as_markdown(results))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Time what kumo adds to a start.")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--results", type=Path, default=_report.RESULTS)
    return parser.parse_args()


def _pythons() -> dict[str, Path | None]:
    """The newest patch release of each version, from PATH or from pyenv."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv", "versions")
    found: dict[str, Path | None] = {}
    for version in _VERSIONS:
        named = shutil.which(f"python{version}")
        built = sorted(pyenv.glob(f"{version}.*/bin/python"), key=lambda path: path.parts[-3])
        candidates = [*([Path(named)] if named else []), *reversed(built)]
        found[version] = next((path for path in candidates if _is(path, version)), None)
    return found


def _is(python: Path, version: str) -> bool:
    return _full(python).startswith(f"{version}.")


def _full(python: Path) -> str:
    code = "import sys; print(sys.version.split()[0])"
    ran = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return ran.stdout.strip()


def _installed(pythons: dict[str, Path | None], directory: Path) -> dict[str, dict[str, list[str]]]:
    """Install this checkout for each Python; return the commands to be timed."""
    there = {version: python for version, python in pythons.items() if python}
    if not there:
        sys.exit(f"no Python of {', '.join(_VERSIONS)}")
    _report.progress("building kumo")
    newest = list(there.values())[-1]
    subprocess.run([str(newest), "-m", "venv", directory / "pip"], check=True)
    pip = [str(directory / "pip/bin/python"), "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", directory / "built", _ROOT], check=True)
    (wheel,) = (directory / "built").glob("*.whl")
    commands = {}
    for version, python in there.items():
        _report.progress(f"installing for {version}")
        home = directory / version
        subprocess.run([str(python), "-m", "venv", "--without-pip", home], check=True)
        install = ["install", "--no-deps", "--no-index", str(wheel)]
        subprocess.run([*pip, "--python", str(home / "bin/python"), *install], check=True)
        commands[version] = _commands(home / "bin")
    return commands


def _commands(programs: Path) -> dict[str, list[str]]:
    python = str(programs / "python")
    return {
        "python -I -c pass": [python, "-I", "-c", "pass"],
        "import kumo": [python, "-I", "-c", "import kumo"],
        "import and first call": [python, "-I", "-c", _FIRST_CALL],
        "python -c pass": [python, "-c", "pass"],
        "kumo": [str(programs / "kumo")],
        "python -m kumo": [python, "-m", "kumo"],
    }


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
                wall, cpu = _start(by[name])
                if number_of_round >= 0:  # the one before warms the caches
                    times[version][name]["wall"].append(wall)
                    times[version][name]["cpu"].append(cpu)
        if number_of_round % 50 == 49:
            _report.progress(f"[{number_of_round + 1}/{rounds}]")
    return times


def _start(command: list[str]) -> tuple[float, float]:
    """Run it to its end; return its wall time and its CPU time, in ms."""
    quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    started = time.perf_counter()
    pid = os.posix_spawn(command[0], command, os.environ, file_actions=quiet)
    _, status, usage = os.wait4(pid, 0)
    wall = time.perf_counter() - started
    if status:
        sys.exit(f"{command} failed: {status}")
    return round(wall * 1000, 3), round((usage.ru_utime + usage.ru_stime) * 1000, 3)


def _as_markdown(results: dict[str, Any]) -> str:
    header = ("Python", "what", "bare, ms", "ms over bare: median", "quartiles", "CPU ms over bare")
    rows = []
    for version, by in results["times"].items():
        for name, (bare, goal) in _OVER.items():
            wall, cpu = (
                [one - other for one, other in zip(by[name][kind], by[bare][kind], strict=True)]
                for kind in ("wall", "cpu")
            )
            middle = spread(wall)
            met = (
                "-"
                if goal is None
                else f"{'met' if middle['median'] <= goal else 'missed'}: {goal}"
            )
            bare_time = number(statistics.median(by[bare]["wall"]))
            quartiles = f"{number(middle['q1'])} to {number(middle['q3'])}"
            cpu_time = number(statistics.median(cpu))
            rows.append(
                [version, name, bare_time, number(middle["median"]), quartiles, cpu_time, met]
            )
    found = ", ".join(f"{version}: {full}" for version, full in results["pythons"].items())
    return "\n\n".join(
        [
            _report.table((*header, "goal, ms"), rows, 2),
            f"Pythons: {found}. {_report.signature(results)}",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
