"""What do kumo's calls cost in a program in which gevent or eventlet replaced the standard library?

    python benchmarks/frameworks.py

on Linux, with `pip install gevent eventlet`. Takes two minutes. Each figure is the time in such a
program divided by the time in a plain one of the same round; the median of the rounds is given.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import _report

PROGRAMS = {
    "plain Python": "import kumo",
    "gevent, patched before": "from gevent import monkey; monkey.patch_all(); import kumo",
    "gevent, patched after": "import kumo; from gevent import monkey; monkey.patch_all()",
    "eventlet, patched before": "import eventlet; eventlet.monkey_patch(); import kumo",
    "eventlet, patched after": "import kumo; import eventlet; eventlet.monkey_patch()",
}
CALLS = {
    "available_parallelism()": "kumo.available_parallelism",
    "estimate()": "kumo.estimate",
    "watch(), closed again": "lambda: kumo.watch().close()",
    "submit(int).result()": "lambda: pool.submit(int).result()",
}
PROGRAM = """
import sys, warnings
warnings.simplefilter("ignore")
sys.path.append({here!r})
{setup}
import json
from _clock import typical
pool = kumo.ThreadPool("web")
pool.submit(int).result()
kumo.available_parallelism()
print(json.dumps({{name: typical(eval(call), 15) for name, call in {calls!r}.items()}}))
"""


def main() -> int:
    options = _options()
    _report.end_cleanly()
    _report.go_first()
    started = time.monotonic()
    about = _report.host()
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in PROGRAMS}
    for number in range(options.rounds):
        for name, setup in PROGRAMS.items():
            rounds[name].append(_ran(setup))
        _report.progress(f"[{number + 1}/{options.rounds}]")
    results = {
        "question": "What do kumo's calls cost under gevent and eventlet?",
        "host": about,
        "rounds": options.rounds,
        "versions": {name: importlib.metadata.version(name) for name in ("gevent", "eventlet")},
        "unit": "ns per call, one figure a round",
        "times": rounds,
    }
    _report.finish(results, started)
    _report.write(options.results, "frameworks", results, _as_markdown(results))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Time kumo under gevent and eventlet.")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--results", type=Path, default=_report.RESULTS)
    return parser.parse_args()


def _ran(setup: str) -> dict[str, float]:
    here = str(Path(__file__).resolve().parent)
    program = PROGRAM.format(here=here, setup=setup, calls=CALLS)
    command = [sys.executable, "-c", program]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if ran.returncode:
        sys.exit(f"{setup} failed: {ran.stderr}")
    times: dict[str, float] = json.loads(ran.stdout)
    return times


def _as_markdown(results: dict[str, Any]) -> str:
    times = results["times"]
    plain = times["plain Python"]
    rows = []
    for call in CALLS:
        alone = statistics.median(made[call] for made in plain)
        ratios = [
            statistics.median(made[call] / base[call] for made, base in zip(by, plain, strict=True))
            for name, by in times.items()
            if by is not plain
        ]
        rows.append([call, f"{alone / 1000:.1f}", *(f"{ratio:.2f}" for ratio in ratios)])
    header = ("call", "µs in plain Python", *list(PROGRAMS)[1:])
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    return "\n\n".join(
        [
            f"Times as a multiple of those in plain Python ({versions}):",
            _report.table(header, rows, 1),
            _report.signature(results),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
