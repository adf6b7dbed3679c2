"""`kumo.follow`: real libraries under a real quota that changes."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import subprocess
import sys
import threading
import time
import types
from functools import partial
from typing import Any

import anyio
import pytest
import trio
from conftest import skip_real
from programs.programs import CACHE
from real.conftest import MakeGroup, make_group  # noqa: F401 - a fixture
from real.host import TIMEOUT, environment, in_groups

import kumo
from kumo._pools.budget import Share
from kumo._pools.follow import Follow, Waiters

VARIABLE = "KUMO_AVAILABLE_PARALLELISM"
BLIS = CACHE / "blis" / "libblis.so.4"

# Each prints what it has at the quota of 2 CPUs, at 1, at 2 again, and after the end.
ANYIO = """
import anyio, anyio.to_thread

def size():
    return anyio.to_thread.current_default_thread_limiter().total_tokens

async def main():
    print(size())
    with kumo.follow("anyio"):
        for cpus in (2, 1, 2):
            limit(cpus)
            while size() != cpus:
                await anyio.sleep(0.01)
            print(size(), await anyio.to_thread.run_sync(lambda: "ran"))
    print(size())
"""
PROGRAMS = {
    "anyio on asyncio": ANYIO + 'anyio.run(main, backend="asyncio")',
    "anyio on trio": ANYIO + 'anyio.run(main, backend="trio")',
    "trio": ANYIO.replace("import anyio, anyio.to_thread", "import trio").replace("anyio", "trio")
    + "trio.run(main)",
    "a limiter": ANYIO.replace('kumo.follow("anyio")', "kumo.follow(limiter)")
    .replace("anyio.to_thread.current_default_thread_limiter()", "limiter")
    .replace(
        "async def main():",
        "async def main():\n    global limiter\n    limiter = anyio.CapacityLimiter(40)",
    )
    + "anyio.run(main)",
    "asyncio": """
import asyncio, threading, time

active = most = 0
lock = threading.Lock()

def work():
    global active, most
    with lock:
        active += 1
        most = max(most, active)
    time.sleep(0.05)
    with lock:
        active -= 1

async def size():
    global most
    most = 0
    await asyncio.gather(*[asyncio.to_thread(work) for _ in range(40)])
    return most

async def main():
    following = kumo.follow("asyncio")
    for cpus in (2, 1, 2):
        limit(cpus)
        while await size() != cpus:
            pass
        print(cpus, "ran")
    following.close()
    print(await asyncio.to_thread(lambda: threading.current_thread().name))

asyncio.run(main())
""",
    "threadpoolctl": """
import threading, time, numpy, threadpoolctl

def size():
    (blas,) = [lib for lib in threadpoolctl.threadpool_info() if lib["user_api"] == "blas"]
    return blas["num_threads"]

threadpoolctl.threadpool_limits(5)
print(size())
with kumo.follow("threadpoolctl") as following:
    for cpus in (2, 1, 2):
        limit(cpus)
        while size() != cpus:
            time.sleep(0.01)
            following.update()
        print(size(), "ran" if numpy.linalg.svd(numpy.eye(50)) else "")
print(size())
""",
    "loky": """
import time, loky

def size():
    return loky.get_reusable_executor()._max_workers

print(size())
with kumo.follow("loky"):
    for cpus in (2, 1, 2):
        limit(cpus)
        while size() != cpus:
            time.sleep(0.01)
        print(size(), loky.get_reusable_executor().submit(str, "ran").result())
print(size())
loky.get_reusable_executor().shutdown()
""",
    "blis": f"""
import ctypes, time

blis = ctypes.CDLL({str(BLIS)!r})
size = blis.bli_thread_get_num_threads
size.restype = ctypes.c_long
blis.bli_thread_set_num_threads(ctypes.c_long(5))
print(size())
with kumo.follow("threadpoolctl"):  # without update(): every thread is reached
    for cpus in (2, 1, 2):
        limit(cpus)
        while size() != cpus:
            time.sleep(0.01)
        print(size(), "ran")
print(size())
""",
    "numba": """
import time, numba

print(numba.get_num_threads())
with kumo.follow("numba") as following:
    for cpus in (2, 1, 2):
        limit(cpus)
        while numba.get_num_threads() != cpus:
            time.sleep(0.01)
            following.update()
        print(numba.get_num_threads(), "ran")
print(numba.get_num_threads())
""",
}
FIRST_AND_LAST = {
    "asyncio": ("", "asyncio_0\n"), "threadpoolctl": ("5\n", "5\n"),
    "loky": ("2\n", "2\n"), "numba": ("2\n", "2\n"), "blis": ("5\n", "5\n"),
}  # fmt: skip
PRELUDE = """
import sys, kumo

def limit(cpus):
    with open(sys.argv[1] + "/cpu.cfs_quota_us", "w") as file:
        file.write(str(cpus * 100_000))
"""


@pytest.mark.real
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_follows_a_live_change(
    make_group: MakeGroup,  # noqa: F811 - the fixture
    name: str,
) -> None:
    needs_library(name.partition(" ")[0])
    group = make_group(cpus=2)
    command = [sys.executable, "-W", "error", "-c", PRELUDE + PROGRAMS[name], str(group.path)]
    ran = subprocess.run(
        in_groups([group], command),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
        env=environment(),
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    first, last = FIRST_AND_LAST.get(name, ("40\n", "40\n"))
    assert ran.stdout == f"{first}2 ran\n1 ran\n2 ran\n{last}"
    deadline = time.monotonic() + TIMEOUT
    while group.read("cgroup.procs") and time.monotonic() < deadline:  # loky's tracker ends last
        time.sleep(0.01)


def needs_library(name: str) -> None:
    if name == "blis" and not BLIS.exists():
        skip_real(f"there is no {BLIS}: tests/programs/install.sh brings it")
    if name in ("threadpoolctl", "loky", "numba", "numpy") and not importlib.util.find_spec(name):
        skip_real(f"{name} is not installed")
    if name == "threadpoolctl":
        needs_library("numpy")


# --- by the override, without a quota


def test_torch_is_set_and_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in of its two functions; the real one is too large for a test."""
    torch = types.ModuleType("torch")
    numbers = [7]
    torch.get_num_threads = lambda: numbers[-1]  # type: ignore[attr-defined]  # the module is made here
    torch.set_num_threads = numbers.append  # type: ignore[attr-defined]  # the module is made here
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setenv(VARIABLE, "3")

    with kumo.follow("torch") as following:
        assert following.parallelism == 3
        following.close()
    assert numbers == [7, 3, 7]


def test_mkl_is_set_for_every_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its own function, since threadpoolctl sets it for one thread; a stand-in of both."""
    numbers: dict[str, list[int]] = {"mkl": [7], "openblas": [5]}

    class Library:
        def __init__(self, name: str) -> None:
            self.internal_api = self.filepath = name
            self.dynlib = types.SimpleNamespace(MKL_Set_Num_Threads=numbers[name].append)

        def get_num_threads(self) -> int:
            return numbers[self.internal_api][-1]

    class Controller:
        def __init__(self, libraries: list[Library] | None = None) -> None:
            self.lib_controllers = libraries or [Library("openblas"), Library("mkl")]

        def select(self, filepath: list[str]) -> Controller:
            return Controller([each for each in self.lib_controllers if each.filepath in filepath])

        def limit(self, limits: int | None) -> Controller:
            for each in self.lib_controllers:
                numbers[each.internal_api].append(limits or -1)
            return self

        def restore_original_limits(self) -> None:
            self.limit(5)

    threadpoolctl = types.ModuleType("threadpoolctl")
    threadpoolctl.ThreadpoolController = Controller  # type: ignore[attr-defined]  # the module is made here
    monkeypatch.setitem(sys.modules, "threadpoolctl", threadpoolctl)
    monkeypatch.setenv(VARIABLE, "3")

    kumo.follow("threadpoolctl").close()
    assert numbers == {"mkl": [7, 3, 7], "openblas": [5, -1, 3, 5]}


def test_several_are_restored_the_last_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "3")

    async def main() -> None:
        limiter = anyio.CapacityLimiter(10)
        default = anyio.to_thread.current_default_thread_limiter()
        with kumo.follow(limiter, "anyio", default):
            assert (limiter.total_tokens, default.total_tokens) == (3, 3)
        assert (limiter.total_tokens, default.total_tokens) == (10, 40)

    anyio.run(main)


def test_an_error_at_the_start_leaves_everything_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "3")

    class Stubborn:
        total_tokens = property(lambda self: 10)

    async def main() -> None:
        limiter = trio.CapacityLimiter(10)
        with pytest.raises(ValueError, match="'nonsense' is not one of anyio, asyncio, loky, "):
            kumo.follow(limiter, "nonsense")
        with pytest.raises(AttributeError):
            kumo.follow(limiter, Stubborn())
        assert limiter.total_tokens == 10

    trio.run(main)
    for thread in threading.enumerate():
        if thread.name == "kumo-watch":
            thread.join(TIMEOUT)
            assert not thread.is_alive()


def test_nothing_to_follow_is_an_error() -> None:
    with pytest.raises(ValueError, match="follow needs one of anyio, asyncio"):
        kumo.follow()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"minimum": 0}, "minimum must be a whole number, 1 or more, not 0"),
        ({"share": 0}, "share must be a positive number"),
    ],
)
def test_a_number_out_of_range_is_an_error(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kumo.follow("loky", **options)


@pytest.mark.parametrize("name", ["anyio", "asyncio", "trio"])
def test_what_belongs_to_a_loop_needs_one(name: str) -> None:
    with pytest.raises(RuntimeError, match=r"can be followed only in its event loop"):
        kumo.follow(name)


def test_what_belongs_to_a_loop_needs_that_one() -> None:
    message = "{} can be followed only in its event loop: call follow in a coroutine there"

    async def main(other: str) -> None:
        with pytest.raises(RuntimeError, match=message.format(other)):
            kumo.follow(other)

    asyncio.run(main("trio"))
    trio.run(main, "asyncio")


def set_parallelism(monkeypatch: pytest.MonkeyPatch, following: kumo.Follow, count: int) -> None:
    """Change it, and wait until the watch has told of it."""
    monkeypatch.setenv(VARIABLE, str(count))
    deadline = time.monotonic() + TIMEOUT
    while following._watch.estimate.parallelism != count and time.monotonic() < deadline:
        time.sleep(0.01)


def test_a_share_is_followed_and_not_below_the_minimum(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "8")
    monkeypatch.delenv("LOKY_MAX_CPU_COUNT", raising=False)
    budget = kumo.Budget(web=3, batch=1)
    with (
        kumo.follow("loky", share=budget.part("web"), minimum=2) as web,
        kumo.ThreadPool("batch", share=budget.part("batch")) as batch,
    ):
        assert (os.environ["LOKY_MAX_CPU_COUNT"], web.parallelism, batch.size) == ("6", 6, 2)
        set_parallelism(monkeypatch, web, 1)
        web.update()
        assert (os.environ["LOKY_MAX_CPU_COUNT"], web.parallelism) == ("2", 2)
    assert "LOKY_MAX_CPU_COUNT" not in os.environ


@pytest.mark.parametrize(("before", "then"), [("1", "1"), ("9", "3"), ("", "3"), ("9" * 5000, "3")])
def test_what_the_user_lets_loky_count_is_not_raised(
    monkeypatch: pytest.MonkeyPatch, before: str, then: str
) -> None:
    monkeypatch.setenv(VARIABLE, "3")
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", before)
    with kumo.follow("loky"):
        assert os.environ["LOKY_MAX_CPU_COUNT"] == then
    assert os.environ["LOKY_MAX_CPU_COUNT"] == before


def test_several_loops_and_a_pool_of_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "1")

    async def main() -> str:
        kumo.follow("asyncio", minimum=2)
        loop: Any = asyncio.get_running_loop()
        inner = partial(loop._default_executor.submit, lambda: threading.current_thread().name)
        return await asyncio.to_thread(lambda: inner().result(TIMEOUT))  # of another worker

    with kumo.ThreadPool("asyncio", threads=1):
        loops = [asyncio.new_event_loop() for _ in range(2)]
        assert [loop.run_until_complete(main()) for loop in loops] == ["asyncio2-1", "asyncio3-1"]
        assert sorted(kumo.pools()) == ["asyncio", "asyncio2", "asyncio3"]
        for loop in loops:
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()


def test_a_loop_that_hides_its_executor_is_refused() -> None:
    """As uvloop's does."""

    async def main() -> None:
        loop: Any = asyncio.get_running_loop()
        del loop._default_executor
        with pytest.raises(RuntimeError, match="hides its default executor, which could not be"):
            kumo.follow("asyncio")
        loop._default_executor = None

    asyncio.run(main())
    assert kumo.pools() == {}


@pytest.mark.parametrize("forks", [10, pytest.param(100, marks=pytest.mark.slow)])
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_while_others_follow(forks: int) -> None:
    program = """
import os, signal, threading, kumo
kumo.follow("loky").close()  # a fork while a module is imported is not what this is about
end = threading.Event()
following = kumo.follow("loky")
def update():
    while not end.is_set():
        following.update()
threads = [threading.Thread(target=update, daemon=True) for _ in range(3)]
for thread in threads:
    thread.start()
for _ in range(FORKS):
    pid = os.fork()
    if pid == 0:
        signal.alarm(60)
        following.close()
        kumo.follow("loky").close()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0, "the child has waited for ever"
end.set()
for thread in threads:
    thread.join()
following.close()
print("done")
"""
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program.replace("FORKS", str(forks))],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
        env=environment(),
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "done\n", "")


@pytest.mark.parametrize("name", ["threadpoolctl", "numba"])
def test_a_library_that_is_not_installed_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setitem(sys.modules, name, None)

    with pytest.raises(ImportError) as caught:
        kumo.follow(name)
    assert str(caught.value).startswith(f"{name} is needed: pip install {name} (")


def test_a_loop_that_has_ended_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "3")

    async def main() -> Any:
        limiter = anyio.to_thread.current_default_thread_limiter()
        return kumo.follow(limiter), limiter

    following, limiter = asyncio.run(main())
    with kumo.watch() as watch:
        monkeypatch.setenv(VARIABLE, "2")
        next(watch)
    assert limiter.total_tokens == 3
    following.close()
    assert limiter.total_tokens == 40


# --- no lock while a library is called


def test_closing_while_a_count_is_set_ends_with_what_was_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One thread sets a count, and waits in the library for another, which closes the follower."""
    setting: list[object] = []
    closing: list[threading.Thread] = []

    def set_count(count: int) -> None:
        if count == 2:
            closing.append(threading.Thread(target=following.close))
            closing[0].start()
            closing[0].join(TIMEOUT)
        setting.append(count)

    monkeypatch.setenv("KUMO_AVAILABLE_PARALLELISM", "3")
    following = Follow([set_count], [lambda: setting.append("restored")], Share(1), 1, Waiters(0))
    monkeypatch.setenv("KUMO_AVAILABLE_PARALLELISM", "2")
    deadline = time.monotonic() + TIMEOUT
    while setting[-1] != "restored" or len(setting) < 4:
        assert time.monotonic() < deadline
        time.sleep(0.01)

    assert not closing[0].is_alive()
    assert setting == [3, "restored", 2, "restored"]
