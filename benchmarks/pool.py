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

import importlib
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from operator import index
from threading import Barrier, Thread
from typing import Any

import harness

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


SIZES = (2, 8)
Rates = dict[str, dict[str, list[float]]]
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
    for size in SIZES
}
SHAPES = {
    f"{name}, {size} worker{'s' * (size > 1)}": (call, size)
    for name, call in (("stream", stream), ("wait", wait), ("four submit", four_submit))
    for size in (1, 2, 8)
}


def main() -> int:
    parser = harness.parser(
        __doc__,
        takes="2 minutes with threads, 3 with processes",
        needs="loky for processes",
        rounds=15,
    )
    parser.add_argument("--kind", choices=("threads", "processes"), default="threads")
    options = parser.parse_args()
    of_processes = options.kind == "processes"
    unit = "tasks per second, one figure a round"
    run = harness.begin("process-pool" if of_processes else "pool", options, unit=unit)
    rates = _process_rates(options.rounds) if of_processes else _thread_rates(options.rounds)
    return run.end(_as_markdown, rates=rates)


def _thread_rates(rounds: int) -> Rates:
    """Every shape with both pools."""
    arms = {shape: {name: partial(_rate, shape, name) for name in POOLS} for shape in SHAPES}
    return harness.take_group_turns(arms, rounds, shown=_shown)


def _rate(shape: str, name: str) -> float:
    call, size = SHAPES[shape]
    with POOLS[name](size) as pool:
        together = Barrier(size)
        for future in [pool.submit(together.wait) for _ in range(size)]:
            future.result()
        begun = time.perf_counter()
        call(pool)
        return round(TASKS / (time.perf_counter() - begun), 1)


def _process_rates(rounds: int) -> Rates:
    """Every shape with every pool of processes, which are started once a round."""
    arms = {
        str(size): {name: partial(_rates_of_shapes, name, size) for name in PROCESS_POOLS}
        for size in SIZES
    }
    taken = harness.take_group_turns(arms, rounds)
    return {
        shape: {name: [each[shape] for each in taken[str(size)][name]] for name in PROCESS_POOLS}
        for shape, (_, size) in PROCESS_SHAPES.items()
    }


def _rates_of_shapes(name: str, size: int) -> dict[str, float]:
    rates = {}
    with PROCESS_POOLS[name](size) as pool:
        for future in [pool.submit(time.sleep, 0.2) for _ in range(size)]:
            future.result()
        for shape, (call, of) in PROCESS_SHAPES.items():
            if of == size:
                begun = time.perf_counter()
                count = call(pool)
                rates[shape] = round(count / (time.perf_counter() - begun), 1)
    return rates


def _shown(rates: Rates) -> str:
    return "; ".join(f"{shape} {_ratio(by):.2f}" for shape, by in rates.items())


def _nothing() -> None:
    pass


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
