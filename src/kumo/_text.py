"""Text for people: quoting, numbers, columns."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def whole_number(text: str, digits: int = 19) -> int | None:
    """Return the whole number that *text* is, `None` for anything else.

    Only the digits of ASCII count, without a sign or white space, and no more than *digits* of
    them: what the kernel writes fits 64 bits, and Python refuses to read very long numbers.
    """
    if len(text) <= digits and text.isascii() and text.isdigit():
        return int(text)
    return None


def error_name(error: OSError) -> str:
    """Return ``EACCES`` and the like, or the message where there is no number."""
    from errno import errorcode

    return errorcode.get(error.errno or 0, str(error))


def show_rate(cpus: float) -> str:
    """Return *cpus* with two decimals, or one digit where two decimals would say 0.00."""
    return f"{cpus:.2f}" if cpus >= 0.01 else f"{cpus:.1g}"


def repr_short(text: str) -> str:
    """Return *text* between quotes, on one line, in printable ASCII, cut where it is long."""
    return ascii(text if len(text) <= 60 else text[:60] + "...")


def quoted(text: str, most: int) -> str:
    """Return *text* as it is where it is printable, else escaped; cut beyond *most* characters."""
    cut = text[: most + 1]
    shown = cut if cut.isprintable() else ascii(cut)[1:-1]
    return shown if len(shown) <= most else shown[:most] + "..."


def file_name(name: str) -> str:
    """Return a file's name as a message shows it: an empty one between quotes."""
    return name or "''"


def table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Return the lines of a table, its columns aligned: numbers to the right."""
    cells = [header, *rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    numeric = [
        all(row[column].replace(".", "", 1).isdigit() or row[column] == "-" for row in rows)
        for column in range(len(header))
    ]
    return [
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ).rstrip()
        for row in cells
    ]
