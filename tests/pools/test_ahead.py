"""Tasks that are sent to a process while it runs another: taken back, cancelled, and run once."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from pathlib import Path
from threading import Event

import loky
import pytest

import kumo
from kumo._pools import processes
from kumo._pools.messages import Inbox, Message, Packer, unpack, write
from kumo._pools.worker_process import Worker
from pools.work import MOMENT, hold_number, note_or_die, until

pytestmark = pytest.mark.skipif(os.name == "nt", reason="nothing is sent ahead on Windows")


@pytest.fixture(autouse=True)
def _ahead(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Processes have ten tasks each, however long these take, and the pools end."""
    monkeypatch.setattr(Worker, "_pace", lambda self: setattr(self, "depth", 10))
    yield
    assert kumo.pools() == {}


def sent_ahead(pool: kumo.ProcessPool, gate: Path, count: int) -> list[Future[int]]:
    """Tasks of which the first one runs and all others are with its process."""
    gate.unlink(missing_ok=True)
    pool._crew.dropping = True  # nothing is sent ahead until all tasks are there
    pool.submit(int).result(MOMENT)
    futures = [pool.submit(hold_number, gate, 0)]
    until(gate.with_name("running-0").exists)
    futures += [pool.submit(hold_number, gate, number) for number in range(1, count)]
    (worker,) = pool._crew.supplied
    pool._crew.dropping = False
    batch = []
    for _ in range(1, count):
        packed = pool._crew.pack(worker, pool._crew.tasks.popleft())
        assert packed is not None
        assert packed[0].send_to((pool._crew, worker), now=False)
        batch.append((packed, packed[1]))
    worker.send(batch, 1)
    return futures


@pytest.fixture
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is sent ahead stays there, however long the running task takes."""
    monkeypatch.setattr(Worker, "is_late", lambda self: False)


def test_a_killed_process_fails_the_one_task_that_it_had_begun(tmp_path: Path) -> None:
    book = tmp_path / "book"
    with kumo.ProcessPool("ahead", processes=2) as pool:
        futures = [pool.submit(note_or_die, book, number) for number in range(200)]
        failed = [n for n, f in enumerate(futures) if f.exception(MOMENT) is not None]
        assert failed == [7, 57, 107, 157]
        assert all(isinstance(futures[n].exception(), loky.BrokenProcessPool) for n in failed)
    assert Counter(map(int, book.read_text().split())) == Counter(range(200))


def test_an_idle_process_killed_before_it_takes_a_task_fails_none() -> None:
    with kumo.ProcessPool("ahead", processes=1) as pool:
        first = pool.submit(os.getpid).result(MOMENT)
        os.kill(first, signal.SIGSTOP)  # it takes no token
        futures = [pool.submit(os.getpid) for _ in range(3)]
        until(lambda: any(worker.flight for worker in pool._crew.supplied))
        os.kill(first, signal.SIGKILL)
        assert first not in {future.result(MOMENT) for future in futures}


def test_an_idle_process_keeps_its_first_task_since_its_thread_waits_for_that() -> None:
    with kumo.ProcessPool("ahead", processes=1) as pool:
        first = pool.submit(os.getpid).result(MOMENT)
        os.kill(first, signal.SIGSTOP)  # it takes no token
        future = pool.submit(os.getpid)
        until(lambda: any(worker.flight for worker in pool._crew.supplied))
        (worker,) = pool._crew.supplied
        assert isinstance(future, processes._Future)
        assert not pool._crew.let_go(future, worker)
        assert not future.cancel()
        os.kill(first, signal.SIGCONT)
        assert future.result(MOMENT) == first


@pytest.mark.usefixtures("_patient")
def test_what_was_sent_ahead_can_be_cancelled_and_what_runs_cannot(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with kumo.ProcessPool("ahead", processes=1) as pool:
        futures = sent_ahead(pool, gate, 5)
        assert (pool.queued, futures[0].running(), futures[2].running()) == (4, True, False)
        assert [future.cancel() for future in futures] == [False, True, True, True, True]
        gate.touch()
        assert futures[0].result(MOMENT) == 0
        assert pool.submit(int).result(MOMENT) == 0
    assert sorted(path.name for path in tmp_path.glob("running-*")) == ["running-0"]


@pytest.mark.usefixtures("_patient")
def test_shutdown_drops_what_was_sent_ahead(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    pool = kumo.ProcessPool("ahead", processes=1)
    futures = sent_ahead(pool, gate, 4)
    pool.shutdown(wait=False, cancel_futures=True)
    assert [future.cancelled() for future in futures] == [False, True, True, True]
    gate.touch()
    assert futures[0].result(MOMENT) == 0
    pool._crew.join()


def test_a_long_task_keeps_none_that_another_process_could_run(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with kumo.ProcessPool("ahead", processes=1) as pool:
        futures = sent_ahead(pool, gate, 3)
        pool.resize(3)  # nothing waits for the first task
        until(lambda: len(list(tmp_path.glob("running-*"))) == 3)
        gate.touch()
        assert [future.result(MOMENT) for future in futures] == [0, 1, 2]


@pytest.mark.usefixtures("_patient")
def test_tasks_that_were_sent_ahead_have_the_number_of_threads_that_holds_when_they_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = tmp_path / "gate"
    monkeypatch.setenv("KUMO_AVAILABLE_PARALLELISM", "2")
    with kumo.ProcessPool("ahead", maximum=1) as pool:
        futures = sent_ahead(pool, gate, 3)
        after = pool.submit(os.getenv, "OMP_NUM_THREADS")
        monkeypatch.setenv("KUMO_AVAILABLE_PARALLELISM", "1")
        until(lambda: pool.threads == 1)
        until(lambda: not any(len(worker.flight) > 1 for worker in pool._crew.supplied))
        until(lambda: pool.queued == 3)
        gate.touch()
        assert [future.result(MOMENT) for future in futures] == [0, 1, 2]
        assert after.result(MOMENT) == "1"


def test_the_parallelism_is_not_read_anew_for_each_task(monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[None] = []
    # Replaced where it is used.
    count = processes.available_parallelism  # type: ignore[attr-defined]

    def counted() -> int:
        reads.append(None)
        return count()

    monkeypatch.setattr(processes, "available_parallelism", counted)
    monkeypatch.setattr(processes, "FRESH_SECONDS", 1000.0)
    with kumo.ProcessPool("ahead", processes=1) as pool:
        for _ in range(50):
            pool.submit(int).result(MOMENT)
    assert len(reads) == 1


@pytest.mark.usefixtures("_patient")
def test_a_callback_may_cancel_what_has_been_answered_with_its_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    receive = Worker.receive

    def all_at_once(worker: Worker) -> list[Message]:
        answers: list[Message] = []
        while len(answers) < len(worker.flight):
            answers += receive(worker)
        return answers

    monkeypatch.setattr(Worker, "receive", all_at_once)
    gate = tmp_path / "gate"
    cancelled: list[bool] = []
    with kumo.ProcessPool("ahead", processes=1) as pool:
        futures = sent_ahead(pool, gate, 5)
        futures[1].add_done_callback(lambda _: cancelled.extend(f.cancel() for f in futures))
        gate.touch()
        assert [future.result(MOMENT) for future in futures] == list(range(5))
        until(lambda: len(cancelled) == 5)
    assert cancelled == [False] * 5


def test_futures_are_as_the_standard_ones_but_for_the_condition_that_comes_late() -> None:
    standard = vars(Future())
    assert isinstance(processes._Future()._condition, type(standard.pop("_condition")))
    assert vars(processes._Future()) == standard


def test_nobody_waits_in_vain_however_the_futures_are_looked_at() -> None:
    def called_back(futures: list[Future[int]]) -> list[Future[int]]:
        done: list[Future[int]] = []
        for future in futures:
            event = Event()
            future.add_done_callback(lambda _, event=event: event.set())  # type: ignore[misc]  # its default
            assert event.wait(MOMENT)
            done.append(future)
        return done

    def cancelled(futures: list[Future[int]]) -> list[Future[int]]:
        return [future for future in futures if future.cancel() or future.result(MOMENT) >= 0]

    def by_result(futures: list[Future[int]]) -> list[Future[int]]:
        return [future for future in futures if future.result(MOMENT) >= 0]

    ways: tuple[Callable[[list[Future[int]]], list[Future[int]]], ...] = (
        lambda futures: list(wait(futures, MOMENT).done),
        lambda futures: list(as_completed(futures, MOMENT)),
        called_back,
        cancelled,
        by_result,
    )
    with kumo.ProcessPool("ahead", processes=2) as pool, ThreadPoolExecutor(5) as others:
        looks = []
        for number in range(100):
            futures = [pool.submit(int, number) for _ in range(10)]
            looks.append(others.submit(ways[number % len(ways)], futures))
        assert [len(look.result(2 * MOMENT)) for look in looks] == [10] * 100


def test_large_memory_goes_as_it_is_and_can_be_written_to() -> None:
    numpy = pytest.importorskip("numpy")
    array = numpy.arange(100_000.0)
    packer = Packer()
    parcel = packer.pack(((array, b"x" * 100_000), {"frozen": array[::2]}))
    assert [buffer.nbytes for buffer in parcel.buffers] == [array.nbytes]
    assert any(part is packed for part in parcel.parts for packed in parcel.buffers)
    with kumo.ProcessPool("ahead", processes=1) as pool:
        doubled = pool.submit(lambda a: a * 2, array).result(MOMENT)
    assert (doubled == array * 2).all()
    doubled[0] = 1  # not read-only, as it would not be in the process


def test_messages_of_every_size_arrive_in_any_pieces() -> None:
    import multiprocessing
    import threading

    reader, writer = multiprocessing.Pipe(duplex=False)
    packer = Packer()
    objects = [b"x" * size for size in (0, 1, 100, 65_535, 65_536, 65_537, 1_000_000, 3)]

    def send() -> None:
        for number, what in enumerate(objects):
            write(writer, packer.pack(what).addressed(number, 7 * number))
        together = []
        for number, what in enumerate(objects):
            together += packer.pack(what).addressed(number, 7 * number)
        write(writer, together)

    thread = threading.Thread(target=send)
    thread.start()
    inbox = Inbox(reader)
    for number, what in [*enumerate(objects), *enumerate(objects)]:
        message = inbox.next()
        assert (message.number, message.mark, unpack(message)) == (number, 7 * number, what)
    thread.join()
    writer.close()
    with pytest.raises(EOFError):
        inbox.next()
    reader.close()
