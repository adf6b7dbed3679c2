"""From bytes to machine files and to texts for the parsers: what the bytes mean is chosen so that
nearly every input is well-formed up to the place that is meant to be wrong.

The first bytes choose a machine of tests/machines, then the sections that are changed and how.
A fuzzer that is guided by coverage changes the bytes; without one they come from a seed.
"""

from __future__ import annotations

import re
import zlib
from base64 import encodebytes
from html import escape
from pathlib import Path

from kumo._system.machine_file import COMPRESSED, INSIDE, MAX_EXPANDED, parse_sections

MACHINES = sorted((Path(__file__).parents[1] / "machines").glob("*.txt"))
TEXTS = [path.read_text("utf-8", "surrogateescape") for path in MACHINES]
BASES = [
    {name: body for name, body in parse_sections(text).items() if isinstance(body, str)}
    for text in TEXTS
]
MAX_TEXT = 100_000  # characters of a section

# By the last part of a section's name, the bodies of all machines.
BODIES: dict[str, list[str]] = {}
for base in BASES:
    for section, text in base.items():
        if section != "expect":
            BODIES.setdefault(section.rpartition("/")[2], []).append(text)
KINDS = sorted(BODIES)
VARIABLES = sorted({name for base in BASES for name in base if name.startswith("$")})
NUMBERS = (
    "0", "1", "-1", "2", "03", "65535", "65536", "131071", "131072", "1048577", "99999999",
    "4294967296", "9223372036854775807", "18446744073709551616", "9" * 30, "0.5", "1e9", "٤", "",
)  # fmt: skip
TOKENS = (
    " ", "\n", ",", "-", ":", "/", "/..", "[", "]", "(x", ")", " - ", "=", "\0", "\t", "\\040",
    "\\", "max", "cpu", "cgroup2", "cgroup", "0::/", "n[1-3]", "\udcff", "\x1b[2J", "é", "a" * 300,
    "(EACCES)", "-- x --", "/a" * 100,
)  # fmt: skip


class Choices:
    """Choices that bytes make; when they have run out, the first is taken."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def below(self, count: int) -> int:
        width = 1 if count <= 256 else 2
        taken = self.data[self.at : self.at + width]
        self.at += width
        return int.from_bytes(taken, "little") % count

    def one_of(self, values: tuple[str, ...] | list[str]) -> str:
        return values[self.below(len(values))]


def changed(choices: Choices, text: str, others: list[str]) -> str:
    """*text* with one change: a number, a token, a line, a part of another, or many times."""
    lines = text.split("\n")
    at = choices.below(len(lines))
    how = choices.below(10)
    if how <= 2:
        numbers = list(re.finditer(r"\d+", text[:2000]))
        if numbers:
            number = numbers[choices.below(len(numbers))]
            return text[: number.start()] + choices.one_of(NUMBERS) + text[number.end() :]
    elif how <= 4:
        place = choices.below(min(len(text), 60_000) + 1)
        cut = choices.below(4)
        return text[:place] + choices.one_of(TOKENS) + text[place + cut :]
    elif how == 5:
        return "\n".join([*lines[:at], *lines[at + 1 :]])
    elif how == 6:
        return "\n".join([*lines[: at + 1], *lines[at:]])
    elif how == 7:
        return others[choices.below(len(others))]
    elif how == 8:
        other = others[choices.below(len(others))].split("\n")
        return "\n".join([*lines[:at], other[choices.below(len(other))], *lines[at:]])
    part = lines[at][:200] or choices.one_of(TOKENS)
    return text + (part + choices.one_of(("\n", ",", " ", ""))) * choices.below(400)


def machine(data: bytes) -> tuple[str, list[str]]:
    """A machine file, and the names of the sections that were changed."""
    choices = Choices(data)
    sections = dict(BASES[choices.below(len(BASES))])
    sections.pop("expect", None)
    names = []
    for _ in range(1 + choices.below(3)):
        name = choices.one_of(VARIABLES if choices.below(6) == 5 else [*sections])
        others = BODIES[name.rpartition("/")[2]]
        body = sections.get(name, others[0])
        for _ in range(1 + choices.below(3)):
            body = changed(choices, body, others)[:MAX_TEXT]
        sections[name] = body
        names.append(name)
    return "".join(_section(choices, name, body) for name, body in sections.items()), names


def page(data: bytes) -> tuple[str, str, bool]:
    """A machine file, the report that has it inside, and whether that is as it was written."""
    text, _ = machine(data)
    choices = Choices(data[::-1])
    written = text.encode("utf-8", "surrogateescape")
    form, body = "", escape(text, quote=False)
    if choices.below(2):
        form, body = COMPRESSED, encodebytes(zlib.compress(written)).decode()
    whole = f"<!doctype html>\n<title>x</title>\n{INSIDE}{form}>\n{body}</pre>\n"
    changes = choices.below(4)
    page = whole
    for _ in range(changes):
        page = changed(choices, page, [whole])
    is_whole = page == whole and len(written) <= MAX_EXPANDED
    return text, page, is_whole


def _section(choices: Choices, name: str, body: str) -> str:
    if choices.at + 4 < len(choices.data) and choices.below(64) == 63:
        return f"-- {name} ({choices.one_of(('EACCES', 'EPERM', 'EIO', 'ENOSYS', 'EINVAL'))}) --\n"
    lines = [line for line in body.split("\n") if not re.fullmatch("-- .* --", line)]
    return f"-- {name} --\n" + "\n".join(lines).removesuffix("\n") + "\n"


def text_for_a_parser(choices: Choices) -> str:
    """A section's body of whatever kind, changed a few times."""
    others = BODIES[choices.one_of(KINDS)]
    text = others[choices.below(len(others))]
    for _ in range(choices.below(6)):
        text = changed(choices, text, others)[:MAX_TEXT]
    return text.removesuffix("\n") if choices.below(2) else text
