"""The command ``kumo``.

``kumo`` alone is on the way of every ``make -j$(kumo)``. It loads neither the verbs nor argparse:
tests/test_surface.py has the list. Nor is there a search for garbage, for which the interpreter
would take a third of the time that kumo adds to its start.
"""

from __future__ import annotations

import gc
import sys

from kumo._command import output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

BAD_INPUT = 3
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with *arguments*, the process's own by default; return its exit code."""
    if arguments is not None:
        return _main(arguments)
    if len(sys.argv) < 2 or sys.argv[1] == "run":  # the process soon ends, or is the command's
        gc.disable()
    code = _main(sys.argv[1:])
    gc.freeze()
    return code


def _main(arguments: Sequence[str]) -> int:
    try:
        if not arguments:
            return _plain()
        from kumo._command.dispatch import dispatch

        return dispatch(arguments)
    except output.OutputError as error:
        if error.message:
            output.say(error.message)
        return error.code
    except KeyboardInterrupt:
        return INTERRUPTED


def _plain() -> int:
    from kumo._survey import open_system, survey

    try:  # asked once: nothing is worth keeping for a next time
        count = survey(open_system("process", None, None), notes=False).parallelism
    except ValueError as error:
        output.say(str(error))
        return BAD_INPUT
    output.write(f"{count}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
