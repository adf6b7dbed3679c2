"""Two readings of one machine, as machine files, and the pressure between them."""

from __future__ import annotations

from math import inf
from pathlib import Path

import pytest

from kumo._cgroups.cpu_stat import Throttling
from kumo._pressure.read import read
from kumo._pressure.records import Gil, Lateness, Level, Pressure
from kumo._pressure.window import pressure_between
from kumo._records import Estimate, Limit
from kumo._survey import survey
from kumo._system.machine_file import Machine, MachineError

# A process of two threads with a child, in a cgroup with a quota of 1.5 CPUs below one without.
V2 = """\
-- !affinity --
0-1
-- !gil --
1
-- /sys/devices/system/cpu/online --
0-3
-- /proc/self/cgroup --
0::/a/b
-- /proc/self/mountinfo --
30 20 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup rw
-- /sys/fs/cgroup/a/cpu.max --
max 100000
-- /sys/fs/cgroup/a/b/cpu.max --
150000 100000
"""
BEFORE = """\
-- /sys/fs/cgroup/a/cpu.stat --
usage_usec 9000000
nr_periods 0
nr_throttled 0
throttled_usec 0
-- /sys/fs/cgroup/a/b/cpu.stat --
usage_usec 5000000
nr_periods 100
nr_throttled 10
throttled_usec 1000000
nr_bursts 0
burst_usec 0
-- /sys/fs/cgroup/a/b/cpu.pressure --
some avg10=0.00 avg60=0.00 avg300=0.00 total=1000000
full avg10=0.00 avg60=0.00 avg300=0.00 total=500000
-- /proc/pressure/cpu --
some avg10=0.00 avg60=0.00 avg300=0.00 total=8000000
full avg10=0.00 avg60=0.00 avg300=0.00 total=0
-- /proc/stat --
cpu0 100 0 0 900 0 0 0 0 0 0
cpu1 100 0 0 900 0 0 0 0 0 0
cpu2 100 0 0 900 0 0 0 0 0 0
cpu3 100 0 0 900 0 0 0 0 0 0
-- /proc/self/task/10/schedstat --
1000000000 500000000 7
-- /proc/self/task/10/children --
20
-- /proc/self/task/11/schedstat --
2000000000 0 7
-- /proc/20/task/20/schedstat --
0 0 0
"""
AFTER = """\
-- /sys/fs/cgroup/a/cpu.stat --
usage_usec 13000000
nr_periods 0
nr_throttled 0
throttled_usec 0
-- /sys/fs/cgroup/a/b/cpu.stat --
usage_usec 7000000
nr_periods 120
nr_throttled 25
throttled_usec 1500000
nr_bursts 1
burst_usec 31250
-- /sys/fs/cgroup/a/b/cpu.pressure --
some avg10=0.00 avg60=0.00 avg300=0.00 total=2000000
full avg10=0.00 avg60=0.00 avg300=0.00 total=750000
-- /proc/pressure/cpu --
some avg10=0.00 avg60=0.00 avg300=0.00 total=9500000
full avg10=0.00 avg60=0.00 avg300=0.00 total=0
-- /proc/stat --
cpu0 200 0 0 980 0 0 0 20 0 0
cpu1 100 0 0 1080 20 0 0 0 0 0
cpu2 200 0 0 1000 0 0 0 0 0 0
cpu3 100 0 0 1100 0 0 0 0 0 0
-- /proc/self/task/10/schedstat --
2000000000 1500000000 9
-- /proc/self/task/10/children --
20
-- /proc/self/task/11/schedstat --
2000000000 0 7
-- /proc/self/task/12/schedstat --
500000000 125000000 1
-- /proc/20/task/20/schedstat --
500000000 125000000 3
"""


def between(
    before: str, after: str, late: tuple[float, ...] = (), probe: str | None = None
) -> Pressure:
    """The pressure between two machine files that are two seconds apart."""
    system = Machine(before)
    estimate = survey(system)
    return pressure_between(
        estimate,
        read(system, estimate, 5.0),
        read(Machine(after), estimate, 7.0),
        late,
        probe,
    )


def test_everything_of_cgroup_v2() -> None:
    seen = between(V2 + BEFORE, V2 + AFTER)

    assert seen == Pressure(
        survey(Machine(V2)),
        2.0,
        (
            Level(
                "/sys/fs/cgroup/a/b", 1.5, 0.1, Throttling(20, 15, 0.5, 0.03125), 1.0, 0.5, 0.125
            ),
            Level("/sys/fs/cgroup/a", inf, None, Throttling(0, 0, 0.0), 2.0),
            Level("/sys/fs/cgroup"),
        ),
        used=1.0,  # 1 s, 0 s, 0.5 s of a thread that began, 0.5 s of the child
        waiting=0.625,
        threads=4,
        gil=Gil(2, 0.75, 0.5625),
        cpus=2,
        idle=1.4,
        elsewhere=1.5,
        steal=0.05,
        host=0.75,
    )
    assert seen.runnable == 1.625


def test_the_thread_that_only_watches_is_no_load() -> None:
    seen = between(V2 + BEFORE, V2 + AFTER, (0.001,), "10")

    assert (seen.threads, seen.used, seen.waiting) == (3, 0.5, 0.125)
    assert seen.gil == Gil(1, 0.25, 0.0625)


STAT = "-- /proc/{0}/stat --\n42 (a b) c) S 1 1 1 0 -1 0 1 1 0 0 {1} {2} {3} {4} 20 0\n"


def test_what_threads_and_children_that_ended_ran_counts() -> None:
    """Of 1.5 s that the process itself ran, 1 s was by threads that live. Its child 20, which had
    run 0.5 s, ended with others after 1.25 s more; its child 21 had children that ran 0.25 s.
    """
    before = STAT.format("self", 250, 50, 100, 0) + STAT.format("20", 50, 0, 0, 0)
    after = STAT.format("self", 350, 100, 250, 25) + STAT.format("21", 0, 0, 25, 0)
    after += "-- /proc/21/task/21/schedstat --\n0 0 0\n"
    ended = AFTER.replace("children --\n20\n", "children --\n21\n")
    ended = ended.replace("-- /proc/20/task/20/schedstat --\n500000000 125000000 3\n", "")
    ended = ended.replace("-- /proc/self/task/12/schedstat --\n500000000 125000000 1\n", "")

    seen = between(V2 + BEFORE + before, V2 + ended + after)

    assert seen.used == (1.0 + 0.5 + 1.25 + 0.25) / 2.0


def test_ticks_that_tell_a_little_more_than_threads_do_are_no_threads() -> None:
    before, after = STAT.format("self", 250, 50, 0, 0), STAT.format("self", 401, 51, 0, 0)

    assert between(V2 + BEFORE + before, V2 + AFTER + after).used == 1.0


def test_a_child_that_went_unseen_takes_nothing_from_the_others() -> None:
    before = STAT.format("self", 0, 0, 0, 0) + STAT.format("20", 5000, 0, 0, 0)

    assert between(V2 + BEFORE + before, V2 + AFTER).used == 1.0


def test_a_throttled_level_has_no_headroom_whatever_its_processes_tell() -> None:
    limits = [limit for limit in survey(Machine(V2)).limits if limit.kind != "rate"]

    def headroom(throttled: int, used: float | None) -> float:
        level = Level("/c", 1.5, 0.1, Throttling(10, throttled, 1.0), used)
        return Pressure(Estimate(limits, []), 1.0, (level,), used=0.25, idle=2.0).headroom

    assert headroom(0, None) == 1.25
    assert headroom(10, None) == 0.0
    assert headroom(11, None) == 0.0
    assert headroom(5, 0.5) == 0.75
    assert headroom(5, 1.0) == 0.5


def test_the_headroom_is_the_least_that_is_left() -> None:
    seen = between(V2 + BEFORE, V2 + AFTER)
    other = [limit for limit in seen.estimate.limits if limit.kind != "rate"]
    granted = [Limit("slurm", "allocation", 1.25, "$SLURM_CPUS_ON_NODE", "1.25"), *other]

    assert seen.headroom == 0.375  # the quota, which went whole in 15 of 20 periods
    assert Pressure(Estimate(other, []), 1.0, used=1.0, idle=0.9).headroom == 0.9
    assert Pressure(Estimate(other, []), 1.0, used=0.5).headroom == 1.5
    assert Pressure(Estimate(granted, []), 1.0, used=1.0, idle=0.9).headroom == 0.25
    assert Pressure(Estimate(granted, []), 1.0, used=2.0, idle=0.9).headroom == 0.0


def test_a_v1_level_that_does_not_tell_its_use_counts_that_of_the_process() -> None:
    other = [limit for limit in survey(Machine(V2)).limits if limit.kind != "rate"]
    levels = (Level("/c", 1.5),)

    assert Pressure(Estimate(other, []), 1.0, levels, used=1.25, idle=2.0).headroom == 0.25


V1 = """\
-- !affinity --
0
-- /sys/devices/system/cpu/online --
0
-- /proc/self/cgroup --
3:cpu,cpuacct:/a
-- /proc/self/mountinfo --
30 20 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct
-- /sys/fs/cgroup/cpu/a/cpu.cfs_quota_us --
25000
-- /sys/fs/cgroup/cpu/a/cpu.cfs_period_us --
50000
"""


def test_nanoseconds_of_cgroup_v1() -> None:
    stat = (
        "-- /sys/fs/cgroup/cpu/a/cpu.stat --\nnr_periods {}\nnr_throttled {}\nthrottled_time {}\n"
    )
    use = "-- /sys/fs/cgroup/cpu/a/cpuacct.usage --\n{}\n"
    before = V1 + stat.format(5, 5, 10**9) + use.format(10**9)
    after = V1 + stat.format(45, 35, 3 * 10**9) + use.format(2 * 10**9)

    (own, _) = between(before, after).levels

    assert own == Level("/sys/fs/cgroup/cpu/a", 0.5, 0.05, Throttling(40, 30, 2.0), 0.5)


def test_a_system_that_tells_nothing() -> None:
    seen = between("-- !platform --\ndarwin\n-- !cpus --\n8\n", "-- !platform --\ndarwin\n")

    assert (seen.cpus, seen.levels, seen.runnable, seen.idle, seen.steal) == (
        8,
        (),
        None,
        None,
        None,
    )
    assert seen.verdict.code == "unknown"


def test_what_cannot_be_read_is_told() -> None:
    closed = "-- /proc/pressure/cpu (EPERM) --\n-- /sys/fs/cgroup/a/b/cpu.stat (EACCES) --\n"
    text = "\n-- ".join(
        part
        for part in BEFORE.split("\n-- ")
        if not part.startswith(("/proc/pressure", "/sys/fs/cgroup/a/b/cpu.stat"))
    )

    seen = between(V2 + text + closed, V2 + text + closed)

    assert seen.missing == (
        "/sys/fs/cgroup/a/b/cpu.stat could not be read (EACCES)",
        "/proc/pressure/cpu could not be read (EPERM)",
    )
    assert seen.levels[0] == Level("/sys/fs/cgroup/a/b", 1.5, 0.1, None, None, 0.0, 0.0)
    assert (seen.host, seen.used) == (None, 0.0)


def test_what_covers_a_level_is_not_read() -> None:
    covering = V2.replace(
        "-- /sys/fs/cgroup/a/cpu.max",
        "31 30 0:27 / /sys/fs/cgroup/a/b rw - tmpfs x rw\n-- /sys/fs/cgroup/a/cpu.max",
    )

    seen = between(covering + BEFORE, covering + AFTER)

    assert [level.where for level in seen.levels] == ["/sys/fs/cgroup/a", "/sys/fs/cgroup"]


def test_descendants_that_name_each_other_end() -> None:
    circle = BEFORE + "-- /proc/20/task/20/children --\n20\n"

    assert between(V2 + circle, V2 + circle).threads == 3


def test_lateness_by_the_nearest_rank() -> None:
    late = tuple(number / 1000 for number in range(200, 0, -1))

    assert between(V2, V2, late).lateness == Lateness(0.1, 0.198, 0.2, 200)
    assert between(V2, V2, (0.5,)).lateness == Lateness(0.5, 0.5, 0.5, 1)
    assert between(V2, V2).lateness is None


def test_the_cpus_that_iowait_took_back_are_not_idle_below_nothing() -> None:
    before = V2 + "-- /proc/stat --\ncpu0 0 0 0 100 50 0 0 0\ncpu1 5 0 0 5 0 0 0 0\n"
    after = V2 + "-- /proc/stat --\ncpu0 100 0 0 100 40 0 0 0\ncpu1 5 0 0 5 0 0 0 0\n"

    assert between(before, after).idle == 0.0


@pytest.mark.parametrize("name", sorted(Path(__file__).parents[1].glob("machines/*.txt")))
def test_every_machine_file_gives_a_pressure(name: Path) -> None:
    text = name.read_text("utf-8", "surrogateescape")
    try:
        seen = between(text, text)
    except (MachineError, ValueError):
        return  # an override that is none

    assert seen.verdict.code != "quota"
    assert 0.0 <= seen.headroom < inf
