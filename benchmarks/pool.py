"""What does a task cost? kumo's pools beside those of concurrent.futures and of loky.

    python benchmarks/pool.py [--kind threads|processes] [--rounds N]

Caveats first:

- The tasks do nothing, so that the figures are the pools' own cost and the interpreter's: of a
  future, of a hand-over between threads. With tasks of a millisecond nobody would see a difference.
- "stream": one thread submits many tasks, then takes their results. "wait": it waits for each
  result before it submits the next. "four submit": as stream, from four threads at once.
- The pools have the same number of workers, started before the time is taken, once a round for all
  shapes. kumo's follows the limits, as it does by default, so that its watch is in the figure.
- Pools of threads run in one process, one after the other in an order that changes from round to
  round. When which thread holds the interpreter's lock is chance: single rounds vary much, and the
  ratio, which is taken within a round, is the steadier figure.
- Of processes: "tiny" calls `operator.index`, all submitted and then waited for, "map" does so in
  chunks of 100, "1 ms" computes for a millisecond, "1 MB" has `bytes` of that size as argument or
  result. The ratio is kumo's to the better of the standard executor and loky's in the same round.
- Wall time on one machine, at the highest priority where that is allowed. See the load average.
"""

from __future__ import annotations

import importlib
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from operator import index
from threading import Thread
from typing import Any

import harness

import kumo

TASKS = 20_000
MEGABYTE = bytes(1_000_000)
Shape = Callable[[Executor], int]  # it returns how many tasks it had


def stream(count: int, call: Callable[..., Any], *arguments: object) -> Shape:
    """Submit all, and then wait for all."""

    def shape(pool: Executor) -> int:
        for future in [pool.submit(call, *arguments) for _ in range(count)]:
            future.result()
        return count

    return shape


def wait(pool: Executor) -> int:
    for _ in range(TASKS):
        pool.submit(_nothing).result()
    return TASKS


def four_submit(pool: Executor) -> int:
    part = stream(TASKS // 4, _nothing)
    threads = [Thread(target=part, args=(pool,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return TASKS


def in_chunks(pool: Executor) -> int:
    return sum(1 for _ in pool.map(index, range(100_000), chunksize=100))


def _nothing() -> None:
    pass


POOLS: dict[str, dict[str, Callable[[int], Executor]]] = {
    "threads": {
        "kumo.ThreadPool": lambda size: kumo.ThreadPool("bench", minimum=size, maximum=size),
        "ThreadPoolExecutor": ThreadPoolExecutor,
    },
    "processes": {
        "kumo.ProcessPool": lambda size: kumo.ProcessPool("bench", processes=size),
        "ProcessPoolExecutor": ProcessPoolExecutor,
        "loky": lambda size: importlib.import_module("loky").ProcessPoolExecutor(size),
    },
}
SIZES = {
    "threads": {1: "1 worker", 2: "2 workers", 8: "8 workers"},
    "processes": {2: "2 processes", 8: "8 processes"},
}
SHAPES: dict[str, dict[str, Shape]] = {
    "threads": {"stream": stream(TASKS, _nothing), "wait": wait, "four submit": four_submit},
    "processes": {
        "tiny": stream(5000, index, 1),
        "map": in_chunks,
        "1 ms": stream(300, pow, 3, 10**23, 10**800 + 1),
        "1 MB arguments": stream(100, len, MEGABYTE),
        "1 MB results": stream(100, bytes, len(MEGABYTE)),
    },
}


def main() -> int:
    parser = harness.parser(
        __doc__,
        takes="2 minutes with threads, 3 with processes",
        needs="loky for processes",
        rounds=15,
    )
    parser.add_argument("--kind", choices=POOLS, default="threads")
    options = parser.parse_args()
    kind = options.kind
    unit = "tasks per second, one figure a round"
    run = harness.begin("pool" if kind == "threads" else "process-pool", options, unit=unit)
    turns = {
        words: {
            name: partial(_rates, pool, size, SHAPES[kind]) for name, pool in POOLS[kind].items()
        }
        for size, words in SIZES[kind].items()
    }
    taken = harness.take_group_turns(turns, options.rounds)
    rates = {
        f"{shape}, {words}": {name: [each[shape] for each in taken[words][name]] for name in by}
        for shape in SHAPES[kind]
        for words, by in turns.items()
    }
    return run.end(_as_markdown, rates=rates)


def _rates(
    pool: Callable[[int], Executor], size: int, shapes: dict[str, Shape]
) -> dict[str, float]:
    """Start a pool, and return the tasks a second of each shape."""
    rates = {}
    with pool(size) as workers:
        stream(size, time.sleep, 0.2)(workers)
        for name, shape in shapes.items():
            begun = time.perf_counter()
            count = shape(workers)
            rates[name] = round(count / (time.perf_counter() - begun), 1)
    return rates


def _ratio(by: dict[str, list[float]]) -> float:
    ours, *others = by.values()
    theirs = [max(rates) for rates in zip(*others, strict=True)]
    return statistics.median(harness.ratios(theirs, ours))


def _as_markdown(results: dict[str, Any]) -> str:
    header = ("shape", "pool", "thousand tasks a second: median", *harness.SPREAD[1:], "ratio")
    rows = []
    for shape, by in results["rates"].items():
        for pool, rates in by.items():
            ratio = harness.number(_ratio(by)) if pool.startswith("kumo.") else ""
            rows.append(harness.marked([shape, pool, *harness.cells(rates, 1000), ratio], rates))
    python = f"Python {results['host']['python']}. "
    return "\n\n".join([harness.table(header, rows, 2), python + harness.signature(results)])


if __name__ == "__main__":
    sys.exit(main())
