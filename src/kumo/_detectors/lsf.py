"""LSF: the job's slots on this host, or the CPUs that its tasks here are bound to.

https://www.ibm.com/docs/en/spectrum-lsf/10.1.0?topic=variables-environment-set-job-execution
A slot is what the site makes of it, usually a core. LSB_DJOB_NUMPROC is said to count the slots
of all hosts, and LSB_MAX_NUM_PROCESSORS those that were asked for: neither is this host's.
"""

from __future__ import annotations

from kumo._cgroups.cpulist import parse_cpulist
from kumo._detectors._grants import file_of, left_out, parse_count, read_named, same_host, whose
from kumo._notes import malformed
from kumo._records import Limit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kumo._records import Note
    from kumo._system.live import System

SOURCE = "LSF"
ANNOUNCED = ("LSB_JOBID",)
SCHEDULERS = {"LSB": SOURCE}
COUNTED, LISTED, AFFINITY = "LSB_MCPU_HOSTS", "LSB_HOSTS", "LSB_AFFINITY_HOSTFILE"


def parse_hosts(text: str, host: str) -> int:
    """Return the slots of *host* in LSB_MCPU_HOSTS. Raise `ValueError` for another form.

    Format: ``batch2 1 h22n07 42``; https://www.hpc.dtu.dk/lsf931/lsf_admin/parallel_jobs_about.html
    """
    words = text.split()
    if not words or len(words) % 2:
        raise ValueError(text)
    pairs = [(words[i], parse_count(words[i + 1])) for i in range(0, len(words), 2)]
    return sum(slots for name, slots in pairs if same_host(name, host))


def parse_affinity(text: str, host: str) -> int:
    """Return the mask of the CPUs of *host*'s tasks. Raise `ValueError` with a line not in form.

    Format: ``h1 0,1,2,3``, one line a task; columns beyond the second are about memory.
    https://github.com/open-mpi/ompi, ``ras_lsf_module.c``. Empty if nothing is bound.
    """
    mask = 0
    for line in filter(str.strip, text.split("\n")):
        name, cpus, *_ = [*line.split(), ""]
        try:
            own = parse_cpulist(cpus)
        except ValueError:
            raise ValueError(line) from None
        mask |= own if same_host(name, host) else 0
    return mask


def detect(system: System) -> Iterator[Limit | Note]:
    host, job = system.fact("hostname") or "(unknown)", f"job {system.env('LSB_JOBID')}"
    notes: list[Note] = []
    counted, listed = system.env(COUNTED), (system.env(LISTED) or "").split()
    mask, name, text = 0, COUNTED if counted else LISTED, ""
    try:
        text = read_named(system, AFFINITY, notes) or ""
        mask = parse_affinity(text, host)
    except ValueError as error:
        yield malformed(file_of(system, AFFINITY), str(error), "a host and its CPUs")
    try:
        own = parse_hosts(counted, host) if counted else sum(same_host(n, host) for n in listed)
    except ValueError:
        yield malformed(whose(COUNTED), counted or "", "hosts, each followed by its slots")
        name, own = LISTED, sum(same_host(n, host) for n in listed)
    if mask:
        cpus = mask.bit_count()
        granted = f"{cpus} (LSF: CPUs that tasks of {job} are bound to)"
        yield Limit("lsf", "allocation", cpus, system.env(AFFINITY) or "", granted)
    elif own:
        yield Limit("lsf", "allocation", own, f"${name}", f"{own} (LSF: slots of {job} on {host})")
    elif system.env(name):
        yield left_out(system, name, f"this host, {host}, is not among them")
    else:
        total = "LSB_DJOB_NUMPROC" if system.env("LSB_DJOB_NUMPROC") else "LSB_JOBID"
        yield left_out(system, total, "the job's hosts are not known")
    yield from notes
