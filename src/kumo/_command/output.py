"""What the command prints."""

from __future__ import annotations

import sys
from errno import EBADF


def remark(text: str) -> None:
    """Print a line of kumo's own on stderr, if there is one."""
    if sys.stderr is not None:
        from kumo._text import quoted

        print(f"kumo: {quoted(text, 10_000)}", file=sys.stderr)


def write(text: str) -> int:
    """Print the text, and return the exit code. Raise `OSError` where there is no stdout."""
    if sys.stdout is None:
        raise OSError(EBADF, "stdout is closed")
    reconfigure = getattr(sys.stdout, "reconfigure", None)  # a replaced stdout may have none
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")  # the user's values may not be printable here
    sys.stdout.write(text)
    return 0
