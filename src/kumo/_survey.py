"""One survey of a system: every detector asked, their records made into an estimate."""

from __future__ import annotations

from kumo._detectors import affinity, cgroup_quota, machine
from kumo._notes import note, settled, unreadable
from kumo._records import Estimate, Limit, inf, of_system
from kumo._text import show_rate

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator
    from typing import Literal

    from kumo._records import Note
    from kumo._system.live import Scope, System

    Detector = Callable[[System], Iterator[Limit | Note]]


MAX_CPUS = 2**20  # no machine has more
# How a note begins if a module could not be loaded: the process may have another root directory
# or another user by now, or no descriptor left.
MODULE = "The module "
KERNEL_LINUX = ("linux", "android")  # sys.platform, on Android from Python 3.13 on

# `kumo._override.VARIABLE`: without it, neither that module nor the detector is loaded.
OVERRIDE = "KUMO_AVAILABLE_PARALLELISM"

# Further detectors of other systems, loaded there alone.
ELSEWHERE = (
    "job_object",
    "rctl",
    "cpu_cap",
    "native_affinity",
    "cpu_sets",
    "processor_groups",
    "performance_levels",
    "lpar",
)

# The ``ANNOUNCED`` of each detector: a variable or ``!fact`` that is always there if the source
# applies. It is written again here so that a source that nothing announces
# is neither loaded nor asked; a test compares the two.
ANNOUNCED: dict[str, str] = {
    "KUMO_VIEW_CPUS": "view",
    "!x_cpu_count": "interpreter",
    "PYTHON_CPU_COUNT": "interpreter",
    "SLURM_JOB_ID": "slurm",
    "SLURM_JOB_CPUS_PER_NODE": "slurm",
    "PBS_JOBID": "pbs",
    "NSLOTS": "grid_engine",
    "LSB_JOBID": "lsf",
    "_CONDOR_MACHINE_AD": "condor",
    "FLUX_JOB_ID": "flux",
    "FLUX_ENCLOSING_ID": "flux",
    "OAR_NODEFILE": "oar",
    "PJM_JOBID": "fujitsu",
    "PJM_VNODE_CORE": "fujitsu",
    "COBALT_JOBID": "cobalt",
    "NOMAD_ALLOC_ID": "nomad",
    "AWS_LAMBDA_FUNCTION_NAME": "aws_lambda",
    "ECS_CONTAINER_METADATA_URI_V4": "platforms",
    "K_SERVICE": "platforms",
    "CLOUD_RUN_JOB": "platforms",
    "CLOUD_RUN_WORKER_POOL": "platforms",
    "DYNO": "platforms",
    "FLY_MACHINE_ID": "platforms",
    "CIRCLECI": "platforms",
    "CONTAINER_APP_NAME": "platforms",
    "CONTAINER_APP_JOB_NAME": "platforms",
    "RAILWAY_SERVICE_ID": "platforms",
    "RAILWAY_ENVIRONMENT_NAME": "platforms",
    "RENDER": "platforms",
    "NIX_BUILD_TOP": "build_farm",
    "CONDA_BUILD": "build_farm",
    "RPM_PACKAGE_NAME": "build_farm",
    "DEB_RULES_REQUIRES_ROOT": "build_farm",
    "EBUILD_PHASE": "build_farm",
    "FLATPAK_BUILDER_BUILDDIR": "build_farm",
    "CRAFT_PART_NAME": "build_farm",
    "SNAPCRAFT_PART_BUILD": "build_farm",
    "!sandbox": "platforms",
}


# The same for detectors of Linux, by the files of their ``ANNOUNCING_FILES``.
ANNOUNCED_BY_FILE: dict[str, str] = {
    "/sys/devices/cpu_core/cpus": "core_kinds",
    "/sys/devices/cpu_atom/cpus": "core_kinds",
    "/sys/devices/system/cpu/cpu0/cpu_capacity": "core_kinds",
    "/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq": "core_kinds",
    "/proc/powerpc/lparcfg": "hypervisor",
    "/proc/sysinfo": "hypervisor",
}

# Those of ANNOUNCED_BY_FILE that yield no limit.
NOTES_ALONE = ("core_kinds",)

# Detectors of ANNOUNCED that are about no batch scheduler: their modules state no ``SCHEDULERS``.
HOSTS = ("view", "interpreter", "platforms", "aws_lambda", "build_farm")


def survey(system: System, *, notes: bool = True) -> Estimate:
    """Return the estimate for *system*. Raise `OverrideError` if the override is not a count.

    Without *notes* the detectors that have nothing else are left out: the count is the same.
    """
    limits: list[Limit] = []
    noted: dict[Note, None] = {}
    for detect in _detectors(system, notes):
        try:
            for record in detect(system):
                if isinstance(record, Limit):
                    limits.append(record)
                else:
                    noted[record] = None
        except OSError as error:  # of what is not expected to fail: what was found before stays
            noted[unreadable(str(error.filename), error)] = None
        except ImportError as error:
            where = f"{MODULE}{error.name}"
            noted[note("unreadable", where=where, error=type(error).__name__)] = None
    noted.update(dict.fromkeys(_notes_on_all(limits)))
    if _in_job(system):  # a scheduler binds its tasks, and nobody is to undo that
        noted = {record: None for record in noted if record.code != "affinity-not-imposed"}
    if not any(map(_is_possible, limits)):
        limits.append(Limit("nothing", "set", 1, "nothing could be read", ""))
    count = Estimate(limits, ()).parallelism
    return of_system(Estimate(limits, settled(noted, limits, count)), system)


def _detectors(system: System, notes: bool) -> Iterator[Detector]:
    """Yield the detectors that apply on this system, from the narrowest scope."""
    linux = system.fact("platform") in KERNEL_LINUX
    announced = dict.fromkeys(name for key, name in ANNOUNCED.items() if _announced(system, key))
    # Another's environment may be closed, which the override's detector reports.
    if _announced(system, OVERRIDE, if_closed=True):
        yield from _load("override")
    yield from _load(*announced, *(() if linux else ELSEWHERE))
    if linux:
        yield cgroup_quota.detect
    yield affinity.detect
    if linux:
        wanted = {k: v for k, v in ANNOUNCED_BY_FILE.items() if notes or v not in NOTES_ALONE}
        yield from _load(*dict.fromkeys(v for k, v in wanted.items() if _has_file(system, k)))
    yield machine.detect


def _load(*names: str) -> Iterator[Detector]:
    for name in names:
        try:
            detect: Detector = __import__(f"kumo._detectors.{name}", fromlist=("detect",)).detect
        except (ImportError, OSError) as error:
            detect = _failing(ImportError(str(error), name=f"kumo._detectors.{name}"))
        yield detect


def _failing(error: ImportError) -> Detector:
    def detect(system: System) -> Iterator[Limit | Note]:
        raise error

    return detect


def _has_file(system: System, path: str) -> bool:
    try:
        return system.read(path) is not None
    except OSError as error:
        from errno import EMFILE, ENFILE

        # It is there, and the detector decides what a file that fails means. Without a descriptor
        # left, nobody knows that, and no detector could be loaded.
        return error.errno not in (EMFILE, ENFILE)


def _in_job(system: System) -> bool:
    return any(name not in HOSTS and _announced(system, key) for key, name in ANNOUNCED.items())


def _announced(system: System, key: str, *, if_closed: bool = False) -> bool:
    try:
        answer = system.fact(key[1:]) if key[0] == "!" else system.env(key)
    except OSError:
        return if_closed
    return answer is not None


def _is_possible(limit: Limit) -> bool:
    """Whether the limit could be a count: a quota may be written that no machine can reach."""
    return limit.kind == "override" or limit.cpus <= MAX_CPUS


def _notes_on_all(limits: list[Limit]) -> Iterator[Note]:
    """Yield the notes that follow from several limits together."""
    if not any(map(_is_possible, limits)):
        yield note("nothing-known")
    rate = min((limit.cpus for limit in limits if limit.kind == "rate"), default=inf)
    if rate < 1:
        yield note("quota-below-one", quota=show_rate(rate))
    online = min((limit.cpus for limit in limits if limit.source == "online"), default=inf)
    for limit in limits:
        if limit.kind == "override" and limit.cpus > online:
            yield note("override-exceeds-machine", override=limit.text, online=online)


def estimate(
    scope: Literal["process", "thread"] = "process",
    *,
    pid: int | None = None,
    machine: str | os.PathLike[str] | None = None,
) -> Estimate:
    """Survey this system, and return the count with every limit, its evidence and the notes.

    *scope* ``"process"`` is for the process: the union of its threads' affinity masks, the
    main thread's cgroup. ``"thread"`` is for the calling thread: its mask, its cgroup.
    *pid* asks for another process, as seen from here; *machine* for a machine file.

    Raise `OverrideError` if ``KUMO_AVAILABLE_PARALLELISM`` is not a positive decimal
    integer, `ProcessLookupError` if no process *pid* exists, `OSError` or
    `MachineError` if the machine file cannot be read, `ValueError` for another *scope*
    or both *pid* and *machine*.

    >>> estimate = kumo.estimate(machine="machine.txt")  # kumo.estimate() is for this process
    >>> estimate.parallelism, estimate.cpus, estimate.binding.source
    (2, 2.5, 'quota')
    """
    return survey(open_system(scope, pid, machine))


def open_system(scope: Scope, pid: int | None, machine: str | os.PathLike[str] | None) -> System:
    """Return the system that an estimate is to ask. Raise as `estimate` does."""
    if scope not in ("process", "thread"):
        raise ValueError(f"scope must be 'process' or 'thread', not {scope!r}")
    if pid is not None and machine is not None:
        raise ValueError("pid and machine exclude each other")
    if machine is not None:
        from kumo._system.machine_file import read_machine

        return read_machine(machine, scope)
    from kumo._system.live import LiveSystem, process_exists

    if pid is not None and not process_exists(pid):
        raise ProcessLookupError(3, "no such process", str(pid))
    return LiveSystem(scope, pid)
