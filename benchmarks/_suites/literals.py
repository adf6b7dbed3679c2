"""Reads literals in the source of other languages: strings, and Go's composite literals."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "0": "\0", "\\": "\\", '"': '"', "'": "'"}
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)


def unquoted(body: str) -> str:
    """The text of a string literal's inside, as in C++, Java, Rust and Go."""

    def replace(match: re.Match[str]) -> str:
        code = match[1]
        if code[0] == "x":
            return chr(int(code[1:], 16))
        if code[0] == "\n":  # a line that goes on, in Rust
            return ""
        return _ESCAPES[code]

    return re.sub(r"\\(x[0-9a-fA-F]{2}|\n\s*|.)", replace, body)


def joined(source: str) -> str:
    """The strings of an expression, put together: `"a" "b"` or `"a" + "b"`."""
    return "".join(unquoted(body) for body in _STRING.findall(source))


def strings(source: str) -> list[str]:
    return [unquoted(body) for body in _STRING.findall(source)]


def body_of(source: str, start: str) -> str:
    """The text between the braces that follow *start*, a regular expression."""
    match = re.search(start, source)
    if match is None:
        raise ValueError(f"{start} is not in the source")
    return braced(source, source.index("{", match.end() - 1))


def braced(source: str, opening: int) -> str:
    """The text between the brace at *opening* and the one that closes it."""
    depth, place = 0, opening
    while place < len(source):
        char = source[place]
        if char in "\"'`":
            place = _end_of_string(source, place)
            continue
        if source.startswith("//", place):
            place = source.find("\n", place)
            continue
        if source.startswith("/*", place):
            place = source.index("*/", place) + 2
            continue
        depth += (char == "{") - (char == "}")
        if depth == 0:
            return source[opening + 1 : place]
        place += 1
    raise ValueError("a brace is not closed")


def _end_of_string(source: str, place: int) -> int:
    quote = source[place]
    place += 1
    while source[place] != quote:
        place += 2 if source[place] == "\\" and quote != "`" else 1
    return place + 1


# --- Go

_TOKEN = re.compile(
    r"\s+|//[^\n]*|/\*.*?\*/|(?P<string>\"(?:[^\"\\]|\\.)*\"|`[^`]*`|'(?:[^'\\]|\\.)')"
    r"|(?P<word>[A-Za-z_][\w.]*|-?\d[\w.]*)|(?P<sign>.)",
    re.DOTALL,
)


class Go:
    """Evaluates Go's literals; a name or call that *names* does not know becomes an `Unknown`."""

    def __init__(self, names: dict[str, Any] | None = None) -> None:
        self.names = {"true": True, "false": False, "nil": None} | (names or {})

    def table(self, source: str, function: str, opening: str = r"\[\]struct \{") -> list[Any]:
        """The cases of a test: the composite literal after its ``[]struct {…}``."""
        body = body_of(source, rf"func {function}\([^)]*\) \{{")
        start = re.search(opening, body)
        if start is None:
            raise ValueError(f"{function} has no table")
        fields = braced(body, start.end() - 1)
        names = re.findall(r"^\s*(\w+)\s+\S", fields, re.MULTILINE)
        cases = braced(body, body.index("{", start.end() + len(fields) + 1))
        values = self.values(cases)
        return [
            dict(zip(names, case, strict=False)) if isinstance(case, list) else case
            for case in values
        ]

    def values(self, source: str) -> list[Any]:
        """The values of a list, each a string, number, dictionary, list or `Unknown`."""
        self.tokens = list(_tokens(source))
        self.place = 0
        return self._items()[0]

    def value(self, source: str) -> Any:
        self.tokens = list(_tokens(source))
        self.place = 0
        return self._value()

    def _peek(self) -> str:
        return self.tokens[self.place] if self.place < len(self.tokens) else ""

    def _items(self) -> tuple[list[Any], dict[Any, Any]]:
        items: list[Any] = []
        fields: dict[Any, Any] = {}
        while self._peek() not in ("", "}", ")"):
            value = self._value(is_key=True)
            if self._peek() == ":":
                self.place += 1
                fields[value.name if isinstance(value, Unknown) else value] = self._value()
            else:
                items.append(value)
            if self._peek() == ",":
                self.place += 1
        return items, fields

    def _value(self, is_key: bool = False) -> Any:
        value = self._atom(is_key)
        while self._peek() == "+":
            self.place += 1
            right = self._atom(False)
            value = (
                value + right if isinstance(value, str) and isinstance(right, str) else Unknown("+")
            )
        return value

    def _atom(self, is_key: bool) -> Any:
        token = self._peek()
        self.place += 1
        while token in ("&", "[", "]", "*"):
            token = self._peek()
            self.place += 1
        if token[:1] in '"`':
            return token[1:-1] if token[0] == "`" else unquoted(token[1:-1])
        if token == "{":
            return self._braces()
        if re.fullmatch(r"-?\d[\d_]*(\.\d+)?", token):
            return float(token) if "." in token else int(token)
        arguments: list[Any] | None = None
        while self._peek() in ("(", "[", "{") or (token == "map" and self._peek() == "]"):
            opening = self._peek()
            self.place += 1
            if opening == "(":
                arguments = self._items()[0]
                self.place += 1
            elif opening == "[":
                while self._peek() != "]":
                    self.place += 1
                self.place += 1
                if self._peek()[:1].isalpha():  # the values' type of a map
                    self.place += 1
            elif opening == "{":
                return self._braces()
        if arguments is not None:
            call = self.names.get(f"{token}()")
            return (
                call(*arguments)
                if call
                else (arguments[0] if len(arguments) == 1 else Unknown(token))
            )
        if is_key and self._peek() == ":":
            return Unknown(token)
        return self.names.get(token, Unknown(token))

    def _braces(self) -> Any:
        items, fields = self._items()
        self.place += 1
        return fields if fields else items


class Unknown:
    """A Go expression that is no literal."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"Unknown({self.name})"


def _tokens(source: str) -> Iterator[str]:
    for match in _TOKEN.finditer(source):
        if match.lastgroup:
            yield match[0]


def functions(source: str, pattern: str) -> Iterator[tuple[str, str]]:
    """Each test whose heading matches *pattern*, with its body; group 1 is its name."""
    for match in re.finditer(pattern, source):
        yield match[1], braced(source, source.index("{", match.end() - 1))


Call = Callable[..., Any]
