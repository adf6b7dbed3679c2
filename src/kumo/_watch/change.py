"""Changes between two estimates, and when a watcher reports them. Pure, but for the readings."""

from __future__ import annotations

import time

from kumo._cgroups.quota import FILES
from kumo._explain import show_cpus
from kumo._hot.count import available_cpus
from kumo._records import Record
from kumo._survey import estimate
from kumo._system.process import start_time
from kumo._text import quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kumo._records import Estimate, Limit


# The notes on a survey that could not read what may bind.
BLIND = ("unreadable", "affinity-failed", "cgroup-not-mounted")
V1 = FILES["cpu"]
# Seconds for which the other file is waited for, after a quota and after a period was written.
FOR_PERIOD, FOR_QUOTA = 0.0005, 0.05
STEP = 0.005  # seconds between looks meanwhile
OTHER_HALF = 0.25  # seconds within which a period belongs to the quota that was written before
MAX_SURVEYS = 5  # in a row, while something is written all the time


class Change(Record):
    """The binding limit has changed: *old* and *new* are the estimates before and after.

    >>> old = kumo.estimate(machine="machine.txt")
    >>> new = kumo.estimate(machine="smaller.txt")
    >>> kumo.Change(old, new).what
    'quota 2.50 -> 0.50 at /sys/fs/cgroup/machine.slice/libpod-aaaa.scope/cpu.max'
    """

    old: Estimate
    new: Estimate

    @property
    def what(self) -> str:
        """The change on one line: ``quota 2.00 -> 0.50 at /sys/fs/cgroup/a/cpu.max``."""
        old, new = self.old.binding, self.new.binding
        if (old.source, old.where) != (new.source, new.where):
            return f"{describe(old)} -> {describe(new)}"
        before, after = show_cpus(old), show_cpus(new)
        if before == after:
            before, after = str(old.cpus), str(new.cpus)
        return f"{new.source} {before} -> {after} at {quoted(new.where, 200)}"


def describe(limit: Limit) -> str:
    """Return the limit on one line: ``quota 2.00 at /sys/fs/cgroup/a/cpu.max``."""
    return f"{limit.source} {show_cpus(limit)} at {quoted(limit.where, 200)}"


class Settling:
    """When one watch reports a change: a decrease at once, an increase after it has lasted.

    *reported* is the estimate that was reported last. An increase is reported when each reading for
    *settle* seconds was above that, and then the least of them.

    On cgroup v1 a quota and its period are two files. If the quota was written first, the count may
    be too small for a moment. The write of the period ends that at once, without settling.
    """

    def __init__(self, reported: Estimate, settle: float) -> None:
        self.reported: Estimate = reported
        self.settle = settle
        self._grown: Estimate | None = None
        self._since = 0.0
        # If a quota alone was written: the estimate before, the quota's file, and the time.
        self._half: tuple[Estimate, frozenset[str], float] | None = None

    @property
    def grows(self) -> bool:
        """Whether a growth has begun that is not reported yet."""
        return self._grown is not None

    def settled(self, reading: Estimate) -> bool:
        """Whether *reading* was reported, and no increase had begun: then `tell` does nothing."""
        return reading is self.reported and self._grown is None

    def tell(self, reading: Estimate, now: float) -> Change | None:
        """Return the change to report after *reading*, taken at *now* in seconds."""
        before, beyond = self._before_the_half(reading, now), None
        if before is not None:
            if reading.cpus > before.cpus:
                reading, beyond = before, reading
        elif reading.cpus > self.reported.cpus:
            if self._grown is None:
                self._grown, self._since = reading, now
            elif reading.cpus <= self._grown.cpus:
                self._grown = reading
            if now - self._since < self.settle:
                return None
            reading = self._grown
        # Made first: if memory is short, the change is reported after the next reading.
        change = Change(self.reported, reading) if self.reported.cpus != reading.cpus else None
        if before is not None:
            self._half = None
        elif reading.cpus < self.reported.cpus:
            quotas, periods = written(self.reported, reading)
            self._half = (self.reported, quotas, now) if quotas and not periods else None
        # The part beyond the count before is a growth as any.
        self._grown, self._since, self.reported = beyond, now, reading
        return change

    def _before_the_half(self, reading: Estimate, now: float) -> Estimate | None:
        """Return the estimate before the quota, if its period alone has been written by now."""
        if self._half is None or reading.cpus <= self.reported.cpus:
            return None
        before, half, at = self._half
        quotas, periods = written(self.reported, reading)
        ends = bool(periods) and not quotas and periods <= half and now - at <= OTHER_HALF
        return before if ends else None


def written(old: Estimate, new: Estimate) -> tuple[frozenset[str], frozenset[str]]:
    """Return the levels of cgroup v1 of which the quota was written, and of which the period."""
    before, after = _halves(old), _halves(new)
    both = before.keys() & after.keys()
    return (
        frozenset(where for where in both if before[where][0] != after[where][0]),
        frozenset(where for where in both if before[where][1] != after[where][1]),
    )


def _halves(estimate: Estimate) -> dict[str, tuple[str, str]]:
    """Return the texts of quota and period by the quota's file: those that are two files."""
    quota_file = V1[0][0]
    halves = {}
    for limit in estimate.limits:
        if limit.source == "quota" and limit.where.endswith(f"/{quota_file}"):
            quota, _, period = limit.text.partition(" ")
            halves[limit.where] = quota, period
    return halves


def is_silent(
    old: Estimate, new: Estimate, steady: Iterable[str], announced: Iterable[str]
) -> bool:
    """Whether a quota changed without an event, although its file was watched.

    *steady* are the files that were watched all the time, and *announced* the directories of which
    an event came.
    """
    before = _texts(old)
    watched, directories = frozenset(steady), frozenset(announced)
    return any(
        where in watched
        and where.rpartition("/")[0] not in directories
        and before.get(where, text) != text
        for where, text in _texts(new).items()
    )


def _texts(estimate: Estimate) -> dict[str, str]:
    return {limit.where: limit.text for limit in estimate.limits if limit.source == "quota"}


class LostError(Exception):
    """The descriptors are not ours any more, or cannot be had."""


def _without_events(until: float) -> bool:
    time.sleep(max(0.0, until - time.monotonic()))
    return False


class Readings:
    """This process's estimate at each call; surveyed again only if the limit has changed.

    *pause* waits until a time of the monotonic clock, and returns whether an event came by then.
    """

    def __init__(self, last: Estimate, pause: Callable[[float], bool] = _without_events) -> None:
        self.last = last
        self._pause = pause

    def __call__(self) -> Estimate:
        """Return the estimate. Raise `OverrideError` as `kumo.estimate` does."""
        if available_cpus() != self.last.cpus:
            reading = self._survey()
            if reading.cpus <= self.last.cpus or not _blind(reading, self.last):
                self.last = reading
        return self.last

    def _survey(self) -> Estimate:
        """Return the estimate, after a quota and a period that are two files were both written."""
        for _ in range(MAX_SURVEYS):
            started = time.monotonic()
            reading = estimate()
            if not _halves(reading) or not self._goes_on(reading, started):
                break
        return reading

    def _goes_on(self, reading: Estimate, started: float) -> bool:
        """Whether something else was written shortly after *reading* was read.

        A quota is often changed alone, but a period hardly ever: so its quota is waited for longer.
        """
        quotas, periods = written(self.last, reading)
        end = started + (FOR_QUOTA if periods - quotas else FOR_PERIOD)
        while True:
            if self._pause(min(end, time.monotonic() + STEP)) or available_cpus() != reading.cpus:
                return True
            if time.monotonic() >= end:
                return False


def _blind(reading: Estimate, before: Estimate) -> bool:
    """Whether more could not be read than before, as without descriptors: that is not a growth."""
    return any(note.code in BLIND for note in {*reading.notes} - {*before.notes})


class ProcessReadings:
    """Another process's estimate at each call, as long as it is that process.

    Its number may be given to another process when it has ended: so the time at which it was
    started is compared, before the first reading and after each.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.started = start_time(pid)

    def __call__(self) -> Estimate:
        """Return the estimate. Raise `ProcessLookupError` if the process has ended."""
        reading = estimate(pid=self.pid)
        if start_time(self.pid) != self.started:
            raise ProcessLookupError(self.pid)
        return reading
