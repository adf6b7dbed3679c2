"""The user's own word: ``KUMO_AVAILABLE_PARALLELISM``.

https://docs.kumomta.com/reference/kumo/available_parallelism/
"""

from __future__ import annotations

from kumo._notes import unreadable
from kumo._records import Limit, OverrideError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kumo._records import Note
    from kumo._system import System

VARIABLE = "KUMO_AVAILABLE_PARALLELISM"
# kumod parses it as a Rust usize.
MOST = 2**64 - 1


def parse_override(text: str) -> int:
    """Return the count. Raise `OverrideError` for what is not a positive decimal integer."""
    if text.isascii() and text.isdigit() and len(text) <= 4000 and 0 < int(text) <= MOST:
        return int(text)
    raise OverrideError(VARIABLE, text)


def detect(system: System) -> Iterator[Limit | Note]:
    try:
        text = system.env(VARIABLE)
    except OSError as error:
        yield unreadable(f"${VARIABLE}", error)
        return
    if text:
        yield Limit("override", "override", parse_override(text), f"${VARIABLE}", text)
