"""A task of a thread pool: how it is run, and why it is refused."""

from __future__ import annotations

import logging
from concurrent.futures.thread import BrokenThreadPool
from functools import partial

from kumo._watch.say import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Future
    from typing import Any

    Task = tuple[Future[Any], Callable[..., Any], tuple[Any, ...], Mapping[str, Any]]
    Refusal = Callable[[], RuntimeError]

# In the words of the standard executor.
SHUT_DOWN = partial(RuntimeError, "cannot schedule new futures after shutdown")
EXITING = partial(RuntimeError, "cannot schedule new futures after interpreter shutdown")
BROKEN = partial(
    BrokenThreadPool, "A thread initializer failed, the thread pool is not usable anymore"
)
STANDARD_LOGGER = logging.getLogger("concurrent.futures")


def run(
    future: Future[Any],
    call: Callable[..., Any],
    arguments: tuple[Any, ...],
    keywords: Mapping[str, Any],
) -> None:
    """Run a task. Errors of its future's callbacks are logged, as nobody would get them."""
    try:
        if not future.set_running_or_notify_cancel():
            return
        try:
            result = call(*arguments, **keywords)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is the future's
            future.set_exception(error)
            del future, call, arguments, keywords  # its traceback refers to this frame
        else:
            future.set_result(result)
    except BaseException:  # noqa: BLE001 - logged, and the worker goes on
        say(STANDARD_LOGGER.critical, "Exception in worker", exc_info=True)
