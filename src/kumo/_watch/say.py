"""Logging that harms nobody: what a handler raises ends neither a thread nor a call of kumo's.

Call it with no lock held. A handler is foreign code, which may look at a pool, wait for another
thread or, under gevent and eventlet, let other greenlets run.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def say(log: Callable[..., object], text: str, *arguments: object, **options: Any) -> None:
    """Call *log*, such as a logger's ``warning``; write to stderr what a handler raises."""
    try:
        log(text, *arguments, **options)
    except Exception:  # noqa: BLE001 - a handler may raise anything, and is not kumo's
        _show()


def _show() -> None:
    """Write the present exception to stderr, as `logging` does for its own handlers."""
    try:
        if sys.stderr is not None:
            import traceback

            traceback.print_exc(file=sys.stderr)
    except Exception:  # noqa: BLE001, S110 - stderr may be gone; there is nobody left to say it to
        pass
