"""The override ``KUMO_AVAILABLE_PARALLELISM``: its name, its form and its error.

https://docs.kumomta.com/reference/kumo/available_parallelism/
"""

from __future__ import annotations

from kumo._text import is_whole, repr_short, whole_number

VARIABLE = "KUMO_AVAILABLE_PARALLELISM"
# kumod parses it as a Rust usize.
MAX_OVERRIDE = 2**64 - 1


class OverrideError(ValueError):
    """`KUMO_AVAILABLE_PARALLELISM` is set to something other than a positive decimal integer.

    Unset it or correct it. *variable* and *value* are what was read.

    >>> print(kumo.OverrideError("KUMO_AVAILABLE_PARALLELISM", "many"))
    KUMO_AVAILABLE_PARALLELISM='many' is not a positive decimal integer, such as 4
    """

    __module__ = "kumo"  # as users catch it, and as a traceback shows it

    def __init__(self, variable: str, value: str) -> None:
        super().__init__(variable, value)
        self.variable = variable
        self.value = value

    def __str__(self) -> str:
        shown = f"{self.variable}={repr_short(self.value)}"
        if is_whole(self.value) and self.value.strip("0"):
            return f"{shown} is too large: at most {MAX_OVERRIDE}"
        return f"{shown} is not a positive decimal integer, such as 4"


def parse_override(text: str) -> int:
    """Return the count. Raise `OverrideError` for what is not a positive decimal integer."""
    count = whole_number(text, 4000)
    if count and count <= MAX_OVERRIDE:
        return count
    raise OverrideError(VARIABLE, text)
