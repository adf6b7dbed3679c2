"""That the process sees a view of the CPUs, as `kumo run --view` shows one: a note, and no limit.

A view pins nothing, so that it does not enter the count: ``KUMO_VIEW_CPUS=4``.
"""

from __future__ import annotations

from kumo._notes import note
from kumo._system.calls import VIEW
from kumo._system.view import shown_cpus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kumo._records import Limit, Note
    from kumo._system.live import System

SOURCE = "view"
ANNOUNCED = (VIEW,)


def detect(system: System) -> Iterator[Limit | Note]:
    cpus = shown_cpus({VIEW: system.env(VIEW) or ""})
    if cpus is not None:
        yield note("view", cpus="1 CPU" if cpus == 1 else f"{cpus} CPUs")
