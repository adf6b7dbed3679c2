"""The options that ``kumo run`` and ``kumo env`` share."""

from __future__ import annotations

import argparse
import re
from math import gcd

from kumo._command.options import positive
from kumo._errors import UsageError
from kumo._runtimes.knobs import GROUPS, KNOBS
from kumo._text import repr_short, whole_number

MAX_NUMBER = 999_999_999

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kumo._command.options import Parser


def add_choice(parser: Parser, files: bool) -> None:
    """Add the options that choose the count, the variables and the view: *files* that of files."""
    parser.add_argument("--share", type=_share, metavar="N/D", help="take a part, such as 1/2")
    parser.add_argument("--max", type=_positive, metavar="N", help="take at most N")
    parser.add_argument(
        "--round", choices=("floor", "ceil"), default="floor", help="how to round (floor)"
    )
    parser.add_argument(
        "--workers",
        type=_workers,
        metavar="W",
        help="divide the threads among W processes; auto: start one for each CPU",
    )
    parser.add_argument(
        "--follow",
        action="store_true",
        help="leave out what keeps kumo in the command from following the limits",
    )
    # Two options, as far as argparse goes: a value would be looked for in the command's name.
    for option, view, what in (
        ("--view", "library", "show every program that many CPUs, and pin nothing"),
        ("--view=files", "files", "replace the files in /sys and /proc too"),
    ):
        if files or view == "library":
            parser.add_argument(
                option, dest="view", action="store_const", const=view, default=None, help=what
            )
    for option, names, what in (("--with", "chosen", "set"), ("--without", "left_out", "omit")):
        parser.add_argument(
            option,
            dest=names,
            action="append",
            default=[],
            metavar="NAME",
            help=f"{what} NAME; may be repeated",
        )


def check_names(options: argparse.Namespace) -> None:
    """Raise `UsageError` for a name of ``--with`` or ``--without`` that cannot be used."""
    for option, names in (("--with", options.chosen), ("--without", options.left_out)):
        for name in names:
            if name not in KNOBS and name not in GROUPS:
                known = ", ".join(GROUPS)
                raise UsageError(
                    f"{option} {repr_short(name)} is not a variable of --print, nor one of {known}"
                )
            if option == "--with" and name in KNOBS and KNOBS[name].use == "never":
                raise UsageError(f"--with {name}: it is never set: {KNOBS[name].why}")


def _positive(text: str) -> int:
    return positive(text, MAX_NUMBER, "a positive decimal integer, such as 4")


def _workers(text: str) -> int | str:
    if text == "auto":
        return text
    return positive(text, MAX_NUMBER, "a positive decimal integer, such as 4, or auto")


def _decimal(text: str) -> tuple[int, int] | None:
    form = re.fullmatch(r"([01])?\.([0-9]{1,9})", text)
    part = int((form[1] or "") + form[2]) if form else 0
    if not form or not part:
        return None
    whole = 10 ** len(form[2])
    return part // gcd(part, whole), whole // gcd(part, whole)


def _share(text: str) -> tuple[int, int]:
    """Return the two numbers of ``1/2``, or of a decimal below or at 1 such as ``0.5``."""
    numbers = _decimal(text) or [whole_number(number, 4000) for number in text.split("/")]
    if len(numbers) == 2 and numbers[0] and numbers[1] and numbers[0] <= numbers[1]:
        if numbers[1] <= MAX_NUMBER:
            return numbers[0], numbers[1]
        raise argparse.ArgumentTypeError(f"{repr_short(text)} is too large: at most {MAX_NUMBER}")
    raise argparse.ArgumentTypeError(
        f"{repr_short(text)} is not a part of at most 1/1, such as 1/2 or 0.5"
    )
