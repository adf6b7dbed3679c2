"""The command ``kumo``."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# Exit codes, documented in docs/reference/command.md. 1 is left to verbs that answer yes or no.
OK = 0
USAGE = 2
BAD_INPUT = 3
BROKEN_PIPE = 141  # what a shell shows for a program that SIGPIPE ended

# Verbs with options of their own: each module's `main(arguments)` returns the exit code.
GROWN = {
    "doctor": "kumo._command.doctor",
    "env": "kumo._command.env",
    "pressure": "kumo._command.pressure",
    "measure": "kumo._command.measure",
    "run": "kumo._command.run",
    "topology": "kumo._command.topology",
    "watch": "kumo._command.watch",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with *arguments*, the process's own by default; return its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["run"]:
        _die_of_interrupts()
    try:
        code = _plain() if not arguments else _verb(arguments)
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        _forget_stdout()
        return BROKEN_PIPE
    except OSError as error:
        _forget_stdout()
        return _fail(f"cannot write the output: {error.strerror}")
    except KeyboardInterrupt:
        return 130
    return code


def _die_of_interrupts() -> None:
    """Let SIGINT end this process as it would the command, unless the caller ignored it."""
    import signal

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def _plain() -> int:
    from kumo._survey import estimate

    try:
        count = estimate().parallelism  # asked once: nothing is worth keeping for a next time
    except ValueError as error:
        return _fail(str(error))
    return _write(f"{count}\n")


def _verb(arguments: Sequence[str]) -> int:
    from kumo._command.options import Answered, parse, render
    from kumo._errors import UsageError
    from kumo._records import OverrideError
    from kumo._system.machine_file import MachineError

    if arguments[0] in GROWN:
        return _grown(arguments[0], arguments[1:])
    try:
        options = parse(arguments)
        text = render(options)
    except Answered as answered:
        return _write(str(answered))
    except UsageError as error:
        for grown in {*GROWN} & {*arguments}:
            return _fail(f"{grown} comes before its options: kumo {grown} --help", USAGE)
        return _fail(f"{error} (see kumo --help)", USAGE)
    except ProcessLookupError:
        return _fail(f"--pid {options.pid}: no such process")
    except (MachineError, OverrideError) as error:
        subject = f"--machine {options.machine}: " if options.machine is not None else ""
        return _fail(subject + str(error))
    except OSError as error:
        return _fail(f"--machine {options.machine}: {error.strerror}")
    reconfigure = getattr(sys.stdout, "reconfigure", None)  # a replaced stdout may have none
    if reconfigure is not None and options.verb == "snapshot":
        reconfigure(encoding="utf-8", errors="surrogateescape")  # as machine files are
    elif reconfigure is not None:
        reconfigure(errors="backslashreplace")  # a path may not be printable in this locale
    return _write(f"{text}\n")


def _grown(verb: str, arguments: Sequence[str]) -> int:
    from importlib import import_module

    from kumo._command.options import Answered
    from kumo._errors import InputError, UsageError
    from kumo._records import OverrideError
    from kumo._system.machine_file import MachineError

    try:
        code: int = import_module(GROWN[verb]).main(arguments)
    except Answered as answered:
        return _write(str(answered))
    except UsageError as error:
        return _fail(f"{error} (see kumo {verb} --help)", USAGE)
    except (InputError, MachineError, OverrideError) as error:
        return _fail(str(error))
    return code


def _write(text: str) -> int:
    if sys.stdout is None:
        raise OSError(9, "stdout is closed")
    sys.stdout.write(text)
    return OK


def _fail(message: str, code: int = BAD_INPUT) -> int:
    """Print the message on one line of printable characters, and return *code*."""
    if sys.stderr is not None:
        from kumo._text import quoted

        print(f"kumo: {quoted(message, 10_000)}", file=sys.stderr)
    return code


def _forget_stdout() -> None:
    """Keep the interpreter from flushing to a stdout that is gone."""
    import os

    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
