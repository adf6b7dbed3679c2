"""Limits, notes and estimates as values: what users of the API hold in their hands."""

from __future__ import annotations

import copy
import inspect
import pickle
import subprocess
import sys
from math import inf
from pathlib import Path

import pytest

from kumo import Estimate, Limit, MachineError, Note, OverrideError, estimate, round_cpus
from kumo._records import UNEQUAL, Record, fields_of
from kumo._survey import open_system
from kumo._system.live import LiveSystem

MACHINES = Path(__file__).with_name("machines")

QUOTA = Limit("quota", "rate", 1.5, "/cg/cpu.max", "150000 100000", 0.5)
FREE = Limit("quota", "rate", inf, "/cg/leaf/cpu.max", "max 100000")
MASK = Limit("affinity", "set", 4, "sched_getaffinity", "0-3")
ONLINE = Limit("online", "set", 8, "/sys/devices/system/cpu/online", "0-7")
OVERRIDE = Limit("override", "override", 12, "$KUMO_AVAILABLE_PARALLELISM", "12")
NOTE = Note("real-time", "the thread is scheduled by SCHED_FIFO", "over")
ESTIMATE = Estimate([FREE, QUOTA, MASK, ONLINE], [NOTE])
RECORDS = [QUOTA, FREE, MASK, NOTE, ESTIMATE]


def quota(cpus: float) -> Limit:
    return Limit("quota", "rate", cpus, "/cg/cpu.max", "")


def cpus(count: int, source: str = "affinity") -> Limit:
    return Limit(source, "set", count, "", "")


# --- values


@pytest.mark.parametrize("record", RECORDS, ids=repr)
def test_a_record_is_read_only(record: Record) -> None:
    before = repr(record)
    for name in (*type(record).__match_args__, "another"):
        with pytest.raises(AttributeError, match=f"{type(record).__name__}.{name} is read-only"):
            setattr(record, name, 1)
        with pytest.raises(AttributeError, match=f"{type(record).__name__}.{name} is read-only"):
            delattr(record, name)

    assert repr(record) == before


@pytest.mark.parametrize("record", RECORDS, ids=repr)
def test_a_record_holds_its_fields_and_nothing_else(record: Record) -> None:
    assert not hasattr(record, "__dict__")
    assert list(inspect.signature(type(record)).parameters) == list(type(record).__match_args__)


@pytest.mark.parametrize("record", RECORDS, ids=repr)
def test_a_copy_is_equal(record: Record) -> None:
    copies = [copy.copy(record), copy.deepcopy(record)]
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        copies.append(pickle.loads(pickle.dumps(record, protocol)))

    assert all(type(one) is type(record) for one in copies)
    assert all(one == record for one in copies)
    assert {*copies} == {record}


@pytest.mark.parametrize("record", RECORDS, ids=repr)
def test_a_record_is_equal_to_nothing_of_another_type(record: Record) -> None:
    fields = tuple(getattr(record, name) for name in type(record).__match_args__)

    assert record != fields
    assert record != repr(record)
    assert record is not None


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ((), {}),
        (("a", "b"), {}),
        (("a", "b", "no", "d"), {}),
        (("a", "b"), {"errs": "no", "code": "a"}),
        (("a", "b"), {"err": "no"}),
    ],
)
def test_a_record_takes_each_field_once(values: tuple[str, ...], named: dict[str, str]) -> None:
    with pytest.raises(TypeError, match="Note takes code, text, errs, each once"):
        Note(*values, **named)  # type: ignore[arg-type]  # some are wrong

    assert Note("a", errs="no", text="b") == Note("a", "b", "no")


def test_equal_records_have_equal_hashes_and_others_have_others() -> None:
    assert hash(QUOTA) == hash(copy.copy(QUOTA))
    assert len({hash(record) for record in RECORDS}) == len(RECORDS)


def test_the_fields_of_a_record_by_their_names() -> None:
    assert list(fields_of(NOTE).items()) == [
        ("code", "real-time"),
        ("text", NOTE.text),
        ("errs", "over"),
    ]
    assert Limit(**fields_of(QUOTA)) == QUOTA


def test_records_of_two_classes_are_never_equal() -> None:
    class Other(Record):
        code: str
        text: str
        errs: str

    other = Other(NOTE.code, NOTE.text, NOTE.errs)

    assert {other, NOTE} == {NOTE, other}
    assert len({other, NOTE}) == 2


def test_limits_differ_in_each_field() -> None:
    others = [
        Limit("affinity", "rate", 1.5, "/cg/cpu.max", "150000 100000", 0.5),
        Limit("quota", "set", 1.5, "/cg/cpu.max", "150000 100000", 0.5),
        Limit("quota", "rate", 2.5, "/cg/cpu.max", "150000 100000", 0.5),
        Limit("quota", "rate", 1.5, "/cg/a/cpu.max", "150000 100000", 0.5),
        Limit("quota", "rate", 1.5, "/cg/cpu.max", "15000 10000", 0.5),
        Limit("quota", "rate", 1.5, "/cg/cpu.max", "150000 100000", 0.0),
    ]

    assert len({QUOTA, *others}) == 7
    assert QUOTA not in others


def test_notes_differ_in_each_field() -> None:
    assert len({NOTE, Note("x", NOTE.text, "over"), Note("real-time", "x", "over")}) == 3
    assert Note("real-time", NOTE.text, "no") != NOTE


def test_an_estimate_takes_any_iterables_and_keeps_tuples() -> None:
    estimate = Estimate(iter([QUOTA, ONLINE]), iter([NOTE]))

    assert (estimate.limits, estimate.notes) == ((QUOTA, ONLINE), (NOTE,))
    assert estimate == Estimate((QUOTA, ONLINE), (NOTE,))
    assert estimate != Estimate((ONLINE, QUOTA), (NOTE,))


def test_repr_is_the_call_that_makes_the_record() -> None:
    assert repr(MASK) == (
        "Limit(source='affinity', kind='set', cpus=4, where='sched_getaffinity', "
        "text='0-3', burst=0.0, period=None)"
    )
    assert eval(
        repr(ESTIMATE), {"inf": inf, "Limit": Limit, "Note": Note, "Estimate": Estimate}
    ) == (ESTIMATE)


def test_burst_is_zero_where_it_is_not_given() -> None:
    assert (FREE.burst, QUOTA.burst) == (0.0, 0.5)


# --- the count


@pytest.mark.parametrize(
    ("value", "floor", "ceil"),
    [
        (0.001, 1, 1),
        (0.5, 1, 1),
        (0.999, 1, 1),
        (1, 1, 1),
        (1.0, 1, 1),
        (1.01, 1, 2),
        (1.5, 1, 2),
        (2.0, 2, 2),
        (3.99999, 3, 4),
        (4, 4, 4),
        (2048, 2048, 2048),
        (2**64 - 1, 2**64 - 1, 2**64 - 1),
    ],
)
def test_round_cpus(value: float, floor: int, ceil: int) -> None:
    assert round_cpus(value) == round_cpus(value, "floor") == floor
    assert round_cpus(value, "ceil") == ceil
    assert type(round_cpus(value)) is int


@pytest.mark.parametrize("rounding", ["", "round", "Floor", "nearest", None])
def test_round_cpus_takes_no_other_rounding(rounding: str) -> None:
    with pytest.raises(ValueError, match=f"'floor' or 'ceil', not {rounding!r}"):
        round_cpus(1.5, rounding)  # type: ignore[arg-type]  # it is wrong


@pytest.mark.parametrize(
    ("limits", "lockstep", "independent"),
    [
        pytest.param([quota(1.5), cpus(8)], 1, 2, id="a part of a CPU"),
        pytest.param([quota(0.2), cpus(8)], 1, 1, id="less than one"),
        pytest.param([quota(2.0), cpus(8)], 2, 2, id="whole CPUs"),
        pytest.param([quota(7.5), cpus(4)], 4, 4, id="the set binds"),
        pytest.param([OVERRIDE, quota(1.5), cpus(8)], 12, 12, id="the override binds"),
    ],
)
def test_workers(limits: list[Limit], lockstep: int, independent: int) -> None:
    estimate = Estimate(limits, [])

    assert (estimate.workers("lockstep"), estimate.workers("independent")) == (
        lockstep,
        independent,
    )
    assert estimate.parallelism == lockstep


@pytest.mark.parametrize("purpose", ["", "threads", "Lockstep"])
def test_workers_takes_no_other_purpose(purpose: str) -> None:
    with pytest.raises(ValueError, match=f"'physical', 'pinned', not {purpose!r}"):
        ESTIMATE.workers(purpose)  # type: ignore[arg-type]  # it is wrong


def test_without_its_machine_only_lockstep_needs_the_capacities() -> None:
    """Of CPUs of different speed, which the notes say; the other purposes do not depend on it."""
    unequal = Estimate([quota(2.5), cpus(8)], [NOTE, Note(UNEQUAL, "", "no")])

    assert (unequal.workers(), unequal.workers("independent"), unequal.workers("pinned")) == (
        2,
        3,
        2,
    )
    assert Estimate([quota(2.5)], [NOTE]).workers("lockstep") == 2
    with pytest.raises(ValueError, match=r"^this estimate does not know its machine: take a new"):
        unequal.workers("lockstep")
    with pytest.raises(ValueError, match=r"^this estimate does not know its machine: take a new"):
        unequal.workers("independent", memory=1)


@pytest.mark.parametrize(
    ("limits", "binding"),
    [
        pytest.param([quota(1.5), cpus(4), cpus(8, "online")], 0, id="the tightest"),
        pytest.param([quota(3), quota(2), cpus(4)], 1, id="the tightest of two quotas"),
        pytest.param([quota(2), quota(2), cpus(4)], 1, id="at a tie, the wider of two levels"),
        pytest.param([quota(4), cpus(4), cpus(8, "online")], 1, id="at a tie, set over quota"),
        pytest.param([quota(4), cpus(4), cpus(4, "online")], 2, id="at a tie, the machine"),
        pytest.param([quota(inf), cpus(4)], 1, id="a level without a quota never binds"),
        pytest.param([OVERRIDE, quota(1), cpus(1)], 0, id="an override beats what is tighter"),
        pytest.param([cpus(1), OVERRIDE], 1, id="an override binds wherever it stands"),
        pytest.param([cpus(8)], 0, id="the only one"),
    ],
)
def test_binding(limits: list[Limit], binding: int) -> None:
    estimate = Estimate(limits, [])

    assert estimate.binding is estimate.limits[binding]
    assert estimate.cpus == limits[binding].cpus
    assert type(estimate.cpus) is float


@pytest.mark.parametrize(
    ("limits", "tightest", "burst"),
    [
        pytest.param([cpus(4)], None, 0.0, id="no quota"),
        pytest.param([FREE, cpus(4)], None, 0.0, id="levels without one"),
        pytest.param([FREE, QUOTA, cpus(4)], 1.5, 0.5, id="the tightest, with its burst"),
        pytest.param([QUOTA, quota(1.0), cpus(4)], 1.0, 0.0, id="another's burst is not its own"),
        pytest.param([quota(16), cpus(4)], 16, 0.0, id="one that does not bind"),
        pytest.param([OVERRIDE, quota(2)], 2, 0.0, id="one that is overridden"),
    ],
)
def test_quota_and_burst(limits: list[Limit], tightest: float | None, burst: float) -> None:
    estimate = Estimate(limits, [])

    assert (estimate.quota, estimate.burst) == (tightest, burst)


# --- the explanation

NO_LIMIT = """\
8 CPUs: all that are online, as no other limit is lower

binds  online    8  /sys/devices/system/cpu/online  0-7
       quota     -  /sys/fs/cgroup/cpu.max          (absent)
       affinity  8  sched_getaffinity               0-7"""

PART_OF_A_CPU = """\
1 CPU: the quota in /sys/fs/cgroup/system.slice/tiny.service/cpu.max is 0.20, \
and the count is at least 1

binds  quota     0.20  /sys/fs/cgroup/system.slice/tiny.service/cpu.max  2000 10000
       quota        -  /sys/fs/cgroup/system.slice/cpu.max               max 100000
       quota        -  /sys/fs/cgroup/cpu.max                            (absent)
       affinity     8  sched_getaffinity                                 0-7
       online       8  /sys/devices/system/cpu/online                    0-7

quota-below-one: The quota is 0.20 of one CPU, so even a single busy thread is throttled. \
The count is not affected. Raise the quota to at least 1 CPU if latency matters."""

OVERRIDDEN = """\
4 CPUs: $KUMO_AVAILABLE_PARALLELISM is 4, which overrides every limit

binds  override     4  $KUMO_AVAILABLE_PARALLELISM     4
       quota     2.50  /sys/fs/cgroup/p/cpu.max        250000 100000
       quota        -  /sys/fs/cgroup/cpu.max          (absent)
       affinity     8  sched_getaffinity               0-7
       online       8  /sys/devices/system/cpu/online  0-7"""


@pytest.mark.parametrize(
    ("name", "explanation"),
    [
        ("clause-v2-hierarchy-root", NO_LIMIT),
        ("systemd-quota-period-10ms", PART_OF_A_CPU),
        ("clause-override", OVERRIDDEN),
    ],
)
def test_explanation(name: str, explanation: str) -> None:
    assert str(estimate(machine=MACHINES / f"{name}.txt")) == explanation


def test_a_quota_that_is_rounded_down_says_so() -> None:
    assert str(ESTIMATE).splitlines()[0].endswith(" is 1.50, rounded down")


def test_what_is_not_printable_is_escaped() -> None:
    estimate = Estimate([Limit("online", "set", 1, "/a\nb\x1b[2J", "0\udcff\n1"), ONLINE], [])

    assert str(estimate).splitlines()[2].split() == [
        "binds",
        "online",
        "1",
        r"/a\nb\x1b[2J",
        r"0\udcff\n1",
    ]


# --- errors


def test_an_override_error_says_what_was_read() -> None:
    error = OverrideError("KUMO_AVAILABLE_PARALLELISM", "four")

    assert isinstance(error, ValueError)
    assert (error.variable, error.value) == ("KUMO_AVAILABLE_PARALLELISM", "four")
    assert error.args == (error.variable, error.value)
    assert str(error) == (
        "KUMO_AVAILABLE_PARALLELISM='four' is not a positive decimal integer, such as 4"
    )


@pytest.mark.parametrize("value", ["four", "", "\udcff\n\x1b", "9" * 10_000])
def test_an_override_error_survives_pickle_and_copy(value: str) -> None:
    error = OverrideError("KUMO_AVAILABLE_PARALLELISM", value)
    copies: list[OverrideError] = [copy.copy(error), copy.deepcopy(error)]
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        copies.append(pickle.loads(pickle.dumps(error, protocol)))

    for one in copies:
        assert type(one) is OverrideError
        assert (one.variable, one.value, str(one)) == (error.variable, value, str(error))


@pytest.mark.parametrize("value", ["\udcff\n\x1b[2J", "9" * 10_000])
def test_an_override_errors_message_is_short_and_printable(value: str) -> None:
    message = str(OverrideError("KUMO_AVAILABLE_PARALLELISM", value))

    assert message.isprintable()
    assert len(message) < 200


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("000", "'000' is not a positive decimal integer, such as 4"),
        (str(2**64), f"'{2**64}' is too large: at most {2**64 - 1}"),
        ("0" * 30, f"'{'0' * 30}' is not a positive decimal integer, such as 4"),
    ],
)
def test_an_override_that_is_zero_is_not_too_large(value: str, why: str) -> None:
    assert str(OverrideError("N", value)) == f"N={why}"


def test_a_machine_error_survives_pickle() -> None:
    error = pickle.loads(pickle.dumps(MachineError("line 3: section 'x'")))

    assert (type(error), str(error)) == (MachineError, "line 3: section 'x'")
    assert isinstance(error, ValueError)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("no section at all\n", MachineError),
        ("-- $KUMO_AVAILABLE_PARALLELISM --\nfour\n", OverrideError),
    ],
)
def test_estimate_raises(tmp_path: Path, text: str, error: type[ValueError]) -> None:
    path = tmp_path / "machine.txt"
    path.write_text(text, "utf-8")

    with pytest.raises(error):
        estimate(machine=path)


def test_an_estimate_is_for_the_process_or_the_thread() -> None:
    assert estimate("thread").parallelism >= 1
    assert estimate("thread", machine=MACHINES / "clause-threads-union.txt").parallelism == 1
    assert estimate(machine=MACHINES / "clause-threads-union.txt").parallelism == 5


def test_another_process_is_asked_by_its_number() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        system = open_system("thread", other.pid, None)
        other.communicate(b"\n")

    assert isinstance(system, LiveSystem)
    assert (system.pid, system.scope) == (other.pid, "thread")


def test_estimate_raises_for_what_cannot_be_asked() -> None:
    with pytest.raises(FileNotFoundError):
        estimate(machine=MACHINES / "no such machine.txt")
    with pytest.raises(ProcessLookupError, match=r"no such process: '-1'$"):
        estimate(pid=-1)
    with pytest.raises(ValueError, match="pid and machine exclude each other"):
        estimate(pid=1, machine="machine.txt")
    with pytest.raises(ValueError, match="'process' or 'thread', not 'system'"):
        estimate("system")  # type: ignore[arg-type]  # it is wrong
