"""What is done with an input, and what must hold."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from math import inf

from fuzz import inputs
from kumo import _sizes
from kumo._cgroups import cpu_stat, cpulist, levels, quota
from kumo._detectors import (
    _grants,
    _slurm_format,
    build_farm,
    condor,
    cpu_cap,
    grid_engine,
    hypervisor,
    job_object,
    lpar,
    lsf,
    native_affinity,
    pbs,
    performance_levels,
    rctl,
)
from kumo._doctor import process as doctor
from kumo._explain import as_dict
from kumo._override import OverrideError, parse_override
from kumo._pressure import parsers as pressure
from kumo._records import Estimate
from kumo._runtimes.runtimes import RUNTIMES, read_executable, read_lines
from kumo._snapshot import snapshot
from kumo._survey import survey
from kumo._system import process
from kumo._system.machine_file import Machine, MachineError, of_report, parse_sections
from kumo._system.open_as import parse_user

MAX_CPUS = 2**20
PARSERS: tuple[Callable[[str], object], ...] = (
    cpulist.parse_cpulist,
    levels.parse_membership,
    levels.parse_mounts,
    levels.unescape,
    lambda text: levels.locate(*map(levels.steps, text.partition("\n")[::2])),
    quota.parse_quota,
    lambda text: quota.parse_quota(text, "-1"),
    cpu_stat.parse_cpu_stat,
    _grants.parse_count,
    _slurm_format.parse_counts,
    _slurm_format.parse_nodelist,
    _slurm_format.job_of_cgroup,
    _slurm_format.is_step,
    build_farm.parse_options,
    build_farm.parse_makeopts,
    hypervisor.parse_lparcfg,
    hypervisor.is_limited,
    lambda text: pbs.in_cpuset(text, "77[1].pbs1"),
    condor.parse_ad,
    cpu_cap.parse_cap,
    lambda text: grid_engine.parse_hostfile(text, "n1"),
    job_object.parse_rate,
    lpar.parse_partition,
    lambda text: lsf.parse_hosts(text, "n1"),
    lambda text: lsf.parse_affinity(text, "n1"),
    native_affinity.parse_sets,
    performance_levels.parse_levels,
    rctl.parse_rule,
    parse_override,
    parse_sections,
    of_report,
    _sizes.parse_size,
    parse_user,
    process.parse_stat,
    lambda text: process._is_private(text, 2**40, 2**41),
    pressure.parse_pressure,
    pressure.parse_schedstat,
    pressure.parse_process_stat,
    pressure.parse_stat,
    pressure.parse_usage,
    pressure.parse_cpuacct,
    pressure.parse_maps,
    lambda text: process.parse_environ(text.replace("\n", "\0")),
    lambda text: doctor.judge_variables({"MAKEFLAGS": text, "ERL_ZFLAGS": text}, ESTIMATE),
    read_lines,
    read_executable,
    *(runtime.read for runtime in RUNTIMES),
)
ESTIMATE: Estimate = survey(Machine("-- !affinity --\n0-3\n"))
REFUSALS = (ValueError, ProcessLookupError)


def try_parser(data: bytes) -> None:
    """A parser returns, or raises what it says."""
    choices = inputs.Choices(data)
    parse = PARSERS[choices.below(len(PARSERS))]
    text = inputs.text_for_a_parser(choices)
    with suppress(*REFUSALS):
        parse(text)


def try_machine(data: bytes, thorough: bool = True) -> bool:
    """Survey a machine file; return whether a detector has read what was changed in it."""
    text, names = inputs.machine(data)
    try:
        system = Machine(text)
    except MachineError:
        return False
    try:
        estimate = survey(system)
    except OverrideError:
        return True
    check(estimate)
    if thorough:
        json.dumps(as_dict(estimate), allow_nan=False)
        assert survey(Machine(snapshot(Machine(text)))) == estimate
    return any(name in system.asked for name in names)


def try_page(data: bytes) -> None:
    """A report gives its machine file back, or is refused if it was changed."""
    text, page, is_whole = inputs.page(data)
    try:
        report = of_report(page)
    except MachineError:
        assert not is_whole
        return
    assert report == text or not is_whole
    with suppress(MachineError, OverrideError):
        check(survey(Machine(page)))


def check(estimate: Estimate) -> None:
    """The count is possible: at least 1, and no more than every limit allows."""
    count = estimate.parallelism
    override = estimate.binding.kind == "override"
    assert count >= 1
    assert override or count <= MAX_CPUS
    for limit in estimate.limits:
        assert limit.cpus >= 0
        assert override or limit.cpus == inf or count <= max(1, limit.cpus)
    shown = str(estimate)
    assert shown.split(maxsplit=1)[0] == str(count)
    assert all(line.isprintable() for line in shown.split("\n"))
