"""The event loop that runs in the calling thread, asyncio's or trio's, as kumo needs it.

anyio runs on one of the two, and so needs nothing else.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    Post = Callable[[Callable[[], object]], object]

    class Event(Protocol):
        """The methods that `asyncio.Event` and `trio.Event` share."""

        def set(self) -> None:
            """Let those that wait go on."""

        async def wait(self) -> object:
            """Wait until it is set."""


def running() -> tuple[Any, Post] | None:
    """Return the library whose loop runs here, and how another thread has it call a function.

    `None` if no loop runs. To post to a loop that has ended raises `RuntimeError`.
    """
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_task():
        return trio, trio.lowlevel.current_trio_token().run_sync_soon
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return None
    try:
        return asyncio, asyncio.get_running_loop().call_soon_threadsafe
    except RuntimeError:
        return None


def need_loop(what: str, *loops: str) -> None:
    """Raise `RuntimeError` if to follow *what* needs a loop of *loops*, and none runs here."""
    current = running()
    if current is None or current[0].__name__ not in loops:
        text = "can be followed only in its event loop: call follow in a coroutine there"
        raise RuntimeError(f"{what} {text}")


def make_event() -> tuple[Event, Post]:
    """Return an event of the running loop, and how another thread posts to it.

    Raise `RuntimeError` if neither asyncio nor trio runs.
    """
    current = running()
    if current is None:
        raise RuntimeError("no event loop of asyncio or trio is running in this thread")
    library, post = current
    return library.Event(), post
