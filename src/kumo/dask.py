"""Right slots for Dask's workers, when they start and while the limits change.

Each worker gets as many threads as it has CPUs:

    dask worker tcp://scheduler:8786 --preload kumo.dask

For a cluster that runs already:

    client.register_plugin(kumo.dask.FollowLimits())

Dask has no public call to change a worker's threads. So kumo first checks that the worker and the
scheduler have the attributes that it sets. If not, it changes nothing and reports what is missing.
docs/guides/clusters.md lists the versions that were tried.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from math import inf

from distributed import WorkerPlugin

from kumo._fleet.portable import portable
from kumo._pools.inner import limit_inner_threads
from kumo._survey import estimate
from kumo._text import plural

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from kumo._watch.change import Change

    class _Plugin:
        """Dask may be missing when types are checked."""
else:
    _Plugin = WorkerPlugin

__all__ = ["FollowLimits", "dask_setup", "dask_teardown"]

_LOGGER = logging.getLogger("kumo")
# Between attempts to reach the scheduler, which does not know a worker until it has registered.
RETRY = 1.0  # seconds
ENDED = ("closing", "closed", "closing_gracefully", "failed")
_followers: dict[int, _Follower] = {}  # by the worker's id: tests run several in a process


class HookError(RuntimeError):
    """This version of distributed has not what kumo sets."""


async def dask_setup(worker: Any) -> None:
    """Set the worker's threads before it registers, and follow the limits: ``--preload``'s hook."""
    try:
        _follow(worker)
    except HookError as error:
        _LOGGER.warning("%s", error)


def dask_teardown(worker: Any) -> None:
    """Stop following: the hook of ``--preload`` at the worker's end."""
    follower = _followers.pop(id(worker), None)
    if follower is not None:
        follower.close()


class FollowLimits(_Plugin):
    """A plugin that sets each worker's threads to its CPUs, and follows the limits.

    Workers that join later get it too. One without kumo logs that, and keeps its threads.
    """

    name = "kumo-follow-limits"

    async def setup(self, worker: Any) -> None:
        """Set this worker's threads, and have the scheduler hear of it."""
        await _follow(worker).settle()

    def teardown(self, worker: Any) -> None:
        """Stop following."""
        dask_teardown(worker)

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel as a function that does not need kumo to be unpickled.

        Else a worker without kumo that joins later would not start.
        """
        return portable(_load_plugin), ()


def _load_plugin() -> Any:
    """On a worker: return the plugin, or one that does nothing."""
    import logging

    from distributed import WorkerPlugin

    try:
        from kumo.dask import FollowLimits
    except ImportError as error:
        logging.getLogger("distributed.worker").warning(
            "this worker keeps its threads, since kumo cannot be imported: %s", error
        )
        return WorkerPlugin()
    return FollowLimits()


def _follow(worker: Any) -> _Follower:
    follower = _followers.get(id(worker))
    if follower is None:
        follower = _followers[id(worker)] = _Follower(worker)
        try:
            follower.start()
        except BaseException:  # whatever Dask or the watch raises, the next call may try again
            del _followers[id(worker)]
            raise
    return follower


class _Follower:
    """Keeps one worker's threads, and what its scheduler believes of them, at its CPUs.

    The threads that you chose are the most. The number that Dask found by itself is not kept to:
    it may have read the limits wrong. Workers that one command started share the count.
    """

    def __init__(self, worker: Any) -> None:
        self.worker = worker
        check_worker(worker)
        self.siblings = count_workers(sys.argv, _cpu_count())
        asked = worker.state.nthreads
        self.most: float = inf if asked == max(1, _cpu_count() // self.siblings) else asked
        self.scheduler_has = asked
        self._watch: Any = None
        self._busy = asyncio.Lock()

    def threads(self, parallelism: int) -> int:
        """Return the threads of this worker if its process has *parallelism* CPUs."""
        return int(max(1, min(self.most, parallelism // self.siblings)))

    def start(self) -> None:
        """Set the threads, and watch the limits."""
        from kumo._watch.watch import watch

        parallelism = estimate().parallelism
        threads = self.threads(parallelism)
        limit_inner_threads(parallelism // self.siblings, threads)
        set_on_worker(self.worker, threads)
        if self.worker.status.name == "init":  # it registers with them
            self.scheduler_has = threads
        self._watch = watch(self._changed)

    def close(self) -> None:
        """Change nothing more."""
        self._watch.close()

    def _changed(self, change: Change) -> None:
        """In the watcher's thread: pass the change to the worker's event loop."""
        self.worker.loop.add_callback(self.settle)

    async def settle(self) -> None:
        """Set the present count on the worker, then on the scheduler until it has heard of it."""
        async with self._busy:
            while self.worker.status.name not in ENDED:
                threads = self.threads(self._watch.estimate.parallelism)
                if self.worker.state.nthreads != threads:
                    _LOGGER.info(
                        "threads of %s: %d, were %d",
                        self.worker.address, threads, self.worker.state.nthreads,
                    )  # fmt: skip
                    set_on_worker(self.worker, threads)
                if self.scheduler_has == threads or await self._send(threads):
                    return
                await asyncio.sleep(RETRY)

    async def _send(self, threads: int) -> bool:
        """Have the scheduler take *threads*. Return whether it need not be asked again."""
        from distributed.protocol.pickle import dumps

        try:
            answer = await self.worker.scheduler.run_function(
                function=dumps(portable(_set_on_scheduler)),
                args=dumps((self.worker.address, threads)),
                kwargs=dumps({}),
            )
        except OSError as error:  # it has gone, and the worker notices by itself
            _LOGGER.info("the scheduler cannot be reached: %s", error)
            return False
        done = answer.get("result") if isinstance(answer, dict) else answer
        if done == "unknown":
            return False
        if done != "set":
            _LOGGER.warning(
                "the scheduler still counts %s for %s: %s",
                plural(self.scheduler_has, "thread"), self.worker.address, done or answer,
            )  # fmt: skip
        self.scheduler_has = threads
        return True


def check_worker(worker: Any) -> None:
    """Raise `HookError` if *worker* has not what `set_on_worker` sets."""
    state = getattr(worker, "state", None)
    executor = getattr(worker, "executors", {}).get("default")
    if not isinstance(getattr(state, "nthreads", None), int):
        missing = "Worker.state.nthreads"
    elif not isinstance(getattr(executor, "_max_workers", None), int):
        missing = 'Worker.executors["default"]._max_workers'
    else:
        return
    import distributed

    raise HookError(
        f"distributed {distributed.__version__} has no {missing}, "
        "so kumo does not change this worker's threads; start it with --nthreads $(kumo)"
    )


def set_on_worker(worker: Any, threads: int) -> None:
    """Set how many tasks *worker* runs at a time. Those that run already go on."""
    grows = threads > worker.state.nthreads
    worker.state.nthreads = threads
    worker.executors["default"]._max_workers = threads
    if grows and worker.status.name == "running":
        _start_waiting_tasks(worker)


def _start_waiting_tasks(worker: Any) -> None:
    """Let the worker start what it has queued. Else that waits until a task ends."""
    from distributed import worker_state_machine as events

    unpause = getattr(events, "UnpauseEvent", None)
    if unpause is not None:
        worker.handle_stimulus(unpause(stimulus_id="kumo-follow-limits"))


def _set_on_scheduler(address: str, threads: int, dask_scheduler: Any = None) -> str:
    """On the scheduler: count *threads* for the worker; return ``"set"``, or why that failed."""
    scheduler = dask_scheduler
    needed = ("workers", "total_nthreads", "host_info", "check_idle_saturated")
    missing = [name for name in needed if not hasattr(scheduler, name)]
    if missing:
        return "this version of its scheduler has no " + ", ".join(missing)
    state = scheduler.workers.get(address)
    if state is None:
        return "unknown"
    change = threads - state.nthreads
    state.nthreads = threads
    scheduler.total_nthreads += change
    scheduler.host_info[state.host]["nthreads"] += change
    if hasattr(scheduler, "total_nthreads_history"):
        from time import time

        scheduler.total_nthreads_history.append((time(), scheduler.total_nthreads))
    scheduler.check_idle_saturated(state)
    if hasattr(scheduler, "stimulus_queue_slots_maybe_opened"):
        scheduler.stimulus_queue_slots_maybe_opened(stimulus_id="kumo-follow-limits")
    return "set"


def count_workers(argv: Sequence[str], cpus: int) -> int:
    """Return how many workers the command *argv* has started: ``dask worker`` or the like.

    Dask reads ``--nworkers auto`` and negative numbers by the *cpus* that it counts. A nanny's
    worker has the command line of its nanny. For any other program the answer is 1.
    """
    if not argv or not _program(argv[0]).startswith("dask"):
        return 1
    for place, word in enumerate(argv):
        option, equals, value = word.partition("=")
        if option not in ("--nworkers", "--nprocs"):
            continue
        if not equals:
            value = argv[place + 1] if place + 1 < len(argv) else ""
        if value == "auto":
            from distributed.deploy.utils import nprocesses_nthreads

            return int(nprocesses_nthreads(cpus)[0])
        try:
            number = int(value)
        except ValueError:
            return 1
        return max(1, cpus + 1 + number if number < 0 else number)
    return 1


def _program(path: str) -> str:
    return path.replace("\\", "/").rpartition("/")[2]


def _cpu_count() -> int:
    from dask.system import CPU_COUNT

    return int(CPU_COUNT)
