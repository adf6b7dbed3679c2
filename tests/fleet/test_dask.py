"""`kumo.dask` on stand-ins of Dask's worker and scheduler; tests/engines has the real ones."""

from __future__ import annotations

import asyncio
import os
import pickle
import sys
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from kumo._records import Estimate, Limit
from kumo._watch.watch import Watch

LOCAL = "tcp://10.0.0.1:1"


class FakeScheduler:
    """What a scheduler of distributed 2026.8 has, as far as kumo sets it."""

    def __init__(self, threads: int) -> None:
        self.workers = {LOCAL: SimpleNamespace(nthreads=threads, host="10.0.0.1")}
        self.total_nthreads = threads + 4
        self.host_info = {"10.0.0.1": {"nthreads": threads}, "10.0.0.2": {"nthreads": 4}}
        self.calls = 0
        self.fails = 0

    def check_idle_saturated(self, state: Any) -> None:
        assert state is self.workers[LOCAL]

    async def run_function(self, function: Any, args: Any, kwargs: Any) -> dict[str, Any]:
        self.calls += 1
        if self.fails:
            self.fails -= 1
            raise OSError("the scheduler has gone")
        return {"status": "OK", "result": function(*args, **kwargs, dask_scheduler=self)}


class FakeWorker:
    def __init__(self, threads: int, scheduler: FakeScheduler, status: str = "running") -> None:
        self.state = SimpleNamespace(nthreads=threads)
        self.executors = {"default": SimpleNamespace(_max_workers=threads)}
        self.scheduler, self.address = scheduler, LOCAL
        self.status = SimpleNamespace(name=status)
        self.events: list[str] = []
        self.loop = SimpleNamespace(add_callback=lambda call: None)

    def handle_stimulus(self, event: str) -> None:
        self.events.append(event)

    @property
    def threads(self) -> tuple[int, int]:
        return self.state.nthreads, self.executors["default"]._max_workers


def estimate_of(cpus: float) -> Estimate:
    return Estimate(
        (Limit(source="quota", cpus=cpus, kind="rate", where="/cpu.max", text=str(cpus)),), ()
    )


@pytest.fixture
def cpus(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The CPUs that kumo finds: put another number at the front to change them."""
    cell = [1.0]
    monkeypatch.setattr(Watch, "estimate", property(lambda watch: estimate_of(cell[0])))
    return cell


@pytest.fixture
def dask(monkeypatch: pytest.MonkeyPatch, cpus: list[float]) -> Iterator[ModuleType]:
    """`kumo.dask` with a distributed that has 8 CPUs."""
    distributed = ModuleType("distributed")
    distributed.WorkerPlugin = type("WorkerPlugin", (), {})  # type: ignore[attr-defined]  # the module is made here
    distributed.__version__ = "2026.8.0"  # type: ignore[attr-defined]  # the module is made here
    events = ModuleType("distributed.worker_state_machine")
    events.UnpauseEvent = lambda stimulus_id: stimulus_id  # type: ignore[attr-defined]  # the module is made here
    distributed.worker_state_machine = events  # type: ignore[attr-defined]  # the module is made here
    utils = ModuleType("distributed.deploy.utils")
    utils.nprocesses_nthreads = lambda cpus: (4, 2)  # type: ignore[attr-defined]  # the module is made here
    protocol = ModuleType("distributed.protocol.pickle")
    protocol.dumps = lambda what: what  # type: ignore[attr-defined]  # the module is made here
    system = ModuleType("dask.system")
    system.CPU_COUNT = 8  # type: ignore[attr-defined]  # the module is made here
    for module in (distributed, events, utils, protocol, system):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    for name in ("distributed.deploy", "distributed.protocol", "dask"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.delitem(sys.modules, "kumo.dask", raising=False)
    kumo_dask = import_module("kumo.dask")
    monkeypatch.setattr(kumo_dask, "estimate", lambda: estimate_of(cpus[0]))
    monkeypatch.setattr(kumo_dask, "RETRY", 0)
    monkeypatch.setattr(kumo_dask, "limit_inner_threads", lambda *given: 1)
    monkeypatch.setattr(sys, "argv", ["/bin/dask", "worker", "tcp://scheduler:8786"])
    yield kumo_dask
    for follower in kumo_dask._followers.values():
        follower.close()
    sys.modules.pop("kumo.dask", None)


def test_the_preload_sets_the_threads_before_the_worker_registers(dask: Any) -> None:
    scheduler = FakeScheduler(8)
    worker = FakeWorker(8, scheduler, status="init")

    asyncio.run(dask.dask_setup(worker))

    assert worker.threads == (1, 1)
    assert scheduler.calls == 0, "it hears of them when the worker registers"
    dask.dask_teardown(worker)
    dask.dask_teardown(worker)


def test_a_change_reaches_the_worker_and_each_number_of_the_scheduler(
    dask: Any, cpus: list[float]
) -> None:
    scheduler = FakeScheduler(8)
    worker = FakeWorker(8, scheduler)
    asyncio.run(dask.FollowLimits().setup(worker))
    assert (worker.threads, scheduler.total_nthreads) == ((1, 1), 5)
    assert worker.events == [], "nothing more can start"

    cpus[0] = 6.5
    asyncio.run(dask._followers[id(worker)].settle())

    assert worker.threads == (6, 6)
    assert scheduler.workers[LOCAL].nthreads == scheduler.host_info["10.0.0.1"]["nthreads"] == 6
    assert scheduler.total_nthreads == 10
    assert len(worker.events) == 1, "it looks at what it has queued"


def test_the_threads_that_you_chose_are_the_most(dask: Any, cpus: list[float]) -> None:
    worker = FakeWorker(3, FakeScheduler(3))
    cpus[0] = 5
    asyncio.run(dask.FollowLimits().setup(worker))
    assert worker.threads == (3, 3)

    cpus[0] = 2
    asyncio.run(dask._followers[id(worker)].settle())

    assert worker.threads == (2, 2)


def test_workers_of_one_command_share_the_cpus(
    dask: Any, cpus: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["/bin/dask", "worker", "--nworkers=2"])
    worker = FakeWorker(4, FakeScheduler(4))
    cpus[0] = 6

    asyncio.run(dask.FollowLimits().setup(worker))

    assert worker.threads == (3, 3)


@pytest.mark.parametrize(
    ("argv", "workers"),
    [
        ("dask worker tcp://h:1", 1),
        ("/opt/bin/dask-worker tcp://h:1 --nworkers 3", 3),
        ("/lib/distributed/cli/dask_worker.py tcp://h:1 --nprocs=3", 3),
        ("dask worker --nworkers auto", 4),
        ("dask worker --nworkers -1", 8),
        ("dask worker --nworkers -20", 1),
        ("dask worker --nworkers", 1),
        ("dask worker --nworkers many", 1),
        ("program.py --nworkers 3", 1),
        ("", 1),
    ],
)
def test_the_workers_of_a_command(dask: Any, argv: str, workers: int) -> None:
    assert dask.count_workers(argv.split(), 8) == workers


def test_the_scheduler_is_asked_again_until_it_knows_the_worker(
    dask: Any, cpus: list[float]
) -> None:
    scheduler = FakeScheduler(8)
    worker = FakeWorker(8, scheduler)
    scheduler.fails = 2

    asyncio.run(dask.FollowLimits().setup(worker))

    assert (scheduler.calls, scheduler.workers[LOCAL].nthreads) == (3, 1)


def test_a_worker_that_ends_asks_no_more(dask: Any) -> None:
    scheduler = FakeScheduler(8)
    worker = FakeWorker(8, scheduler, status="closing")

    asyncio.run(dask.FollowLimits().setup(worker))

    assert scheduler.calls == 0


def test_a_worker_without_the_attributes_is_left_alone(
    dask: Any, caplog: pytest.LogCaptureFixture
) -> None:
    worker = FakeWorker(8, FakeScheduler(8))
    del worker.executors["default"]._max_workers

    asyncio.run(dask.dask_setup(worker))

    assert worker.state.nthreads == 8
    assert 'distributed 2026.8.0 has no Worker.executors["default"]._max_workers' in caplog.text
    with pytest.raises(RuntimeError, match="--nthreads"):
        asyncio.run(dask.FollowLimits().setup(worker))


def test_a_scheduler_without_the_attributes_is_left_alone(
    dask: Any, caplog: pytest.LogCaptureFixture
) -> None:
    scheduler = FakeScheduler(8)
    del scheduler.host_info
    worker = FakeWorker(8, scheduler)

    asyncio.run(dask.FollowLimits().setup(worker))

    assert (worker.threads, scheduler.total_nthreads) == ((1, 1), 12)
    assert "the scheduler still counts 8 threads" in caplog.text
    assert "has no host_info" in caplog.text


def test_what_is_sent_belongs_to_no_module(dask: Any) -> None:
    """cloudpickle sends such a function as code: the scheduler need not have kumo."""
    for function in (dask._set_on_scheduler, dask._load_plugin):
        made = dask.portable(function)
        assert made.__module__ not in sys.modules
        with pytest.raises(pickle.PicklingError):
            pickle.dumps(made)

    load, arguments = dask.FollowLimits().__reduce__()
    assert isinstance(load(*arguments), dask.FollowLimits)


def test_a_worker_without_kumo_gets_a_plugin_that_does_nothing(
    dask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    load, arguments = dask.FollowLimits().__reduce__()
    monkeypatch.setitem(sys.modules, "kumo.dask", None)

    assert type(load(*arguments)) is sys.modules["distributed"].WorkerPlugin


def test_inner_threads_are_divided_and_what_is_set_is_kept() -> None:
    from kumo._pools.inner import limit_inner_threads

    environ = {"MKL_NUM_THREADS": "7", "OMP_NUM_THREADS": "1"}

    assert limit_inner_threads(8, 3, environ) == 2
    assert environ["MKL_NUM_THREADS"] == "7"
    assert environ["OMP_NUM_THREADS"] == "1"
    assert environ["NUMBA_NUM_THREADS"] == "2"
    assert limit_inner_threads(1, 4, {"OMP_NUM_THREADS": "1"}) == 1
    assert environ is not os.environ
