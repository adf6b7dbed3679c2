"""The parsers of the verbs, and the options that several of them have.

Each parser is made from its verb's module (see `verbs`), and argparse writes its usage line.
"""

from __future__ import annotations

import argparse
from importlib import import_module

from kumo._command.verbs import EXITS, VERBS
from kumo._errors import InputError, UsageError
from kumo._text import file_name, is_whole, quoted, repr_short, whole_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any, NoReturn

    from kumo._records import Estimate
    from kumo._system.live import System

WIDTH = 80
MAX_STDIN = 2**26  # bytes of a machine file
MAX_CPUS = 9_999_999
MAX_PID = 2**63 - 1
DESCRIPTION = "Find out how many CPUs a program can really use, and which limit decides."
DETAILS = """\
The options of a verb may come before it or after it: kumo VERB --help.
KUMO_AVAILABLE_PARALLELISM in the environment overrides the count.
"""


class Answered(Exception):  # noqa: N818 - it is no error: the arguments asked for it
    """The message is the answer: the help or the version."""


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Formats for `WIDTH` columns; to ask for the terminal's takes longer than all options."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=WIDTH)

    def _format_args(self, action: argparse.Action, default_metavar: str) -> str:
        if action.nargs == argparse.REMAINDER and isinstance(action.metavar, str):
            return action.metavar
        return super()._format_args(action, default_metavar)


class _Version(argparse.Action):
    """Like argparse's own, but the output goes the way of all output."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        raise Answered(version())


class Parser(argparse.ArgumentParser):
    """Prints nothing itself, so that all output goes one way."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        named = {"formatter_class": Formatter, "allow_abbrev": False, **named}
        super().__init__(*arguments, **named)

    def error(self, message: str) -> NoReturn:
        """Raise `UsageError`."""
        where, ignored, value = message.partition(": ignored explicit argument ")
        if ignored:  # argparse's words, which do not say what would be right
            option = where.removeprefix("argument ")
            forms = [name for name in self._option_string_actions if name.startswith(f"{option}=")]
            right = f"; there is {', '.join(forms)}" if forms else ""
            message = f"{where}: it takes no value, not {quoted(value, 60)}{right}"
        where, no_value, _ = message.partition(": expected one argument")
        if no_value:  # these words do not show the form of the value
            option = where.removeprefix("argument ").rpartition("/")[2]
            action = self._option_string_actions[option]
            form = action.metavar or f"{{{','.join(action.choices or ())}}}"  # as in the help
            message = f"{where}: its value is missing, as in {option} {form}"
        _, required, names = message.partition("the following arguments are required: ")
        if required:
            message = f"{names} is missing"
        raise UsageError(message)

    def _check_value(self, action: argparse.Action, value: object) -> None:
        # argparse's own words differ between versions of Python, and have all of the value.
        if action.choices is not None and value not in action.choices:
            choices = ", ".join(map(str, action.choices))
            raise argparse.ArgumentError(
                action, f"{repr_short(str(value))} is not one of {choices}"
            )

    def print_help(self, file: object = None) -> NoReturn:
        """Raise `Answered`."""
        raise Answered(self.format_help())

    def parse(self, words: Sequence[str]) -> argparse.Namespace:
        """Return the options. Raise `UsageError`, and `Answered` for ``--help``, ``--version``.

        An option or argument that takes the rest of the line takes it as it is, but for one
        ``--`` in front.
        """
        words, rest = self._cut(words)
        options, unknown = self.parse_known_args(words)
        for action in self._actions:
            if action.nargs == argparse.REMAINDER and not action.option_strings:
                command = getattr(options, action.dest)
                if command and command[0].startswith("-") and command[0] != "--":
                    unknown = command
                setattr(options, action.dest, _without_dashes(command))
        if unknown:
            raise UsageError(self._not_an_option(unknown[0]))
        for name, command in rest.items():
            setattr(options, name, _without_dashes(command))
        return options

    def _cut(self, words: Sequence[str]) -> tuple[Sequence[str], dict[str, Sequence[str]]]:
        """Return what is before an option that takes the rest of the line, and that rest."""
        takers = {
            option: action.dest
            for action in self._actions
            if action.nargs == argparse.REMAINDER
            for option in action.option_strings
        }
        for at, word in enumerate(words):
            option, _, first = word.partition("=")
            if option in takers:
                return words[:at], {takers[option]: [*([first] if first else []), *words[at + 1 :]]}
        return words, {}

    def _not_an_option(self, word: str) -> str:
        if not word.startswith("-"):
            if word in VERBS:
                return f"{word} is a second verb, and there can be one"
            return f"{repr_short(word)} is one word too many for {self.prog}"
        option = quoted(word.partition("=")[0], 60)
        known = [
            action.option_strings[-1]
            for action in self._actions
            if action.option_strings and action.help != argparse.SUPPRESS
        ]
        meant = _close(option.lstrip("-"), [each.lstrip("-") for each in known])
        meant = meant and f"--{meant}"
        if not meant and option[2:] in VERBS:
            meant = f"kumo {option[2:]}"
        return f"{option} is not an option of {self.prog}{_asked(meant)}: it has {', '.join(known)}"


def _without_dashes(command: Sequence[str]) -> Sequence[str]:
    return command[1:] if command[:1] == ["--"] else command


def not_a_verb(word: str) -> str:
    """Return what is wrong with a verb that there is not, and the list of those there are."""
    meant = did_you_mean(word, VERBS)
    return f"{repr_short(word)} is not a verb{meant}: there are {', '.join(VERBS)}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `` (did you mean explain?)``, or nothing if no word that is *known* is like it."""
    return _asked(_close(word, known))


def _close(word: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches

    return "".join(get_close_matches(word[:60], list(known), n=1))


def _asked(meant: str) -> str:
    return f" (did you mean {meant}?)" if meant else ""


def version() -> str:
    """Return what ``kumo --version`` prints."""
    from kumo import __version__

    return f"kumo {__version__}\n"


def load(verb: str) -> Any:
    """Return the module of a verb."""
    return import_module(f"kumo._command.{verb.replace('-', '_')}")


def make_parser(verb: str | None) -> Parser:
    """Return the parser of a verb, or of ``kumo`` without one."""
    if verb is None:
        parser: Parser = _PlainParser(prog="kumo", description=DESCRIPTION)
        load("count").add_arguments(parser)
        _add_version(parser, help="print the version")
        return parser
    parser = Parser(prog=f"kumo {verb}")
    fill(parser, verb)
    return parser


def fill(parser: Parser, verb: str) -> None:
    """Give *parser* the options and the help of a verb."""
    module = load(verb)
    parser.description = module.DESCRIPTION
    parser.epilog = _epilog(getattr(module, "DETAILS", ""), getattr(module, "EXITS", {}))
    module.add_arguments(parser)
    _add_version(parser, help=argparse.SUPPRESS)


class _PlainParser(Parser):
    """The parser of ``kumo`` without a verb. Its help is about verbs, which load only for it."""

    def format_help(self) -> str:
        usage = self.format_usage().removeprefix("usage: ").rstrip()
        self.usage = f"{usage}\n       kumo VERB [options]"
        verbs = "".join(f"  {verb:<9} {text}\n" for verb, text in VERBS.items())
        ones = (f"{verb}: {load(verb).EXITS[1]}" for verb in ("doctor", "explain", "fleet"))
        exits = {1: "\n       ".join(ones), 4: f"fleet: {load('fleet').EXITS[4]}"}
        self.epilog = f"verbs:\n{verbs}\n" + _epilog(DETAILS, exits)
        return super().format_help()


def make_whole_parser() -> Parser:
    """Return one parser of everything, from which the man page and completions are made."""
    parser = Parser(prog="kumo", description=DESCRIPTION, epilog=_epilog(DETAILS, {}))
    load("count").add_arguments(parser)
    _add_version(parser, help="print the version")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", parser_class=Parser)
    for verb, text in VERBS.items():
        fill(verbs.add_parser(verb, help=text), verb)
    return parser


def _add_version(parser: Parser, help: str) -> None:  # noqa: A002 - argparse's own word
    parser.add_argument("-V", "--version", action=_Version, nargs=0, help=help)


def _epilog(details: str, exits: dict[int, str]) -> str:
    codes = sorted({**EXITS, **exits}.items())
    lines = "".join(f"  {code:<4} {text}\n" for code, text in codes if text)
    return "\n".join([*([details] if details else []), f"exit codes:\n{lines}"])


def add_json(parser: Any, what: str = "print one JSON object instead") -> None:
    """Add ``--json`` to a parser or to a group of one."""
    parser.add_argument("--json", action="store_true", help=what)


def add_svg(parser: Any) -> None:
    """Add ``--svg`` to a group of a parser."""
    parser.add_argument("--svg", action="store_true", help="print a picture instead, as SVG")


def add_pid(parser: Any, what: str = "answer for process N") -> None:
    """Add ``--pid`` to a parser or to a group of one."""
    parser.add_argument("--pid", type=process_id, metavar="N", help=what)


def add_subject(parser: Parser) -> None:
    """Add ``--pid`` and ``--machine``, of which one may be given."""
    subject = parser.add_mutually_exclusive_group()
    add_pid(subject)
    subject.add_argument(
        "--machine", metavar="FILE", help="answer for the machine in a machine file; - is stdin"
    )


def add_memory(parser: Parser) -> None:
    """Add ``--memory-per-worker``."""
    parser.add_argument(
        "--memory-per-worker", type=memory_size, metavar="SIZE",
        help="count no more workers than fit into the memory, as in 2G",
    )  # fmt: skip


def asked_estimate(options: argparse.Namespace) -> Estimate:
    """Return the estimate for that system, bounded by the memory too if that is asked for."""
    from kumo._survey import survey

    system = asked_system(options)
    estimate = survey(system)
    if options.memory_per_worker is None:
        return estimate
    from kumo._sizes import with_memory

    return with_memory(estimate, system, options.memory_per_worker)


def asked_system(options: argparse.Namespace) -> System:
    """Return the system that ``--pid`` or ``--machine`` asks for, else this one.

    Raise `InputError` or `MachineError` for a machine file that cannot be used, and
    `ProcessLookupError`.
    """
    from kumo._survey import open_system

    if options.machine == "-":
        return _from_stdin()
    try:
        return open_system("process", options.pid, options.machine)
    except ProcessLookupError:
        raise
    except OSError as error:
        name = file_name(options.machine)
        raise InputError(f"--machine {name}: {error.strerror}") from None


def _from_stdin() -> System:
    import sys

    from kumo._system.machine_file import Machine

    if sys.stdin is None:
        raise InputError("--machine -: stdin is closed")
    try:
        given = sys.stdin.buffer.read(MAX_STDIN + 1)
    except OSError as error:
        raise InputError(f"--machine -: {error.strerror}") from None
    if len(given) > MAX_STDIN:
        raise InputError(f"--machine -: more than {MAX_STDIN} bytes are not a machine file")
    return Machine(given.decode("utf-8", "surrogateescape"))


def seconds(text: str, allowed: Callable[[float], bool], which: str) -> float:
    """Return the number that an option in seconds is given, if it is *allowed*.

    Raise `argparse.ArgumentTypeError`, which says *which* numbers are.
    """
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not allowed(number):
        raise argparse.ArgumentTypeError(f"{repr_short(text)} is not a number of seconds {which}")
    return number


def positive_seconds(text: str) -> float:
    """Return how long something is to take. Raise `argparse.ArgumentTypeError`."""
    from kumo._pressure.pressure import MAX_SECONDS

    which = f"above 0 and at most {MAX_SECONDS}, such as 1.5"
    return seconds(text, lambda number: 0 < number <= MAX_SECONDS, which)


def memory_size(text: str) -> int:
    """Return the bytes that ``2G`` stands for. Raise `argparse.ArgumentTypeError`."""
    from kumo._sizes import parse_size

    try:
        return parse_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def whole_count(text: str) -> int:
    """Return a positive number of CPUs. Raise `argparse.ArgumentTypeError`."""
    return positive(text, MAX_CPUS, "a positive number of CPUs, such as 4")


def process_id(text: str) -> int:
    """Return the id that ``--pid`` is given. Raise `argparse.ArgumentTypeError`."""
    return positive(text, MAX_PID, "a process id, such as 1234")


def positive(text: str, most: int, form: str, least: int = 1) -> int:
    """Return the whole number from *least* to *most*. Raise `argparse.ArgumentTypeError`."""
    if is_whole(text):
        number = whole_number(text)
        if number is None or number > most:
            raise argparse.ArgumentTypeError(f"{repr_short(text)} is too large: at most {most}")
        if number >= least:
            return number
    raise argparse.ArgumentTypeError(f"{repr_short(text)} is not {form}")
