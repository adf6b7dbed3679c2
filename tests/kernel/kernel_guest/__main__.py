"""The guest's own program: set the layout up, run everything, write one line of JSON a record."""

import argparse
import os
import sys
import time
from pathlib import Path

import kumo
from kernel_guest import scenario, tables, trees, views
from kernel_guest.layouts import set_up
from kernel_guest.scenario import Facts, line
from kernel_guest.syscalls import mount


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--layout", required=True)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--probe")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--trees", type=int, required=True)
    parser.add_argument("--only", default="")
    return parser.parse_args()


def _prepare_private(probe: str | None) -> str | None:
    """Make room in memory, and put the probe there: it starts faster."""
    os.makedirs(views.PRIVATE)
    mount("tmpfs", views.PRIVATE, "tmpfs", options="mode=755")
    if probe is None:
        return None
    copy = Path(views.PRIVATE, "probe")
    copy.write_bytes(Path(probe).read_bytes())
    copy.chmod(0o755)
    return str(copy)


def main() -> None:
    """Run all scenarios of the layout, then the random trees."""
    given = _arguments()
    started = time.monotonic()
    probe = _prepare_private(given.probe)
    layout = set_up(given.layout)
    # The children are forked from a process that has asked before.
    # What kumo keeps of that must not be taken for theirs.
    kumo.estimate()
    kumo.available_parallelism()
    kumo.available_parallelism("thread")
    with given.results.open("w", buffering=1) as results:

        def emit(record: Facts) -> None:
            seconds = round(time.monotonic() - started, 1)
            print(f"{seconds:7} {record.get('name', record['kind'])}", flush=True)
            results.write(line(record | {"seconds": seconds}) + "\n")

        for name in tables.names(layout.name):
            if given.only in name:
                emit(scenario.perform(name, layout, probe))
        for index in range(given.trees):
            emit(trees.grow(layout, probe, given.seed, index))
        emit({"kind": "end", "kernel": os.uname().release, "python": sys.version})


main()
