"""The command's output. Nothing else in the package writes to stdout or stderr.

What the functions here guarantee:

- `write` returns when all of the text is with the system, or raises `OutputError`. The error
  has the exit code and the line to show: stdout is closed, the disk is full, the reader is gone.
- A character that stdout cannot encode is escaped. It never ends the command.
- `say` and `Progress` never raise: if stderr is closed or full, there is nobody to inform.
- After a failure the stream leads nowhere, so that the interpreter's own flush at exit does not
  fail once more and change the exit code.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from typing import Any, TextIO

BAD_OUTPUT = 3
BROKEN_PIPE = 141  # what a shell shows for a program that SIGPIPE ended
MAX_MESSAGE = 10_000  # characters
CLEAR_LINE = "\r\x1b[K"
LEAST_COLUMN = 8  # of a folded table
STYLES = {"bold": "1", "red": "31", "green": "32", "yellow": "33"}


class OutputError(Exception):
    """The output cannot be written. *message* is empty if its reader does not want more."""

    def __init__(self, message: str, code: int = BAD_OUTPUT) -> None:
        super().__init__(message, code)
        self.message = message
        self.code = code


def write(text: str) -> None:
    """Print *text* to stdout, whole. Raise `OutputError`."""
    _to_stdout(lambda stdout: _put(stdout, text))


def write_exact(text: str) -> None:
    """Print *text* in UTF-8 whatever the locale, its surrogates as the bytes that they stand for.

    Raise `OutputError`.
    """
    _to_stdout(lambda stdout: _put_exact(stdout, text))


def write_json(data: Mapping[str, Any]) -> None:
    """Print *data* as one line of JSON in ASCII, its schema number first. Raise `OutputError`."""
    from json import dumps

    write(dumps({"schema": data["schema"], **data}) + "\n")


def say(message: str) -> None:
    """Print ``kumo: message`` to stderr: one line, nothing in it that controls a terminal."""
    from kumo._text import quoted

    _to_stderr(f"kumo: {quoted(message, MAX_MESSAGE)}\n")


class Progress:
    """A line on stderr that shows how far something is, on a terminal alone: a context manager."""

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.show("")

    def show(self, text: str) -> None:
        """Replace the line by *text*."""
        if stderr_is_terminal():
            _to_stderr(CLEAR_LINE + text)


def width() -> int | None:
    """Return the columns to fold tables at: ``COLUMNS``, or the terminal's; `None` in a pipe.

    In a pipe a line stays whole, so that it can be searched.
    """
    import os

    from kumo._text import whole_number

    columns = whole_number(os.environ.get("COLUMNS", ""), 4)
    if columns:
        return columns
    if not _is_terminal(sys.stdout):
        return None
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or 80
    except OSError:  # what says that it is a terminal may have no descriptor
        return 80


def table(
    header: tuple[str, ...] | None, rows: Sequence[tuple[str, ...]], right: Collection[int] = ()
) -> list[list[str]]:
    """Return the lines of the header and of each row, folded at the width of the output.

    The longest cells give way first. Columns of numbers, and those in *right*, are aligned to
    the right.
    """
    from kumo._text import laid_out, numeric, widths

    cells = [*([header] if header else []), *rows]
    wide = widths(cells)
    columns = width()
    if columns is not None:
        gaps = 2 * (len(wide) - 1)
        while sum(wide) + gaps > columns and max(wide) > LEAST_COLUMN:
            wide[wide.index(max(wide))] -= 1
    return laid_out(cells, {*right, *numeric(rows)}, wide)


def paragraph(text: str, indent: int = 0) -> list[str]:
    """Return *text* in lines that are indented, and folded at the width of the output."""
    from kumo._text import fold

    columns = width()
    lines = fold(text, max(columns - indent, LEAST_COLUMN)) if columns is not None else [text]
    return [" " * indent + line for line in lines]


def stderr_is_terminal() -> bool:
    """Return whether somebody reads stderr as it is written."""
    return _is_terminal(sys.stderr)


def in_terminal() -> bool:
    """Return whether stdin and stdout are a terminal that can be drawn on."""
    import os

    return os.environ.get("TERM") != "dumb" and all(map(_is_terminal, (sys.stdin, sys.stdout)))


def paint(text: str, style: str) -> str:
    """Return *text* in a style of `STYLES` if stdout is a terminal that shows it."""
    import os

    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or os.name == "nt"
    if plain or not text or not _is_terminal(sys.stdout):
        return text
    return f"\x1b[{STYLES[style]}m{text}\x1b[0m"


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # it is closed
        return False


def _to_stdout(put: Any) -> None:
    stdout = sys.stdout
    if stdout is None or stdout.closed:
        raise OutputError("cannot write the output: stdout is closed")
    try:
        put(stdout)
        stdout.flush()
    except BrokenPipeError:
        _lead_nowhere(stdout)
        raise OutputError("", BROKEN_PIPE) from None
    except OSError as error:
        _lead_nowhere(stdout)
        raise OutputError(f"cannot write the output: {error.strerror}") from None


def _put(stream: TextIO, text: str) -> None:
    try:
        stream.write(text)
    except UnicodeEncodeError:  # raised before anything was written
        encoding = stream.encoding or "ascii"
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))


def _put_exact(stream: TextIO, text: str) -> None:
    binary = getattr(stream, "buffer", None)  # a replaced stdout may have none
    if binary is None:
        _put(stream, text)
    else:
        stream.flush()
        binary.write(text.encode("utf-8", "surrogateescape"))


def _to_stderr(text: str) -> None:
    stderr = sys.stderr
    if stderr is None or stderr.closed:
        return
    try:
        _put(stderr, text)
        stderr.flush()
    except OSError:
        _lead_nowhere(stderr)


def _lead_nowhere(stream: TextIO) -> None:
    """Let what is left in the stream go to the null device."""
    import os

    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
    except (OSError, ValueError):
        return  # a replaced stream may have no descriptor
