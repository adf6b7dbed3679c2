"""Which libraries are installed for the Python that a command leads to; nothing is started.

The Python is the command itself, the one that its first line names, or the first on ``PATH``.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_FIRST_LINE = 256  # bytes, as the kernel reads them


def installed(names: Iterable[str], program: str | None, path: str | None) -> frozenset[str]:
    """Return those of *names* that are beside the Python of *program*, a path, or on *path*."""
    prefix = _prefix(program, path)
    packages = set()
    try:
        versions = os.listdir(os.path.join(prefix, "lib")) if prefix is not None else []
    except OSError:
        versions = []
    for version in versions:
        if version.startswith("python3"):
            for place in ("site-packages", "dist-packages"):
                directory = os.path.join(prefix or "", "lib", version, place)
                packages |= {n for n in names if os.path.isdir(os.path.join(directory, n))}
    return frozenset(packages)


def _prefix(program: str | None, path: str | None) -> str | None:
    """Return the directory that has the Python's ``bin`` and ``lib``."""
    python = program if program is not None and _is_python(program) else None
    if python is None and program is not None:
        python = _named_by(program)
    if python is None or not _is_python(python):
        python = find("python3", path) or find("python", path)
    return None if python is None else os.path.dirname(os.path.dirname(os.path.abspath(python)))


def find(name: str, path: str | None) -> str | None:
    """Return the program that *name* is, as exec looks for it; `shutil` takes longer to load."""
    places = [""] if "/" in name else (path or os.defpath).split(os.pathsep)
    for place in places:
        file = os.path.join(place, name)
        if os.path.isfile(file) and os.access(file, os.X_OK):
            return file
    return None


def _is_python(path: str) -> bool:
    return os.path.basename(path).startswith("python")


def _named_by(script: str) -> str | None:
    """Return the interpreter that the first line names: ``#!/venv/bin/python``."""
    try:
        with open(script, "rb") as file:
            line = file.readline(MAX_FIRST_LINE)
    except OSError:
        return None
    words = line[2:].split() if line.startswith(b"#!") else []
    return os.fsdecode(words[0]) if words else None
