"""No jump in the code that opens files is outside the handler around it.

At a jump back a signal handler may raise. If a loop in a ``try`` ends with an ``if``, the compiler
of CPython makes a jump back for it that its table of handlers leaves out: ``finally`` is then not
run, and a descriptor stays open (seen on 3.14, at 0.8 % of the interrupts). Such a loop has its
``if`` before its last statement.
"""

from __future__ import annotations

import dis
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

import kumo

PACKAGE = Path(kumo.__file__).parent


def codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from codes(constant)


def uncovered(code: types.CodeType) -> Iterator[int | None]:
    """Yield the line of each jump back that leaves a handler for one step."""
    instructions = list(dis.get_instructions(code))
    places = {instruction.offset: instruction for instruction in instructions}
    entries = dis.Bytecode(code).exception_entries  # type: ignore[attr-defined]  # since 3.11

    def handler(offset: int) -> int | None:
        """The place of the innermost try's or with's handler; a generator's own is none."""
        targets = [entry.target for entry in entries if entry.start <= offset < entry.end]
        return next((t for t in targets if places[t].opname == "PUSH_EXC_INFO"), None)

    for number, jump in enumerate(instructions):
        if jump.opname.startswith("JUMP_BACKWARD") and "NO_INTERRUPT" not in jump.opname:
            before = instructions[max(0, number - 3) : number]
            around = {handler(jump.argval), *(handler(each.offset) for each in before)} - {None}
            if handler(jump.offset) is None and len(around) == 1:
                yield before[-1].positions.lineno if before[-1].positions else None  # type: ignore[attr-defined]  # 3.11


@pytest.mark.skipif(sys.version_info < (3, 14), reason="seen on 3.14")
def test_no_jump_leaves_its_handler() -> None:
    jumps = {
        (path.name, code.co_name, line)
        for path in (PACKAGE / "_system").rglob("*.py")
        for code in codes(compile(path.read_text("utf-8"), str(path), "exec"))
        for line in uncovered(code)
    }

    assert jumps == set()


@pytest.mark.skipif(sys.version_info < (3, 14), reason="seen on 3.14")
def test_such_a_jump_is_found() -> None:
    text = (
        "def f(items):\n    try:\n        while g():\n            h()\n            if items:\n"
        "                raise ValueError\n    finally:\n        i()\n"
    )

    assert [line for code in codes(compile(text, "", "exec")) for line in uncovered(code)] == [5]
