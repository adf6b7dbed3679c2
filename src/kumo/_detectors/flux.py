"""Flux: the cores of a job are its affinity, and no variable has their number.

https://flux-framework.readthedocs.io/projects/flux-core/en/latest/man7/flux-environment.html
``FLUX_JOB_SIZE`` counts tasks. By default each task may use all of the job's cores on its
node: https://flux-framework.readthedocs.io/projects/flux-core/en/latest/man7/flux-shell-options.html
"""

from __future__ import annotations

from kumo._detectors._grants import read_count
from kumo._notes import note
from kumo._records import Limit, inf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kumo._records import Note
    from kumo._system.live import System

SOURCE = "Flux"
# Of a task, and of the script that `flux batch` or the shell that `flux alloc` runs.
ANNOUNCED = ("FLUX_JOB_ID", "FLUX_ENCLOSING_ID")
SCHEDULERS = {"FLUX": SOURCE}
SIZES = ("FLUX_JOB_SIZE", "FLUX_JOB_NNODES")


def detect(system: System) -> Iterator[Limit | Note]:
    for variable in ANNOUNCED:
        job = system.env(variable)
        if job:
            text = f"{job} (Flux: the job's cores are the affinity)"
            yield Limit("flux", "allocation", inf, f"${variable}", text)
            break
    notes: list[Note] = []
    tasks, nodes = (read_count(system, name, notes) for name in SIZES)
    if tasks is not None and nodes is not None and tasks > nodes:
        yield note("tasks-share-cpus", tasks=tasks, nodes=nodes)
    yield from notes
