"""What do a cluster engine's own slots cost in a quota, and what does kumo's fix bring?

    python benchmarks/engines.py [--rounds N] [dask] [celery] [ray] [mpi]

Caveats first:

- Both arms of Dask and Celery run at the same time, each worker in a cgroup of its own, and are
  driven in turn, in another order each round. Ray is one node, whose slots `kumo fleet ray --set`
  changes between the arms.
- An MPI job has no slots that stay: mpirun starts a job for each batch, with as many ranks as it
  counts itself or as the hostfile of `kumo fleet mpi --hostfile` says. The ranks share the tasks.
- The quota of both cgroups goes none, 1.0, 0.5 and none again without a restart. So what the kumo
  arm has after each change is what it has after a live change.
- A task is pbkdf2 of about 25 ms of CPU, which lets the interpreter's lock go. A batch is a fixed
  number of tasks; tasks a second are over the batch.
- Lateness is of a beat in the same cgroup, a process that wants to wake every 10 ms, as a
  heartbeat or a health check does; the 99th percentile over a batch, then the median over rounds.
- Two CPUs are few. On a machine with more, the default is wrong by more.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import _groups
import harness
from _engines import ENGINES, TASKS, Group, beat, version_of

QUOTAS = (None, 1.0, 0.5, None)
Samples = dict[str, list[tuple[float, float, int]]]


def main() -> int:
    parser = harness.parser(
        __doc__,
        takes="8 minutes",
        needs="root, two CPUs, a writable cgroup v1 hierarchy of the cpu controller, distributed, "
        "ray, celery and redis from PyPI, redis-server and Open MPI",
        rounds=5,
        first=False,
    )
    parser.add_argument(
        "engines", nargs="*", metavar="ENGINE", help=f"of {', '.join(ENGINES)}; default: all"
    )
    options = parser.parse_args()
    engines = options.engines or list(ENGINES)
    if unknown := [name for name in engines if name not in ENGINES]:
        parser.error(f"{unknown[0]!r} is none of {', '.join(ENGINES)}")
    _groups.needed_mount_point()
    run = harness.begin(
        "engines", options, unit="by arm, a round: tasks a second, seconds late at p99, slots"
    )
    versions = [version_of(name) for name in engines]
    with tempfile.TemporaryDirectory(prefix="kumo-e-") as place:
        rows = [row for engine in engines for row in _rows(engine, options.rounds, Path(place))]
    return run.end(_as_markdown, versions=versions, rows=rows)


def _rows(engine: str, rounds: int, place: Path) -> Iterator[dict[str, Any]]:
    """Yield the samples under each quota."""
    with ENGINES[engine](place) as arms:
        for quota in QUOTAS:
            harness.progress(f"{engine}, quota {quota}")
            for group in dict.fromkeys(group for group, _, _ in arms.values()):
                group.set(quota)
            time.sleep(3)  # a growth is followed when it has held for a second
            turns = {arm: _batch(*of) for arm, of in arms.items()}
            samples = harness.take_turns(turns, rounds, warm=1)
            yield {"engine": engine, "quota": quota, "samples": samples}


def _batch(
    group: Group, run: Callable[[], Any], slots: Callable[[], int]
) -> Callable[[], tuple[float, float, int]]:
    def batch() -> tuple[float, float, int]:
        with beat(group) as late:
            begun = time.monotonic()
            run()
            rate = TASKS / (time.monotonic() - begun)
        return rate, late[0], slots()

    return batch


def _as_markdown(results: dict[str, Any]) -> str:
    header = (
        *("engine", "quota", "slots, default", "slots, kumo", "tasks/s, default"),
        *("tasks/s, kumo", "ratio", "late p99, default, ms", "late p99, kumo, ms"),
    )
    rows = []
    for row in results["rows"]:
        (rates, late, slots), (kumo_rates, kumo_late, kumo_slots) = (
            zip(*row["samples"][arm], strict=True) for arm in ("default", "kumo")
        )
        ratios = harness.ratios(rates, kumo_rates)
        shown = [statistics.median(values) for values in (rates, kumo_rates, ratios)]
        lates = [f"{statistics.median(values) * 1000:.0f}" for values in (late, kumo_late)]
        quota = "none" if row["quota"] is None else f"{row['quota']:.1f}"
        cells = [row["engine"], quota, str(slots[-1]), str(kumo_slots[-1])]
        cells += [*(f"{value:.1f}" for value in shown[:2]), f"{shown[2]:.2f}", *lates]
        rows.append(harness.marked(cells, rates, kumo_rates))
    return "\n\n".join(
        [
            "# Engines in a quota: their own slots and kumo's",
            "Slots are certain; tasks and lateness depend on what else ran. In rows without a "
            "quota both arms are the same, so their ratios show the noise. Each engine started in "
            "a quota of 1.0, which then changed as it ran, in this order.",
            harness.table(header, rows, 2),
            f"{', '.join(results['versions'])}. {harness.signature(results)}",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
