"""Run in a process of its own: ``event NAME`` for one event, ``history STEPS SEED`` for many,
``staged STEPS SEED`` for those on machine files, ``watched STEPS SEED`` for those under a watch."""

from __future__ import annotations

import sys

import events
import staged
import trials
import watched
from history import history

import kumo
from kumo._hot import count as _hot_count


def run_event(name: str) -> None:
    with events.tree() as groups:
        groups[2].join()
        kumo.available_parallelism()
        assert _hot_count._kept is not None, "nothing was kept: the hot path is not tested"
        event = getattr(events, name, None) or getattr(trials, name)
        for step, right in enumerate(event(groups)):
            for again in range(3):
                got = kumo.available_parallelism()
                assert got == right, f"step {step}, call {again}: {got}, not {right}"


if __name__ == "__main__":
    if sys.argv[1] == "event":
        run_event(sys.argv[2])
    elif sys.argv[1] == "staged":
        staged.histories(int(sys.argv[2]), int(sys.argv[3]))
    elif sys.argv[1] == "watched":
        watched.history(int(sys.argv[2]), int(sys.argv[3]))
    else:
        history(int(sys.argv[2]), int(sys.argv[3]))
    print("right")
