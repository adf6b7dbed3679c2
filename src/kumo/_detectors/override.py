"""The user's override: ``KUMO_AVAILABLE_PARALLELISM``.

https://docs.kumomta.com/reference/kumo/available_parallelism/
"""

from __future__ import annotations

from kumo._notes import unreadable
from kumo._override import VARIABLE, parse_override
from kumo._records import Limit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kumo._records import Note
    from kumo._system.live import System


def detect(system: System) -> Iterator[Limit | Note]:
    try:
        text = system.env(VARIABLE)
    except OSError as error:
        yield unreadable(f"${VARIABLE}", error)
        return
    if text:
        yield Limit("override", "override", parse_override(text), f"${VARIABLE}", text)
