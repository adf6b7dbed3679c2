"""The override ``KUMO_AVAILABLE_PARALLELISM``: its name and its form.

https://docs.kumomta.com/reference/kumo/available_parallelism/
"""

from __future__ import annotations

from kumo._records import MAX_OVERRIDE, OverrideError

VARIABLE = "KUMO_AVAILABLE_PARALLELISM"


def parse_override(text: str) -> int:
    """Return the count. Raise `OverrideError` for what is not a positive decimal integer."""
    if text.isascii() and text.isdigit() and len(text) <= 4000 and 0 < int(text) <= MAX_OVERRIDE:
        return int(text)
    raise OverrideError(VARIABLE, text)
