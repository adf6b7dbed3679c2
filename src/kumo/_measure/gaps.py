"""From the workers' gaps to the period of a quota and to what is delivered. Pure; in seconds.

A quota stops every worker until its next period begins, and then all go on at the same moment.
Other programs stop one worker here and one there. So what is looked for are *stops*, the times in
which no worker ran, whose ends keep a period.

Its guarantees, with what each rests on:

- **Stops that come by chance are not called a period.** The ends of the stops are turned into
  angles of a candidate period, and the score is the length of their mean (Rayleigh's test). For N
  independent ends the chance that a score reaches x divided by the root of N is e to the -x*x:
  with `CHANCE_SCORE`, two in 100,000 for each period that is tried.
- **No period is missed between two that are tried.** `_candidates` steps by so little that over
  the window the last end moves by a sixth of a period.
- **A multiple of the true period wins over its parts.** The ends that keep 100 ms also keep 50 ms
  and 20 ms, so among the periods that score nearly as well as the best, the longest counts.
- **The small stops of other programs do not hide the quota's.** A stop weighs the square of its
  length, and only the `MAX_STOPS` heaviest count, which also bounds the time it takes.
- **The period of a neighbour is not reported as this process's.** The stops must explain
  `MIN_SHARE_OF_LOSS` of all the time that the workers lost.
"""

from __future__ import annotations

from bisect import bisect_right
from cmath import exp, phase, pi
from itertools import pairwise
from math import inf
from statistics import median
from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Span = tuple[float, float]

SHORTEST_PERIOD = 0.005  # s
LONGEST_PERIOD = 1.0  # s: the kernel allows no longer one
SEARCHED_SECONDS = 4.0  # s of stops that a period is looked for in
MAX_STOPS = 64  # of which the longest count
MIN_SCORE = 0.95  # of 1: how well the ends of the stops have to keep a period, if they are few
CHANCE_SCORE = 3.3  # divided by the root of their number: chance does not reach it
TOLERANCE = 0.15  # of a period by which a stop may end early or late: others may have the CPU then
MIN_SHARE_OF_LOSS = 0.4  # of the time lost that has to lie in these stops


class Gap(NamedTuple):
    """A time in which a worker did not run, and how long it has waited for a CPU since the last."""

    begin: float
    end: float
    waited: float

    @property
    def length(self) -> float:
        """How long it is."""
        return self.end - self.begin


class Observed(NamedTuple):
    """Observations of a worker: its gaps in order, and how long it has waited for a CPU in all."""

    gaps: tuple[Gap, ...]
    waited: float


class Periods(NamedTuple):
    """A period that the stops keep, what ran in each on average, and the stops."""

    length: float
    cpus: float
    stops: tuple[Span, ...]


def parse_worker(text: str, seconds: float) -> Observed:
    """Read what a worker prints. Raise `ValueError` if its last line is missing.

    Format: a line ``BEGIN END WAITED`` for each gap, and ``end WAITED``; nanoseconds since the
    window's start, WAITED being the time spent waiting for a CPU so far.
    """
    *lines, last = text.splitlines() or [""]
    word, _, total = last.partition(" ")
    if word != "end":
        raise ValueError("a worker ended early")
    gaps, before = [], 0.0
    for line in lines:
        begin, end, waited = (int(number) / 1e9 for number in line.split())
        if begin < seconds:
            gaps.append(Gap(begin, min(end, seconds), max(0.0, waited - before)))
        before = waited
    return Observed(tuple(gaps), max(0.0, int(total) / 1e9))


def common_stops(workers: Sequence[Observed]) -> list[Span]:
    """Return the times in which no worker ran."""
    common: list[Span] = [(gap.begin, gap.end) for gap in workers[0].gaps]
    for worker in workers[1:]:
        common = list(_both(common, [(gap.begin, gap.end) for gap in worker.gaps]))
    return common


def _both(ones: Sequence[Span], others: Sequence[Span]) -> Iterable[Span]:
    one = other = 0
    while one < len(ones) and other < len(others):
        begin = max(ones[one][0], others[other][0])
        end = min(ones[one][1], others[other][1])
        if begin < end:
            yield begin, end
        if ones[one][1] < others[other][1]:
            one += 1
        else:
            other += 1


def periods(workers: Sequence[Observed], seconds: float) -> Periods | None:
    """Return the period that stops the workers; `None` if none does."""
    stops = common_stops(workers)
    length = find_period(stops, seconds)
    if length is None:
        return None
    kept = _in_step(stops, length)
    ran = [_Ran(worker) for worker in workers]
    wall = cpus = 0.0
    for (_, begin), (_, end) in pairwise(kept):
        if abs(end - begin - length) <= 2 * TOLERANCE * length:
            wall += end - begin
            cpus += sum(each.until(end) - each.until(begin) for each in ran)
    stopped = sum(end - begin for begin, end in kept) * len(workers)
    lost = sum(seconds - each.until(seconds) for each in ran)
    if wall < 2.5 * length or stopped < MIN_SHARE_OF_LOSS * lost:
        return None
    return Periods(length, cpus / wall, tuple(kept))


def find_period(stops: Sequence[Span], seconds: float) -> float | None:
    """Return the longest period that the ends of the stops keep; `None` if they keep none."""
    window = min(seconds, SEARCHED_SECONDS)
    within = _weighed(stops, window)[:MAX_STOPS]
    longest = min(LONGEST_PERIOD, window / 3)
    if len(within) < 3:
        return None
    shortest = max(SHORTEST_PERIOD, median(end - begin for begin, end in stops))
    tried = _candidates(shortest, longest, window)
    scores = [(_score(within, period), period) for period in tried]
    best = max(scores, default=(0.0, 0.0))[0]
    # A few heavy stops count as few, however many light ones are beside them.
    number = sum(weight for weight, _ in within) ** 2 / sum(weight**2 for weight, _ in within)
    if best < min(MIN_SCORE, CHANCE_SCORE / number**0.5):
        return None
    longest = max(period for score, period in scores if score > 0.9 * best)
    return max(pair for pair in scores if 0.9 * longest < pair[1] <= longest)[1]


def _candidates(shortest: float, longest: float, window: float) -> Iterable[float]:
    """Yield periods so dense that over the window one drifts little from the next."""
    period = longest
    while period >= shortest:
        yield period
        period -= period * period / (6 * window)


def _weighed(stops: Iterable[Span], window: float) -> list[Span]:
    """Return the weight and the end of each stop, the heaviest first.

    The weight is the length's square: if others run, small stops accompany the quota's.
    """
    return sorted((((e - b) ** 2, e) for b, e in stops if e < window), reverse=True)


def _score(weighed: Sequence[Span], period: float) -> float:
    """Return 1 if the ends of the stops fall on one point of the period, 0 for everywhere."""
    return abs(_mean(weighed, period)) / sum(weight for weight, _ in weighed)


def _mean(weighed: Iterable[Span], period: float) -> complex:
    turn = 2j * pi / period
    return sum((weight * exp(turn * end) for weight, end in weighed), 0j)


def _in_step(stops: Sequence[Span], period: float) -> list[Span]:
    """Return the longest stop near each beginning of a period."""
    at = phase(_mean(_weighed(stops, inf), period)) / (2 * pi)
    by_period: dict[int, Span] = {}
    for begin, end in stops:
        number = round(end / period - at)
        if abs(end / period - at - number) <= TOLERANCE:
            by_period[number] = max(
                by_period.get(number, (0.0, 0.0)), (begin, end), key=lambda stop: stop[1] - stop[0]
            )
    return list(by_period.values())


class _Ran:
    """How long a worker had run at a time: outside its gaps, less the waits too short for one."""

    def __init__(self, worker: Observed) -> None:
        self.times, self.ran = [0.0], [0.0]
        for gap in worker.gaps:
            between = gap.begin - self.times[-1]
            short = max(0.0, gap.waited - gap.length)
            ran = self.ran[-1] + max(0.0, between - short)
            self.times += gap.begin, gap.end
            self.ran += ran, ran

    def until(self, time: float) -> float:
        at = bisect_right(self.times, time)
        begin, before = self.times[at - 1], self.ran[at - 1]
        if at == len(self.times):
            return before + time - begin
        part = (time - begin) / (self.times[at] - begin)
        return before + part * (self.ran[at] - before)
