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
import json
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
MOST = 128  # workers that may wait
FIXED = (1, 2, 4, 8, 16, 32, 64, 128)
WAITING = (1.0, 0.9, 0.5, 0.1, 0.0)
QUOTAS = ("none", "1.5", "1.0")
WORK = ("Python", "numpy")
MATRIX: Any = None  # of numpy, when the run begins

Wait = Callable[[], AbstractContextManager[None]]
Arm = Callable[[], tuple[Executor, Wait]]


def in_python() -> None:
    sum(range(200))


def in_numpy() -> None:
    MATRIX @ MATRIX


def prepare_numpy() -> None:
    import numpy as np
    from threadpoolctl import threadpool_limits

    global MATRIX
    MATRIX = np.random.default_rng(1).random((200, 200))
    threadpool_limits(1)


UNIT: dict[str, Callable[[], None]] = {"Python": in_python, "numpy": in_numpy}


def burn(unit: Callable[[], None], seconds: float) -> None:
    """Use that much CPU time of this thread."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        unit()


def task(unit: Callable[[], None], waits: float, wait: Wait, done: list[None]) -> None:
    if waits:
        with wait():
            time.sleep(WHOLE * waits)
    if waits < 1:
        burn(unit, WHOLE * (1 - waits))
    done.append(None)


def run(arm: Arm, work: str, waits: float, seconds: float) -> tuple[float, list[float]]:
    """Return the tasks a second that ended, and how late the beat was, in ms."""
    pool, wait = arm()
    done: list[None] = []
    late: list[float] = []
    over = threading.Event()
    beat = threading.Thread(target=keep_time, args=(over, late), daemon=True)
    futures: list[Future[None]] = []
    marks = []
    with pool:
        if not waits:
            beat.start()
        for length in (WARM, seconds):
            end = time.monotonic() + length
            while time.monotonic() < end:
                for _ in range(QUEUED - (len(futures) - len(done))):
                    futures.append(pool.submit(task, UNIT[work], waits, wait, done))
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
    pool = kumo.ThreadPool("declared", max_waiting=MOST)
    return pool, pool.waiting


def plain() -> tuple[Executor, Wait]:
    return kumo.ThreadPool("plain"), nullcontext


def standard(size: int | None = None) -> tuple[Executor, Wait]:
    return ThreadPoolExecutor(size), nullcontext


def one_row(work: str, waits: float, options: argparse.Namespace) -> dict[str, Any]:
    """The rates of each arm, round by round, and the lateness."""
    count = kumo.available_parallelism()
    sizes = [size for size in FIXED if waits or size <= count]
    sweep = {size: run(partial(standard, size), work, waits, options.seconds)[0] for size in sizes}
    best = sorted(sizes, key=lambda size: sweep[size])[-2:]
    arms: dict[str, Arm] = {"declared": declared, "plain": plain, "standard": standard}
    arms |= {str(size): partial(standard, size) for size in best}
    turns = {name: partial(run, arm, work, waits, options.seconds) for name, arm in arms.items()}
    taken = harness.take_turns(turns, options.rounds * (1 if waits else 3))
    late: dict[str, list[list[float]]] = {}
    for name in ("declared", "plain") if not waits else ():
        tenths = [statistics.quantiles(beats, n=10, method="inclusive") for _, beats in taken[name]]
        late[name] = [[round(each[4], 3), round(each[8], 3)] for each in tenths]
    return {
        "count": count,
        "sweep": {str(size): round(rate, 1) for size, rate in sweep.items()},
        "rates": {name: [round(rate, 1) for rate, _ in rounds] for name, rounds in taken.items()},
        "late": late,
        "load": harness.load()[0],
    }


def measure(options: argparse.Namespace, rows: dict[str, Any]) -> None:
    for quota in options.quota:
        with _groups.returning(), _groups.nested("waiting", 1, 2, "each") as group:
            _groups.set_quota(group, None if quota == "none" else float(quota))
            _groups.join(group)
            for work in options.work:
                for waits in options.waiting:
                    key = f"{quota} {work} {waits}"
                    rows[key] = one_row(work, waits, options)
                    harness.progress("| " + " | ".join(as_row(key, rows[key])) + " |")


def as_row(key: str, row: dict[str, Any]) -> list[str]:
    quota, work, waits = key.split()
    middle = {name: statistics.median(rates) for name, rates in row["rates"].items()}
    best = max((name for name in middle if name.isdecimal()), key=lambda name: middle[name])
    ratio = statistics.median(harness.ratios(row["rates"][best], row["rates"]["declared"]))
    cells = [f"{middle[name]:,.0f}" for name in ("declared", "plain", "standard")]
    return [
        quota,
        work,
        f"{float(waits):.0%}",
        *cells,
        f"{middle[best]:,.0f} ({best})",
        f"{ratio:.2f}",
    ]


HEADER = ("quota", "work", "waiting", "declared", "plain", "standard", "best fixed", "of the best")


def late_row(key: str, row: dict[str, Any]) -> list[str]:
    """How late a wake-up is: declared and plain, and the median of their ratio in a round."""
    quota, work, _ = key.split()
    cells = []
    for place in (0, 1):
        ours, theirs = (
            [pair[place] for pair in row["late"][name]] for name in ("declared", "plain")
        )
        ratio = statistics.median(harness.ratios(theirs, ours))
        cells += [
            f"{statistics.median(ours):.2f}",
            f"{statistics.median(theirs):.2f}",
            f"{ratio:.2f}",
        ]
    return [quota, work, *cells]


LATE_HEADER = (
    *("quota", "work"),
    *("declared: 50 %", "plain: 50 %", "ratio"),
    *("declared: 90 %", "plain: 90 %", "ratio"),
)


def as_markdown(results: dict[str, Any]) -> str:
    keys = [f"{quota} {work} {waits}" for quota in QUOTAS for work in WORK for waits in WAITING]
    rows = {key: results["rows"][key] for key in keys if key in results["rows"]}
    late = [late_row(key, row) for key, row in rows.items() if row["late"]]
    parts = [
        "Tasks a second.",
        harness.table(HEADER, [as_row(key, row) for key, row in rows.items()], words=2),
        "How late a wake-up is beside work that only computes, in ms.",
        harness.table(LATE_HEADER, late, words=2),
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
    parser.add_argument("--quota", choices=QUOTAS, nargs="+", default=QUOTAS)
    parser.add_argument("--work", choices=WORK, nargs="+", default=WORK)
    parser.add_argument("--waiting", type=float, choices=WAITING, nargs="+", default=WAITING)
    parser.add_argument("--seconds", type=float, default=0.6, help="of each run; default: 0.6")
    options = parser.parse_args()
    _groups.needed_mount_point()
    prepare_numpy()
    bench = harness.begin("waiting", options)
    os.environ.pop("KUMO_AVAILABLE_PARALLELISM", None)
    kept = options.results / "waiting.json"
    rows: dict[str, Any] = json.loads(kept.read_text())["rows"] if kept.exists() else {}
    measure(options, rows)
    return bench.end(as_markdown, rows=rows)


if __name__ == "__main__":
    sys.exit(main())
