"""What changed between two estimates, and when it is to be told. Pure, but for `Readings`."""

from __future__ import annotations

from kumo._explain import show_cpus
from kumo._hot.count import available_cpus
from kumo._records import Record
from kumo._survey import estimate
from kumo._system.live import read_file
from kumo._text import quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kumo._records import Estimate, Limit


# The notes on a survey that could not read what may bind.
BLIND = ("unreadable", "affinity-failed", "cgroup-not-mounted")


class Change(Record):
    """The binding limit has changed: *old* and *new* are the estimates before and after."""

    old: Estimate
    new: Estimate

    @property
    def what(self) -> str:
        """What changed, on one line: ``quota 2.00 -> 0.50 at /sys/fs/cgroup/a/cpu.max``."""
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
    """When one watcher is told what: of a shrink at once, of a growth that has held.

    *told* is the estimate that it was told last. A growth is told when each reading for
    *settle* seconds was above that, and then the least of them.
    """

    def __init__(self, told: Estimate, settle: float) -> None:
        self.told = told
        self.settle = settle
        self._grown: Estimate | None = None
        self._since = 0.0

    def settled(self, reading: Estimate) -> bool:
        """Whether *reading* is what was told, and no growth had begun: then `tell` does nothing."""
        return reading is self.told and self._grown is None

    def tell(self, reading: Estimate, now: float) -> Change | None:
        """Return the change that is to be told after *reading*, taken at *now* in seconds."""
        if reading.cpus > self.told.cpus:
            if self._grown is None:
                self._grown, self._since = reading, now
            elif reading.cpus <= self._grown.cpus:
                self._grown = reading
            if now - self._since < self.settle:
                return None
            reading = self._grown
        # Made first: if memory is short, the change is still to be told with the next reading.
        change = Change(self.told, reading) if self.told.cpus != reading.cpus else None
        self._grown, self.told = None, reading
        return change


class Readings:
    """This process's estimate at each call; surveyed anew only where the limit has changed."""

    def __init__(self, last: Estimate) -> None:
        self.last = last

    def __call__(self) -> Estimate:
        """Return the estimate. Raise `OverrideError` as `kumo.estimate` does."""
        if available_cpus() != self.last.cpus:
            found = estimate()
            if found.cpus <= self.last.cpus or not _blind(found, self.last):
                self.last = found
        return self.last


def _blind(found: Estimate, before: Estimate) -> bool:
    """Whether more could not be read than before, as without descriptors: that is no growth."""
    return any(note.code in BLIND for note in {*found.notes} - {*before.notes})


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
        found = estimate(pid=self.pid)
        if start_time(self.pid) != self.started:
            raise ProcessLookupError(self.pid)
        return found


def start_time(pid: int) -> str | None:
    """Return when process *pid* was started, in ticks since the boot; `None` if that is unknown.

    Format: ``4242 (name) S 1 …``; the name may contain anything, and the twentieth field after it
    is the time. https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
    """
    try:
        text = read_file(f"/proc/{pid}/stat")
    except OSError:
        return None
    fields = (text or "").rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 else None
