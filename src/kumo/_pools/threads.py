"""`ThreadPool`: the standard executor with a name, and a size that follows the parallelism."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

from kumo._pools.pool import Bounds, Pool, check_initializer
from kumo._pools.queue import Crew
from kumo._pools.task import BROKEN

TYPE_CHECKING = False
if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from typing import Any

    from kumo._pools.budget import Share


class ThreadPool(Pool, ThreadPoolExecutor):
    """A `concurrent.futures.ThreadPoolExecutor` whose size follows the parallelism.

    The size is ``KUMO_<NAME>_THREADS`` in the environment, else *threads*, else *share*: a
    fraction of the parallelism, rounded down, or a part of a `Budget`; in any case at least
    *minimum* and at most *maximum*. A share follows the limits: a smaller size holds at once,
    a larger one when the limit has held for a second. Threads are started on demand and named
    ``<name>-<i>``. *initializer* and *initargs* are as the standard executor's.

    Raise `ValueError` where *name* is in use or a number out of range, `OverrideError` where
    a variable is no positive decimal integer.
    """

    _kind, _plural = "thread", "threads"

    def __init__(
        self,
        name: str,
        *,
        share: float | Share = 1,
        threads: int | None = None,
        minimum: int = 1,
        maximum: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
    ) -> None:
        # The standard executor's own is not called: its workers cannot leave early.
        check_initializer(initializer)

        def make_crew(size: int, _: Share) -> Crew:
            return Crew(name, size, initializer, initargs)

        self._begin(name, share, threads, Bounds(minimum, maximum), make_crew)

    # What programs read of the standard executor, though it is not public; for type checkers these
    # are attributes there.

    @property
    def _max_workers(self) -> int:  # type: ignore[override]
        return self._crew.size

    @property
    def _threads(self) -> set[threading.Thread]:  # type: ignore[override]
        with self._crew.lock:
            return set(self._crew.threads.values())

    @property
    def _work_queue(self) -> Any:  # type: ignore[override]
        return SimpleNamespace(qsize=lambda: self.queued)

    @property
    def _shutdown(self) -> bool:  # type: ignore[override]
        return self._crew.closed is not None

    @property
    def _broken(self) -> str | bool:  # type: ignore[override]
        return str(BROKEN()) if self._crew.closed is BROKEN else False
