"""`kumo.celery` on stand-ins of Celery's worker and pools; tests/engines has the real ones."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from kumo._records import Estimate, Limit


class FakeStep:
    """`celery.bootsteps.StartStopStep`, as far as it is used."""

    def __init__(self, worker: Any, **options: Any) -> None:
        pass


class FakeSignal:
    def __init__(self) -> None:
        self.receivers: dict[str, Any] = {}

    def connect(self, receiver: Any, weak: bool, dispatch_uid: str) -> None:
        assert not weak
        self.receivers[dispatch_uid] = receiver


class FakeSemaphore:
    """kombu's `LaxBoundedSemaphore`: a release serves those that wait, whatever the size is."""

    def __init__(self, value: int) -> None:
        self.value = self.initial_value = value
        self.waiters: list[Any] = []

    def acquire(self, callback: Any) -> None:
        if self.value <= 0:
            self.waiters.append(callback)
        else:
            self.value -= 1
            callback()

    def release(self) -> None:
        if self.waiters:
            self.waiters.pop(0)()
        else:
            self.value = min(self.value + 1, self.initial_value)

    def resize(self, change: int) -> None:
        self.initial_value += change
        self.value = max(self.value + change, 0)


class FakePool:
    """billiard's pool with an event loop: it ends a process that it takes for idle."""

    def __init__(self, processes: int, semaphore: FakeSemaphore) -> None:
        self.num_processes = processes
        self.semaphore = semaphore
        self._pool = SimpleNamespace(_cache={}, _putlock=semaphore)
        self.maintained = 0

    def give(self, number: int, pid: int | None = None) -> None:
        """Begin a task; without *pid* no process is known to have it yet."""
        self.semaphore.acquire(lambda: None)
        self._pool._cache[number] = SimpleNamespace(worker_pids=lambda: [pid] if pid else [])

    def end(self, number: int) -> None:
        del self._pool._cache[number]
        self.semaphore.release()

    def grow(self, number: int) -> None:
        self.num_processes += number
        self.semaphore.resize(number)

    def shrink(self, number: int) -> None:
        busy = len(self._pool._cache)
        assert all(job.worker_pids() for job in self._pool._cache.values()), "it could lose a task"
        assert busy < self.num_processes, "all processes are busy"
        self.num_processes -= number
        self.semaphore.resize(-number)

    def maintain_pool(self) -> None:
        self.maintained += 1


class FakeWorker:
    def __init__(self, processes: int, app: Any = None) -> None:
        self.app, self.hostname = app, "celery@host"
        self.use_eventloop = True
        self.semaphore = FakeSemaphore(processes)
        self.pool: Any = FakePool(processes, self.semaphore)
        self.prefetch: list[int] = []
        self.consumer = SimpleNamespace(_update_prefetch_count=self.prefetch.append)
        self.timer = SimpleNamespace(
            call_repeatedly=lambda *given: SimpleNamespace(cancel=lambda: None)
        )


@pytest.fixture
def celery(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """`kumo.celery`, in a process with 3 CPUs."""
    package = ModuleType("celery")
    package.bootsteps = SimpleNamespace(StartStopStep=FakeStep)  # type: ignore[attr-defined]  # the module is made here
    signals = SimpleNamespace(celeryd_init=FakeSignal(), worker_process_init=FakeSignal())
    package.signals = signals  # type: ignore[attr-defined]  # the module is made here
    control = ModuleType("celery.worker.control")
    control.inspect_command = lambda **given: lambda function: function  # type: ignore[attr-defined]  # the module is made here
    for module in (package, ModuleType("celery.worker"), control):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.delitem(sys.modules, "kumo.celery", raising=False)
    kumo_celery: Any = import_module("kumo.celery")
    estimate = Estimate(
        (Limit(source="quota", cpus=3.0, kind="rate", where="/cpu.max", text="300000 100000"),), ()
    )
    monkeypatch.setattr(kumo_celery, "estimate", lambda: estimate)
    kumo_celery.inner = []
    monkeypatch.setattr(
        kumo_celery, "limit_inner_threads", lambda *given: kumo_celery.inner.append(given) or 1
    )
    yield kumo_celery
    sys.modules.pop("kumo.celery", None)


def begin(celery: Any, options: dict[str, Any], **conf: Any) -> tuple[Any, Any]:
    """Set an app up and begin a worker: what its signal does to the worker and the settings."""
    app = SimpleNamespace(steps={"worker": set()})
    celery.setup(app)
    settings = SimpleNamespace(**{"worker_concurrency": None, "worker_pool": "prefork", **conf})
    worker = FakeWorker(1, app)
    receiver = sys.modules["celery"].signals.celeryd_init.receivers["kumo"]
    receiver(sender="celery@host", instance=worker, conf=settings, options=options)
    return worker, settings


@pytest.mark.parametrize(
    ("options", "conf", "concurrency", "follows"),
    [
        ({}, {}, 3, True),
        ({"pool": "threads"}, {}, 3, True),
        ({"concurrency": 5}, {}, None, False),
        ({"autoscale": "10,3"}, {}, None, False),
        ({}, {"worker_concurrency": 7}, 7, False),
        ({}, {"worker_pool": "gevent"}, None, False),
        ({"pool": "solo"}, {}, None, False),
    ],
)
def test_the_concurrency_if_you_chose_none(
    celery: Any,
    options: dict[str, Any],
    conf: dict[str, Any],
    concurrency: int | None,
    follows: bool,
) -> None:
    worker, settings = begin(celery, options, **conf)

    assert settings.worker_concurrency == concurrency
    step = celery.FollowLimits(worker)
    assert step.include_if(worker) is follows


def test_a_pool_may_be_a_class(celery: Any) -> None:
    for module, follows in [("thread", True), ("prefork", True), ("gevent", False)]:
        pool = type("TaskPool", (), {"__module__": f"celery.concurrency.{module}"})
        worker, _ = begin(celery, {"pool": pool})
        assert worker.kumo_follows is follows


def test_inner_threads_are_what_the_concurrency_leaves(celery: Any) -> None:
    begin(celery, {})
    begin(celery, {"concurrency": 2})

    assert celery.inner == [(3, 3), (3, 2)]


def test_a_share_is_of_one_worker(celery: Any) -> None:
    app = SimpleNamespace(steps={"worker": set()})
    celery.setup(app, share=0.7)
    conf = SimpleNamespace(worker_concurrency=None, worker_pool="prefork")
    worker = FakeWorker(1, app)

    celery._on_init(instance=worker, conf=conf, options={})

    assert conf.worker_concurrency == 2
    with pytest.raises(ValueError, match="share"):
        celery.setup(app, share=0)


def test_another_app_in_the_process_is_left_alone(celery: Any) -> None:
    begin(celery, {})
    conf = SimpleNamespace(worker_concurrency=None, worker_pool="prefork")

    celery._on_init(instance=FakeWorker(1, object()), conf=conf, options={})

    assert conf.worker_concurrency is None


def test_a_prefork_pool_grows_by_processes(celery: Any) -> None:
    worker = FakeWorker(1)
    size = celery._PreforkSize(worker)

    size.bring_to(3)

    assert (size.slots, worker.pool.num_processes, worker.prefetch) == (3, 3, [2])
    assert worker.pool.maintained == 1


def test_an_idle_pool_shrinks_at_once(celery: Any) -> None:
    worker = FakeWorker(3)
    size = celery._PreforkSize(worker)

    size.bring_to(1)

    assert (size.slots, worker.pool.num_processes) == (1, 1)
    assert worker.semaphore.value == worker.semaphore.initial_value == 1
    assert worker.prefetch == [-1, -1]


def test_a_busy_pool_ends_no_process_that_may_have_a_task(celery: Any) -> None:
    worker = FakeWorker(2)
    size = celery._PreforkSize(worker)
    worker.pool.give(1, pid=11)
    worker.pool.give(2, pid=12)

    size.bring_to(1)
    assert (size.slots, worker.pool.num_processes) == (1, 2), "both have a task"
    worker.pool.end(1)
    worker.pool.end(2)
    worker.pool.give(3)
    size.bring_to(1)
    assert worker.pool.num_processes == 2, "either may have the third task"
    worker.pool.end(3)
    worker.pool.give(4, pid=12)
    size.bring_to(1)

    assert (size.slots, worker.pool.num_processes, size.held) == (1, 1, 0)
    worker.pool.end(4)
    assert worker.semaphore.value == worker.semaphore.initial_value == 1


def test_a_shrink_that_is_taken_back_leaves_the_processes(celery: Any) -> None:
    worker = FakeWorker(2)
    size = celery._PreforkSize(worker)
    worker.pool.give(1, pid=11)
    worker.pool.give(2, pid=12)
    size.bring_to(1)

    size.bring_to(2)

    assert (size.slots, worker.pool.num_processes) == (2, 2)
    worker.pool.end(1)
    worker.pool.end(2)
    assert worker.semaphore.value == 2, "the place that kumo waited for was given back"


def test_a_place_that_is_held_goes_back_before_the_pool_grows(celery: Any) -> None:
    worker = FakeWorker(2)
    size = celery._PreforkSize(worker)
    worker.pool.give(1)
    size.bring_to(1)
    assert (size.held, worker.pool.num_processes) == (1, 2)

    size.bring_to(3)

    assert (size.held, size.slots, worker.pool.num_processes) == (0, 3, 3)


def test_without_an_event_loop_no_process_ends(celery: Any) -> None:
    worker = FakeWorker(2)
    worker.use_eventloop = False
    worker.pool._pool._putlock = SimpleNamespace(acquire=lambda timeout: True, release=lambda: None)
    size = celery._PreforkSize(worker)

    size.bring_to(1)

    assert (size.slots, size.held, worker.pool.num_processes) == (1, 1, 2)


def test_a_threads_pool_is_resized(celery: Any) -> None:
    worker = FakeWorker(1)
    executor = SimpleNamespace(_max_workers=1)
    worker.pool = SimpleNamespace(limit=1, num_processes=1, executor=executor)

    celery._ThreadsSize(worker).bring_to(4)

    assert (executor._max_workers, worker.pool.limit) == (4, 4)
    del executor._max_workers
    with pytest.raises(RuntimeError, match="cannot be resized"):
        celery._ThreadsSize(worker)


def test_the_step_goes_on_after_an_error_and_says_it_once(
    celery: Any, caplog: pytest.LogCaptureFixture
) -> None:
    worker, _ = begin(celery, {})
    step = celery.FollowLimits(worker)
    step.start(worker)
    try:
        step._watch.close()
        worker.pool.grow = lambda number: 1 / 0
        step._share = celery.as_share(1000)
        step.resize(worker)
        step.resize(worker)
    finally:
        step.stop(worker)

    assert caplog.text.count("the pool keeps 1 slot: division by zero") == 1


def test_a_worker_answers_with_its_slots_and_what_kumo_finds(celery: Any) -> None:
    state = SimpleNamespace(
        consumer=SimpleNamespace(
            pool=SimpleNamespace(num_processes=4), controller=SimpleNamespace()
        )
    )

    answer = celery.kumo_node(state)

    assert answer["slots"] == 4
    assert '"explain"' in answer["report"]
