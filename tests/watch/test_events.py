"""What wakes the thread that watches: events of cgroup files, and what it does without them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from conftest import skip_real
from real.conftest import MakeGroup, make_group  # noqa: F401 - a fixture
from real.host import TIMEOUT, Group, environment, in_groups, needs_two_cpus

import kumo
from kumo import Estimate, Limit
from kumo._watch import bell, change
from kumo._watch.bell import Bell
from kumo._watch.change import LostError, Settling, is_silent

if sys.platform != "linux":
    pytest.skip("inotify is Linux's", allow_module_level=True)

from kumo._watch import events
from kumo._watch.events import Allowance, Events

V1 = "/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us"


def quota(quota: int, period: int = 100_000, where: str = V1) -> Estimate:
    limit = Limit("quota", "rate", quota / period, where, f"{quota} {period}", 0.0, period / 1e6)
    return Estimate([limit], [])


# --- how often


def test_a_storm_costs_no_more_than_regular_readings() -> None:
    """Twenty at once, then ten a second, however many there are."""
    allowance, now, served = Allowance(most=20, rate=10), 0.0, 0
    while now < 60:
        now += max(allowance.wait(now), 0.001)
        served += 1
    assert served <= 20 + 60 * 10 + 1


def test_what_comes_seldom_is_not_delayed() -> None:
    allowance = Allowance(most=20, rate=10)
    assert {allowance.wait(second / 5) for second in range(1000)} == {0.0}


# --- a quota and a period are two files on v1


def told(*readings: tuple[float, Estimate]) -> list[tuple[float, float, float]]:
    settling = Settling(quota(200_000), 1)
    changes = [(now, settling.tell(reading, now)) for now, reading in readings]
    return [(now, change.old.cpus, change.new.cpus) for now, change in changes if change]


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        pytest.param(
            [(0, quota(100_000)), (0.01, quota(100_000, 50_000))],
            [(0, 2, 1), (0.01, 1, 2)], id="the period restores it at once",
        ),
        pytest.param(
            [(0, quota(100_000)), (0.01, quota(100_000, 80_000))],
            [(0, 2, 1), (0.01, 1, 1.25)], id="or ends it in part",
        ),
        pytest.param(
            [(0, quota(100_000)), (0.01, quota(100_000, 25_000)), (0.02, quota(100_000, 25_000)),
             (1.02, quota(100_000, 25_000))],
            [(0, 2, 1), (0.01, 1, 2), (1.02, 2, 4)], id="what is beyond that has to hold",
        ),
        pytest.param(
            [(0, quota(100_000)), (0.01, quota(200_000))],
            [(0, 2, 1)], id="another quota is a growth as any",
        ),
        pytest.param(
            [(0, quota(100_000)), (0.5, quota(100_000, 50_000))],
            [(0, 2, 1)], id="a period that comes late too",
        ),
    ],
)  # fmt: skip
def test_a_quota_that_was_half_of_a_change_is_undone_at_once(
    readings: list[tuple[float, Estimate]], expected: list[tuple[float, float, float]]
) -> None:
    assert told(*readings) == expected


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        pytest.param([quota(200_000, 200_000), quota(400_000, 200_000)], 2, id="the period first"),
        pytest.param([quota(100_000), quota(100_000, 50_000)], 2, id="the quota first"),
        pytest.param([quota(100_000)], 1, id="the quota alone"),
        pytest.param([quota(200_000, 200_000)], 1, id="the period alone"),
    ],
)
def test_a_reading_between_two_writes_is_not_believed(
    monkeypatch: pytest.MonkeyPatch, steps: list[Estimate], expected: float
) -> None:
    """The second write comes while the first has been read."""
    state = [steps.pop(0)]

    def pause(until: float) -> bool:
        if steps:
            state[0] = steps.pop(0)
        elif until > time.monotonic():
            time.sleep(until - time.monotonic())
        return False

    monkeypatch.setattr(change, "available_cpus", lambda: state[0].cpus)
    monkeypatch.setattr(change, "estimate", lambda: state[0])

    assert change.Readings(quota(200_000), pause)().cpus == expected


# --- trust


def test_a_change_without_an_event_is_silent() -> None:
    old, new, directory = quota(200_000), quota(100_000), os.path.dirname(V1)

    assert is_silent(old, new, [V1], [])
    assert not is_silent(old, new, [V1], [directory])
    assert not is_silent(old, new, [], [])  # it was not watched
    assert not is_silent(old, old, [V1], [])


class Mute:
    """Events that never report anything."""

    def __init__(self) -> None:
        self.announced: set[str] = set()
        self.watched = {V1: 1}
        self.closed = False

    def happened(self) -> bool:
        return False

    def arm(self) -> frozenset[str]:
        return frozenset(self.watched)

    def close(self) -> None:
        self.closed = True


def test_events_that_do_not_report_changes_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    mute = Mute()
    monkeypatch.setattr(Bell, "_try_events", lambda self: setattr(self, "_events", mute))
    waiting = Bell()
    hows = []
    for _ in range(4):
        waiting.follow(quota(200_000), quota(100_000))
        hows.append(waiting.how)

    assert hows == ["events", "events", "readings", "readings"]  # the first is not judged
    assert mute.closed


def test_events_that_come_late_are_not_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The writer of a quota may be stopped between the change and its event."""
    late = Mute()
    monkeypatch.setattr(Bell, "_try_events", lambda self: setattr(self, "_events", late))
    waiting = Bell()
    for _ in range(3 * bell.MAX_SILENT):
        waiting.follow(quota(200_000), quota(100_000))  # the event is not there yet
        late.announced.add(V1.rpartition("/")[0])
        unchanged = quota(100_000)
        waiting.follow(unchanged, unchanged)

    assert waiting.how == "events"
    assert not late.closed


class Early(Mute):
    """Events of which one comes while a reading is made or followed."""

    coming = False

    def happened(self) -> bool:
        if self.coming:
            self.announced.add(os.path.dirname(V1))
        return self.coming


def test_an_event_that_is_early_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A write during a reading is announced before the next reading, which finds it."""
    early = Early()
    monkeypatch.setattr(Bell, "_try_events", lambda self: setattr(self, "_events", early))
    waiting = Bell()
    early.coming = True
    waiting.follow(quota(200_000), quota(150_000))
    early.coming = False
    waiting.follow(quota(150_000), quota(100_000))
    waiting.follow(quota(100_000), quota(50_000))  # of this one the event comes later

    assert waiting.how == "events"


def test_an_event_counts_for_the_change_that_is_found_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was written did not decide at first, and other threads have surveyed since."""
    early = Early()
    monkeypatch.setattr(Bell, "_try_events", lambda self: setattr(self, "_events", early))
    monkeypatch.setattr(Bell, "_is_same_survey", lambda self: False)
    waiting = Bell()
    early.announced.add(os.path.dirname(V1))
    unchanged = quota(150_000)
    waiting.follow(unchanged, unchanged)
    waiting.follow(quota(150_000), quota(100_000))
    waiting.follow(quota(100_000), quota(50_000))  # of this one the event comes later

    assert waiting.how == "events"


class Failing(Mute):
    """Events that fail at each use."""

    def wait(self, seconds: float) -> bool:
        raise OSError(12, "no memory")


def test_a_wait_that_fails_is_followed_by_readings(monkeypatch: pytest.MonkeyPatch) -> None:
    def open_failing(waiting: Bell) -> None:
        # A fake with what a bell uses.
        waiting._events = Failing()  # type: ignore[assignment]
        waiting._retry_at = float("inf")

    monkeypatch.setattr(Bell, "_try_events", open_failing)
    monkeypatch.setattr(bell, "MIN_AGE", 1e9)
    waiting = Bell()
    waiting.wait(0.01)  # the first ends at once
    assert waiting.how == "events"
    for _ in range(2 * bell.MAX_LOST + 2):
        waiting.wait(0.01)
    assert waiting.how == "readings"


# --- its descriptors


def inotifies() -> list[int]:
    numbers = []
    for name in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{name}") == "anon_inode:inotify":
                numbers.append(int(name))
        except OSError:
            continue
    return numbers


@pytest.fixture
def opened() -> Events:
    try:
        return Events()
    except LostError as error:
        skip_real(f"no events here: {error}")


def test_one_instance_and_only_while_something_is_watched(opened: Events) -> None:
    opened.close()
    before = inotifies()
    watches = [kumo.watch() for _ in range(20)]
    try:
        assert [watch.how for watch in watches] == ["events"] * 20
        assert len(inotifies()) == len(before) + 1
    finally:
        (thread,) = (each for each in threading.enumerate() if each.name == "kumo-watch")
        for watch in watches:
            watch.close()
    thread.join(TIMEOUT)
    assert inotifies() == before


def test_a_ring_ends_the_wait_and_is_never_lost(opened: Events) -> None:
    for delay in (0, 0.01):
        # For ever, if the ring is lost.
        waiting = threading.Thread(target=opened.wait, args=(1e6,), daemon=True)
        threading.Timer(delay, opened.ring).start()
        waiting.start()
        waiting.join(TIMEOUT)
        assert not waiting.is_alive()
    opened.close()


def test_a_number_that_is_anothers_is_neither_read_nor_closed(opened: Events) -> None:
    number = opened._numbers[0]
    reading, writing = os.pipe()
    os.write(writing, b"theirs")
    os.dup2(reading, number)
    try:
        with pytest.raises(LostError):
            opened.wait(0)
        opened.ring()
        opened.close()
        assert os.read(number, 100) == b"theirs"
    finally:
        for each in (number, reading, writing):
            os.close(each)


def test_files_of_another_file_system_are_not_trusted(
    opened: Events, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As lxcfs shows them: inotify accepts them, and reports nothing."""
    opened.close()
    imitation = tmp_path / "cpu.max"
    imitation.write_text("max 100000")
    monkeypatch.setattr(events, "deciding_files", lambda pid: [str(imitation)])
    with pytest.raises(LostError, match="no file that decides can be watched"):
        Events()
    assert inotifies() == []


def run(
    program: str, *options: str, groups: tuple[Group, ...] = (), prefix: tuple[str, ...] = ()
) -> str:
    """What *program* prints. It has to end well, without a word on stderr."""
    ran = subprocess.run(
        in_groups(groups, [*prefix, sys.executable, "-W", "ignore", "-c", program, *options]),
        capture_output=True,
        text=True,
        timeout=TIMEOUT * 2,
        check=False,
        env=environment(),
    )
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stderr
    return ran.stdout


FIND = """
import os, sys, kumo
def inotifies():
    links = []
    for name in os.listdir("/proc/self/fd"):
        try: links.append(os.readlink("/proc/self/fd/" + name))
        except OSError: pass
    return links.count("anon_inode:inotify")
"""


def test_no_descriptor_is_inherited(opened: Events) -> None:
    """By a forked child or a program that it executes; the parent keeps its own."""
    opened.close()
    program = f"""{FIND}
watch = kumo.watch(interval=0.05)
pid = os.fork()
if pid == 0:
    if inotifies(): os._exit(1)
    with kumo.watch(): os._exit(inotifies() != 1)
assert os.waitpid(pid, 0)[1] == 0
pid = os.fork()
if pid == 0:
    os.execv(sys.executable, [sys.executable, "-S", "-c",
        "import os; print(sum('inotify' in os.readlink(f'/dev/fd/{{n}}') for n in range(64)"
        " if os.path.lexists(f'/proc/self/fd/{{n}}')))"])
assert os.waitpid(pid, 0)[1] == 0
print(inotifies(), watch.how)
"""
    assert run(program) == "0\n1 events\n"


def test_a_program_that_closes_everything_is_watched_on(opened: Events) -> None:
    opened.close()
    needs_two_cpus()
    program = f"""{FIND}
cpus = sorted(os.sched_getaffinity(0))
watch = kumo.watch(settle=0)
os.closerange(3, 256)
os.sched_setaffinity(0, cpus[:1])
assert next(watch).new.parallelism == 1
os.sched_setaffinity(0, cpus[:2])
assert next(watch).new.parallelism == 2
print(inotifies(), watch.how)
"""
    assert run(program) == "1 events\n"


def test_nothing_is_loaded_before_something_is_watched() -> None:
    program = (
        "import sys, kumo; kumo.watch; kumo.available_parallelism(); print('ctypes' in sys.modules)"
    )
    assert run(program) == "False\n"


# --- where none can be had

READING = """
import os, kumo
cpus = sorted(os.sched_getaffinity(0))
with kumo.watch(settle=0) as watch:
    os.sched_setaffinity(0, cpus[:1])
    print(next(watch).new.parallelism, watch.how)
    os.sched_setaffinity(0, cpus[:2])
    print(next(watch).new.parallelism, watch.how)
"""
NO_INSTANCES = (
    *("unshare", "--user", "--map-root-user", "sh", "-c"),
    'echo 0 > /proc/sys/user/max_inotify_instances && exec "$0" "$@"',
)


def test_a_user_without_inotify_instances_is_served_by_readings() -> None:
    needs_two_cpus()
    if subprocess.run([*NO_INSTANCES, "true"], capture_output=True, check=False).returncode:
        skip_real("a user namespace without instances cannot be made here")
    assert run(READING, prefix=NO_INSTANCES) == "1 readings\n2 readings\n"


def test_without_a_descriptor_left_it_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bell, "RETRY", 0.0)
    needs_two_cpus()
    program = f"""{FIND}
import resource
from kumo._watch import bell
import kumo._watch.events, ctypes
kumo.estimate()
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
waiting = bell.Bell()
print(waiting.how)
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
waiting._retry_at = 0
waiting.wait(0.01)
print(waiting.how in ("events", "readings"))
"""
    assert run(program) == "readings\nTrue\n"


def test_greenlets_are_served_by_readings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wait for descriptors would stop every greenlet of the process."""

    class Lock:
        """As a monkey-patcher puts it there."""

        def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
            return True

    monkeypatch.setattr(threading, "Lock", Lock)
    assert Bell().how == "readings"


# --- quotas of this kernel

ONLY_EVENTS = """
import os, sys, time, kumo
quota, period = (os.open(f"{sys.argv[1]}/cpu.cfs_{name}_us", os.O_WRONLY)
                 for name in ("quota", "period"))
def write(descriptor, number): os.pwrite(descriptor, str(number).encode(), 0)
changes = []
with kumo.watch() as first: how = first.how
# Where there are events, nothing else is to report a change.
SELDOM = 10000 if how == "events" else 0.02
watch = kumo.watch(changes.append, interval=SELDOM, settle=0)
def until(cpus):
    end = time.monotonic() + 60
    while watch.estimate.cpus != cpus:
        time.sleep(0.001)
        assert time.monotonic() < end, (watch.estimate, cpus)
until(1.5)
"""


@pytest.mark.real
def test_each_write_is_reported_without_a_regular_reading(make_group: MakeGroup) -> None:  # noqa: F811
    group = make_group(make_group(cpus=1.8), cpus=1.5)
    program = f"""{ONLY_EVENTS}
for number in (120000, 50000, 110000, 150000):
    write(quota, number); until(number / 100000)
outer = os.open(sys.argv[1] + "/../cpu.cfs_quota_us", os.O_WRONLY)
write(quota, -1); until(1.8)
write(outer, 160000); until(1.6)
print(len(changes))
"""
    assert run(program, str(group.path), groups=(group,)) == "6\n"


@pytest.mark.real
def test_a_quota_and_its_period_written_in_turn_make_no_wrong_size(make_group: MakeGroup) -> None:  # noqa: F811
    """The period first and the quota a while later, and the quota first."""
    group = make_group(cpus=1.5)
    program = f"""{ONLY_EVENTS}
for number in range(100):
    before = len(changes)
    started = time.monotonic()
    write(period, 200000); time.sleep(0.01); write(quota, 310000)
    # Only what is written in that time belongs together, and a busy machine may take longer.
    quick = time.monotonic() - started < 0.03
    until(1.55)
    write(quota, 150000); write(period, 100000)  # by way of 0.75
    until(1.5)
    if quick and how == "events":
        assert changes[before].new.cpus == 1.55, changes
        break
"""
    assert run(program, str(group.path), groups=(group,)) == ""


@pytest.mark.real
def test_a_cgroup_that_is_made_again_is_watched_again(make_group: MakeGroup) -> None:  # noqa: F811
    outer = make_group(cpus=1.8)
    group = make_group(outer, cpus=1.5)
    program = f"""{ONLY_EVENTS}
path = sys.argv[1]
def join(group):
    open(group + "/cgroup.procs", "w").write(str(os.getpid()))
with kumo.watch(interval=0.01):  # a move has no event
    join(path + "/.."); until(1.8)
    os.rmdir(path); os.mkdir(path); join(path)
    quota = os.open(path + "/cpu.cfs_quota_us", os.O_WRONLY)
    write(quota, 120000); until(1.2)
for number in (100000, 140000, 130000):
    write(quota, number); until(number / 100000)
print(watch.how == how)
"""
    assert run(program, str(group.path), groups=(group,)) == "True\n"


@pytest.mark.real
def test_changes_are_reported_by_readings_as_well(make_group: MakeGroup) -> None:  # noqa: F811
    group = make_group(cpus=1.5)
    if subprocess.run([*NO_INSTANCES, "true"], capture_output=True, check=False).returncode:
        skip_real("a user namespace without instances cannot be made here")
    program = """
import sys, kumo
with kumo.watch(settle=0) as watch:
    print(watch.how, flush=True)
    for _ in range(2): print(next(watch).new.cpus, flush=True)
"""
    command = in_groups([group], [*NO_INSTANCES, sys.executable, "-c", program])
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment()) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "readings\n"
        for cpus in (0.5, 1.2):
            group.limit(cpus)
            assert reader.stdout.readline() == f"{cpus}\n"


def test_how_is_shown(opened: Events) -> None:
    opened.close()
    with kumo.watch() as watch:
        assert repr(watch).endswith(", by events>")
    with kumo.watch(interval=5) as watch:
        assert repr(watch).endswith(", by events, read every 5 s>")
