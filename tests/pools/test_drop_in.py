"""Pools in place of the standard executors: without a name, by ``max_workers``, and their reprs."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable

import pytest

import kumo

MOMENT = 60


@pytest.fixture(autouse=True)
def _parallelism(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUMO_AVAILABLE_PARALLELISM", "8")


def test_a_pool_without_a_name_gets_the_first_that_is_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KUMO_POOL_2_THREADS", "3")
    with kumo.ThreadPool() as one, kumo.ThreadPool() as two:
        assert (one.name, two.name) == ("pool-1", "pool-2")
        assert (one.size, two.size) == (8, 3)
        assert kumo.pools() == {"pool-1": one, "pool-2": two}
        name = one.submit(lambda: threading.current_thread().name).result(MOMENT)
        assert name == "pool-1-0"
        one.shutdown()
        with kumo.ThreadPool() as again:
            assert again.name == "pool-1"


def test_pools_without_a_name_in_many_threads() -> None:
    pools: list[kumo.ThreadPool] = []
    threads = [
        threading.Thread(target=lambda: pools.append(kumo.ThreadPool(threads=1))) for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {pool.name for pool in pools} == {f"pool-{number}" for number in range(1, 21)}
    for pool in pools:
        pool.shutdown()


@pytest.mark.parametrize(
    "make",
    [
        lambda: kumo.ThreadPool(4),
        lambda: kumo.ThreadPool(max_workers=4),
        lambda: kumo.ThreadPool("web", max_workers=4),
        lambda: kumo.ThreadPool(threads=4),
    ],
)
def test_a_number_of_workers_is_a_fixed_size(make: Callable[[], kumo.ThreadPool]) -> None:
    with make() as pool:
        assert pool.size == 4
        assert pool._crew.watch is None


def test_max_workers_none_follows_as_the_standard_executor_counts() -> None:
    with kumo.ThreadPool(max_workers=None) as pool:
        assert pool.size == 8
        assert pool._crew.watch is not None


@pytest.mark.parametrize("bad", [0, -1, 1.5, [4]])
def test_what_is_no_number_of_workers(bad: object) -> None:
    makes: list[Callable[[], kumo.ThreadPool]] = [
        lambda: kumo.ThreadPool(bad),  # type: ignore[arg-type]  # it is wrong
        lambda: kumo.ThreadPool(max_workers=bad),  # type: ignore[arg-type]  # the same
    ]
    for make in makes:
        with pytest.raises(ValueError, match="threads must be a whole number, 1 or more"):
            make()
    assert kumo.pools() == {}


def test_two_sizes_are_an_error() -> None:
    with pytest.raises(TypeError, match="threads and max_workers are the same"):
        kumo.ThreadPool("web", threads=2, max_workers=2)
    with pytest.raises(TypeError, match="the first argument and max_workers are the same"):
        kumo.ThreadPool(2, max_workers=2)
    assert kumo.pools() == {}


def test_processes_in_the_same_way() -> None:
    if importlib.util.find_spec("loky") is None:
        pytest.skip("loky is not installed")
    with kumo.ProcessPool(2) as pool, kumo.ProcessPool(max_workers=3) as other:
        assert (pool.name, pool.size, other.name, other.size) == ("pool-1", 2, "pool-2", 3)
        assert repr(pool) == "<ProcessPool 'pool-1': 2 processes, a fixed size>"


@pytest.mark.parametrize(
    ("share", "size"), [("1/2", 4), ("0.5", 4), ("1", 8), ("2", 16), ("1/3", 2), ("3/8", 3)]
)
def test_a_share_may_be_written_in_words(share: str, size: int) -> None:
    with kumo.ThreadPool("web", share=share) as pool:
        assert pool.size == size


@pytest.mark.parametrize(
    "share",
    ["", "half", "1/0", "0", "-1", "1/2/3", "1e9", "0.5/2", "inf", " 1/2", "9" * 5000, "\u0661"],
)
def test_other_words_are_no_share(share: str) -> None:
    with pytest.raises(ValueError, match="share must be a positive number"):
        kumo.ThreadPool("web", share=share)
    assert kumo.pools() == {}


def test_the_repr_says_name_size_and_what_is_followed() -> None:
    budget = kumo.Budget(web=3, batch=1)
    with (
        kumo.ThreadPool("web", share=budget.part("web")) as part,
        kumo.ThreadPool("io", threads=3) as fixed,
        kumo.ThreadPool(share="1/2") as half,
    ):
        assert repr(part) == "<ThreadPool 'web': 6 threads, part web of the parallelism>"
        assert repr(fixed) == "<ThreadPool 'io': 3 threads, a fixed size>"
        fixed.resize(1)
        assert repr(fixed) == "<ThreadPool 'io': 1 thread, a fixed size>"
        assert repr(half) == "<ThreadPool 'pool-1': 4 threads, share 0.5 of the parallelism>"
    assert repr(half) == "<ThreadPool 'pool-1': 4 threads, shut down>"


def test_the_repr_of_a_watch() -> None:
    with kumo.watch() as watch:
        where = "override 8 at $KUMO_AVAILABLE_PARALLELISM"
        assert repr(watch) == f"<Watch: 8 CPUs, {where}, by {watch.how}>"
    assert repr(watch) == f"<Watch: 8 CPUs, {where}, closed>"
