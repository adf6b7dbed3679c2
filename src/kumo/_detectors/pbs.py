"""PBS Professional, OpenPBS and TORQUE, which share their variables' names, not their meaning.

OpenPBS, ``src/resmom/start_exec.c``: NCPUS is the chunk's ompthreads, else its ncpus; the file
that PBS_NODEFILE names has a line for each MPI process. https://github.com/openpbs/openpbs
TORQUE, ``src/resmom/start_exec.c``: the file has a line for each CPU; PBS_NUM_PPN is 1 unless
``-l nodes=`` says otherwise. https://github.com/adaptivecomputing/torque
"""

from __future__ import annotations

from kumo._detectors._grants import left_out, not_confirmed, read_count, read_named, same_host
from kumo._notes import note
from kumo._records import Limit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kumo._records import Note
    from kumo._system.live import System

SOURCE = "PBS and TORQUE"
ANNOUNCED = ("PBS_JOBID",)
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
    name = NP if system.env(NP) is not None else PPN if system.env(PPN) else "PBS_VERSION"
    yield left_out(system, name, _why(where, host, text, notes))


def _pbs(
    system: System, host: str, text: str | None, lines: int, notes: list[Note]
) -> Iterator[Limit | Note]:
    ncpus, where = read_count(system, NCPUS, notes), system.env(NODEFILE) or ""
    # The file lies on the job's first host alone; MoM gives the others' tasks a NCPUS of their own.
    sister = text is None and not notes and (system.env("PBS_NODENUM") or "0").strip("0") != ""
    if ncpus is None:
        if not notes:
            yield left_out(system, "PBS_JOBID", f"{NCPUS} is not set")
    elif not lines and not sister:
        yield left_out(system, NCPUS, _why(where, host, text, notes))
    else:
        granted = f"{ncpus} (PBS: ncpus or ompthreads of job {system.env('PBS_JOBID')})"
        yield Limit("pbs", "allocation", ncpus, f"${NCPUS}", granted)
        if lines > 1:
            yield note("grant-shared", processes=lines, where=where, cpus=ncpus, name=NCPUS)
        elif sister:
            yield not_confirmed(system, NCPUS, f"nothing here tells that {host} is in the job")


def _why(where: str, host: str, text: str | None, notes: list[Note]) -> str:
    """Why the list of the job's hosts does not show that this host is one of them."""
    if not where:
        return f"{NODEFILE}, which lists the job's hosts, is not set"
    if text is None and notes:
        return f"{NODEFILE} names nothing that can be read, so that the job's hosts are not told"
    if text is None:
        return f"{where} does not exist here: the job has ended or is another host's"
    return f"{where} does not list this host, {host}"
