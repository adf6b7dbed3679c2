"""Machine files: one text with everything an estimate reads from one machine.

A section begins with a line ``-- NAME --`` and runs to the next such line. NAME is a path,
``$VARIABLE``, ``!fact`` or ``expect``; a path or fact may be followed by an errno's name in
parentheses. docs/reference/machine-files.md describes the form.
"""

from __future__ import annotations

import errno
import os
from bisect import bisect_left

from kumo._system.live import System

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kumo._system.live import Scope


MAX_FILE_BYTES = 2**26  # as many as a machine of thousands of cgroups has
PATH_MAX = 4096  # include/uapi/linux/limits.h

# Facts that are known on every system, so that nothing expects them to be errors.
NEVER_FAIL = (
    "platform", "cpus", "pid", "tid", "hostname", "x_cpu_count", "cgroup_namespace", "gil",
    "memory", "policy", "sandbox",
)  # fmt: skip


# The machine file in a page of `kumo report`: as it is but for ``& < >``, or compressed.
PAGE = "<!doctype html>"
INSIDE = '<pre id="kumo-machine-file" tabindex="0"'
COMPRESSED = ' data-form="zlib base64"'
MAX_EXPANDED = 2**20  # bytes of a compressed one: what any megabyte costs has a bound


class MachineError(ValueError):
    """A machine file that is not in the form; the message has the place and what would be right.

    >>> try:
    ...     kumo.estimate(machine=os.devnull)
    ... except kumo.MachineError as error:
    ...     print(error)
    no section: a machine file has lines such as '-- !platform --'
    """

    __module__ = "kumo"  # as users catch it, and as a traceback shows it


def parse_sections(text: str) -> dict[str, str | OSError]:
    """Return each section's text by its name, an `OSError` if the name contains an errno.

    Raise `MachineError` if *text* has no section or one with an unknown kind of name.
    """
    sections: dict[str, str | OSError] = {}
    bodies: dict[str, list[str]] = {}
    body: list[str] = []
    for number, line in enumerate(text.removesuffix("\n").split("\n"), 1):
        if line.startswith("-- ") and line.endswith(" --") and len(line) > 6:
            name, error = _heading(line[3:-3], number)
            body = []
            if error is None:
                bodies[name] = body
            else:
                sections[f"{name} (errno)"] = error
        else:
            body.append(line)
    for name, body in bodies.items():
        sections[name] = "".join(line + "\n" for line in body)
    if not sections:
        raise MachineError("no section: a machine file has lines such as '-- !platform --'")
    return sections


def of_report(text: str) -> str:
    """Return the machine file in a page of `kumo report`, any other text as it is.

    Raise `MachineError` for a page without one.
    """
    if text[: len(PAGE)].lower() != PAGE:
        return text
    _, _, rest = text.partition(INSIDE)
    form, begun, rest = rest.partition(">")
    body, ended, _ = rest.partition("</pre>")
    if not (begun and ended and form in ("", COMPRESSED)):
        raise MachineError("an HTML page, but not one of kumo report with a machine file in it")
    if body.count("\r\n") == body.count("\n"):  # a mail program has changed the line ends
        body = body.replace("\r\n", "\n")
    if form:
        return _decompressed(body)
    body = body.removeprefix("\n")
    return body.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _decompressed(body: str) -> str:
    import zlib
    from base64 import b64decode

    unpack = zlib.decompressobj()
    try:
        text = unpack.decompress(b64decode("".join(body.split()), validate=True), MAX_EXPANDED)
    except (ValueError, zlib.error):
        raise MachineError("the machine file in the page is damaged") from None
    if not unpack.eof:
        raise MachineError("the machine file in the page is cut or too long")
    return text.decode("utf-8", "surrogateescape")


def _heading(title: str, number: int) -> tuple[str, OSError | None]:
    name, _, code = title.partition(" (") if title.endswith(")") else (title, "", "")
    value = getattr(errno, code[:-1], None) if code[:1] == "E" else None
    if not isinstance(value, int):
        name = title
    is_path = name.startswith(("/", "\\\\")) or name[1:3] in (":\\", ":/")  # or on Windows
    if not is_path and name[:1] not in ("$", "!") and name != "expect":
        raise MachineError(
            f"line {number}: section {title[:60]!a} is not a /path, $VARIABLE, !fact or expect"
        )
    if is_path:
        name = name.replace("\\012", "\n").replace("\\134", "\\")
    return name, OSError(value, os.strerror(value), name) if isinstance(value, int) else None


class Machine(System):
    """A system that answers from a machine file's text."""

    def __init__(self, text: str, scope: Scope = "process") -> None:
        super().__init__(scope)
        self.sections = parse_sections(of_report(text))
        self.errors: dict[str, OSError | None] = {
            name.removesuffix(" (errno)"): error
            for name, error in self.sections.items()
            if isinstance(error, OSError)
        }
        self.error_lengths = sorted({len(name) for name in self.errors}, reverse=True)
        self.names = sorted(self.sections)
        self.listed: dict[str, Iterable[str] | None] = {}

    def expect(self) -> str:
        """Return the text of the section ``expect``, empty without one."""
        text = self.sections.get("expect", "")
        return text if isinstance(text, str) else ""

    def list(self, path: str) -> Iterable[str] | None:
        self._raise_for(path)
        if path not in self.listed:
            self.listed[path] = self._children(path.rstrip("/") + "/") or None
        return self.listed[path]

    def _children(self, below: str) -> Sequence[str]:
        children = []
        at = bisect_left(self.names, below)
        while at < len(self.names) and self.names[at].startswith(below):
            child, slash, _ = self.names[at][len(below) :].partition("/")
            if slash:
                children.append(child)
                at = bisect_left(self.names, f"{below}{child}0", at)  # "0" comes after "/"
            else:
                at += 1
        return children

    def _raise_for(self, path: str) -> None:
        """Raise the error that a section gives for *path* or for a directory above it.

        A path is also refused if it is too long for Linux, before each directory is looked for.
        """
        if len(path) >= PATH_MAX:
            raise OSError(errno.ENAMETOOLONG, "File name too long", path)
        error = self._error(path)
        if error is not None:
            raise OSError(error.errno, error.strerror, path)

    def _error(self, path: str) -> OSError | None:
        """Return the error of *path* or of the nearest directory above it that has one.

        The lengths are tried, not the directories: there are few, however deep the path is.
        """
        for length in self.error_lengths:
            above = path[:length]
            if above in self.errors and (above == "/" or path[length : length + 1] in ("", "/")):
                return self.errors[above]
        return None

    def _text(self, name: str) -> str | None:
        self._raise_for(name)
        answer = self.sections.get(name)
        return answer if isinstance(answer, str) else None

    def _read(self, path: str) -> str | None:
        return self._text(path)

    def _env(self, name: str) -> str | None:
        value = self._text(f"${name}")
        return None if value is None else value.removesuffix("\n")

    def _fact(self, name: str) -> str | None:
        if name in NEVER_FAIL and not isinstance(self.sections.get(f"!{name}"), str):
            return "linux" if name == "platform" else None
        value = self._text(f"!{name}")
        return None if value is None else value.removesuffix("\n")


def read_machine(path: str | os.PathLike[str], scope: Scope = "process") -> Machine:
    """Return the machine that a file describes.

    Raise `OSError` if it cannot be read, `MachineError` if it is not in the form or too long.
    """
    with open(path, encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        text = file.read(MAX_FILE_BYTES + 1)
    if len(text) > MAX_FILE_BYTES:
        raise MachineError(f"more than {MAX_FILE_BYTES >> 20} MB, which no machine file has")
    return Machine(text, scope)
