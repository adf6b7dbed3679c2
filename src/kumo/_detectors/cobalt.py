"""Cobalt: jobs have whole nodes, so that the affinity is what they are granted.

https://github.com/ido/cobalt
``COBALT_JOBSIZE`` counts nodes, and ``COBALT_PARTCORES`` is a setting of the site.
"""

from __future__ import annotations

from kumo._records import Limit, inf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kumo._records import Note
    from kumo._system.live import System

SOURCE = "Cobalt"
ANNOUNCED = ("COBALT_JOBID",)
SCHEDULERS = {"COBALT": SOURCE}
VARIABLE = "COBALT_JOBID"


def detect(system: System) -> Iterator[Limit | Note]:
    job = system.env(VARIABLE)
    if job:
        text = f"{job} (Cobalt: whole nodes; the affinity counts)"
        yield Limit("cobalt", "allocation", inf, f"${VARIABLE}", text)
