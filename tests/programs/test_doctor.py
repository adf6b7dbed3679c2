"""What ``kumo doctor`` advises, followed under a real quota with the programs themselves."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from conftest import skip_real
from real.conftest import MakeGroup
from real.host import in_groups

from programs.programs import CACHE, TIMEOUT
from programs.test_plugs import has_package, surroundings

pytestmark = pytest.mark.programs

# The other runtimes of this machine are not asked: they would take a minute.
DOCTOR = ["env", f"PATH={CACHE / 'venv' / 'bin'}", "python", "-m", "kumo", "doctor", "--json"]
HIGH = (
    *("GOMAXPROCS", "LOKY_MAX_CPU_COUNT", "NUMEXPR_MAX_THREADS", "POLARS_MAX_THREADS"),
    "PYTHON_CPU_COUNT",
)


def rows(prefix: Sequence[str], variables: Mapping[str, str]) -> dict[tuple[str, str, str], Any]:
    """What is found of each program and call."""
    done = subprocess.run(
        [*prefix, *DOCTOR],
        env=surroundings() | dict(variables),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert (done.returncode in (0, 1), done.stderr) == (True, "")
    beliefs = json.loads(done.stdout)["runtimes"]
    return {(row["runtime"], row["program"], row["asked"]): row for row in beliefs}


def followed(mend: str) -> tuple[list[str], dict[str, str]]:
    """What the advice is to start the command through, and to set.

    unset PYTHON_CPU_COUNT and kumo run -- CMD, or PYTHON_CPU_COUNT=1
    kumo run --with numba -- CMD (NUMBA_NUM_THREADS=1)
    """
    run = re.search(r"kumo run (.*)-- CMD", mend)
    name, _, value = mend.rpartition(" ")[2].partition("=")
    name = name.lstrip("(")
    settings = {name: value.rstrip(")")} if name.isidentifier() and value else {}
    return ["python", "-m", "kumo", "run", *run[1].split(), "--"] if run else [], settings


def test_what_mends_it_mends_it(make_group: MakeGroup) -> None:
    if not has_package("polars"):
        skip_real("the programs are not installed: tests/programs/install.sh brings them")
    inside = in_groups([make_group(cpus=1.0)], [])
    high = dict.fromkeys(HIGH, "2")

    over = {k: row for k, row in rows(inside, high).items() if row["verdict"] == "over"}
    advice = {k: followed(row["mend"] or "") for k, row in over.items()}
    unset = {re.sub(r"unset (\w+) .*", r"\1", row["mend"] or "") for row in over.values()}
    kept = {name: value for name, value in high.items() if name not in unset}
    runs = {tuple(way): rows([*inside, *way], kept) for way, _ in advice.values() if way}
    settings = {name: one for _, more in advice.values() for name, one in more.items()}
    changed = rows(inside, settings)

    assert set(settings) >= set(high)
    for call, (prefix, more) in advice.items():
        if prefix:
            assert runs[tuple(prefix)][call]["verdict"] != "over", over[call]
        if more:
            assert changed[call]["verdict"] != "over", over[call]
