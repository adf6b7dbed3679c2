"""The engines of `engines.py`: each started twice, as it comes and with kumo, in cgroups."""

from __future__ import annotations

import importlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import _groups

TASKS = 40
BIN = Path(sys.executable).parent
DASK_PORT, REDIS_PORT, RAY_PORT = 27486, 27479, 27480
BEAT = """
import signal, sys, time
late, due = [], time.monotonic()
def end(*_):
    late.sort(); print(late[int(len(late) * .99)] if late else -1, flush=True); sys.exit()
signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
while True:
    due += .01
    time.sleep(max(0, due - time.monotonic()))
    late.append(time.monotonic() - due)
    due = max(due, time.monotonic() - .01)
"""
CELERY_APP = """
import hashlib, os
from celery import Celery
app = Celery("bench", broker=os.environ["BROKER"], backend=os.environ["BROKER"])
app.conf.broker_connection_retry_on_startup = True
if os.environ.get("ARM") == "kumo":
    import kumo.celery
    kumo.celery.setup(app)
@app.task
def work(number):
    hashlib.pbkdf2_hmac("sha256", b"kumo", b"%d" % number, 50_000)
"""
RANK = """
import hashlib, os, sys
rank, size = (int(os.environ["OMPI_COMM_WORLD_" + name]) for name in ("RANK", "SIZE"))
for number in range(rank, int(sys.argv[1]), size):
    hashlib.pbkdf2_hmac("sha256", b"kumo", b"%d" % number, 50_000)
print("rank", rank)
"""


def work(number: int) -> None:
    import hashlib

    hashlib.pbkdf2_hmac("sha256", b"kumo", b"%d" % number, 50_000)


work.__module__ = "__main__"  # so that it goes to the workers by value: they have no _engines


class Group:
    """A cgroup with a quota."""

    def __init__(self, name: str) -> None:
        self.path = _groups.needed_mount_point() / f"kumo-engines-{os.getpid()}-{name}"
        self.path.mkdir()

    def set(self, cpus: float | None) -> None:
        _groups.set_quota(self.path, cpus)

    def start(self, *command: Any, **options: Any) -> subprocess.Popen[str]:
        """Start a command in the cgroup, in a session of its own."""
        words = _groups.inside(self.path, *map(str, command))
        return subprocess.Popen(words, text=True, start_new_session=True, **options)

    def close(self) -> None:
        """End whatever runs in it, and remove it."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            for _ in range(30):
                pids = (self.path / "cgroup.procs").read_text().split()
                if not pids:
                    break
                for pid in pids:
                    try:
                        os.kill(int(pid), number)
                    except ProcessLookupError:
                        continue
                time.sleep(0.1)
        self.path.rmdir()


@contextmanager
def beat(group: Group) -> Iterator[list[float]]:
    """Run the beat meanwhile; then the list has the 99th percentile of its lateness."""
    lengths: list[float] = []
    process = group.start(sys.executable, "-c", BEAT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    try:
        yield lengths
    finally:
        process.terminate()
        lengths.append(float(process.stdout.readline()))
        process.wait()


Arms = dict[str, tuple[Group, Callable[[], Any], Callable[[], Any]]]


@contextmanager
def dask(place: Path) -> Iterator[Arms]:
    """Two clusters: a worker as it comes, and one with the preload."""
    from distributed import Client

    with ExitStack() as stack:
        arms: Arms = {}
        for number, (arm, preload) in enumerate(
            [("default", []), ("kumo", ["--preload", "kumo.dask"])]
        ):
            group = Group(f"dask-{arm}")
            stack.callback(group.close)
            group.set(1.0)
            log = stack.enter_context(open(place / f"dask-{arm}.log", "w"))
            address = f"tcp://127.0.0.1:{DASK_PORT + number}"
            scheduler = subprocess.Popen(
                [BIN / "dask", "scheduler", "--port", str(DASK_PORT + number), "--no-dashboard"],
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
            stack.callback(scheduler.wait)
            stack.callback(scheduler.terminate)
            group.start(
                BIN / "dask", "worker", address, "--no-dashboard", *preload, stdout=log, stderr=log
            )
            client = stack.enter_context(Client(address, timeout=60, set_as_default=False))
            client.wait_for_workers(1, timeout=90)

            def run(client: Any = client) -> None:
                client.gather(client.map(work, range(TASKS), pure=False))

            def slots(client: Any = client) -> int:
                return sum(client.nthreads().values())

            arms[arm] = group, run, slots
        yield arms


@contextmanager
def celery(place: Path) -> Iterator[Arms]:
    """Two workers, each with a database of one Redis."""
    (place / "bench_app.py").write_text(CELERY_APP)
    sys.path.insert(0, str(place))
    with ExitStack() as stack:
        redis = subprocess.Popen(
            ["redis-server", "--port", str(REDIS_PORT), "--save", "", "--dir", place],
            stdout=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        stack.callback(redis.wait)
        stack.callback(redis.terminate)
        arms: Arms = {}
        for number, arm in enumerate(["default", "kumo"]):
            group = Group(f"celery-{arm}")
            stack.callback(group.close)
            group.set(1.0)
            broker = f"redis://127.0.0.1:{REDIS_PORT}/{number}"
            log = stack.enter_context(open(place / f"celery-{arm}.log", "w"))
            group.start(
                BIN / "celery", "-A", "bench_app", "worker", "-l", "info", "-n", f"{arm}@bench",
                cwd=place, env={**os.environ, "BROKER": broker, "ARM": arm}, stdout=log, stderr=log,
            )  # fmt: skip
            os.environ["BROKER"] = broker
            module = importlib.import_module("bench_app")
            module = importlib.reload(module)
            app, task = module.app, module.work
            for _ in range(120):
                if app.control.inspect(timeout=0.5).ping():
                    break

            def run(task: Any = task) -> None:
                for result in [task.delay(number) for number in range(TASKS)]:
                    result.get(timeout=120)

            def slots(app: Any = app, log: Path = place / f"celery-{arm}.log") -> int:
                """The last that the log says: its start, or a change."""
                numbers = re.findall(r"concurrency(?: of \S+)?: (\d+)", log.read_text())
                return int(numbers[-1])

            arms[arm] = group, run, slots
        yield arms


@contextmanager
def ray(place: Path) -> Iterator[Arms]:
    """One node, whose slots are set before each batch."""
    os.environ.update(RAY_AUTH_MODE="disabled", RAY_USAGE_STATS_ENABLED="0")
    import ray as engine

    from kumo._fleet import ray as adapter

    with ExitStack() as stack:
        group = Group("ray")
        stack.callback(group.close)
        group.set(1.0)
        log = stack.enter_context(open(place / "ray.log", "w"))
        start = group.start(
            BIN / "ray", "start", "--head", f"--port={RAY_PORT}", f"--temp-dir={place / 'r'}",
            "--include-dashboard=false", "--object-store-memory=100000000",
            "--min-worker-port=27500", "--max-worker-port=27600", stdout=log, stderr=log,
            env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"},
        )  # fmt: skip
        assert start.wait(180) == 0, (place / "ray.log").read_text()[-2000:]
        engine.init(address=f"127.0.0.1:{RAY_PORT}", log_to_driver=False, logging_level="ERROR")
        stack.callback(engine.shutdown)
        task = engine.remote(work)
        before = int(engine.cluster_resources()["CPU"])

        def slots() -> int:
            return int(engine.cluster_resources()["CPU"])

        def setting(count: Callable[[], int]) -> Callable[[], None]:
            def run() -> None:
                wanted = count()
                list(adapter.set_slots(None, {engine.nodes()[0]["NodeID"]: wanted}, timeout=10))
                while slots() != wanted:
                    time.sleep(0.05)
                engine.get([task.remote(number) for number in range(TASKS)])

            return run

        def count() -> int:
            (node,) = adapter.ask(None, pressure=None, timeout=60, progress=lambda text: None)
            assert node.estimate is not None, node.reason
            return int(node.estimate["parallelism"])

        yield {
            "default": (group, setting(lambda: before), slots),
            "kumo": (group, setting(count), slots),
        }


@contextmanager
def mpi(place: Path) -> Iterator[Arms]:
    """Jobs of mpirun: with its own number of ranks, and with that of kumo's hostfile."""
    os.environ.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    with ExitStack() as stack:
        arms: Arms = {}
        for arm in ("default", "kumo"):
            group = Group(f"mpi-{arm}")
            stack.callback(group.close)
            group.set(1.0)
            state: dict[str, Any] = {"quota": None, "ranks": 0}

            def run(group: Group = group, state: dict[str, Any] = state, arm: str = arm) -> None:
                options: list[Any] = ["--bind-to", "none"]
                if arm == "kumo":
                    hosts = place / "hosts"
                    quota = (group.path / "cpu.cfs_quota_us").read_text()
                    if quota != state["quota"]:  # by the first job, which is not timed
                        asking = group.start(
                            sys.executable, "-m", "kumo", "fleet", "mpi", "--hostfile",
                            stdout=subprocess.PIPE,
                        )  # fmt: skip
                        hosts.write_text(asking.communicate()[0])
                        state["quota"] = quota
                    options += ["--hostfile", hosts]
                job = group.start(
                    "mpirun", *options, sys.executable, "-c", RANK, TASKS, stdout=subprocess.PIPE
                )
                state["ranks"] = job.communicate()[0].count("rank")
                assert job.returncode == 0

            def slots(state: dict[str, Any] = state) -> int:
                return int(state["ranks"])

            arms[arm] = group, run, slots
        yield arms


ENGINES = {"dask": dask, "celery": celery, "ray": ray, "mpi": mpi}


def version_of(engine: str) -> str:
    """The name and the version of what is measured."""
    if engine == "mpi":
        shown = subprocess.run(["mpirun", "--version"], capture_output=True, text=True, check=True)
        return f"Open MPI {shown.stdout.split()[3]}"
    return f"{engine} {version({'dask': 'distributed'}.get(engine, engine))}"
