"""Sizes of pools by cores, capacities and memory, as `Estimate.workers` returns them."""

from __future__ import annotations

import pickle
from itertools import product
from math import inf
from pathlib import Path
from typing import Any

import pytest

from kumo import Estimate, Limit, estimate
from kumo._sizes import best_team, memory_limits, parse_size, with_memory
from kumo._survey import survey
from kumo._system.calls import FACTS
from kumo._system.machine_file import Machine, read_machine

MACHINES = Path(__file__).with_name("machines")
CPU = "/sys/devices/system/cpu"
GIB = 1 << 30


def cores(pairs: list[list[int]], mask: str, extra: str = "") -> Machine:
    """A machine whose cores have these CPUs."""
    parts = [f"-- !affinity --\n{mask}\n", extra]
    for pair in pairs:
        for cpu in pair:
            listed = ",".join(map(str, pair))
            parts.append(f"-- {CPU}/cpu{cpu}/topology/thread_siblings_list --\n{listed}\n")
    online = max(cpu for pair in pairs for cpu in pair)
    return Machine("".join(parts) + f"-- {CPU}/online --\n0-{online}\n")


def capacities(values: list[int], extra: str = "") -> Machine:
    parts = [f"-- {CPU}/cpu{cpu}/cpu_capacity --\n{value}\n" for cpu, value in enumerate(values)]
    return cores(
        [[cpu] for cpu in range(len(values))], f"0-{len(values) - 1}", extra + "".join(parts)
    )


V2 = """-- /proc/self/cgroup --
0::/pod/app
-- /proc/self/mountinfo --
29 24 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw
-- !affinity --
0-15
-- /sys/devices/system/cpu/online --
0-15
-- /proc/meminfo --
MemTotal:       33554432 kB
MemFree:         1048576 kB
"""
V1 = """-- /proc/self/cgroup --
5:memory:/docker/a
4:cpu,cpuacct:/docker/a
-- /proc/self/mountinfo --
29 24 0:26 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid - cgroup cgroup rw,cpu,cpuacct
30 24 0:27 / /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory
-- !affinity --
0-15
-- /sys/devices/system/cpu/online --
0-15
-- /proc/meminfo --
MemTotal:       33554432 kB
"""


# --- physical


@pytest.mark.parametrize(
    ("pairs", "mask", "extra", "workers"),
    [
        pytest.param([[0, 2], [1, 3]], "0-3", "", 2, id="two cores with two threads each"),
        pytest.param([[0, 2], [1, 3]], "0,2", "", 1, id="both threads of one core"),
        pytest.param([[0], [1], [2]], "0-2", "", 3, id="cores without siblings"),
        pytest.param(
            [[0, 2], [1, 3]], "0-3", "-- $NSLOTS --\n1\n-- $JOB_ID --\n7\n-- $NHOSTS --\n1\n", 1,
            id="a grant is less",
        ),
        pytest.param(
            [[0, 2], [1, 3]], "0-3", "-- $KUMO_AVAILABLE_PARALLELISM --\n9\n", 9,
            id="the override is the answer",
        ),
    ],
)  # fmt: skip
def test_one_worker_a_core(pairs: list[list[int]], mask: str, extra: str, workers: int) -> None:
    assert survey(cores(pairs, mask, extra)).workers("physical") == workers


# --- pinned


@pytest.mark.parametrize(
    ("name", "count", "pinned"),
    [
        ("k8s-87862-isolcpus-5-7-burstable", 4, 7),
        ("codeblueprint-isolcpus-taskset-1-4", 1, 4),
        ("isolated-cpus-and-quota", 2, 2),
        ("clause-override", 4, 4),
        ("systemd-quota-period-10ms", 1, 1),
    ],
)
def test_pinned_workers_use_isolated_cpus(name: str, count: int, pinned: int) -> None:
    counted = estimate(machine=MACHINES / f"{name}.txt")

    assert (counted.parallelism, counted.workers("pinned")) == (count, pinned)


# --- lockstep


@pytest.mark.parametrize(
    ("speeds", "count", "team"),
    [
        pytest.param([1024] * 4 + [381] * 4, 8, 4, id="4 x 1024 is more than 8 x 381"),
        pytest.param([1024] * 2 + [446] * 4, 6, 6, id="6 x 446 is more than 2 x 1024"),
        pytest.param([1024, 800, 800, 250], 4, 3, id="three levels"),
        pytest.param([1024, 1024, 512, 512], 4, 2, id="the smaller of two that are equal"),
        pytest.param([1024] * 4 + [381] * 4, 3, 3, id="a limit below the fast ones"),
        pytest.param([1024] * 4, 3, 3, id="all alike"),
        pytest.param([], 3, 3, id="nothing known"),
    ],
)
def test_best_team(speeds: list[int], count: int, team: int) -> None:
    assert best_team(speeds, count) == best_team(speeds[::-1], count) == team


def test_best_team_is_the_best_of_all() -> None:
    for speeds in product((250, 512, 1024), repeat=5):
        ordered = sorted(speeds, reverse=True)
        team = best_team(speeds, 5)
        if len(set(speeds)) > 1:
            assert team * ordered[team - 1] == max(n * ordered[n - 1] for n in range(1, 6))


def test_lockstep_follows_the_capacities() -> None:
    counted = survey(capacities([381] * 4 + [1024] * 4))

    assert (counted.parallelism, counted.workers("independent"), counted.workers()) == (8, 8, 8)
    assert counted.workers("lockstep") == 4
    assert "4 of capacity 1024, 4 of capacity 381" in counted.notes[-1].text


def test_of_two_cpus_the_fast_one_may_do_more_alone() -> None:
    assert survey(capacities([400, 1024])).workers("lockstep") == 1
    assert survey(capacities([600, 1024])).workers("lockstep") == 2


def test_lockstep_is_the_greatest_product_also_of_small_differences() -> None:
    """15 times 1024 is more than 16 times 930, though nobody would call these two kinds."""
    counted = survey(capacities([1024] * 15 + [930]))

    assert "performance-levels" not in [note.code for note in counted.notes]
    assert (counted.parallelism, counted.workers("lockstep")) == (16, 15)


def test_lockstep_leaves_out_isolated_cpus() -> None:
    counted = survey(capacities([1024] * 2 + [400] * 4, f"-- {CPU}/isolated --\n0-1\n"))

    assert (counted.parallelism, counted.workers("lockstep")) == (4, 4)


def test_lockstep_of_one_kind_reads_no_topology() -> None:
    machine = capacities([1024] * 4)
    before = set(machine.asked)

    assert survey(machine).workers("lockstep") == 4
    assert not any("topology" in name for name in set(machine.asked) - before)


@pytest.mark.parametrize("name", ["intel-hybrid", "amd-dense-cores", "rten-342-m3-pro-5p-6e"])
def test_without_capacities_lockstep_is_the_count(name: str) -> None:
    counted = estimate(machine=MACHINES / f"{name}.txt")

    assert counted.workers("lockstep") == counted.parallelism


# --- memory


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("2G", 2 * GIB), ("2g", 2 * GIB), ("2Gi", 2 * GIB), ("2GiB", 2 * GIB), ("2GB", 2 * GIB),
        ("1.5G", 3 * GIB // 2), ("512M", GIB // 2), ("1T", 1024 * GIB), ("64k", 1 << 16),
        ("1073741824", GIB), (" 2G ", 2 * GIB), ("0.3K", 307), ("1.999", 1), ("007K", 7 << 10),
        ("99999999999999999", 10**17 - 1),
    ],
)  # fmt: skip
def test_a_size(text: str, size: int) -> None:
    assert parse_size(text) == size
    assert type(parse_size(text)) is int


@pytest.mark.parametrize(
    "text", ["", "G", "0", "0G", "-1G", "+1G", "1e3", "2X", "2 G", "1_0", "٤G", "nan", ".5G",
             "2GG", "\udcff", "1.2.3G", "0.5", "0.0001K", "0" * 40, "0.0G", "2GBB", "2GII"],
)  # fmt: skip
def test_not_a_size(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size such as 2G or 512M"):
        parse_size(text)


@pytest.mark.parametrize("text", ["9" * 40, "9" * 17 + "T", "1048576T"])
def test_too_large_for_a_size(text: str) -> None:
    with pytest.raises(ValueError, match=f"^'{text}' is too large for a size$"):
        parse_size(text)


def test_a_size_in_a_message_is_cut() -> None:
    with pytest.raises(ValueError, match=rf"^'{'9' * 60}\.\.\.' is too large for a size$"):
        parse_size("9" * 70)
    with pytest.raises(ValueError, match=rf"^'{'x' * 60}\.\.\.' is not a size such as 2G or 512M$"):
        parse_size("x" * 70)


def test_the_largest_size() -> None:
    assert parse_size("1048575T") == (1 << 60) - (1 << 40)
    assert parse_size("9" * 18) == 10**18 - 1


@pytest.mark.parametrize(
    ("sections", "memory", "workers"),
    [
        pytest.param("", "4G", 8, id="the machine's 32 GiB"),
        pytest.param("", "1G", 16, id="memory enough"),
        pytest.param("-- /sys/fs/cgroup/pod/app/memory.max --\n8589934592\n", "2G", 4, id="own"),
        pytest.param("-- /sys/fs/cgroup/pod/memory.max --\n6442450944\n", "2G", 3, id="above"),
        pytest.param(
            "-- /sys/fs/cgroup/pod/app/memory.max --\n8589934592\n"
            "-- /sys/fs/cgroup/pod/memory.max --\n6442450944\n", "2G", 3, id="the least",
        ),
        pytest.param("-- /sys/fs/cgroup/pod/app/memory.max --\nmax\n", "4G", 8, id="no limit"),
        pytest.param("-- /sys/fs/cgroup/pod/app/memory.max --\n1\n", "2G", 1, id="at least 1"),
        pytest.param("-- /sys/fs/cgroup/pod/app/memory.max (EACCES) --\n", "4G", 8, id="closed"),
        pytest.param(
            "-- /sys/fs/cgroup/pod/app/memory.max --\n1152921504606846976\n", "4G", 8,
            id="more than a machine has",
        ),
    ],
)  # fmt: skip
def test_memory_bounds_the_workers(sections: str, memory: str, workers: int) -> None:
    counted = survey(Machine(V2 + sections))

    assert counted.parallelism == 16
    assert (
        counted.workers(memory=memory) == counted.workers("independent", memory=memory) == workers
    )


@pytest.mark.parametrize(("limit", "workers"), [("4294967296", 2), ("9223372036854771712", 16)])
def test_memory_of_v1(limit: str, workers: int) -> None:
    own = f"-- /sys/fs/cgroup/memory/docker/a/memory.limit_in_bytes --\n{limit}\n"

    assert survey(Machine(V1 + own)).workers(memory="2G") == workers


def test_memory_is_rounded_down_whatever_the_purpose() -> None:
    own = "-- /sys/fs/cgroup/pod/app/memory.max --\n7516192768\n"  # 3.5 times 2 GiB

    assert survey(Machine(V2 + own)).workers("independent", memory="2G") == 3


def test_the_override_is_the_answer_whatever_the_memory() -> None:
    counted = survey(Machine(V2 + "-- $KUMO_AVAILABLE_PARALLELISM --\n40\n"))

    assert counted.workers(memory="30G") == 40


def test_a_note_on_the_mask_knows_what_fits_into_the_memory() -> None:
    machine = read_machine(MACHINES / "k8s-87862-isolcpus-5-7-burstable.txt")
    estimate = survey(machine)
    bounded = with_memory(estimate, Machine("-- !memory --\n9\n"), 2)

    assert [note.errs for note in estimate.notes if note.code == "isolated-cpus"] == ["under"]
    assert [note.errs for note in bounded.notes if note.code == "isolated-cpus"] == ["no"]


def test_memory_is_read_only_if_it_is_asked_for() -> None:
    machine = Machine(V2)
    survey(machine).workers("independent")

    assert not any("mem" in name for name in machine.asked)


def test_the_evidence_of_memory_is_in_the_explanation() -> None:
    machine = Machine(V2 + "-- /sys/fs/cgroup/pod/app/memory.max --\n6442450944\n")
    counted = with_memory(survey(machine), machine, 2 * GIB)

    assert (counted.parallelism, counted.binding.source, counted.quota) == (3, "memory", None)
    lines = str(counted).splitlines()
    assert lines[2].split() == [
        "binds", "memory", "3.00", "/sys/fs/cgroup/pod/app/memory.max", "6442450944",
    ]  # fmt: skip
    assert any("/proc/meminfo" in line and "16.00" in line for line in lines)


def test_a_machine_that_shows_no_memory_has_no_limit() -> None:
    for text, where, shown in [
        ("-- !affinity --\n0\n", "the machine's memory", "(unknown)"),
        ("-- !memory --\nx\n", "the machine's memory", "(unknown)"),
        ("-- /proc/meminfo --\nMemTotal: x kB\n", "the machine's memory", "(unknown)"),
        ("-- /proc/meminfo (EACCES) --\n", "/proc/meminfo", "(EACCES)"),
    ]:
        assert list(memory_limits(Machine(text), GIB)) == [
            Limit("memory", "memory", inf, where, shown)
        ]


def test_the_memory_in_a_namespace_that_hides_the_own_directory() -> None:
    machine = Machine(
        V2.replace("0::/pod/app", "0::/").replace("0:26 / /sys", "0:26 /.. /sys")
        + "-- !pid --\n17\n-- /sys/fs/cgroup/a/cgroup.procs --\n16\n"
        "-- /sys/fs/cgroup/b/cgroup.procs --\n17\n"
        "-- /sys/fs/cgroup/b/memory.max --\n6442450944\n"
    )

    assert survey(machine).workers(memory="2G") == 3


def test_the_memory_of_each_level_and_of_the_machine() -> None:
    levels = Machine(
        V2.replace(
            "MemTotal:       33554432 kB\n", "MemAvailable: 5 kB\nMemTotal:       4194304 kB\n"
        )
        + "-- /sys/fs/cgroup/pod/app/memory.max --\nmax\n-- /sys/fs/cgroup/pod/memory.max --\n\n"
        "-- /sys/fs/cgroup/memory.max (EACCES) --\n"
    )
    facts = Machine("-- !platform --\ndarwin\n-- !memory --\n3221225472\n")

    assert list(memory_limits(levels, GIB)) == [
        Limit("memory", "memory", inf, "/sys/fs/cgroup/pod/app/memory.max", "max"),
        Limit("memory", "memory", inf, "/sys/fs/cgroup/pod/memory.max", "(empty)"),
        Limit("memory", "memory", inf, "/sys/fs/cgroup/memory.max", "(EACCES)"),
        Limit("memory", "memory", 4.0, "/proc/meminfo", "MemTotal: 4194304 kB"),
    ]
    assert list(memory_limits(facts, GIB)) == [
        Limit("memory", "memory", 3.0, "the machine's memory", "3221225472 bytes")
    ]


def test_memory_of_other_systems() -> None:
    machine = Machine("-- !platform --\ndarwin\n-- !cpus --\n8\n-- !memory --\n17179869184\n")

    assert survey(machine).workers(memory="4G") == 4


def test_this_machine_shows_its_memory_without_proc() -> None:
    assert int(FACTS["memory"](None) or "0") >= 2**26


# --- estimates that came from elsewhere


def test_an_estimate_without_its_machine_says_so() -> None:
    made = Estimate([Limit("online", "set", 8, "", "")], [])
    cases: list[dict[str, Any]] = [{"purpose": "physical"}, {"memory": "2G"}]
    for without in (made, pickle.loads(pickle.dumps(survey(Machine(V2))))):
        assert without.workers("lockstep") == without.parallelism
        for arguments in cases:
            with pytest.raises(ValueError, match="does not know its machine"):
                without.workers(**arguments)


def test_the_machine_is_no_field_of_an_estimate() -> None:
    one, other = survey(Machine(V2)), survey(Machine(V2))

    assert one == other
    assert hash(one) == hash(other)
    assert "_system" not in repr(one)
