"""The command's verbs and options. Loaded for every call but the plain ``kumo``."""

from __future__ import annotations

import argparse

from kumo._errors import InputError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

    from kumo._system.live import System

EPILOG = """\
verbs:
  (none)       print the count and nothing else, as in make -j$(kumo)
  explain      print the count, the limit that binds, every other limit and the notes
  snapshot     print a machine file, which gives the same answer anywhere
  run          become a command whose environment tells it the count
  env          print that environment for a shell
  doctor       tell what each runtime here believes, and what mends it
  watch        print the count, and a line at each change
  topology     show where the CPUs lie
  pressure     tell what holds a process back
  measure      find out what is really delivered

Options of the verbs from run on: kumo VERB --help

exit codes:
  0  the answer was printed
  1  doctor alone: something is oversubscribed
  2  a wrong verb or option
  3  a process, machine file, override or output that cannot be used

KUMO_AVAILABLE_PARALLELISM in the environment overrides the count.
"""


class Answered(Exception):  # noqa: N818 - it is no error: the arguments asked for it
    """The message is the answer: the help or the version."""


class Parser(argparse.ArgumentParser):
    """Prints nothing itself, so that all output goes one way."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)

    def print_help(self, file: object = None) -> NoReturn:
        raise Answered(self.format_help())


class _Version(argparse.Action):
    """Like argparse's own, but for where the output goes."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from kumo import __version__

        raise Answered(f"kumo {__version__}\n")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options *verb*, *pid*, *machine* and *json*.

    Raise `UsageError` where they are wrong, `Answered` for ``--help`` and ``--version``.
    """
    parser = Parser(
        prog="kumo",
        usage="kumo [explain | snapshot [--topology]] [--json] [--pid N | --machine FILE]",
        description="Tell how much parallelism a program should use.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "verb", nargs="?", choices=("explain", "snapshot"), metavar="VERB", help=argparse.SUPPRESS
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    add_subject(parser)
    parser.add_argument(
        "--topology", action="store_true", help="snapshot: with what kumo topology reads"
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version")
    options = parser.parse_args(arguments)
    if options.json and options.verb == "snapshot":
        parser.error("--json does not go with snapshot, which prints a machine file")
    if options.topology and options.verb != "snapshot":
        parser.error("--topology goes with snapshot alone; the map is kumo topology")
    return options


def verb_parser(verb: str, usage: str, description: str, epilog: str = "") -> Parser:
    """Return the parser of a verb with options of its own."""
    return Parser(
        prog=f"kumo {verb}",
        usage=f"kumo {verb} {usage}",
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def add_subject(parser: Parser) -> None:
    """Add ``--pid`` and ``--machine``, of which one may be given."""
    subject = parser.add_mutually_exclusive_group()
    subject.add_argument("--pid", type=process_id, metavar="N", help="ask for process N")
    subject.add_argument("--machine", metavar="FILE", help="ask for the machine in a machine file")


def asked_system(options: argparse.Namespace) -> System:
    """Return the system that ``--pid`` or ``--machine`` asks for, else this one.

    Raise `InputError` where it cannot be asked.
    """
    from kumo._survey import open_system
    from kumo._system.machine_file import MachineError

    try:
        return open_system("process", options.pid, options.machine)
    except ProcessLookupError:
        raise InputError(f"--pid {options.pid}: no such process") from None
    except MachineError as error:
        raise InputError(f"--machine {options.machine}: {error}") from None
    except OSError as error:
        raise InputError(f"--machine {options.machine}: {error.strerror}") from None


def seconds(text: str) -> float:
    """Return the number that an option in seconds is given. Raise `argparse.ArgumentTypeError`."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!a} is not a number of seconds") from None


def process_id(text: str) -> int:
    """Return the id that ``--pid`` is given. Raise `argparse.ArgumentTypeError`."""
    if text.isascii() and text.isdigit() and len(text) < 20 and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!a} is not a process id, such as 1234")


def render(options: argparse.Namespace) -> str:
    """Return what the verb prints, without a final newline. Raise as `kumo.estimate` does."""
    from kumo._survey import open_system, survey

    system = open_system("process", options.pid, options.machine)
    if options.verb == "snapshot":
        from kumo._snapshot import snapshot

        return snapshot(system, options.topology).removesuffix("\n")
    estimate = survey(system)
    if options.json:
        import json

        from kumo._explain import as_dict

        return json.dumps(as_dict(estimate))
    return str(estimate if options.verb == "explain" else estimate.parallelism)
