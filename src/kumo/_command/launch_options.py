"""The options of ``kumo run`` and ``kumo env``."""

from __future__ import annotations

import argparse

from kumo._command.options import Parser
from kumo._errors import UsageError
from kumo._runtimes.knobs import GROUPS, KNOBS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

RUN = """\
The command takes this one's place: the same process, terminal, signals, exit status.
What is set in the environment stays as it is. NAME is a variable or a group: see --print.

exit codes, beside the command's own:
  2    a wrong option
  3    an override or KUMO_RUN_SET that cannot be used, or CPUs that cannot be had
  126  the command cannot be run
  127  the command was not found
"""
ENV = """\
NAME is a variable or a group: see kumo run --print.

  eval "$(kumo env)"                  in sh, bash, zsh
  kumo env --shell fish | source      in fish
"""


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Does not ask for the width of the terminal, which takes longer than the options do."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=88)


def run_options(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options of ``run``, and *command*. Raise `UsageError`, and `Answered` for help."""
    parser = _parser(
        "run",
        "-- COMMAND [ARGUMENT ...]",
        "Run a command, and tell every program in it how much parallelism it has.",
        RUN,
    )
    parser.add_argument("--pin", action="store_true", help="narrow the affinity to so many CPUs")
    parser.add_argument("--quiet", action="store_true", help="say nothing about the view")
    parser.add_argument("--print", action="store_true", help="print what is set; run nothing")
    parser.add_argument("command", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    _check_names(options)
    if options.command and options.command[0] == "--":
        del options.command[0]
    elif options.command and options.command[0].startswith("-"):
        raise UsageError(f"unrecognized arguments: {options.command[0]}")
    if not options.command and not options.print:
        raise UsageError("a command is missing, as in kumo run -- make")
    return options


def env_options(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options of ``env``. Raise as `run_options` does."""
    parser = _parser(
        "env", "", "Print the environment that kumo run gives, for a shell or a program.", ENV
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--shell", choices=("sh", "fish"), default="sh", help="for which shell (sh)")
    form.add_argument("--json", action="store_true", help="print one JSON object instead")
    options = parser.parse_args(arguments)
    _check_names(options)
    return options


def _parser(verb: str, command: str, description: str, epilog: str) -> Parser:
    parser = Parser(
        prog=f"kumo {verb}",
        usage=f"kumo {verb} [options] {command}".rstrip(),
        description=description,
        epilog=epilog,
        formatter_class=_Formatter,
        allow_abbrev=False,
    )
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
        if verb == "run" or view == "library":
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
    return parser


def _check_names(options: argparse.Namespace) -> None:
    for option, names in (("--with", options.chosen), ("--without", options.left_out)):
        for name in names:
            if name not in KNOBS and name not in GROUPS:
                known = ", ".join(GROUPS)
                raise UsageError(
                    f"{option} {name!a} is no variable of --print, and none of {known}"
                )
            if option == "--with" and name in KNOBS and KNOBS[name].use == "never":
                raise UsageError(f"--with {name}: it is never set: {KNOBS[name].why}")


def _positive(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!a} is not a positive decimal integer, such as 4")


def _workers(text: str) -> int | str:
    return text if text == "auto" else _positive(text)


def _share(text: str) -> tuple[int, int]:
    try:
        part, whole = map(_positive, text.split("/"))
    except (ValueError, argparse.ArgumentTypeError):
        part, whole = 1, 0
    if part <= whole:
        return part, whole
    raise argparse.ArgumentTypeError(f"{text!a} is not a part, such as 1/2")
