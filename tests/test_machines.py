"""Every machine file gives the answer that it says is right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import MACHINES

from kumo._notes import NOTES
from kumo._records import Estimate
from kumo._snapshot import snapshot
from kumo._survey import survey
from kumo._system.machine_file import Machine, read_machine
from kumo._topology.read import read_topology

# What an estimate says for each word of `expect`; numbers as machine files write them.
SAID: dict[str, Callable[[Estimate], set[str]]] = {
    "parallelism": lambda estimate: {str(estimate.parallelism)},
    "cpus": lambda estimate: {f"{estimate.cpus:g}"},
    "quota": lambda estimate: {"none" if estimate.quota is None else f"{estimate.quota:g}"},
    "binding": lambda estimate: {estimate.binding.source},
    "burst": lambda estimate: {f"{estimate.burst:g}"},
    "note": lambda estimate: {note.code for note in estimate.notes},
}
NUMBERS = ("cpus", "quota", "burst")


def wrong(machine: Machine, estimate: Estimate) -> list[str]:
    """The lines of ``expect`` that *estimate* does not fulfil."""
    lines = machine.expect().splitlines()
    assert any(line.startswith("parallelism ") for line in lines)
    failures = []
    for line in lines:
        word, _, value = line.partition(" ")
        wanted = f"{float(value):g}" if word in NUMBERS and value != "none" else value
        if wanted not in SAID[word](estimate):
            failures.append(f"{line}: got {sorted(SAID[word](estimate))}")
    expected = {line.removeprefix("note ") for line in lines if line.startswith("note ")}
    failures += [f"note {code}: not expected" for code in SAID["note"](estimate) - expected]
    return failures


@pytest.mark.parametrize("path", MACHINES, ids=lambda path: path.stem)
def test_machine(path: Path) -> None:
    machine = read_machine(path)

    assert wrong(machine, survey(machine)) == []


@pytest.mark.parametrize("path", MACHINES, ids=lambda path: path.stem)
def test_snapshot_gives_the_same_estimate(path: Path) -> None:
    estimate = survey(read_machine(path))

    again = Machine(snapshot(read_machine(path)))

    assert survey(again) == estimate
    assert wrong(again, estimate) == []


@pytest.mark.parametrize("path", MACHINES, ids=lambda path: path.stem)
def test_thread_scope_has_an_answer(path: Path) -> None:
    assert survey(read_machine(path, scope="thread")).parallelism >= 1


def test_thread_scope_where_its_files_are_closed() -> None:
    machine = Machine("-- !affinity --\n0-1\n-- /proc (EACCES) --\n", scope="thread")

    assert [note.code for note in survey(machine).notes] == ["unreadable"]
    assert survey(machine).parallelism == 2


@pytest.mark.parametrize("name", ["a\nb", "a\\012b", "a\\134012b", "a\\040b", "a\\x2db"])
def test_snapshot_of_a_path_that_a_heading_cannot_hold_as_it_is(name: str) -> None:
    heading = name.replace("\\", "\\134").replace("\n", "\\012")
    shown = heading.replace(" ", "\\040")
    machine = Machine(
        "-- !affinity --\n0-7\n-- /proc/self/cgroup --\n0::/\n-- /proc/self/mountinfo --\n"
        f"26 22 0:26 / /{shown} rw - cgroup2 cgroup rw\n-- /{heading}/cpu.max --\n200000 100000\n"
    )
    estimate = survey(machine)

    assert estimate.binding.where == f"/{name}/cpu.max"
    assert survey(Machine(snapshot(machine))) == estimate


def test_the_same_note_is_there_once() -> None:
    login = "0::/user.slice/user-1000.slice/session-3.scope\n"
    machine = Machine(
        "-- !affinity --\n0-7\n-- !hostname --\nn2\n-- $SLURM_JOB_ID --\n7\n"
        f"-- $SLURMD_NODENAME --\nn2\n-- /proc/self/cgroup --\n{login * 2}"
    )

    codes = [note.code for note in survey(machine).notes]

    assert codes.count("grant-not-confirmed") == 1


NARROW = "-- !affinity --\n0-2\n"  # of the 8 that are online
ISOLATED = "-- !affinity --\n0-7\n-- /sys/devices/system/cpu/isolated --\n3-7\n"
UNREAD = "-- !affinity --\n0-2\n-- !threads (EACCES) --\n"
QUOTA = """\
-- /proc/self/cgroup --
0::/a
-- /proc/self/mountinfo --
26 22 0:26 / /cg rw - cgroup2 cgroup rw
-- /cg/cgroup.procs --
1
-- /cg/a/cpu.max --
{} 100000
"""
OVERRIDE = "-- $KUMO_AVAILABLE_PARALLELISM --\n3\n"


@pytest.mark.parametrize(
    ("quota", "other", "errs"),
    [
        ("max", "", "under"),
        ("400000", "", "under"),
        ("399999", "", "no"),  # with a larger mask, the count would also be 3
        ("250000", "", "no"),
        ("max", OVERRIDE, "no"),
    ],
)
@pytest.mark.parametrize("mask", [NARROW, ISOLATED, UNREAD])
def test_a_larger_mask_raises_the_count_unless_another_limit_keeps_it(
    mask: str, quota: str, other: str, errs: str
) -> None:
    online = "-- /sys/devices/system/cpu/online --\n0-7\n"
    notes = survey(Machine(mask + QUOTA.format(quota) + other + online)).notes

    assert {note.errs for note in notes} == {errs}
    assert {note.text.endswith(". The count is not affected.") for note in notes} == {errs == "no"}


def test_other_groups_raise_no_count_that_a_job_caps() -> None:
    groups = "-- !platform --\nwin32\n-- !GetProcessAffinityMask --\nprocess 64-95\ngroup 64-95\n"
    more = "-- !GetActiveProcessorCount --\n96\n-- !QueryInformationJobObject --\nhard_cap {}\n"

    for cap, count, errs in ((1500, 14, "no"), (7500, 32, "under")):
        estimate = survey(Machine(groups + more.format(cap)))
        found = [note.errs for note in estimate.notes if note.code == "other-groups"]
        assert (estimate.parallelism, found) == (count, [errs])


def test_every_note_is_reached_by_a_machine() -> None:
    reached = {note.code for path in MACHINES for note in survey(read_machine(path)).notes}
    odd = "-- !affinity --\n0\n-- {0}/isolated --\nall\n-- {0}/offline (EIO) --\n"
    machine = Machine(odd.format("/sys/devices/system/cpu"))
    reached |= {note.code for note in read_topology(machine).notes}
    for path in (MACHINES[0].parent.parent / "topology" / "machines").glob("*.txt"):
        reached |= {note.code for note in read_topology(read_machine(path)).notes}

    assert set(NOTES) - reached == set()
