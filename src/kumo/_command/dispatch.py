"""From the words of a command line to a verb, and from its errors to exit codes."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence
    from typing import Any

USAGE = 2
BAD_INPUT = 3
LATER = 0.1  # seconds until an interrupt that Python dropped is sent again


def dispatch(arguments: Sequence[str]) -> int:
    """Run the verb that *arguments* name and return the exit code. Raise `OutputError`."""
    from kumo._command.verbs import VERBS

    verb, words = split(arguments)
    hook, again = sys.unraisablehook, InterruptAgain()
    if verb == "run":
        _die_of_interrupts()
    else:
        sys.unraisablehook = again
    from kumo._command import output
    from kumo._command.options import Answered, load, make_parser, not_a_verb
    from kumo._errors import CannotRunError, InputError, UsageError

    options: Namespace | None = None
    try:
        if verb is not None and verb not in VERBS:
            raise UsageError(not_a_verb(verb))
        options = make_parser(verb).parse(words)
        code: int = load(verb or "count").run(options)
        return code
    except Answered as answered:
        output.write(str(answered))
        return 0
    except UsageError as error:
        named = f"kumo {verb}" if verb in VERBS else "kumo"
        output.say(f"{error} (see {named} --help)")
        return USAGE
    except CannotRunError as error:
        output.say(str(error))
        return error.code
    except ProcessLookupError:
        output.say(f"--pid {getattr(options, 'pid', None)}: no such process")
        return BAD_INPUT
    except ValueError as error:
        from kumo._override import OverrideError
        from kumo._system.machine_file import MachineError

        if not isinstance(error, (MachineError, OverrideError)):
            raise
        output.say(_of_machine(options) + str(error))
        return BAD_INPUT
    except InputError as error:
        output.say(str(error))
        return BAD_INPUT
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        output.say(f"{name}{error.strerror or error}")
        return BAD_INPUT
    finally:
        sys.unraisablehook = hook
        again.disarm()


def split(arguments: Sequence[str]) -> tuple[str | None, list[str]]:
    """Return the verb, the first word that is not an option or its value, and the other words."""
    from kumo._command.verbs import TAKES_VALUE

    at = 0
    while at < len(arguments):
        word = arguments[at]
        if word == "--":  # as in kumo -- explain
            return split([*arguments[:at], *arguments[at + 1 :]])
        if word == "-" or not word.startswith("-"):
            return word, [*arguments[:at], *arguments[at + 1 :]]
        at += 2 if word in TAKES_VALUE else 1
    return None, list(arguments)


def _of_machine(options: Namespace | None) -> str:
    from kumo._text import file_name

    machine = getattr(options, "machine", None)
    return "" if machine is None else f"--machine {file_name(machine)}: "


def _die_of_interrupts() -> None:
    """Let SIGINT end this process as it would the command, unless the caller ignored it."""
    import signal

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


class InterruptAgain:
    """Python drops what a destructor or callback raises, and an interrupt may come in one."""

    _before: tuple[Any, tuple[float, float]] | None = None  # SIGALRM's handler, and the timer

    def __call__(self, lost: sys.UnraisableHookArgs) -> None:
        """Send an interrupt again that was *lost*, and show every other error as usual."""
        import signal

        if not issubclass(lost.exc_type, KeyboardInterrupt):
            sys.__unraisablehook__(lost)
        elif sys.platform == "win32":
            signal.raise_signal(signal.SIGINT)
        else:  # later: a signal that comes just before a call would not end it
            handler = signal.signal(signal.SIGALRM, signal.default_int_handler)
            timer = signal.setitimer(signal.ITIMER_REAL, LATER)
            self._before = self._before or (handler, timer)

    def disarm(self) -> None:
        """If there is a timer of this object, put back what was there before it."""
        if sys.platform != "win32" and self._before is not None:
            import signal

            handler, timer = self._before
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, handler)
            signal.setitimer(signal.ITIMER_REAL, *timer)
