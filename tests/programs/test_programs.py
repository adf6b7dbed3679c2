"""Each program of the knob table, started under a real quota, with and without ``kumo run``."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import skip_real
from real.conftest import MakeGroup
from real.host import JOIN, Group, needs_two_cpus

from kumo._runtimes.knobs import KNOBS, Knob
from programs.programs import (
    NOT_RUN,
    PROGRAMS,
    Program,
    ask,
    make_ready,
    told,
    under_kumo,
    version_of,
)

LIGHT = [program for program in PROGRAMS if not program.heavy]


def test_each_default_row_is_run_or_says_why_not() -> None:
    default = {name for name, knob in KNOBS.items() if knob.use == "default"}
    run = {program.variable for program in PROGRAMS}

    assert run & set(NOT_RUN) == set()
    assert run | set(NOT_RUN) >= default >= set(NOT_RUN)
    assert run <= set(KNOBS)


def inside(group: Group, *prefix: str) -> list[str]:
    """What to put before a command so that it runs in *group*, through *prefix*."""
    return ["sh", "-c", JOIN, "sh", str(group.path), "--", *prefix]


@pytest.mark.programs
@pytest.mark.parametrize("program", LIGHT, ids=lambda p: f"{p.variable}-{p.name}")
def test_a_program_agrees_under_kumo_run(
    program: Program, make_group: MakeGroup, tmp_path: Path
) -> None:
    group = make_group(cpus=1.0)
    if version_of(program) is None:
        skip_real(f"{program.name} is not installed: tests/programs/install.sh brings it")
    make_ready(program, tmp_path)
    value, count = told(program)

    before = ask(program, tmp_path, {}, inside(group))
    alone = ask(program, tmp_path, {program.variable: value}, [])
    after = ask(program, tmp_path, {}, inside(group, *under_kumo(program)))

    assert before >= after
    check_row(KNOBS[program.variable], program, tmp_path, before > after)
    assert alone == count, f"{program.name} does not read {program.variable}"
    assert after == 1, f"{program.name} is not told by kumo run"


def check_row(knob: Knob, program: Program, work: Path, over_quota: bool) -> None:
    """What the row says of the program: which limits it sees by itself, whether a cap is one."""
    if knob.sees:
        pinned = ask(program, work, {}, ["taskset", "-c", str(needs_two_cpus()[0])])
        assert over_quota is not knob.redundant
        assert (pinned == 1) is ("affinity" in knob.sees)
    if knob.effect == "cap":
        free = ask(program, work, {}, [])
        assert ask(program, work, {program.variable: knob.value(free + 1)}, []) <= free
