"""Random histories of real events under a watch: it reports what a survey finds, each time.

First quotas and periods are written, at a watch that reads nothing regularly: events alone report
them. Then whatever else can happen does.
"""

from __future__ import annotations

import random
import time

import events
from history import World

import kumo

SECONDS = 60


def agree(watch: kumo.Watch, what: str) -> None:
    """Wait until the watch reports what a survey finds."""
    end = time.monotonic() + SECONDS
    while watch.estimate.cpus != kumo.estimate().cpus:
        time.sleep(0.002)
        if time.monotonic() > end:
            told, surveyed = watch.estimate.binding, kumo.estimate().binding
            raise AssertionError(f"{what}: {told}, where a survey says {surveyed}")


def history(steps: int, seed: int) -> None:
    events.private_mounts()
    with events.tree() as groups:
        groups[2].join()
        world = World(groups, random.Random(seed))
        with kumo.watch(interval=10_000, settle=0) as watch:
            assert watch.how == "events", watch
            for step in range(steps):
                happening = world.choose.choice(
                    [world.set_quota, world.set_quota, world.set_period]
                )
                for _ in range(world.choose.randint(1, 3)):
                    happening()
                agree(watch, f"seed {seed}, step {step}, {happening.__name__}")
        threads = (world.start_thread, world.end_thread, world.pin_thread, world.pin)
        mixed = [each for each in world.happenings if each not in threads]
        with kumo.watch(settle=0) as watch:
            for step in range(steps // 10):
                told = [world.choose.choice(mixed) for _ in range(3)]
                for happening in told:
                    try:
                        happening()
                    except AssertionError as error:
                        # The watching thread closes and opens descriptors meanwhile.
                        if happening != world.ask_in_threads:
                            raise AssertionError(f"seed {seed}, step {step}: {error}") from None
                names = [happening.__name__ for happening in told]
                agree(watch, f"seed {seed}, step {step}, {names}")
