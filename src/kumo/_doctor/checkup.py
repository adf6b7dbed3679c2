"""Looking at one process for a moment: what it is, what its threads do, what throttles it."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from errno import ESRCH
from itertools import count
from math import inf
from typing import NamedTuple

from kumo._cgroups.cpu_stat import difference
from kumo._doctor.process import (
    LOOKS,
    MAX_WINDOW,
    families,
    is_oversubscribed,
    judge_variables,
)
from kumo._errors import InputError
from kumo._override import OverrideError
from kumo._pressure.counters import quota_limits, read_counters
from kumo._survey import open_system, survey
from kumo._system.live import LiveSystem, read_file
from kumo._system.process import parse_stat, read_environ, read_stat, start_time
from kumo._text import error_name, quoted, whole_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kumo._cgroups.cpu_stat import Throttling
    from kumo._doctor.process import Family, Setting
    from kumo._pressure.counters import Counters
    from kumo._records import Estimate, Limit
    from kumo._system.process import ProcessStat

WINDOW = 1.0  # seconds: ten periods of the usual length
STEP = 0.05
MAX_THREADS = 10_000  # that are looked at: a process may have millions
MAX_PROCESSES = 2000  # below the one asked for
MAX_GROUPS = 50  # of these, whose quotas are read


class QuotaLevel(NamedTuple):
    """A cgroup with a quota file; *quota* in CPUs, `inf` for none. *throttling* is what it did."""

    where: str
    quota: float
    throttling: Throttling | None


class Checkup(NamedTuple):
    """The observations of a process within *window* seconds, in so many *looks* at its threads.

    The threads are those of the process and of its *descendants*, as far as these are in its cgroup
    or one below. *descendants* is how many there were at most at one moment.
    *remarks* say what could not be seen.
    """

    pid: int
    name: str
    estimate: Estimate
    window: float
    looks: int
    descendants: int
    threads: list[Family]
    settings: list[Setting]
    levels: list[QuotaLevel]
    remarks: list[str]

    @property
    def oversubscribed(self) -> bool:
        """By `is_oversubscribed`."""
        return is_oversubscribed(
            self.threads, self.settings, self._throttlings(), self.estimate, self.looks
        )

    @property
    def throttled(self) -> bool:
        """Whether a quota throttled it in every period."""
        return any(each.throttled >= each.periods > 0 for each in self._throttlings())

    @property
    def judged(self) -> str:
        """The verdict in words."""
        if self.throttled:
            return f"{'oversubscribed, and ' * self.oversubscribed}throttled in every period"
        return "oversubscribed" if self.oversubscribed else "not oversubscribed"

    def _throttlings(self) -> list[Throttling]:
        return [level.throttling for level in self.levels if level.throttling is not None]


def check(
    pid: int,
    window: float = WINDOW,
    step: float = STEP,
    looked: Callable[[], object] = lambda: None,
) -> Checkup:
    """Watch process *pid* for *window* seconds, with a look at its threads every *step* seconds.

    *looked* is called after each look. Raise `InputError` if the process cannot be seen.
    """
    try:
        return _check(pid, window, step, looked)
    except OSError as error:
        raise InputError(f"--pid {pid}: {error.strerror}") from None


def _check(pid: int, window: float, step: float, looked: Callable[[], object]) -> Checkup:
    remarks: list[str] = []
    stat = read_stat(pid)
    system = open_system("process", pid, None)
    estimate = survey(system)
    if stat is None:
        raise ProcessLookupError(ESRCH, "no such process", str(pid))
    settings = _settings(pid, estimate, remarks)
    by_place = {each.where: each for each in (*_below(pid), *quota_limits(estimate.limits))}
    limits = [*by_place.values()]
    before = _counters(pid, limits, remarks)
    start = time.monotonic()
    looks = []
    for look in _samples(pid, stat.started, window, step):
        looks.append(look)
        looked()
    samples = [threads for threads, _ in looks]
    took = time.monotonic() - start
    if took < window:
        remarks.append(f"the process ended after {took:.2f} s")
    if any(len(sample) == MAX_THREADS for sample in samples):
        remarks.append(f"it has more threads: {MAX_THREADS} of them were looked at")
    levels = [
        QuotaLevel(old.where, limit.cpus, difference(old.throttling, new.throttling))
        for limit, old, new in zip(limits, before, _counters(pid, limits, []), strict=True)
    ]
    threads = families(samples)
    below = max((number for _, number in looks), default=0)
    return Checkup(
        pid, stat.name, estimate, took, len(looks), below, threads, settings, levels, remarks
    )


def _below(pid: int) -> list[Limit]:
    """Return the quotas of the cgroups below the process's own that its descendants are in.

    The master of workers may sleep in one cgroup while they are throttled in another.
    """
    groups = {_cgroup(child): child for child in _descendants(pid)}
    groups.pop(_cgroup(pid), None)
    limits_below: list[Limit] = []
    for child in [*groups.values()][:MAX_GROUPS]:
        with suppress(OSError, OverrideError):  # it has ended, or has a malformed override
            limits = quota_limits(survey(open_system("process", child, None)).limits)
            limits_below += [limit for limit in limits if limit.cpus < inf]
    return limits_below


def _settings(pid: int, own: Estimate, remarks: list[str]) -> list[Setting]:
    try:
        return judge_variables(read_environ(pid), own)
    except OSError as error:
        remarks.append(f"its environment could not be read ({error_name(error)})")
        return []


def _counters(pid: int, limits: list[Limit], remarks: list[str]) -> list[Counters]:
    """Return the counters of each level; *remarks* gets what cannot be read."""
    system = LiveSystem(pid=pid)

    def read(path: str) -> str:
        try:
            return system.read(path) or ""
        except OSError as error:
            remarks.append(f"{quoted(path, 300)} could not be read ({error_name(error)})")
            return ""

    return [read_counters(limit, read) for limit in limits]


def _samples(
    pid: int, started: int | None, window: float, step: float
) -> Iterator[tuple[list[ProcessStat], int]]:
    """Yield threads every *step* seconds, and the number of descendants, until the process ends.

    The process is the one that *started* then. On a busy machine a look can take long: the window
    then grows, up to `MAX_WINDOW`, until there are as many looks as prove something.
    """
    start = time.monotonic()
    for number in count(1):
        threads, below = look(pid)
        if not threads or start_time(pid) != started:
            return
        yield threads, below
        took = time.monotonic() - start
        if (took >= window and number >= LOOKS) or took >= max(window, MAX_WINDOW):
            return
        time.sleep(min(step, window - took) if took < window else step)


def look(pid: int) -> tuple[list[ProcessStat], int]:
    """Return the threads of a process and of its descendants in its cgroup, and how many these are.

    There are none if it has ended. Raise `OSError`.
    """
    threads = _threads(pid)
    below = _descendants(pid) if threads else []
    for child in below:
        if len(threads) >= MAX_THREADS:
            break
        with suppress(OSError):  # another user's may be hidden
            threads += _threads(child)[: MAX_THREADS - len(threads)]
    return threads, len(below)


def _descendants(pid: int) -> list[int]:
    """Return the children of a process, theirs and so on, in its cgroup or one below.

    Format of ``/proc/PID/task/TID/children``: ids with a blank after each; absent if the kernel
    was built without it. https://man7.org/linux/man-pages/man5/proc_pid_task.5.html
    """
    own = _cgroup(pid)
    descendants: list[int] = []
    left = [pid]
    looked_at = 0
    while left and looked_at < MAX_PROCESSES:
        for child in _children(left.pop())[: MAX_PROCESSES - looked_at]:
            looked_at += 1
            left.append(child)
            if _within(_cgroup(child), own):
                descendants.append(child)
    return descendants


def _children(pid: int) -> list[int]:
    try:
        threads = os.listdir(f"/proc/{pid}/task")
        texts = [read_file(f"/proc/{pid}/task/{thread}/children") or "" for thread in threads]
    except OSError:
        return []  # it has ended
    numbers = [whole_number(word) for text in texts for word in text.split()]
    return [number for number in numbers if number is not None]


def _cgroup(pid: int) -> str:
    try:
        return read_file(f"/proc/{pid}/cgroup") or ""
    except OSError:
        return ""


def _within(cgroup: str, own: str) -> bool:
    """Whether each path of *cgroup* is that of *own*, or below it."""
    pairs = list(zip(cgroup.splitlines(), own.splitlines(), strict=False))
    return bool(pairs) and all(
        one == other or one.startswith(other.rstrip("/") + "/") for one, other in pairs
    )


def _threads(pid: int) -> list[ProcessStat]:
    """The threads of a process, less those that have just ended."""
    try:
        names = os.listdir(f"/proc/{pid}/task")
    except FileNotFoundError:
        return []
    texts = [read_file(f"/proc/{pid}/task/{name}/stat") for name in names[:MAX_THREADS]]
    threads = [parse_stat(text) for text in texts if text]
    return [thread for thread in threads if thread.state not in "ZX"]
