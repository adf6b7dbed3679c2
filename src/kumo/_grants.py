"""What the variables and files of batch schedulers have in common: counts and hosts."""

from __future__ import annotations

MOST = 2**20  # no host has more CPUs; larger values are something else
COUNT_FORM = "a positive decimal integer"


def parse_count(text: str) -> int:
    """Return the positive number of CPUs in *text*. Raise `ValueError` for anything else.

    Format: ``8``, white space around it; no sign, no fraction, no other digits than ASCII's.
    """
    digits = text.strip()
    if digits.isascii() and digits.isdigit() and len(digits) < 8 and 0 < int(digits) <= MOST:
        return int(digits)
    raise ValueError(text)


def same_host(one: str, other: str) -> bool:
    """Whether two names mean one host: equal, or equal up to the domain that one leaves out."""
    one, other = one.strip().lower(), other.strip().lower()
    short = one.partition(".")[0] == other.partition(".")[0]
    return bool(one) and (one == other or (short and ("." in one) != ("." in other)))
