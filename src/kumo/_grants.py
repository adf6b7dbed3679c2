"""What the variables and files of batch schedulers have in common: counts and hosts."""

from __future__ import annotations

from kumo._notes import malformed, note, quoted, unreadable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kumo._records import Note
    from kumo._system import System

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


def read_count(system: System, name: str, notes: list[Note]) -> int | None:
    """Return the count in a variable; `None` where it is unset or, with a note, no count."""
    text = system.env(name)
    try:
        return None if text is None else parse_count(text)
    except ValueError:
        notes.append(malformed(f"${name}", text or "", COUNT_FORM))
        return None


def read_named(system: System, name: str, notes: list[Note]) -> str | None:
    """Return the text of the file that a variable names; `None` where there is none to read."""
    path = system.env(name)
    if path is None:
        return None
    if not path.startswith("/"):
        notes.append(malformed(f"${name}", path, "the path of a file"))
        return None
    try:
        return system.read(path)
    except OSError as error:
        notes.append(unreadable(path, error))
        return None


def left_out(system: System, name: str, reason: str) -> Note:
    """Return the note that what a variable says does not count, for *reason*."""
    text = quoted((system.env(name) or "").strip(), 60) or "nothing"
    return note("grant-left-out", where=f"${name}", text=text, reason=quoted(reason, 200))
