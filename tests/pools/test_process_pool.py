"""Process pools: their size, their processes and the threads in these, and every call once."""

from __future__ import annotations

import asyncio
import gc
import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import loky
import pytest
from real.conftest import MakeGroup, make_group  # noqa: F401 - a fixture
from real.host import environment, in_groups

import kumo
from pools.work import (
    MOMENT,
    UnreceivableError,
    UnsendableError,
    blas_threads,
    die,
    fail,
    greet,
    hold,
    leave_a_child_and_die,
    note,
    own_cpus,
    until,
)


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    """Each test shuts its pools down; no process is left, and no thread."""
    yield
    gc.collect()
    assert kumo.pools() == {}
    until(lambda: not multiprocessing.active_children())
    until(lambda: not [t for t in threading.enumerate() if t.name.startswith(("web", "kumo-"))])


@pytest.fixture(autouse=True)
def parallelism(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """The program's parallelism, at first 8; and no limit of the developer's."""
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(variable, raising=False)

    def be(count: int) -> None:
        monkeypatch.setenv("KUMO_AVAILABLE_PARALLELISM", str(count))

    be(8)
    return be


def held(pool: Executor, gate: Path, count: int) -> list[Future[int]]:
    return [pool.submit(hold, gate, number) for number in range(count)]


def running(gate: Path) -> int:
    return len(list(gate.parent.glob("running-*")))


# --- size


@pytest.mark.parametrize(
    ("options", "size", "threads"),
    [
        ({}, 8, 1),
        ({"share": 0.5}, 4, 1),
        ({"share": 0.01}, 1, 1),
        ({"maximum": 2}, 2, 4),
        ({"maximum": 3}, 3, 2),
        ({"minimum": 10}, 10, 1),
        ({"processes": 2}, 2, 4),
        ({"processes": 2, "share": 0.5}, 2, 2),
        ({"processes": 20}, 20, 1),
    ],
    ids=str,
)
def test_the_processes_and_their_threads_together_are_the_share(
    options: dict[str, Any], size: int, threads: int
) -> None:
    with kumo.ProcessPool("web", **options) as pool:
        assert (pool.size, pool.threads) == (size, threads)


def test_the_environment_says_the_size_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUMO_WEB_1_PROCESSES", "3")
    with kumo.ProcessPool("web-1", processes=2) as pool:
        assert pool.size == 3

    monkeypatch.setenv("KUMO_WEB_1_PROCESSES", "many")
    with pytest.raises(kumo.OverrideError, match="KUMO_WEB_1_PROCESSES='many' is not a positive"):
        kumo.ProcessPool("web-1")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"processes": 0}, "processes must be a whole number, 1 or more, not 0"),
        ({"minimum": 3, "maximum": 2}, "maximum must be at least minimum, 3, not 2"),
        ({"share": 0}, "share must be a positive number"),
    ],
    ids=str,
)
def test_a_number_out_of_range_is_an_error(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        kumo.ProcessPool("web", **options)


def test_the_pools_of_both_kinds_are_in_one_list() -> None:
    with kumo.ProcessPool("web") as pool, kumo.ThreadPool("web-threads") as other:
        assert kumo.pools() == {"web": pool, "web-threads": other}
        with pytest.raises(ValueError, match="a thread pool with the name 'web' is in use"):
            kumo.ThreadPool("web")
    assert not isinstance(pool, ThreadPoolExecutor)  # asyncio would take it for its default


def test_it_follows_the_parallelism(
    parallelism: Callable[[int], None], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "kumo")
    with kumo.ProcessPool("web", maximum=4) as pool:
        assert (pool.size, pool.threads) == (4, 2)
        parallelism(3)
        until(lambda: (pool.size, pool.threads) == (3, 1) and len(caplog.messages) > 1)
        parallelism(16)
        until(lambda: (pool.size, pool.threads) == (4, 4))
    assert caplog.messages[0].startswith("process pool web: 4 processes, share 1 of 8 CPUs")
    assert caplog.messages[1].startswith("process pool web: 4 -> 3 processes, share 1 of 3 CPUs")


def test_its_part_of_a_budget(parallelism: Callable[[int], None]) -> None:
    budget = kumo.Budget(web=3, other=1)
    with kumo.ProcessPool("web", share=budget.part("web"), maximum=2) as pool:
        assert (pool.size, pool.threads) == (2, 3)
        parallelism(4)
        until(lambda: (pool.size, pool.threads) == (2, 1))


# --- tasks


def test_what_it_returns_and_raises() -> None:
    with kumo.ProcessPool("web", processes=2) as pool:
        assert pool.submit(divmod, 7, 2).result() == (3, 1)
        assert pool.submit(lambda: -os.getpid()).result() != -os.getpid()
        error = pool.submit(fail, "lost").exception()
        assert isinstance(error, LookupError)
        assert error.args == ("lost",)
        assert "in fail" in str(error.__cause__)
        assert isinstance(pool.submit(sys.exit, 3).exception(), SystemExit)
        assert pool.submit(int).result() == 0


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (partial(id, threading.Lock()), TypeError),
        (threading.Lock, TypeError),
        (lambda: (_ for _ in ()).throw(UnsendableError()), TypeError),
        (lambda: (_ for _ in ()).throw(UnreceivableError(1, 2)), TypeError),
    ],
    ids=["the call", "the result", "the exception", "the exception when it has come"],
)
def test_what_cannot_be_pickled_fails_alone(call: Callable[[], Any], kind: type) -> None:
    with kumo.ProcessPool("web", processes=1) as pool:
        process = pool.submit(os.getpid).result()
        assert isinstance(pool.submit(call).exception(MOMENT), kind)
        assert pool.submit(os.getpid).result() == process


def test_map_in_chunks() -> None:
    with kumo.ProcessPool("web", processes=2) as pool:
        for chunksize in (1, 3, 100):
            results = pool.map(pow, range(10), range(1, 11), chunksize=chunksize)
            assert list(results) == [n ** (n + 1) for n in range(10)]
        assert list(pool.map(pow, [], [])) == []
        with pytest.raises(ValueError, match="chunksize must be a whole number"):
            pool.map(pow, [1], [1], chunksize=0)
        with pytest.raises(LookupError):
            list(pool.map(fail, ["lost"]))


def test_map_takes_what_the_standard_executors_map_takes() -> None:
    with kumo.ProcessPool("web", processes=1) as pool:
        if sys.version_info < (3, 14):
            with pytest.raises(TypeError, match="buffersize"):
                pool.map(abs, [1], buffersize=2)
        else:
            drawn: list[int] = []
            numbers = (drawn.append(n) or n for n in range(100))
            results = pool.map(abs, numbers, chunksize=3, buffersize=2)
            assert (next(results), len(drawn)) == (0, 9)
            assert list(results) == list(range(1, 100))


def test_asyncio_runs_calls_in_it() -> None:
    async def main(pool: Executor) -> int:
        return await asyncio.get_running_loop().run_in_executor(pool, os.getpid)

    with kumo.ProcessPool("web", processes=1) as pool:
        assert asyncio.run(main(pool)) == pool.submit(os.getpid).result()


def test_every_task_runs_once_while_the_size_changes_at_random(
    tmp_path: Path, parallelism: Callable[[int], None], pytestconfig: pytest.Config
) -> None:
    chance = random.Random(pytestconfig.getoption("--fuzz-seed"))
    book, count = tmp_path / "book", 300
    with kumo.ProcessPool("web", maximum=4) as pool:
        futures = []
        for number in range(count):
            futures.append(pool.submit(note, book, number))
            if number % 30 == 0:
                parallelism(chance.randint(1, 4))
                time.sleep(chance.random() * 0.1)
        parallelism(2)
        for size in (1, 3, 1, 2):
            pool.resize(size)
        assert [future.result(MOMENT) for future in futures] == list(range(count))
        until(lambda: pool.parked == pool.size == 2)
        until(lambda: len(multiprocessing.active_children()) == 2)
    assert Counter(map(int, book.read_text().split())) == Counter(range(count))


def test_a_smaller_size_waits_for_nothing_and_loses_nothing(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with kumo.ProcessPool("web", processes=3) as pool:
        futures = held(pool, gate, 5)
        until(lambda: running(gate) == 3)
        pool.resize(1)
        assert (pool.size, pool.busy, pool.queued) == (1, 3, 2)
        assert not any(future.done() for future in futures)
        gate.touch()
        assert len({future.result(MOMENT) for future in futures}) == 3
        until(lambda: len(multiprocessing.active_children()) == 1)
        assert (pool.busy, pool.parked) == (0, 1)


def test_a_larger_size_takes_up_what_is_queued(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with kumo.ProcessPool("web", processes=1) as pool:
        futures = held(pool, gate, 3)
        until(lambda: running(gate) == 1)
        pool.resize(3)
        until(lambda: running(gate) == 3)
        gate.touch()
        assert len({future.result(MOMENT) for future in futures}) == 3


# --- threads in the processes


def test_libraries_have_their_part_from_the_first(parallelism: Callable[[int], None]) -> None:
    parallelism(2)  # OpenBLAS takes no more than there are CPUs when it loads
    with kumo.ProcessPool("web", processes=1) as pool:
        assert set(pool.submit(blas_threads).result()) == {min(2, os.cpu_count() or 1)}
        assert pool.submit(os.getenv, "OMP_NUM_THREADS").result() == "2"
    with kumo.ProcessPool("web", processes=2) as pool:
        assert set(pool.submit(blas_threads).result()) == {1}


@pytest.mark.parametrize(("said", "each"), [("1", 1), ("9" * 5000, 2), ("\N{SUPERSCRIPT TWO}", 2)])
def test_a_variable_that_is_a_number_limits_the_threads(
    parallelism: Callable[[int], None], monkeypatch: pytest.MonkeyPatch, said: str, each: int
) -> None:
    parallelism(2)
    monkeypatch.setenv("MKL_NUM_THREADS", said)
    with kumo.ProcessPool("web", processes=1) as pool:
        assert pool._crew.threads_of_each() == each


def test_libraries_that_are_loaded_follow(parallelism: Callable[[int], None]) -> None:
    parallelism(2)
    with kumo.ProcessPool("web", maximum=1) as pool:
        process = pool.submit(os.getpid).result()
        for count in (2, 1, 2):
            parallelism(count)
            until(lambda count=count: pool.threads == count)  # type: ignore[misc]  # its default
            assert set(pool.submit(blas_threads).result()) == {count}
            assert pool.submit(os.getenv, "OPENBLAS_NUM_THREADS").result() == str(count)
        assert pool.submit(os.getpid).result() == process


def test_a_lower_number_in_the_environment_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    with kumo.ProcessPool("web", processes=2) as pool:
        assert pool.threads == 4
        monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
        assert pool.threads == 2
        monkeypatch.setenv("OPENBLAS_NUM_THREADS", "6")
        assert pool.threads == 4
        monkeypatch.setenv("OPENBLAS_NUM_THREADS", "none")
        assert pool.threads == 4


# --- initializers


def test_an_initializer_runs_first_in_each_process(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with kumo.ProcessPool("web", processes=2, initializer=greet, initargs=("here",)) as pool:
        futures = held(pool, gate, 2)
        until(lambda: running(gate) == 2)
        gate.touch()
        assert len({future.result() for future in futures}) == 2
        assert list(pool.map(os.getenv, ["KUMO_TEST"] * 20)) == ["here"] * 20


@pytest.mark.parametrize("initializer", [lambda: fail("lost"), die], ids=["raises", "dies"])
def test_an_initializer_that_fails_breaks_the_pool(
    initializer: Callable[[], object], caplog: pytest.LogCaptureFixture
) -> None:
    with kumo.ProcessPool("web", processes=2, initializer=initializer) as pool:
        futures = [pool.submit(int) for _ in range(4)]
        for future in futures:
            assert isinstance(future.exception(MOMENT), loky.BrokenProcessPool)
        with pytest.raises(loky.BrokenProcessPool, match="an initializer of the process pool"):
            pool.submit(int)
    assert "Exception in initializer:" in caplog.messages


def test_an_initializer_that_cannot_be_called() -> None:
    with pytest.raises(TypeError, match="initializer must be a callable"):
        kumo.ProcessPool("web", initializer=3)  # type: ignore[arg-type]  # it is wrong


# --- processes that end


def test_a_killed_process_fails_its_task_alone(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with kumo.ProcessPool("web", processes=2) as pool:
        other = pool.submit(hold, gate, 0)
        until(lambda: running(gate) == 1)
        victim, after = pool.submit(die), pool.submit(int)
        with pytest.raises(
            loky.BrokenProcessPool, match=r"process web-\d has ended with exit .*-9"
        ):
            victim.result(MOMENT)
        assert after.result(MOMENT) == 0
        gate.touch()
        assert other.result(MOMENT) > 0


def test_a_process_killed_while_idle_is_replaced() -> None:
    with kumo.ProcessPool("web", processes=1) as pool:
        for _ in range(3):
            process = pool.submit(os.getpid).result(MOMENT)
            os.kill(process, signal.SIGKILL)
            until(lambda: not multiprocessing.active_children())
            assert pool.submit(os.getpid).result(MOMENT) != process


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_killed_process_whose_child_lives_on(tmp_path: Path) -> None:
    book = tmp_path / "book"
    with kumo.ProcessPool("web", processes=1) as pool:
        error = pool.submit(leave_a_child_and_die, book).exception(MOMENT)
        assert isinstance(error, loky.BrokenProcessPool)
        os.kill(int(book.read_text()), signal.SIGKILL)  # which is there still


# --- ends


def test_shutdown_drops_what_is_queued_where_it_is_told_to(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    pool = kumo.ProcessPool("web", processes=1)
    futures = held(pool, gate, 3)
    until(lambda: running(gate) == 1)
    pool.shutdown(wait=False, cancel_futures=True)
    gate.touch()
    assert futures[0].result(MOMENT) > 0
    assert [future.cancelled() for future in futures] == [False, True, True]
    with pytest.raises(RuntimeError, match="after shutdown"):
        pool.submit(int)


def test_shutdown_waits_for_the_processes_to_end(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with kumo.ProcessPool("web", processes=2) as pool:
        futures = held(pool, gate, 2)
        gate.touch()
    assert not any(is_running(future.result()) for future in futures)


def test_a_pool_that_nobody_has_any_more_ends_after_its_tasks() -> None:
    pool = kumo.ProcessPool("web", processes=2)
    futures = [pool.submit(os.getpid) for _ in range(5)]
    del pool
    gc.collect()
    assert all(future.result(MOMENT) > 0 for future in futures)
    until(lambda: not multiprocessing.active_children())


def python(program: str, *arguments: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        timeout=MOMENT,
        check=False,
        env=environment(),
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_interpreter_exits_after_what_is_queued() -> None:
    printed = python(
        "import kumo, os\n"
        "pool = kumo.ProcessPool('web', processes=2)\n"
        "for _ in range(20): pool.submit(lambda: print(os.getpid(), flush=True))\n"
    ).split()
    assert len(printed) == 20
    assert not any(is_running(int(pid)) for pid in printed)


def test_processes_end_with_a_parent_that_is_killed() -> None:
    printed = python(
        "import kumo, os, subprocess, sys\n"
        "program = '''import kumo, os, signal\n"
        'pool = kumo.ProcessPool("web", processes=1)\n'
        "print(pool.submit(os.getpid).result(), flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)'''\n"
        "ran = subprocess.run([sys.executable, '-c', program], stdout=subprocess.PIPE)\n"
        "print(ran.stdout.decode())"
    )
    until(lambda: not is_running(int(printed)))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_has_processes_of_its_own() -> None:
    printed = python(
        "import kumo, os, warnings\n"
        "warnings.simplefilter('ignore')\n"
        "pool = kumo.ProcessPool('web', processes=1)\n"
        "before = pool.submit(os.getpid).result()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    other = pool.submit(os.getpid).result()\n"
        "    pool.shutdown()\n"
        "    os._exit(other == before)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "assert pool.submit(os.getpid).result() == before\n"
        "print('the same')\n"
    )
    assert printed == "the same\n"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot pin")
def test_a_fork_while_a_process_gets_its_cpu() -> None:
    printed = python(
        "import kumo, os, signal, warnings\n"
        "warnings.simplefilter('ignore')\n"
        "pool = kumo.ProcessPool('web', processes=1, pin=True)\n"
        "pool.submit(int).result()\n"
        "with pool._crew.places.lock:\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        signal.alarm(60)\n"
        "        os._exit(pool.submit(int).result())\n"
        "print(os.waitpid(child, 0)[1])\n"
    )
    assert printed == "0\n"


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_while_others_start_processes() -> None:
    program = """
import os, signal, threading, time, warnings, kumo
warnings.simplefilter("ignore", DeprecationWarning)
def churn(name):
    while not end.is_set():
        with kumo.ProcessPool(name, processes=1) as pool:
            pool.submit(int).result()
if __name__ == "__main__":
    kumo.ProcessPool("first").submit(int).result()  # a fork while a module is imported hangs
    end = threading.Event()
    threads = [threading.Thread(target=churn, args=(name,), daemon=True) for name in "ab"]
    for thread in threads:
        thread.start()
    for _ in range(10):
        pid = os.fork()
        if pid == 0:
            signal.alarm(60)
            with kumo.ProcessPool("child", processes=1) as pool:
                os._exit(pool.submit(int).result())
        assert os.waitpid(pid, 0)[1] == 0, "the child has waited for ever"
        time.sleep(0.02)
    end.set()
    for thread in threads:
        thread.join()
    print("done")
"""
    assert python(program) == "done\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_that_a_worker_forks_leaves_its_process_alone() -> None:
    printed = python(
        "import kumo, os, time, warnings\n"
        "warnings.simplefilter('ignore')\n"
        "children = []\n"
        "pool = kumo.ProcessPool('web', processes=1)\n"
        "future = pool.submit(lambda: time.sleep(1) or os.getpid())\n"
        "future.add_done_callback(lambda _: children.append(os.fork()))\n"
        "before = future.result()\n"
        "while not children: pass\n"
        "os.waitpid(children[0], 0)\n"
        "assert pool.submit(os.getpid).result() == before\n"
        "print('the same')\n"
    )
    assert printed == "the same\n"


def test_without_the_extra_the_error_names_it() -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(Path(kumo.__file__).parents[1])!r})\n"
        "import kumo\n"
        "try: kumo.ProcessPool('web')\n"
        "except ImportError as error: print(error)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True
    )
    assert "needs loky and threadpoolctl: pip install loky threadpoolctl" in ran.stdout


# --- a real quota


@pytest.mark.real
@pytest.mark.parametrize("maximum", [1, 8])
def test_a_real_quota_that_changes_again_and_again(
    make_group: MakeGroup,  # noqa: F811 - the fixture
    maximum: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("KUMO_AVAILABLE_PARALLELISM")
    group = make_group(cpus=2)
    script = str(Path(__file__).with_name("process_flow.py"))
    ran = subprocess.run(
        in_groups([group], [sys.executable, script, str(group.path), str(maximum)]),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=environment(),
    )
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stderr
    report = json.loads(ran.stdout)
    print(report)
    until(lambda: not group.read("cgroup.procs"))

    assert report["once"]
    for parallelism, most in report["settled"]:
        assert most == parallelism, report


# --- pinned


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot pin")
def test_each_pinned_process_has_a_cpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUMO_AVAILABLE_PARALLELISM")
    usable = os.sched_getaffinity(0)
    with kumo.ProcessPool("web-pin", pin=True) as pool:
        assert pool.size == kumo.estimate().workers("pinned")
        assert pool.threads == 1
        places = {tuple(cpus) for cpus in pool.map(own_cpus, range(8 * pool.size))}

    assert all(len(cpus) == 1 and usable.issuperset(cpus) for cpus in places)
    assert len(places) == min(pool.size, len(usable))


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot pin")
def test_a_process_that_is_started_again_gets_the_cpu_that_is_free() -> None:
    with kumo.ProcessPool("web-again", processes=1, pin=True) as pool:
        first = pool.submit(own_cpus, 0).result(MOMENT)
        with pytest.raises(loky.BrokenProcessPool):
            pool.submit(die).result(MOMENT)

        assert pool.submit(own_cpus, 0).result(MOMENT) == first


def test_without_pin_a_process_runs_where_its_parent_may() -> None:
    with kumo.ProcessPool("web-free", processes=1) as pool:
        assert set(pool.submit(own_cpus, 0).result(MOMENT)) == os.sched_getaffinity(0)
