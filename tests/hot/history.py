"""Random histories of real events; after each, the hot path must give a fresh survey's answer."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable
from errno import EBUSY

import events
import trials
from v1 import Group

import kumo
from kumo._hot import count as _hot_count


def replace(fresh: int, number: int) -> None:
    """Put a descriptor in the place of another, which a thread may be about to open: dup(2)."""
    while True:
        try:
            os.dup2(fresh, number)
        except OSError as error:
            if error.errno != EBUSY:
                raise
        else:
            return


class World:
    """The process's groups, threads and descriptors, and what may happen to them."""

    def __init__(self, groups: list[Group], choose: random.Random) -> None:
        self.groups = [*groups, groups[0].child("other"), groups[0].child("other").child("leaf")]
        self.choose = choose
        self.threads: list[events.Thread] = []
        self.happenings: list[Callable[[], None]] = [
            self.set_quota, self.set_quota, self.set_period, self.move, self.remake, self.pin,
            self.start_thread, self.end_thread, self.pin_thread, self.override, self.close_some,
            self.close_and_reuse, self.fork, self.mount, self.interrupt, self.interrupt_survey,
            self.ask_in_threads, self.nothing, self.nothing,
        ]  # fmt: skip

    def set_quota(self) -> None:
        quota = self.choose.choice([-1, 50_000, 100_000, 150_000, 199_999, 200_000, 1_000_000])
        self.write(self.choose.choice(self.groups), "cpu.cfs_quota_us", quota)

    def set_period(self) -> None:
        period = self.choose.choice([1_000, 25_000, 100_000, 99_999, 1_000_000])
        self.write(self.choose.choice(self.groups), "cpu.cfs_period_us", period)

    def write(self, group: Group, name: str, number: int) -> None:
        try:
            (group.path / name).write_text(str(number))
        except OSError:
            return  # the kernel refuses what an ancestor or a child does not allow

    def move(self) -> None:
        self.choose.choice(self.groups).join()

    def remake(self) -> None:
        self.groups[0].join()
        self.groups[2].path.rmdir()
        self.groups[2].path.mkdir()
        self.groups[2].join()

    def pin(self) -> None:
        os.sched_setaffinity(0, self.some_cpus())

    def some_cpus(self) -> list[int]:
        return self.choose.sample(events.CPUS, self.choose.randint(1, len(events.CPUS)))

    def start_thread(self) -> None:
        if len(self.threads) < 5:
            self.threads.append(events.Thread())

    def end_thread(self) -> None:
        if self.threads:
            self.threads.pop().end()

    def pin_thread(self) -> None:
        if self.threads:
            self.choose.choice(self.threads).pin(*self.some_cpus())

    def override(self) -> None:
        value = self.choose.choice(["3", "", "64", None, None])
        if value is None:
            os.environ.pop(events.VARIABLE, None)
        else:
            os.environ[events.VARIABLE] = value

    def close_some(self) -> None:
        for number in range(3, 64):
            if self.choose.random() < 0.3:
                os.closerange(number, number + 1)

    def close_and_reuse(self) -> None:
        taken = [int(name) for name in os.listdir("/proc/self/fd") if int(name) > 2]
        os.closerange(3, 256)
        directory = self.choose.choice(self.groups).path
        for number in taken:
            path = directory / self.choose.choice(["cpu.cfs_quota_us", "cpu.cfs_period_us"])
            fresh = os.open(path, os.O_RDONLY)
            if fresh != number:
                replace(fresh, number)
                os.close(fresh)

    def fork(self) -> None:
        child = os.fork()
        if child == 0:
            wrong = kumo.available_parallelism() != kumo.estimate().parallelism
            os._exit(wrong)
        assert os.waitpid(child, 0)[1] == 0, "the child's answer differs"

    def mount(self) -> None:
        point = str(self.groups[0].path.parent)
        if self.choose.random() < 0.5:
            events.mount("none", point, "tmpfs")
            self.compare()
            events.call(events.libc.umount2, point.encode(), 2)
        else:
            events.mount(point, "/mnt", None, 4096)  # MS_BIND
            self.compare()
            events.call(events.libc.umount2, b"/mnt", 2)

    def interrupt(self) -> None:
        """A time limit while it reads, and at times another while that is being left."""
        trials.interrupted(0.003, kumo.available_parallelism, most=3e-4)

    def interrupt_survey(self) -> None:
        trials.interrupted(0.005, lambda: _hot_count._survey("process"), most=2e-3)

    def ask_in_threads(self) -> None:
        """Several threads at once: each gives a survey's answer."""
        right = kumo.estimate().parallelism
        answers: list[int | BaseException] = []

        def ask() -> None:
            try:
                answers.extend(kumo.available_parallelism() for _ in range(5))
            except BaseException as error:
                answers.append(error)
                raise

        threads = [threading.Thread(target=ask) for _ in range(4)]
        # A thread starts with the mask of the one that starts it, which makes no other count.
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == [right] * 20, f"{answers}, where a survey says {right}"

    def nothing(self) -> None:
        return

    def compare(self) -> None:
        hot, surveyed = kumo.available_parallelism(), kumo.estimate().parallelism
        assert hot == surveyed, f"{hot}, where a survey says {surveyed}"


def history(steps: int, seed: int) -> None:
    events.private_mounts()
    with events.tree() as groups:
        world = World(groups, random.Random(seed))
        world.compare()
        told: list[str] = []
        for step in range(steps):
            happening = world.choose.choice(world.happenings)
            told = [*told[-9:], happening.__name__]
            try:
                happening()
                world.compare()
            except AssertionError as error:
                raise AssertionError(f"seed {seed}, step {step}, {told}: {error}") from None
        for thread in world.threads:
            thread.end()
