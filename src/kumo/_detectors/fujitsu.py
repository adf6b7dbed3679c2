"""Fujitsu Technical Computing Suite: the cores of the virtual node that the job runs in.

``PJM_VNODE_CORE`` is set by ``pjsub -L vnode-core=N``; what is known of it comes from
https://parallelly.futureverse.org/reference/availableCores.html
A job on whole nodes has no such variable, and the affinity leaves out the assistant cores.
"""

from __future__ import annotations

from kumo._detectors._grants import left_out, read_count, read_named
from kumo._records import Limit, inf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kumo._records import Note
    from kumo._system.live import System

SOURCE = "Fujitsu TCS"
ANNOUNCED = (
    "PJM_JOBID",
    "PJM_VNODE_CORE",
)
SCHEDULERS = {"PJM": SOURCE}
CORES, PROCESSES, HOSTS, JOB = "PJM_VNODE_CORE", "PJM_PROC_BY_NODE", "PJM_O_NODEINF", "PJM_JOBID"


def detect(system: System) -> Iterator[Limit | Note]:
    notes: list[Note] = []
    cores = read_count(system, CORES, notes)
    elsewhere = system.env(HOSTS) is not None and read_named(system, HOSTS, notes) is None
    if cores is not None and not elsewhere:
        granted = f"{cores} (Fujitsu TCS: vnode-core of the job)"
        yield Limit("fujitsu", "allocation", cores, f"${CORES}", granted)
    elif cores is not None and not notes:
        yield left_out(system, CORES, f"the file of ${HOSTS} does not exist here")
    elif system.env(PROCESSES) is not None:
        granted = f"{system.env(PROCESSES)} (Fujitsu TCS: processes a node, not cores)"
        yield Limit("fujitsu", "allocation", inf, f"${PROCESSES}", granted)
    elif system.env(JOB) is not None:
        granted = f"{system.env(JOB)} (Fujitsu TCS: the job's cores are the affinity)"
        yield Limit("fujitsu", "allocation", inf, f"${JOB}", granted)
    yield from notes
