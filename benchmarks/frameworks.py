"""What do kumo's calls cost in a program in which gevent or eventlet replaced the standard library?

    python benchmarks/frameworks.py

Each figure is the time in such a program divided by the time in a plain one of the same round; the
median of the rounds is given.
"""

from __future__ import annotations

import importlib.metadata
import json
import statistics
import sys
from functools import partial
from pathlib import Path
from typing import Any

import harness

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
    parser = harness.parser(
        __doc__, takes="1 minute", needs="gevent and eventlet from PyPI", rounds=9
    )
    options = parser.parse_args()
    run = harness.begin("frameworks", options, unit="ns per call, one figure a round")
    versions = {name: importlib.metadata.version(name) for name in ("gevent", "eventlet")}
    arms = {name: partial(_times, setup) for name, setup in PROGRAMS.items()}
    times = harness.take_turns(arms, options.rounds)
    return run.end(_as_markdown, versions=versions, times=times)


def _times(setup: str) -> dict[str, float]:
    here = str(Path(__file__).resolve().parent)
    program = PROGRAM.format(here=here, setup=setup, calls=CALLS)
    times: dict[str, float] = json.loads(harness.output([sys.executable, "-c", program]))
    return times


def _as_markdown(results: dict[str, Any]) -> str:
    times = results["times"]
    plain = times["plain Python"]
    rows = []
    for call in CALLS:
        alone = [figures[call] for figures in plain]
        ratios = [
            harness.ratios(alone, [figures[call] for figures in rounds])
            for rounds in times.values()
            if rounds is not plain
        ]
        shown = [f"{statistics.median(values):.2f}" for values in ratios]
        cells = [call, f"{statistics.median(alone) / 1000:.1f}", *shown]
        rows.append(harness.marked(cells, alone, *ratios))
    header = ("call", "µs in plain Python", *list(PROGRAMS)[1:])
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    title = f"Times as a multiple of those in plain Python ({versions}):"
    return "\n\n".join([title, harness.table(header, rows), harness.signature(results)])


if __name__ == "__main__":
    sys.exit(main())
