"""How much does a pool do whose workers say when they wait?

    python benchmarks/waiting.py [--quota 1.0] [--work numpy] [--waiting 0.5]

Caveats first:

- A task takes 10 ms: it waits for a part of that, as `time.sleep`, and uses CPU time for the rest,
  in Python or in matrix products of numpy with one thread of BLAS, which let the interpreter's
  lock go. The pool always has more tasks than workers.
- "declared" is `kumo.ThreadPool(max_waiting=128)` with `pool.waiting()` around the wait. "plain" is
  the same pool without either. "standard" is the standard executor with its default size.
- "best fixed" is known afterwards only: of sizes from 1 to 128 the two best in a sweep take turns
  with the others, and the better of the two by its median is shown. For work that only computes,
  the sizes end at the count.
- "of the best" is the median of declared over best fixed, round by round.
- "late" is how late a thread of the same process wakes that sleeps 2 ms at a time, while the pool
  only computes: the median over the rounds of each round's 50 % and 90 %. These rows have three
  times as many rounds.
- Each run lasts for --seconds after a fifth of a second, in an order that changes from round to
  round. A quota applies to the whole process.
- Rows that are not asked for are kept from the last run. Each has its load average in the JSON.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from importlib.metadata import version
from typing import Any

import _groups
import harness

import kumo

WARM = 0.2  # seconds
QUEUED = 512  # tasks that have not ended, at any moment
WHOLE = 0.01  # seconds of one task, waiting and computing
BEAT = 0.002
MAX_WAITING = 128  # workers
FIXED = (1, 2, 4, 8, 16, 32, 64, 128)
WAITING = (1.0, 0.9, 0.5, 0.1, 0.0)
QUOTAS = ("none", "1.5", "1.0")
UNITS: dict[str, Callable[[], object]] = {"Python": lambda: sum(range(200))}
WORK = (*UNITS, "numpy")

Wait = Callable[[], AbstractContextManager[None]]
Arm = Callable[[], tuple[Executor, Wait]]


def prepare_numpy() -> None:
    import numpy as np
    from threadpoolctl import threadpool_limits

    matrix = np.random.default_rng(1).random((200, 200))
    UNITS["numpy"] = lambda: matrix @ matrix
    threadpool_limits(1)


def task(unit: Callable[[], object], waits: float, wait: Wait, done: list[None]) -> None:
    if waits:
        with wait():
            time.sleep(WHOLE * waits)
    if waits < 1:
        end = time.thread_time() + WHOLE * (1 - waits)
        while time.thread_time() < end:
            unit()
    done.append(None)


def run(arm: Arm, work: str, waits: float, seconds: float) -> tuple[float, list[float]]:
    """Return the tasks a second that ended, and how late the beat was, in ms."""
    pool, wait = arm()
    done: list[None] = []
    late: list[float] = []
    over = threading.Event()
    futures: list[Future[None]] = []
    marks = []
    with pool:
        if not waits:
            threading.Thread(target=keep_time, args=(over, late), daemon=True).start()
        for length in (WARM, seconds):
            end = time.monotonic() + length
            while time.monotonic() < end:
                for _ in range(QUEUED - (len(futures) - len(done))):
                    futures.append(pool.submit(task, UNITS[work], waits, wait, done))
                time.sleep(0.01)
            marks.append((time.monotonic(), len(done), len(late)))
        over.set()
        for future in futures[len(done) :]:
            future.cancel()
    (begun, before, first), (ended, after, last) = marks
    return (after - before) / (ended - begun), late[first:last]


def keep_time(over: threading.Event, late: list[float]) -> None:
    while not over.is_set():
        begun = time.monotonic()
        time.sleep(BEAT)
        late.append(1000 * (time.monotonic() - begun - BEAT))


def declared() -> tuple[Executor, Wait]:
    pool = kumo.ThreadPool("declared", max_waiting=MAX_WAITING)
    return pool, pool.waiting


def plain() -> tuple[Executor, Wait]:
    return kumo.ThreadPool("plain"), nullcontext


def standard(size: int | None = None) -> tuple[Executor, Wait]:
    return ThreadPoolExecutor(size), nullcontext


def one_row(work: str, waits: float, options: argparse.Namespace) -> dict[str, Any]:
    """The rates of each arm, round by round, and the lateness."""
    count = kumo.available_parallelism()
    fixed = {str(size): partial(standard, size) for size in FIXED if waits or size <= count}
    sweep = {size: run(arm, work, waits, options.seconds)[0] for size, arm in fixed.items()}
    arms: dict[str, Arm] = {"declared": declared, "plain": plain, "standard": standard}
    arms |= {size: fixed[size] for size in sorted(sweep, key=lambda size: sweep[size])[-2:]}
    turns = {name: partial(run, arm, work, waits, options.seconds) for name, arm in arms.items()}
    taken = harness.take_turns(turns, options.rounds * (1 if waits else 3))
    late: dict[str, list[list[float]]] = {}
    for name in ("declared", "plain") if not waits else ():
        tenths = [statistics.quantiles(beats, n=10, method="inclusive") for _, beats in taken[name]]
        late[name] = [[round(each[4], 3), round(each[8], 3)] for each in tenths]
    return {
        "count": count,
        "sweep": {size: round(rate, 1) for size, rate in sweep.items()},
        "rates": {name: [round(rate, 1) for rate, _ in rounds] for name, rounds in taken.items()},
        "late": late,
        "load": harness.load()[0],
    }


def as_markdown(results: dict[str, Any]) -> str:
    rows, late_rows = [], []
    for key in (
        f"{quota} {work} {waits}" for quota in QUOTAS for work in WORK for waits in WAITING
    ):
        row = results["rows"].get(key)
        if row is None:
            continue
        quota, work, waits = key.split()
        middle = {name: statistics.median(rates) for name, rates in row["rates"].items()}
        best = max(filter(str.isdecimal, middle), key=lambda name: middle[name])
        ratios = harness.ratios(row["rates"][best], row["rates"]["declared"])
        rates = [f"{middle[name]:,.0f}" for name in ("declared", "plain", "standard", best)]
        ratio = f"{statistics.median(ratios):.2f}"
        rows.append([quota, work, f"{float(waits):.0%}", *rates[:3], f"{rates[3]} ({best})", ratio])
        if late := row["late"]:
            late_rows.append([quota, work])
            for place in (0, 1):
                ours, theirs = (
                    [pair[place] for pair in late[name]] for name in ("declared", "plain")
                )
                samples = (ours, theirs, harness.ratios(theirs, ours))
                late_rows[-1] += [f"{statistics.median(sample):.2f}" for sample in samples]
    header = ("quota", "work", "waiting", "declared", "plain", "standard", "best fixed")
    late_header = [
        title for at in (50, 90) for title in (f"declared: {at} %", f"plain: {at} %", "ratio")
    ]
    parts = [
        "Tasks a second.",
        harness.table((*header, "of the best"), rows, words=2),
        "How late a wake-up is beside work that only computes, in ms.",
        harness.table(("quota", "work", *late_header), late_rows, words=2),
        f"Python {results['host']['python']}, numpy {version('numpy')}. "
        f"{harness.signature(results)} "
        "`benchmarks/waiting.py` says what each column is.",
    ]
    return "\n\n".join(parts)


def main() -> int:
    parser = harness.parser(
        __doc__,
        takes="20 minutes",
        needs="root, a writable cgroup v1 hierarchy of the cpu controller, and numpy",
        rounds=5,
    )
    add = parser.add_argument
    add("--quota", choices=QUOTAS, nargs="+", default=QUOTAS)
    add("--work", choices=WORK, nargs="+", default=WORK)
    add("--waiting", type=float, choices=WAITING, nargs="+", default=WAITING)
    add("--seconds", type=float, default=0.6, help="of each run; default: 0.6")
    options = parser.parse_args()
    _groups.needed_mount_point()
    prepare_numpy()
    bench = harness.begin("waiting", options)
    os.environ.pop("KUMO_AVAILABLE_PARALLELISM", None)
    rows = harness.kept("waiting", options).get("rows", {})
    with _groups.returning(), _groups.nested("waiting", 1, 2, "each") as group:
        _groups.join(group)
        for quota in options.quota:
            _groups.set_quota(group, None if quota == "none" else float(quota))
            for work in options.work:
                for waits in options.waiting:
                    harness.progress(f"quota {quota}, {work}, {waits:.0%} waiting")
                    rows[f"{quota} {work} {waits}"] = one_row(work, waits, options)
    return bench.end(as_markdown, rows=rows)


if __name__ == "__main__":
    sys.exit(main())
