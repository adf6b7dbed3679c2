"""Right concurrency for Celery's workers, when they start and while the limits change.

In the module of the app:

    import kumo.celery

    app = Celery("project", broker=...)
    kumo.celery.setup(app)

A worker of the prefork or the threads pool then runs as many tasks at a time as it has CPUs, unless
you chose a number: ``--concurrency``, ``--autoscale``, ``worker_concurrency`` and
``CELERY_WORKER_CONCURRENCY`` are kept. Its libraries start no more threads than that leaves for
each task. And ``kumo fleet celery`` can ask it.
"""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from importlib import import_module

from celery import bootsteps, signals
from celery.worker.control import inspect_command

from kumo._fleet.node import report_node
from kumo._pools.budget import as_share
from kumo._pools.inner import limit_inner_threads
from kumo._survey import estimate
from kumo._text import plural

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from kumo._pools.budget import Share

    class _Step:
        """Celery states no types."""

        def __init__(self, worker: Any, **options: Any) -> None: ...

else:
    _Step = bootsteps.StartStopStep

__all__ = ["FollowLimits", "setup"]

_LOGGER = logging.getLogger("kumo")
# Pools whose tasks use CPUs. gevent's and eventlet's wait, so the number of CPUs does not matter.
POOLS = ("prefork", "processes", "threads")
CHECK = 0.5  # seconds between looks at the count; a busy pool cannot always shrink at once
_shares: dict[int, Share] = {}  # by the app's id
_inner = 1  # threads of each task in the workers' libraries
_reports: dict[str, str | None] = {}  # by the ticket of a question that takes long


def setup(app: Any, *, share: float | str = 1) -> None:
    """Have the workers of *app* size themselves by their CPUs, and follow the limits.

    *share* is the fraction of the CPUs that one worker takes, if several run in one container.
    """
    _shares[id(app)] = as_share(share)
    app.steps["worker"].add(FollowLimits)
    signals.celeryd_init.connect(_on_init, weak=False, dispatch_uid="kumo")
    signals.worker_process_init.connect(_in_process, weak=False, dispatch_uid="kumo")


def _on_init(
    sender: Any = None, instance: Any = None, conf: Any = None, options: Any = None, **more: Any
) -> None:
    """Before the worker reads its settings: give it its concurrency, if nobody has chosen one."""
    share = _shares.get(id(instance.app))
    if share is None:
        return
    chosen = options.get("concurrency") or conf.worker_concurrency
    follows = not chosen and not options.get("autoscale") and _pool_name(options, conf) in POOLS
    instance.kumo_follows = follows
    count = share.of(estimate().parallelism)
    if follows:
        conf.worker_concurrency = count
    global _inner
    slots = count if follows else chosen if isinstance(chosen, int) else count
    _inner = limit_inner_threads(count, slots)


def _pool_name(options: Any, conf: Any) -> str:
    """Return the name of the pool: the option is a name, or the pool's class."""
    pool = options.get("pool") or options.get("pool_cls") or conf.worker_pool
    if isinstance(pool, str):
        return pool
    module = str(getattr(pool, "__module__", "")).rpartition(".")[2]
    return "threads" if module == "thread" else module


def _in_process(**more: Any) -> None:
    """In a process of the prefork pool: libraries that its parent has loaded read no variable."""
    with suppress(ImportError):
        import_module("threadpoolctl").threadpool_limits(_inner)


class FollowLimits(_Step):
    """The step of a worker that keeps its pool at its CPUs."""

    requires: tuple[str, ...] = ("celery.worker.components:Pool", "celery.worker.components:Timer")

    def __init__(self, worker: Any, **options: Any) -> None:
        self.enabled: bool = getattr(worker, "kumo_follows", False)
        self._watch: Any = None
        self._timer: Any = None
        self._size: Any = None
        self._share = _shares.get(id(worker.app)) or as_share(1)
        self._said: set[str] = set()
        super().__init__(worker, **options)

    def include_if(self, worker: Any) -> bool:
        """Whether the worker follows: not if you chose its concurrency."""
        return bool(self.enabled)

    def start(self, worker: Any) -> None:
        """Watch the limits."""
        from kumo._watch.watch import watch

        self._size = (
            _ThreadsSize(worker) if hasattr(worker.pool, "executor") else _PreforkSize(worker)
        )
        worker.kumo_size = self._size
        self._watch = watch()
        self._timer = worker.timer.call_repeatedly(CHECK, self.resize, (worker,))

    def stop(self, worker: Any) -> None:
        """Stop watching."""
        if self._timer is not None:
            self._timer.cancel()
        if self._watch is not None:
            self._watch.close()

    def resize(self, worker: Any) -> None:
        """Bring the pool nearer to the count. Runs in the thread of the worker's timer."""
        try:
            count = self._share.of(self._watch.estimate.parallelism)
            before = self._size.slots
            self._size.bring_to(count)
        except Exception as error:  # noqa: BLE001 - the timer and the worker go on
            if str(error) not in self._said:
                self._said.add(str(error))
                slots = plural(self._size.slots, "slot")
                _LOGGER.warning("the pool keeps %s: %s", slots, error)
        else:
            if self._size.slots != before:
                _LOGGER.info(
                    "concurrency of %s: %d, was %d", worker.hostname, self._size.slots, before
                )


class _ThreadsSize:
    """The size of a threads pool. Threads beyond it end their tasks, and then take no others."""

    def __init__(self, worker: Any) -> None:
        self.pool = worker.pool
        executor = getattr(self.pool, "executor", None)
        if not isinstance(getattr(executor, "_max_workers", None), int):
            raise RuntimeError("this version of Celery's threads pool cannot be resized")

    @property
    def slots(self) -> int:
        """How many tasks run at a time."""
        return int(self.pool.limit)

    def bring_to(self, count: int) -> None:
        """Set how many tasks run at a time."""
        self.pool.executor._max_workers = self.pool.limit = count


class _PreforkSize:
    """The size of a prefork pool.

    ``pool.shrink`` can end a process that has just been given a task, which is then lost. So a
    slot goes in two steps. First kumo takes one of the semaphore's places, of which each task
    needs one; then one process has nothing to do. When each task that the pool has is known to have
    begun, it is certain which process that is, and ``pool.shrink`` ends it. Without an event
    loop, as with a broker in files, there is no such moment: the process stays, idle.
    """

    def __init__(self, worker: Any) -> None:
        self.worker, self.pool = worker, worker.pool
        self.hub = bool(worker.use_eventloop)
        self.semaphore = worker.semaphore if self.hub else worker.pool._pool._putlock
        if self.semaphore is None:
            raise RuntimeError("worker_pool_putlocks is off, so that nothing bounds its tasks")
        self.held = 0  # places of the semaphore that kumo has taken
        self.waiting = 0  # for as many more
        self.unwanted = 0  # of these, to be given back when they come

    @property
    def slots(self) -> int:
        """How many tasks run at a time, or soon will."""
        return int(self.pool.num_processes) - self.held - self.waiting + self.unwanted

    def bring_to(self, count: int) -> None:
        """Set how many tasks run at a time. Those that run already go on."""
        if count > self.slots:
            self._grow(count - self.slots)
        for _ in range(self.slots - count):
            self._take()
        while self.held and self.hub and self._knows_idle():
            self._end_process()

    def _grow(self, number: int) -> None:
        back = min(number, self.held)
        self.held -= back
        for _ in range(back):
            self.semaphore.release()
        cancelled = min(number - back, self.waiting - self.unwanted)
        self.unwanted += cancelled
        more = number - back - cancelled
        if more:
            self.pool.grow(more)
            self._processes_changed(more)

    def _take(self) -> None:
        if self.hub:
            self.waiting += 1
            self.semaphore.acquire(self._taken)  # it calls at once, or after those that wait
        elif self.semaphore.acquire(timeout=CHECK):
            self.held += 1

    def _taken(self) -> None:
        self.waiting -= 1
        if self.unwanted:
            self.unwanted -= 1
            self.semaphore.release()
        else:
            self.held += 1

    def _knows_idle(self) -> bool:
        """Whether each task that the pool has is known to run, in a process that is known."""
        jobs = list(self.pool._pool._cache.values())
        running = {pid for job in jobs for pid in job.worker_pids()}
        return all(job.worker_pids() for job in jobs) and len(running) < self.pool.num_processes

    def _end_process(self) -> None:
        free = self.semaphore.value
        self.pool.shrink(1)  # and one place of the semaphore less: a free one, or kumo's
        self.held -= 1
        if free:
            self.semaphore.release()
        self._processes_changed(-1)

    def _processes_changed(self, change: int) -> None:
        if hasattr(self.pool, "maintain_pool"):
            self.pool.maintain_pool()  # it starts and ends the processes
        self.worker.consumer._update_prefetch_count(change)


# Celery has no types.
@inspect_command(args=[("pressure", float), ("ticket", str)])  # type: ignore[untyped-decorator, unused-ignore]
def kumo_node(state: Any, pressure: float | None = None, ticket: str = "") -> dict[str, Any]:
    """Return what `kumo.fleet.report_node` finds in this worker, and its slots.

    With *pressure* that takes so many seconds, for which the worker must not wait: the first
    answer has no report, and a later call with the same *ticket* returns it.
    """
    if pressure is None:
        return {"slots": _slots(state), "report": report_node()}
    if ticket not in _reports:
        _reports.clear()
        _reports[ticket] = None
        threading.Thread(target=_watch_for, args=(pressure, ticket), daemon=True).start()
    return {"slots": _slots(state), "report": _reports[ticket]}


def _watch_for(pressure: float, ticket: str) -> None:
    report = report_node(pressure)
    if ticket in _reports:
        _reports[ticket] = report


def _slots(state: Any) -> int:
    size = getattr(state.consumer.controller, "kumo_size", None)
    return int(state.consumer.pool.num_processes if size is None else size.slots)
