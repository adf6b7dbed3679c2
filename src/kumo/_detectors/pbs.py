"""PBS Professional, OpenPBS and TORQUE, which share their variables' names, not their meaning.

OpenPBS, ``src/resmom/start_exec.c``: NCPUS is the chunk's ompthreads, else its ncpus; the file
that PBS_NODEFILE names has a line for each MPI process. https://github.com/openpbs/openpbs
TORQUE, ``src/resmom/start_exec.c``: the file has a line for each CPU; PBS_NUM_PPN is 1 unless
``-l nodes=`` says otherwise. https://github.com/adaptivecomputing/torque
"""

from __future__ import annotations

from kumo._detectors._grants import (
    left_out,
    not_confirmed,
    own_cpus,
    read_count,
    read_membership,
    read_named,
    same_host,
)
from kumo._notes import note
from kumo._records import Limit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kumo._records import Note
    from kumo._system.live import System

SOURCE = "PBS and TORQUE"
ANNOUNCED = ("PBS_JOBID",)
SCHEDULERS = {
    **{f"PBS_{name}": "TORQUE" for name in ("NP", "NUM_PPN", "VERSION")},
    **dict.fromkeys(("PBS", "NCPUS"), "PBS"),
}
COUNTS = "in the job, on a host that the file of PBS_NODEFILE lists"
NODEFILE, NCPUS, NP, PPN = "PBS_NODEFILE", "NCPUS", "PBS_NP", "PBS_NUM_PPN"


def detect(system: System) -> Iterator[Limit | Note]:
    host = system.fact("hostname") or "(unknown)"
    notes: list[Note] = []
    text = read_named(system, NODEFILE, notes)
    lines = sum(same_host(line, host) for line in (text or "").split("\n"))
    torque = (system.env("PBS_VERSION") or "").startswith("TORQUE")
    if torque or system.env(PPN) is not None:
        yield from _torque(system, host, text, lines, notes)
    else:
        yield from _pbs(system, host, text, lines, notes)
    yield from notes


def _torque(
    system: System, host: str, text: str | None, lines: int, notes: list[Note]
) -> Iterator[Limit | Note]:
    where = system.env(NODEFILE) or ""
    if lines:
        granted = f"{lines} (TORQUE: slots of job {system.env('PBS_JOBID')} on {host})"
        yield Limit("torque", "allocation", lines, where, granted)
        return
    names = tuple(filter(system.env, (NP, PPN))) or ("PBS_VERSION",)
    yield left_out(system, names, _why(where, host, text, notes), COUNTS)


def _pbs(
    system: System, host: str, text: str | None, lines: int, notes: list[Note]
) -> Iterator[Limit | Note]:
    ncpus, where = read_count(system, NCPUS, notes), system.env(NODEFILE) or ""
    # The file lies on the job's first host alone; MoM sets another NCPUS on the others.
    sister = text is None and not notes and (system.env("PBS_NODENUM") or "0").strip("0") != ""
    if ncpus is None:
        if not notes:
            yield left_out(system, "PBS_JOBID", f"{NCPUS} is not set", COUNTS)
    elif not lines and not sister:
        yield left_out(system, NCPUS, _why(where, host, text, notes), COUNTS)
    else:
        granted = f"{ncpus} (PBS: ncpus or ompthreads of job {system.env('PBS_JOBID')})"
        yield Limit("pbs", "allocation", ncpus, f"${NCPUS}", granted)
        if lines > 1:
            yield from _shared(system, lines, ncpus, where)
        elif sister:
            yield not_confirmed(system, NCPUS, f"nothing here shows that {host} is in the job")


def _shared(system: System, lines: int, ncpus: int, where: str) -> Iterator[Note]:
    """Yield what several lines for this host mean: one chunk's processes, or several chunks.

    The mask of a process in the job's own cpuset is all that the job has on this host.
    """
    held = in_cpuset(read_membership(system), system.env("PBS_JOBID") or "")
    cpus = own_cpus(system) if held else 0
    if not cpus:
        yield note("grant-shared", processes=lines, where=where, cpus=ncpus, name=NCPUS)
    elif ncpus < cpus:
        yield note("grant-of-one-task", where=f"PBS's ${NCPUS}={ncpus}", all=cpus)


def in_cpuset(membership: str, job: str) -> bool:
    """Whether the process is in the job's own cgroup of the cgroups hook.

    Format: ``4:cpuset:/pbspro.service/jobid/77.pbs1``, or ``0::/pbs_jobs.service/jobid/77.pbs1``,
    or a slice of systemd, ``4:cpuset:/pbspro.slice/pbspro-77.pbs1.slice``;
    https://github.com/openpbs/openpbs, ``src/hooks/cgroups/pbs_cgroups.PY``.
    """
    paths = [line.split(":", 2)[-1] for line in membership.split("\n")]
    return any("/pbs" in path and job in map(_job_of, path.split("/")) for path in paths if job)


def _job_of(name: str) -> str:
    """Return the job that a directory is named after: a slice's name has a prefix and escapes.

    Format: ``pbspro-77\\x5b1\\x5d.pbs1.slice`` for ``77[1].pbs1``; systemd-escape(1).
    """
    if not name.endswith(".slice"):
        return name
    head, *tails = name.removesuffix(".slice").partition("-")[2].split("\\x")
    for tail in tails:
        code = tail[:2] if not tail[:2].strip("0123456789abcdefABCDEF") else ""
        head += chr(int(code, 16)) + tail[2:] if len(code) == 2 else f"\\x{tail}"
    return head


def _why(where: str, host: str, text: str | None, notes: list[Note]) -> str:
    """Why the list of the job's hosts does not show that this host is one of them."""
    if not where:
        return f"{NODEFILE}, which names the list of the job's hosts, is not set"
    if text is None and notes:
        return f"{NODEFILE} names nothing that can be read, so that the job's hosts are not known"
    if text is None:
        return f"{where} does not exist here: the job has ended or is another host's"
    return f"{where} does not list this host, {host}"
