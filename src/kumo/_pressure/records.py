"""The records of a process and its cgroups over a window."""

from __future__ import annotations

from math import inf

from kumo._records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kumo._cgroups.cpu_stat import Throttling
    from kumo._records import Estimate


class Level(Record):
    """One cgroup that the process is in, or an ancestor of it.

    Its directory is *where*. The *quota* is in CPUs, `math.inf` for none.
    The *period* is in seconds, `None` without a quota.
    *throttling* is what the quota did within the window.
    *used* is the CPUs' worth that the cgroup used.
    *some* and *full* are the shares of the time in which some of its threads, and all of them,
    waited for a CPU. They come from PSI, which cgroup v2 alone has.
    A field is `None` if the system does not report it.
    """

    where: str
    quota: float = inf
    period: float | None = None
    throttling: Throttling | None = None
    used: float | None = None
    some: float | None = None
    full: float | None = None

    def spent(self, seconds: float) -> float:
        """Return the CPUs' worth that went at least: in a throttled period the whole quota did."""
        if self.throttling is None or self.period is None:
            return 0.0
        return self.quota * min(1.0, self.throttling.throttled * self.period / seconds)


class Lateness(Record):
    """By how much a thread of this process that sleeps woke up late, in seconds.

    *p50* and *p99* are percentiles of *count* wake-ups.
    """

    p50: float
    p99: float
    max: float
    count: int


class Gil(Record):
    """The threads of a Python process that has a global interpreter lock.

    *threads* is how many did nine tenths of what all did. *used* and *waiting* are as those of
    `Pressure`, of the process without its descendants.
    """

    threads: int
    used: float
    waiting: float


class Verdict(Record):
    """Why the process was slow: a stable *code*, the *evidence*, one line of *advice*."""

    code: str
    evidence: str
    advice: str


class Pressure(Record):
    """A process's use of its CPUs over *seconds*; `None` for what the system does not report.

    The *estimate* is of the beginning. The *levels* run from the process's own cgroup up.
    *used* and *waiting* are how many threads of the process and its descendants ran at a time,
    and how many waited for a CPU. The latter is the run-queue delay in seconds per second.
    Their number is *threads*, without a thread that only watches.
    The process may run on *cpus* CPUs. *idle* of them were idle, and *elsewhere* of the others.
    *steal* is the share of their time that the hypervisor gave to others.
    *host* is the share of the time in which some thread of the machine waited for a CPU (PSI).
    The *lateness* is of the calling process alone. *missing* says what could not be read.
    If this window has not replaced the verdict of windows before, *held* is that verdict.

    >>> window = kumo.pressure(seconds=0.05)
    >>> window.headroom >= 0, window.cpus >= 1
    (True, True)
    """

    estimate: Estimate
    seconds: float
    levels: tuple[Level, ...] = ()
    used: float | None = None
    waiting: float | None = None
    threads: int = 0
    gil: Gil | None = None
    cpus: int = 1
    idle: float | None = None
    elsewhere: float | None = None
    steal: float | None = None
    host: float | None = None
    lateness: Lateness | None = None
    missing: tuple[str, ...] = ()
    held: Verdict | None = None

    @property
    def runnable(self) -> float | None:
        """How many threads ran or waited for a CPU at a time."""
        return None if self.used is None or self.waiting is None else self.used + self.waiting

    @property
    def verdict(self) -> Verdict:
        """The reason why the process was slow, with its evidence and one line of advice."""
        from kumo._pressure.rules import verdict

        return verdict(self)

    @property
    def steady(self) -> Verdict:
        """The steady verdict: this window's, or that of windows before it: `kumo.pressure`."""
        return self.held or self.verdict

    @property
    def headroom(self) -> float:
        """How many CPUs' worth of the allowed parallelism was idle: `kumo.headroom`."""
        used = self.used or 0.0
        free = [self.estimate.cpus - used if self.idle is None else self.idle]
        for level in self.levels:
            spent = max(used if level.used is None else level.used, level.spent(self.seconds))
            free.append(level.quota - spent)
        for limit in self.estimate.limits:
            if limit.kind in ("allocation", "override"):
                free.append(limit.cpus - used)
        return max(0.0, min(free))

    def _repr_html_(self) -> str:
        """The verdict and the levels as a picture, for Jupyter."""
        from kumo._report.notebook import of_pressure

        return of_pressure(self)
