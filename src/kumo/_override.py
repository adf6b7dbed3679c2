"""The override ``KUMO_AVAILABLE_PARALLELISM``: its name and its form.

https://docs.kumomta.com/reference/kumo/available_parallelism/
"""

from __future__ import annotations

from kumo._records import OverrideError

VARIABLE = "KUMO_AVAILABLE_PARALLELISM"
# kumod parses it as a Rust usize.
MOST = 2**64 - 1


def parse_override(text: str) -> int:
    """Return the count. Raise `OverrideError` for what is not a positive decimal integer."""
    if text.isascii() and text.isdigit() and len(text) <= 4000 and 0 < int(text) <= MOST:
        return int(text)
    raise OverrideError(VARIABLE, text)
