"""An input is bounded before it is expanded: a short text never costs minutes or gigabytes.

The inputs are those of benchmarks/bounds.py, which has what each costs. Here each is surveyed in a
process that may use 60 s of CPU time and 600 MB: what expands them needs hours, or many
gigabytes.
"""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
from pathlib import Path

import _bounds
import pytest

from kumo._cgroups.levels import Mount, parse_mounts, under
from kumo._detectors._slurm_format import parse_nodelist
from kumo._records import Note
from kumo._survey import survey
from kumo._system.machine_file import MAX_FILE_BYTES, Machine, MachineError, read_machine

BENCHMARKS = Path(_bounds.__file__).parent
CPU_SECONDS, MEMORY = 60, 600 << 20


def limited() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory as Linux has them")
@pytest.mark.parametrize("name", _bounds.CASES)
def test_a_short_input_has_a_short_answer(name: str) -> None:
    command = [sys.executable, str(BENCHMARKS / "bounds.py"), "--case", name]

    done = subprocess.run(command, preexec_fn=limited, capture_output=True, check=False)

    assert done.returncode == 0, done.stderr.decode()[-500:]
    _, megabytes = json.loads(done.stdout)
    assert megabytes < 256


def naive_visible(mounts: list[Mount]) -> list[str]:
    """The numbers of the cgroup mounts that nothing hides, by comparing each with each."""
    by_number = {mount.number: mount for mount in mounts}

    def hidden(mount: Mount, place: int) -> bool:
        way: dict[str, Mount] = {}
        crossed: Mount | None = mount
        while crossed is not None and crossed.parent not in way:
            way[crossed.parent] = crossed
            crossed = by_number.get(crossed.parent)
        for position, other in enumerate(mounts):
            beside = way.get(other.parent)
            if other in way.values():
                continue
            if other.point == mount.point:
                if other.parent == mount.number or position > place:
                    return True
            elif beside is not None and under(beside.point, other.point):
                return True
        return False

    return [m.number for p, m in enumerate(mounts) if m.fstype == "cgroup2" and not hidden(m, p)]


POINTS = ("/", "/a", "/a/b", "/a/b/c", "/a/bb", "/d", "/d/e")


def chance_table(seed: int) -> list[str]:
    """The lines of a table whose mounts stand on each other as the kernel's do."""
    chance = random.Random(seed)
    numbers = chance.sample(range(10, 20), chance.randrange(1, 10))
    points = {1: "/"}
    lines = []
    for number in numbers:
        parent = chance.choice([*points])
        points[number] = chance.choice([p for p in POINTS if under(p, points[parent])])
        fstype = chance.choice(["cgroup2", "tmpfs"])
        lines.append(f"{number} {parent} 0:1 / {points[number]} rw - {fstype} c rw")
    chance.shuffle(lines)
    return lines


def test_the_mounts_that_are_visible_are_those_by_comparing_each_with_each() -> None:
    for lines in map(chance_table, range(2000)):
        visible, _ = parse_mounts("\n".join(lines))

        assert [mount.number for mount in visible] == naive_visible(list(map(Mount, lines))), lines


def test_of_many_wrong_lines_one_is_noted() -> None:
    threads = "".join(f"{i} x{i}\n" for i in range(100))

    estimate = survey(Machine(f"{_bounds.machine()}-- !threads --\n{threads}"))

    assert [note.code for note in estimate.notes].count("malformed") == 1


def test_a_level_is_read_through_a_few_mounts_alone() -> None:
    machine = Machine(_bounds.mounts(100))

    survey(machine)

    assert len([path for path in machine.asked if path.endswith("/cpu.max")]) < 10


@pytest.mark.parametrize(
    "text",
    [
        "n[1-2][1-65537]",
        "n[1-131072],n",
        "n" * 256,
        "n[1]" + "[000000000000000001]" * 15,
        "n[1-2",
        "n]1[",
    ],
)
def test_not_a_list_of_nodes(text: str) -> None:
    with pytest.raises(ValueError, match=r"[n1]"):
        parse_nodelist(text)


def test_a_machine_file_without_an_end_is_refused() -> None:
    with pytest.raises(MachineError, match="more than 64 MB"):
        read_machine("/dev/zero")
    assert MAX_FILE_BYTES == 64 << 20


def test_the_same_note_is_there_once() -> None:
    estimate = survey(Machine(_bounds.machine()))

    assert len(set(estimate.notes)) == len(estimate.notes)
    assert all(isinstance(note, Note) for note in estimate.notes)


# --- what the fuzzing of tests/fuzz found


def test_a_note_is_printable_whatever_it_is_about() -> None:
    text = f"{_bounds.machine()}-- $SLURM_JOB_ID --\n\x1b[2J\n"

    assert all(note.text.isprintable() for note in survey(Machine(text)).notes)


@pytest.mark.parametrize("fact", ["platform", "pid", "tid", "hostname", "policy", "sandbox"])
def test_a_fact_that_never_fails_is_unknown_if_a_machine_file_has_an_error(fact: str) -> None:
    text = _bounds.machine().replace("-- !pid --\n7\n", "") + f"-- !{fact} (ENOSYS) --\n"

    assert survey(Machine(text)).parallelism == 2


def test_a_variable_that_cannot_be_read_ends_its_detector_alone() -> None:
    text = f"{_bounds.machine()}-- $SLURM_JOB_ID --\n1\n-- $SLURM_JOB_NODELIST (EACCES) --\n"

    estimate = survey(Machine(text))

    assert estimate.parallelism == 2
    assert "unreadable" in [note.code for note in estimate.notes]


def test_a_quota_beyond_any_machine_is_not_the_count() -> None:
    text = (
        "-- /proc/self/cgroup --\n0::/\n-- /proc/self/mountinfo --\n"
        "50 1 0:26 / /m rw - cgroup2 c rw\n-- /m/cpu.max --\n9223372036854775807 100000\n"
    )

    estimate = survey(Machine(text))

    assert estimate.parallelism == 1
    assert "nothing-known" in [note.code for note in estimate.notes]


def test_no_cpus_under_no_rate_are_no_number() -> None:
    text = (
        "-- !platform --\nwin32\n-- !GetActiveProcessorCount --\n0\n-- !cpus --\n16\n"
        "-- !QueryInformationJobObject --\nweight 5\n"
    )

    assert all(limit.cpus >= 0 for limit in survey(Machine(text)).limits)
