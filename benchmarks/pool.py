"""What does a task cost? kumo's pools beside those of concurrent.futures and of loky.

    python benchmarks/pool.py [--kind threads|processes] [--rounds N]

Caveats first:

- The tasks do nothing, so that the figures are the pools' own cost and the interpreter's: of a
  future, of a hand-over between threads. With tasks of a millisecond nobody would see a difference.
- "stream": one thread submits many tasks, then takes their results. "wait": it waits for each
  result before it submits the next. "four submit": as stream, from four threads at once.
- Both pools have the same number of threads, started before the time is taken. kumo's follows the
  limits, as it does by default, so that its watcher's ten readings a second are in the figure.
- Both run in one process, one after the other in an order that changes from round to round. Who
  holds the interpreter's lock when is chance: single rounds vary much, and the ratio, which is
  taken within a round, is the steadier figure.
- Of processes: "tiny" calls `operator.index`, all submitted and then waited for, "map" does so in
  chunks of 100, "1 ms" computes for a millisecond, "1 MB" has `bytes` of that size as argument or
  result. The ratio is kumo's to the better of the standard executor and loky's in the same round.
- Wall time on one machine, at the highest priority where that is allowed. See the load average.
"""

from __future__ import annotations

import argparse
import importlib
import random
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from operator import index
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import _report

import kumo

TASKS = 20_000
POOLS: dict[str, Callable[[int], ThreadPoolExecutor]] = {
    "kumo.ThreadPool": lambda size: kumo.ThreadPool("bench", minimum=size, maximum=size),
    "ThreadPoolExecutor": ThreadPoolExecutor,
}


def stream(pool: ThreadPoolExecutor) -> None:
    futures: list[Future[None]] = [pool.submit(_nothing) for _ in range(TASKS)]
    for future in futures:
        future.result()


def wait(pool: ThreadPoolExecutor) -> None:
    for _ in range(TASKS):
        pool.submit(_nothing).result()


def four_submit(pool: ThreadPoolExecutor) -> None:
    def part() -> None:
        for future in [pool.submit(_nothing) for _ in range(TASKS // 4)]:
            future.result()

    threads = [Thread(target=part) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


MEGABYTE = bytes(1_000_000)


def tiny(pool: Executor) -> int:
    for future in [pool.submit(index, number) for number in range(5000)]:
        future.result()
    return 5000


def in_chunks(pool: Executor) -> int:
    return sum(1 for _ in pool.map(index, range(100_000), chunksize=100))


def one_ms(pool: Executor) -> int:
    for future in [pool.submit(pow, 3, 10**23, 10**800 + 1) for _ in range(300)]:
        future.result()
    return 300


def large_arguments(pool: Executor) -> int:
    for future in [pool.submit(len, MEGABYTE) for _ in range(100)]:
        future.result()
    return 100


def large_results(pool: Executor) -> int:
    for future in [pool.submit(bytes, 1_000_000) for _ in range(100)]:
        future.result()
    return 100


PROCESS_POOLS: dict[str, Callable[[int], Executor]] = {
    "kumo.ProcessPool": lambda size: kumo.ProcessPool("bench", processes=size),
    "ProcessPoolExecutor": ProcessPoolExecutor,
    "loky": lambda size: importlib.import_module("loky").ProcessPoolExecutor(size),
}
PROCESS_SHAPES: dict[str, tuple[Callable[[Executor], int], int]] = {
    f"{name}, {size} processes": (call, size)
    for name, call in (
        ("tiny", tiny),
        ("map", in_chunks),
        ("1 ms", one_ms),
        ("1 MB arguments", large_arguments),
        ("1 MB results", large_results),
    )
    for size in (2, 8)
}
SHAPES = {
    f"{name}, {size} worker{'s' * (size > 1)}": (call, size)
    for name, call in (("stream", stream), ("wait", wait), ("four submit", four_submit))
    for size in (1, 2, 8)
}


def main() -> int:
    options = _options()
    _report.end_cleanly()
    _report.go_first()
    started = time.monotonic()
    about = _report.host()
    of_processes = options.kind == "processes"
    rates = _process_rates(options.rounds) if of_processes else _measure(options.rounds)
    results = {
        "question": "What does a task cost?",
        "host": about | {"python": sys.version.split()[0]},
        "rounds": options.rounds,
        "unit": "tasks per second, one figure a round",
        "rates": rates,
    }
    _report.finish(results, started)
    name = "process-pool" if of_processes else "pool"
    _report.write(options.results, name, results, _as_markdown(results))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Time tasks of two or three pools.")
    parser.add_argument("--kind", choices=("threads", "processes"), default="threads")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--results", type=Path, default=_report.RESULTS)
    return parser.parse_args()


def _measure(rounds: int) -> dict[str, dict[str, list[float]]]:
    """Every shape with both pools, in another order each round."""
    order = random.Random(1)
    rates: dict[str, dict[str, list[float]]] = {
        shape: {pool: [] for pool in POOLS} for shape in SHAPES
    }
    for number in range(rounds):
        for shape in order.sample(list(SHAPES), len(SHAPES)):
            for pool in order.sample(list(POOLS), len(POOLS)):
                rates[shape][pool].append(round(_rate(shape, pool), 1))
        said = (f"{shape} {_ratio(by):.2f}" for shape, by in rates.items())
        _report.progress(f"[{number + 1}/{rounds}] {'; '.join(said)}")
    return rates


def _rate(shape: str, name: str) -> float:
    call, size = SHAPES[shape]
    with POOLS[name](size) as pool:
        together = Barrier(size)
        for future in [pool.submit(together.wait) for _ in range(size)]:
            future.result()
        begun = time.perf_counter()
        call(pool)
        return TASKS / (time.perf_counter() - begun)


def _process_rates(rounds: int) -> dict[str, dict[str, list[float]]]:
    """Every shape with every pool of processes, which are started once a round."""
    order = random.Random(1)
    rates: dict[str, dict[str, list[float]]] = {
        shape: {pool: [] for pool in PROCESS_POOLS} for shape in PROCESS_SHAPES
    }
    for number in range(rounds):
        for size in (2, 8):
            for name in order.sample(list(PROCESS_POOLS), len(PROCESS_POOLS)):
                with PROCESS_POOLS[name](size) as pool:
                    for future in [pool.submit(time.sleep, 0.2) for _ in range(size)]:
                        future.result()
                    for shape, (call, of) in PROCESS_SHAPES.items():
                        if of == size:
                            begun = time.perf_counter()
                            count = call(pool)
                            rate = count / (time.perf_counter() - begun)
                            rates[shape][name].append(round(rate, 1))
        said = (f"{shape} {_ratio(by):.2f}" for shape, by in rates.items())
        _report.progress(f"[{number + 1}/{rounds}] {'; '.join(said)}")
    return rates


def _nothing() -> None:
    pass


def _ratio(by: dict[str, list[float]]) -> float:
    ours, *others = by.values()
    theirs = [max(rates) for rates in zip(*others, strict=True)]
    return statistics.median(_report.ratios(theirs, ours))


def _as_markdown(results: dict[str, Any]) -> str:
    header = ("shape", "pool", "thousand tasks a second: median", *_report.SPREAD[1:], "ratio")
    rows = []
    for shape, by in results["rates"].items():
        for pool, rates in by.items():
            ratio = _report.number(_ratio(by)) if pool.startswith("kumo.") else ""
            rows.append([shape, pool, *_report.cells(rates, 1000), ratio])
    python = f"Python {results['host']['python']}. "
    return "\n\n".join([_report.table(header, rows, 2), python + _report.signature(results)])


if __name__ == "__main__":
    sys.exit(main())
