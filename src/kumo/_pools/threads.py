"""`ThreadPool`: the standard executor with a name, and a size that follows the parallelism."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import SimpleNamespace

from kumo._pools.pool import Bounds, Pool, check_count, check_initializer
from kumo._pools.queue import Crew
from kumo._pools.task import BROKEN
from kumo._pools.waiting import WaitingCrew

TYPE_CHECKING = False
if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator
    from typing import Any

    from kumo._pools.budget import Part, Share


class ThreadPool(Pool, ThreadPoolExecutor):
    """A `concurrent.futures.ThreadPoolExecutor` whose size follows the parallelism.

    The size is ``KUMO_<NAME>_THREADS`` in the environment, else *threads*, else *share*: a
    fraction of the parallelism, rounded down, or a part of a `Budget`; in any case at least
    *minimum* and at most *maximum*. A share follows the limits: a smaller size applies at once,
    a larger one when the limit has lasted for a second. Threads are started on demand and named
    ``<name>-<i>``. *initializer* and *initargs* are as the standard executor's. Up to
    *max_waiting* more work while as many wait within `waiting`.

    Without a name it is ``pool-1``, ``pool-2`` and so on. ``ThreadPool(4)`` and *max_workers* are
    *threads*, as code for the standard executor has them.

    Raise `ValueError` if *name* is in use or a number out of range, `OverrideError` if
    a variable is not a positive decimal integer.

    >>> with kumo.ThreadPool("web", threads=2) as pool:  # without threads= it follows the limits
    ...     list(pool.map(abs, [-1, -2, -3]))
    [1, 2, 3]
    """

    _kind, _plural = "thread", "threads"

    def __init__(
        self,
        name: str | int | None = None,
        *,
        share: float | str | Part = 1,
        threads: int | None = None,
        max_workers: int | None = None,
        max_waiting: int = 0,
        minimum: int = 1,
        maximum: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
    ) -> None:
        # The standard executor's own is not called: its workers cannot leave early.
        check_initializer(initializer)

        def make_crew(size: int, _: Share) -> Crew:
            if not most:
                return Crew(self.name, size, initializer, initargs)
            return WaitingCrew(self.name, size, initializer, initargs, most)

        most = check_count("max_waiting", max_waiting) if max_waiting else 0
        self._begin(name, share, threads, max_workers, Bounds(minimum, maximum), make_crew)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Put this around a wait in a task, as for a disk or a network: it uses no CPU meanwhile.

        So another worker may work, up to ``max_waiting`` more than the size. When the wait is
        over and the workers are too many, one leaves after its present task. It does nothing
        in other threads and without ``max_waiting``.

        >>> with kumo.ThreadPool("fetch", threads=1, max_waiting=4) as pool:
        ...     def fetch():
        ...         with pool.waiting():
        ...             return "read"  # from a socket
        ...     pool.submit(fetch).result()
        'read'
        """
        crew = self._crew
        if not isinstance(crew, WaitingCrew) or not crew.block():
            yield
            return
        try:
            yield
        finally:
            crew.unblock()

    @property
    def blocked(self) -> int:
        """How many workers are within `waiting`."""
        return len(self._crew.waiters) if isinstance(self._crew, WaitingCrew) else 0

    @property
    def running(self) -> int:
        """How many workers have a task and are not within `waiting`."""
        return max(0, self.busy - self.blocked)

    # Programs read these of the standard executor, though they are not public.

    @property
    def _max_workers(self) -> int:  # type: ignore[override]  # an attribute there
        return self._crew.size

    @property
    def _threads(self) -> set[threading.Thread]:  # type: ignore[override]  # an attribute there
        with self._crew.lock:
            return set(self._crew.threads.values())

    @property
    def _work_queue(self) -> Any:  # type: ignore[override]  # an attribute there
        return SimpleNamespace(qsize=lambda: self.queued)

    @property
    def _shutdown(self) -> bool:  # type: ignore[override]  # an attribute there
        return self._crew.closed is not None

    @property
    def _broken(self) -> str | bool:  # type: ignore[override]  # an attribute there
        return str(BROKEN()) if self._crew.closed is BROKEN else False
