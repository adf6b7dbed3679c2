"""Sentences of Markdown pages and of Python sources, each with the line where it begins.

What is not prose is left out: fenced blocks, addresses, and code, which becomes ``CODE``.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

FENCE = re.compile(r"^ *(?:> *)?(`{3,}|~{3,}) *(\w*)")
ITEM = re.compile(r"^\s*(?:[-*+]|\d+\.) +")
# A sentence ends with a full stop before a capital, or with a full stop or colon at the end of
# a line. The command's name begins sentences, too.
END = re.compile(r"(?<=[.!?])[)\"]?(?:\s+(?=[A-Z(\[`*\"]|kumo )|[ ]*\n)|(?<=:)[ ]*\n")
NOT_AN_END = re.compile(r"(?:\b(?:e\.g|i\.e|vs|cf|etc|No|Nos|p|pp|Inc|St)|\b[A-Z])\.$")
MIN_WORDS_OF_A_STRING = 4
PARAMETER = re.compile(r"(?<![\w*])\*(\w+)\*(?![\w*])")  # in a docstring, a name in the code
DOCTEST = re.compile(r"^ *(?:>>>|\.\.\.) .*", re.MULTILINE)
# A string that is a program in JavaScript, Lua or Python.
PROGRAM = re.compile(r"(?:const|local|import|from \w+ import|for) .*\n")


@dataclass(frozen=True)
class Sentence:
    """One sentence, heading or table cell: *kind* says which."""

    line: int
    text: str
    kind: str  # "sentence", "heading" or "cell"


def blocks(text: str) -> Iterator[tuple[str, int, list[str]]]:
    """Yield each fenced block: its language, the number of its first line, its lines."""
    fence, language, start, lines = "", "", 0, []
    for number, line in enumerate(text.split("\n"), 1):
        match = FENCE.match(line)
        if match and not fence:
            fence, language = match[1], match[2]
            start, lines = number + 1, []
        elif fence and line.strip() == fence:
            yield language, start, lines
            fence = ""
        elif fence:
            lines.append(line)


def unfenced(text: str) -> str:
    """Return *text* with its fenced blocks blanked, so that line numbers stay."""
    lines = text.split("\n")
    for _, start, body in blocks(text):
        lines[start - 2 : start + len(body)] = [""] * (len(body) + 2)
    return "\n".join(lines)


def plain(text: str) -> str:
    """Return Markdown as the words that a reader sees, with its line breaks."""
    text = re.sub(r"<!--.*?-->", lambda match: "\n" * match[0].count("\n"), text, flags=re.DOTALL)
    text = re.sub(r"``.+?``|`[^`]*`|\{\w+(?::[^{}]*)?\}", "CODE", text)  # values in templates, too
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"\[([^\]]+)\]\[[^\]]*\]", r"\1", text)
    text = re.sub(r"https?://\S+", "ADDRESS", text)
    text = re.sub(r"</?[a-zA-Z][^>]*>", "", text)
    return re.sub(r"\*\*|(?<!\w)[*_](?=\S)|(?<=\S)[*_](?!\w)", "", text)


def of_markdown(text: str) -> Iterator[Sentence]:
    """Yield the sentences, headings and table cells of a page."""
    text = re.sub(r"\A---\n.*?\n---\n", lambda match: "\n" * match[0].count("\n"), text, flags=re.S)
    lines = plain(unfenced(text)).split("\n")
    for line, block in _paragraphs(lines):
        first = block[0].lstrip()
        if first.startswith("#"):
            yield Sentence(line, first.lstrip("# "), "heading")
        elif first.startswith("|"):
            yield from _cells(line, first)
        elif not first.startswith(("!!!", "???", ":::", "=== ")):
            yield from _split(line, "\n".join(block))


def of_python(source: str) -> Iterator[Sentence]:
    """Yield the sentences of docstrings, of other strings that hold words, and of comments."""
    tree = ast.parse(source)
    inner: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            inner.update(part for part in ast.walk(node) if part is not node)
        if node in inner:
            continue
        text = _string(node)
        if text is None or PROGRAM.match(text) or len(text.split()) < MIN_WORDS_OF_A_STRING:
            continue
        yield from _text(node.lineno, text)
    yield from _comments(source)


def _string(node: ast.AST) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        values = (part.value if isinstance(part, ast.Constant) else "CODE" for part in node.values)
        return "".join(str(value) for value in values)
    return None


def _comments(source: str) -> Iterator[Sentence]:
    """Yield the sentences of comments; whole lines that follow each other are one text."""
    start, before, lines = 0, -2, []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT or token.string.startswith(("#!", "# noqa", "# type:")):
            continue
        whole_line = not token.line[: token.start[1]].strip()
        if token.start[0] != before + 1 or not whole_line:
            yield from _text(start, "\n".join(lines))
            start, lines = token.start[0], []
        before = token.start[0] if whole_line else -2
        lines.append(token.string.lstrip("#: "))
    yield from _text(start, "\n".join(lines))


def _text(line: int, text: str) -> Iterator[Sentence]:
    """Yield the sentences of a docstring or comment that begins at *line*."""
    text = PARAMETER.sub("CODE", DOCTEST.sub("CODE", text))
    for offset, block in _paragraphs(plain(text).split("\n")):
        yield from _split(line + offset - 1, "\n".join(block))


def _paragraphs(lines: list[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield each paragraph, list item, heading or table row with the number of its first line."""
    block: list[str] = []
    start = 0
    for number, line in enumerate([*lines, ""], 1):
        alone = line.lstrip().startswith(("#", "|", "!!!", "???", ":::", "=== "))
        if block and (not line.strip() or alone or ITEM.match(line)):
            yield start, block
            block = []
        if not line.strip():
            continue
        if not block:
            start = number
        block.append(ITEM.sub("", line).strip())
        if alone:
            yield start, block
            block = []


def _cells(line: int, row: str) -> Iterator[Sentence]:
    if not re.fullmatch(r"[|\s:-]+", row):
        for cell in re.split(r"(?<!\\)\|", row.strip().strip("|")):
            if cell.strip():
                yield Sentence(line, cell.strip(), "cell")


def _split(line: int, text: str) -> Iterator[Sentence]:
    """Yield the sentences of one paragraph that begins at *line*."""
    start = 0
    for match in END.finditer(text):
        if NOT_AN_END.search(text[: match.start()]):
            continue
        yield from _sentence(line, text, start, match.start())
        start = match.end()
    yield from _sentence(line, text, start, len(text))


def _sentence(line: int, text: str, start: int, end: int) -> Iterator[Sentence]:
    words = " ".join(text[start:end].split())
    if words:
        yield Sentence(line + text.count("\n", 0, start), words, "sentence")
