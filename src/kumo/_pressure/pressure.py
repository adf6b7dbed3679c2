"""``kumo.pressure`` and ``kumo.headroom``: what slows a process down, and what it leaves unused.

`read` reads what a system reports at one moment, by the parsers of `parsers`. `window` makes the
pressure between two readings, a record of `records`. `rules` finds the verdict. The wait between
the readings is here.
"""

from __future__ import annotations

import time
from errno import ESRCH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kumo._pressure.read import Reading
    from kumo._pressure.records import Pressure
    from kumo._records import Estimate

PROBE_SECONDS = 0.005  # seconds that the probe sleeps at a time
PROGRESS_SECONDS = 1.0  # seconds between two reports of progress
MAX_SECONDS = 86_400  # seconds


def pressure(
    *, pid: int | None = None, seconds: float = 1.0, after: Pressure | None = None
) -> Pressure:
    """Watch this process, or process *pid*, for *seconds*, and return what slowed it down.

    For this process the calling thread sleeps in steps of 5 ms, and each wake-up's lateness is
    measured; nothing else runs, and nothing is changed.
    *after* is the pressure of the window before, so that ``steady`` is a verdict that does not
    flap: it is replaced when another has come up twice in a row.
    Raise `ValueError` if *seconds* is not above 0 and at most 86400, `ProcessLookupError` if
    no process *pid* exists or it ended meanwhile, `OverrideError` as `kumo.estimate` does.

    >>> window = kumo.pressure(seconds=0.05)
    >>> window.verdict.code, window.verdict.advice  # doctest: +ELLIPSIS
    ('...', '...')
    """
    return watched(pid, seconds, after)


def watched(
    pid: int | None,
    seconds: float,
    after: Pressure | None,
    show: Callable[[float], None] | None = None,
) -> Pressure:
    """Do what `pressure` does. *show* is called now and then with the seconds so far."""
    window = _watch(pid, seconds, probing=pid is None, show=show)
    if after is None:
        return window
    from kumo._pressure.rules import steadied

    return steadied(window, after)


def headroom(seconds: float = 0.25) -> float:
    """Return how many CPUs' worth of the allowed parallelism were idle within *seconds*.

    It is the least of these numbers. The idle CPUs among those that this process may run on.
    Each visible quota, less what its cgroup used. An override or a scheduler's grant, less what
    this process and its descendants used. Raise as `pressure` does.

    >>> kumo.headroom(seconds=0.05) >= 0
    True
    """
    return _watch(None, seconds, probing=False).headroom


def _watch(
    pid: int | None, seconds: float, probing: bool, show: Callable[[float], None] | None = None
) -> Pressure:
    from kumo._pressure.read import read
    from kumo._survey import open_system, survey
    from kumo._system.process import start_time

    if not 0 < seconds <= MAX_SECONDS:
        raise ValueError(f"seconds must be above 0 and at most {MAX_SECONDS}, not {seconds!r}")
    started = None if pid is None else start_time(pid)
    system = open_system("process", pid, None)
    estimate = survey(system)
    before = read(system, estimate, time.monotonic())
    late = _sleep(seconds, show) if probing else []
    if not probing:
        _wait(seconds, show)
    return since(pid, started, estimate, before, late, system.fact("tid") if probing else None)


def since(
    pid: int | None,
    started: int | None,
    estimate: Estimate,
    before: Reading,
    late: Sequence[float] = (),
    probe: str | None = None,
) -> Pressure:
    """Return the pressure since the reading *before*, as `pressure_between` does.

    Raise `ProcessLookupError` if process *pid*, which had *started* then, has ended.
    """
    from kumo._pressure.read import read
    from kumo._pressure.window import pressure_between
    from kumo._survey import open_system
    from kumo._system.process import start_time

    gone = ProcessLookupError(ESRCH, "the process has ended", str(pid))
    try:
        system = open_system("process", pid, None)
    except ProcessLookupError:
        raise gone from None
    after = read(system, estimate, time.monotonic())
    # The number may be another process's now.
    if pid is not None and (start_time(pid) != started or (before.threads and not after.threads)):
        raise gone
    return pressure_between(estimate, before, after, late, probe)


def _wait(seconds: float, show: Callable[[float], None] | None) -> None:
    """Sleep, in one go if there is nothing to show."""
    start = now = time.monotonic()
    while (left := start + seconds - now) > 0:
        time.sleep(min(left, PROGRESS_SECONDS) if show is not None else left)
        now = time.monotonic()
        if show is not None:
            show(now - start)


def _sleep(seconds: float, show: Callable[[float], None] | None) -> list[float]:
    """Sleep in steps, and return by how much each wake-up was late."""
    late = []
    now = shown = time.monotonic()
    end = now + seconds
    while now < end:
        if show is not None and now - shown >= PROGRESS_SECONDS:
            shown = now
            show(now - end + seconds)
        due = now + PROBE_SECONDS
        time.sleep(PROBE_SECONDS)
        now = time.monotonic()
        late.append(now - due)
    return late
