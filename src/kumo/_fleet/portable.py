"""Code that goes to a node which may have no kumo, or another version of it."""

from __future__ import annotations

import builtins
from importlib import import_module
from types import FunctionType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def portable(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return *function* as one of no module, which cloudpickle sends as code.

    It may use nothing but its arguments and what it imports itself.
    """
    assert isinstance(function, FunctionType)
    namespace = {"__builtins__": builtins, "__name__": "kumo_portable"}
    made = FunctionType(function.__code__, namespace, function.__name__, function.__defaults__)
    made.__qualname__ = function.__name__
    return made


def node_program() -> str:
    """Return the text of `kumo._fleet.node`, which a node runs by itself."""
    import inspect

    return inspect.getsource(import_module("kumo._fleet.node"))


def run_program(text: str, pressure: float | None) -> str:
    """On a node: run the text of `node_program`, and return the report."""
    namespace: dict[str, Any] = {"__name__": "kumo_node"}
    exec(compile(text, "<kumo>", "exec"), namespace)  # noqa: S102 - kumo's own text
    report: str = namespace["report_node"](pressure)
    return report
