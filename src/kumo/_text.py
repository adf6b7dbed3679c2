"""Text for people: quoting, numbers, columns."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


def whole_number(text: str, digits: int = 19) -> int | None:
    """Return the whole number that *text* is, `None` for anything else.

    Only the digits of ASCII count, without a sign or white space, and no more than *digits* of
    them: what the kernel writes fits 64 bits, and Python refuses to read very long numbers.
    """
    if len(text) <= digits and is_whole(text):
        return int(text)
    return None


def is_whole(text: str) -> bool:
    """Return whether *text* is a whole number in ASCII digits, however large."""
    return text.isascii() and text.isdigit()


def error_name(error: OSError) -> str:
    """Return ``EACCES`` and the like, or the message if there is no number."""
    from errno import errorcode

    return errorcode.get(error.errno or 0, str(error))


def show_rate(cpus: float) -> str:
    """Return *cpus* with two decimals, or one digit if two decimals would say 0.00."""
    return f"{cpus:.2f}" if cpus >= 0.01 else f"{cpus:.1g}"


def show_decimal(value: float | None) -> str:
    """Return *value* with two decimals, ``-`` for `None`."""
    return "-" if value is None else f"{value:.2f}"


def show_share(value: float | None) -> str:
    """Return *value* as a percentage, ``-`` for `None`."""
    return "-" if value is None else f"{value:.0%}"


def repr_short(text: str, most: int = 60) -> str:
    """Return *text* between quotes, in printable ASCII, cut beyond *most* characters."""
    return ascii(text if len(text) <= most else text[:most] + "...")


def repr_path(name: str) -> str:
    """Return a file's name or an address as `repr_short` does, with more of it."""
    return repr_short(name, 200)


def quoted(text: str, most: int = 200) -> str:
    """Return *text* as it is if it is printable, else escaped; cut beyond *most* characters."""
    cut = text[: most + 1]
    shown = cut if cut.isprintable() else ascii(cut)[1:-1]
    return shown if len(shown) <= most else shown[:most] + "..."


def file_name(name: str) -> str:
    """Return a file's name as a message shows it: cut if long, an empty one between quotes."""
    return quoted(name) or "''"


def plural(number: int | str, unit: str) -> str:
    """Return ``1 CPU``, ``2 CPUs``, ``2 processes``; of a number as it is shown, ``1.50 CPUs``."""
    if number in (1, "1"):
        return f"{number} {unit}"
    return f"{number} {unit}{'es' if unit.endswith('s') else 's'}"


def numeric(rows: Sequence[tuple[str, ...]]) -> tuple[int, ...]:
    """Return the columns of numbers and percentages, or ``-`` for a number that there is not."""
    columns = zip(*rows, strict=True)
    return tuple(
        place
        for place, cells in enumerate(columns)
        if all(cell == "-" or _is_number(cell.removesuffix("%")) for cell in cells)
    )


def _is_number(cell: str) -> bool:
    return cell.replace(".", "", 1).isdigit()


def aligned(rows: Sequence[tuple[str, ...]], right: Collection[int]) -> list[str]:
    """Return a line for each row, the columns in *right* aligned to the right."""
    return [line for lines in laid_out(rows, right, widths(rows)) for line in lines]


def widths(rows: Sequence[tuple[str, ...]]) -> list[int]:
    """Return the length of the longest cell of each column."""
    return [max(map(len, cells)) for cells in zip(*rows, strict=True)]


def laid_out(
    rows: Sequence[tuple[str, ...]], right: Collection[int], wide: Sequence[int]
) -> list[list[str]]:
    """Return the lines of each row in columns of the widths *wide*; longer cells are folded."""
    return [_row_lines(row, right, wide) for row in rows]


def _row_lines(row: tuple[str, ...], right: Collection[int], wide: Sequence[int]) -> list[str]:
    folded = [fold(cell, width) or [""] for cell, width in zip(row, wide, strict=True)]
    lines = []
    for number in range(max(map(len, folded))):
        cells = [cell[number] if number < len(cell) else "" for cell in folded]
        padded = (
            cell.rjust(width) if place in right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(cells, wide, strict=True))
        )
        lines.append("  ".join(padded).rstrip())
    return lines


def fold(text: str, width: int) -> list[str]:
    """Return *text* in lines of at most *width* characters: cut at a space, else behind a slash."""
    lines = []
    while len(text) > width:
        cut = text.rfind(" ", 1, width + 1)
        if cut < 1:
            cut = text.rfind("/", 1, width) + 1 or width
        lines.append(text[:cut].rstrip(" "))
        text = text[cut:].lstrip(" ")
    return [*lines, text] if text else lines
