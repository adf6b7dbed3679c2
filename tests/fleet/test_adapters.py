"""The adapters of Dask, Ray and Celery on stand-ins; tests/engines has the real engines."""

from __future__ import annotations

import asyncio
import os
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from fleet.nodes import node, online, quota
from kumo._errors import InputError
from kumo._fleet import celery, dask, ray
from kumo._fleet.gather import gather
from kumo._fleet.node import report_node
from kumo._fleet.portable import node_program, portable, run_program
from kumo._fleet.setting import wanted_slots


def quiet(text: str) -> None:
    """What takes the progress."""


def test_the_program_of_a_node_runs_by_itself() -> None:
    assert '"explain": {' in run_program(node_program(), None)
    assert portable(run_program).__module__ not in sys.modules


@pytest.mark.parametrize("engine", ["dask", "ray", "celery"])
def test_an_engine_that_is_not_installed_is_one_clear_line(
    engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("dask", "distributed", "ray", "celery", "celery.app.utils"):
        monkeypatch.setitem(sys.modules, name, None)

    with pytest.raises(RuntimeError, match=f"^{engine}: .*cannot be imported here"):
        gather(engine, "somewhere")


# --- Dask


class FakeClient:
    """A client whose workers answer, hang, are gone, or fail."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers

    async def run_on_scheduler(self, function: Any) -> dict[str, tuple[str, int]]:
        workers = {address: SimpleNamespace(name=address, nthreads=4) for address in self.answers}
        members: dict[str, tuple[str, int]] = function(SimpleNamespace(workers=workers))
        return members

    async def run(self, function: Any, *given: Any, workers: list[str]) -> dict[str, Any]:
        (address,) = workers
        answer = self.answers[address]
        if answer == "hangs":
            await asyncio.Event().wait()
        if answer == "answers":
            return {address: await function(*given)}
        if isinstance(answer, Exception):
            raise answer
        return {} if answer is None else {address: answer}


def test_each_dask_worker_is_asked_on_its_own() -> None:
    answers: dict[str, Any] = {
        "tcp://10.0.0.1:1": "answers",
        "tcp://10.0.0.2:1": "hangs",
        "tcp://10.0.0.3:1": None,
        "tcp://10.0.0.4:1": ValueError("no module"),
        "tcp://10.0.0.5:1": OSError("the scheduler has gone"),
        "tcp://10.0.0.6:1": "no report",
    }

    nodes = asyncio.run(dask._ask_all(FakeClient(answers), None, 0.5, quiet))

    reasons = {one.workers[0]: one.reason for one in nodes}
    assert [reason and reason[:30] for reason in map(reasons.get, answers)] == [
        None,
        "no answer in 0.5 seconds",
        "it has gone",
        "ValueError: no module",
        "OSError: the scheduler has gon",
        "its answer is not JSON: 'no re",
    ]
    assert {one.slots for one in nodes} == {4}


# --- Ray


class FakeRay:
    """Ray with a node that answers, one that hangs and one that dies."""

    __version__ = "2.60.0"

    def __init__(self, call: Any = None) -> None:
        names = ("a", "hangs", "dies", "left")
        self.alive = [
            {"NodeID": name, "Alive": name != "left", "NodeManagerHostname": name,
             "Resources": {"CPU": 2.0}} for name in names
        ]  # fmt: skip
        self.cancelled: list[str] = []
        client = SimpleNamespace(**({} if call is None else {ray.RESIZE: call}))
        self.now: dict[str, dict[str, float]] = {"a": {"CPU": 1.0}, "hangs": {}}
        self.pending: dict[str, list[dict[str, float]]] = {}  # what the next looks show
        self._private = SimpleNamespace(
            state=SimpleNamespace(total_resources_per_node=self._shown),
            worker=SimpleNamespace(global_worker=SimpleNamespace(gcs_client=client)),
        )

    def _shown(self) -> dict[str, dict[str, float]]:
        for name, looks in self.pending.items():
            if looks:
                self.now[name] = looks.pop(0)
        return self.now

    def is_initialized(self) -> bool:
        return True

    def nodes(self) -> list[dict[str, Any]]:
        return self.alive

    def remote(self, **options: Any) -> Any:
        assert options["num_cpus"] == 0
        return lambda function: self

    def options(self, scheduling_strategy: str) -> Any:
        return SimpleNamespace(remote=lambda *given: scheduling_strategy)

    def wait(self, tasks: list[str], num_returns: int, timeout: float) -> Any:
        return [task for task in tasks if task != "hangs"], ["hangs"]

    def get(self, task: str) -> str:
        if task == "dies":
            raise OSError("the node has died")
        return report_node()

    def cancel(self, task: str, force: bool) -> None:
        self.cancelled.append(task)


@pytest.fixture
def fake_ray(monkeypatch: pytest.MonkeyPatch) -> FakeRay:
    fake = FakeRay()
    strategies = ModuleType("ray.util.scheduling_strategies")
    strategies.NodeAffinitySchedulingStrategy = (  # type: ignore[attr-defined]  # the module is made here
        lambda node, soft: node
    )
    monkeypatch.setitem(sys.modules, "ray", fake)
    monkeypatch.setitem(sys.modules, "ray.util", ModuleType("ray.util"))
    monkeypatch.setitem(sys.modules, strategies.__name__, strategies)
    return fake


def test_each_ray_node_has_one_task(fake_ray: FakeRay) -> None:
    nodes = {
        node.host if node.reason else "a": node
        for node in ray.ask(None, pressure=None, timeout=3, progress=quiet)
    }

    assert set(nodes) == {"a", "hangs", "dies"}
    assert [nodes[name].slots for name in ("a", "hangs", "dies")] == [1, 0, 2]
    assert nodes["a"].estimate is not None
    assert nodes["hangs"].reason == "no answer in 3 seconds"
    assert nodes["dies"].reason == "OSError: the node has died"
    assert fake_ray.cancelled == ["hangs"]


def test_ray_is_resized_by_the_call_that_the_autoscaler_uses() -> None:
    calls = []

    def resize(node_id: str, resources: dict[str, float], timeout_s: float | None = None) -> None:
        calls.append((node_id, resources))
        if node_id == "b":
            raise OSError("gone")
        fake.pending[node_id] = [fake.now[node_id], fake.now[node_id], resources]

    fake: Any = FakeRay(resize)
    fake.now["late"] = {"CPU": 2.0}
    assert ray.resize_call(fake) is resize
    sys_ray = sys.modules.get("ray")
    sys.modules["ray"] = fake
    try:
        done = dict(ray.set_slots(None, {"a": 3, "b": 2}, timeout=30))
        late = dict(ray.set_slots(None, {"late": 1}, timeout=0))
    finally:
        sys.modules.pop("ray")
        if sys_ray is not None:
            sys.modules["ray"] = sys_ray

    assert calls[:2] == [("a", {"CPU": 3.0}), ("b", {"CPU": 2.0})]
    assert done == {"a": "set", "b": "failed: OSError: gone"}
    assert fake.now["a"] == {"CPU": 3.0}  # not before the cluster shows it
    assert late == {"late": "failed: the cluster shows 2 after 0 seconds"}


def test_a_ray_without_the_call_is_left_alone() -> None:
    with pytest.raises(InputError, match=r"ray 2\.60\.0 has no resize_raylet_resource_instances"):
        ray.resize_call(FakeRay())
    with pytest.raises(InputError, match="with other parameters than kumo knows: nodes"):
        ray.resize_call(FakeRay(lambda nodes: None))


def test_a_ray_that_does_not_listen_is_reported_at_once() -> None:
    with pytest.raises(InputError, match=r"no cluster at 127\.0\.0\.1:9: "):
        ray._check_reachable("127.0.0.1:9")
    with pytest.raises(InputError, match=r"no cluster at a\.\.b:1: "):
        ray._check_reachable("a..b:1")
    for other in (None, "auto", "ray://host:10001", "host", "host:" + "9" * 5000):
        ray._check_reachable(other)


def test_a_ray_with_a_token_says_which_variable_it_needs(
    fake_ray: FakeRay, monkeypatch: pytest.MonkeyPatch
) -> None:
    def init(**options: Any) -> None:
        raise ConnectionError("Failed to connect to Ray cluster")

    fake_ray.is_initialized = lambda: False  # type: ignore[method-assign]  # a method is replaced
    fake_ray.init = init  # type: ignore[attr-defined]  # FakeRay has none
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    with pytest.raises(InputError, match=r"Ray cluster; .* set RAY_AUTH_MODE=token"):
        list(ray.ask("auto", pressure=None, timeout=3, progress=quiet))

    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    with pytest.raises(InputError, match=r"Ray cluster$"):
        list(ray.ask("auto", pressure=None, timeout=3, progress=quiet))


# --- Celery


class FakeControl:
    def __init__(self, replies: dict[str, Any]) -> None:
        self.replies = replies

    def broadcast(self, command: str, **given: Any) -> list[dict[str, Any]]:
        if command == "stats":
            assert given["destination"] is None
            return [{name: {"pool": {"max-concurrency": 4}}} for name in self.replies]
        assert given["limit"] == len(given["destination"])
        replies = []
        for name in given["destination"]:
            reply = self.replies[name]
            reply = reply.pop(0) if isinstance(reply, list) else reply
            if reply is not None:
                replies.append({name: reply})
        return replies


def test_each_celery_worker_that_is_there_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    report = {"slots": 2, "report": report_node()}
    control = FakeControl(
        {
            "w@a": report,
            "w@late": None,
            "w@old": {"error": "No such command: KeyError('kumo_node')"},
            "w@broken": {"error": "OSError('x')"},
        }
    )
    monkeypatch.setattr(celery, "_app", lambda target: SimpleNamespace(control=control))

    nodes = {
        node.workers[0]: node
        for node in celery.ask("app", pressure=None, timeout=3, progress=quiet)
    }

    assert (nodes["w@a"].slots, nodes["w@a"].reason) == (2, None)
    assert {name: node.reason for name, node in nodes.items() if node.reason} == {
        "w@late": "no answer in 3 seconds",
        "w@old": "its app does not call kumo.celery.setup(app)",
        "w@broken": "OSError('x')",
    }
    assert nodes["w@old"].slots == 4


def test_celery_workers_watch_the_pressure_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    watching = {"slots": 2, "report": None}
    done = {"slots": 2, "report": report_node()}
    control = FakeControl({"w@a": [watching, watching, done]})
    monkeypatch.setattr(celery, "_app", lambda target: SimpleNamespace(control=control))

    (node,) = celery.ask("app", pressure=0.01, timeout=30, progress=quiet)

    assert node.reason is None


def test_a_broker_that_is_not_there_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*given: Any, **more: Any) -> None:
        raise OSError("Connection refused")

    app = SimpleNamespace(control=SimpleNamespace(broadcast=refuse))
    monkeypatch.setattr(celery, "_app", lambda target: app)

    with pytest.raises(RuntimeError, match="celery: the broker does not answer: OSError: Conn"):
        gather("celery", "app", timeout=1)


# --- the slots that they should have


def test_the_slots_that_nodes_should_have() -> None:
    from kumo._fleet.groups import places

    nodes = [
        node(4, quota(2, "/a"), online(8), workers=("a",)),
        node(6, quota(3, "/b"), online(8), workers=("b1",), host="b"),
        node(2, quota(3, "/b"), online(8), workers=("b2",), host="b"),
        node(8, online(8), workers=("c",), host="c"),
        node(0, online(8), workers=("d",), host="d"),
        node(2, online(8), workers=("e",), host="e"),
    ]

    wanted = {name: count for name, (_, count) in wanted_slots(places(nodes)).items()}

    assert wanted == {"a": 2, "b1": 2, "b2": 1, "e": 8}


def test_the_command_sets_what_its_dry_run_shows(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from kumo._command.main import main

    done: list[dict[str, int]] = []
    nodes = [
        node(4, quota(2), online(8), workers=("n1",)),
        node(8, online(8), host="b", workers=("n2",)),
    ]

    def set_slots(target: Any, wanted: dict[str, int], *, timeout: float) -> Any:
        done.append(wanted)
        return [("n1", "failed: gone" if len(done) > 1 else "set")]

    monkeypatch.setattr(ray, "ask", lambda target, **given: nodes)
    monkeypatch.setattr(ray, "set_slots", set_slots)

    assert main(["fleet", "ray", "--set", "--dry-run"]) == 0
    assert capsys.readouterr().out == "a  n1  4 -> 2  would be set\n"
    assert main(["fleet", "ray", "--set"]) == 0
    assert capsys.readouterr().out == "a  n1  4 -> 2  set\n"
    assert main(["fleet", "ray", "--set"]) == 1
    assert done == [{"n1": 2}] * 2
    capsys.readouterr()
    del nodes[0]
    assert main(["fleet", "ray", "--set"]) == 0
    assert "nothing to set" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words", ["ray --dry-run", "ray --set --json", "ray,dask --set", "dask --set tcp://a:1"]
)
def test_a_set_that_means_nothing_is_refused(
    words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from kumo._command.main import main

    assert main(["fleet", *words.split()]) == 2
    assert capsys.readouterr().err.count("\n") == 1


# --- how each is reached


def module(monkeypatch: pytest.MonkeyPatch, name: str, **contents: Any) -> None:
    """Let *name* be a module with these contents."""
    made = ModuleType(name)
    made.__dict__.update(contents)
    monkeypatch.setitem(sys.modules, name, made)


class FakeScheduler:
    """`distributed.Client`, which takes an address or a file, and one of them refuses."""

    def __init__(self, timeout: float, set_as_default: bool, name: str, **place: str) -> None:
        if place == {"address": "tcp://gone:1"}:
            raise OSError("Timed out\n  after 3 s")
        self.place = place

    def __enter__(self) -> FakeScheduler:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def sync(self, function: Any, *given: Any) -> list[Any]:
        return [self.place]


@pytest.mark.parametrize(
    ("target", "configured", "place"),
    [
        ("tcp://a:1", None, {"address": "tcp://a:1"}),
        (None, "tcp://b:1", {"address": "tcp://b:1"}),
        (__file__, "tcp://b:1", {"scheduler_file": __file__}),
        ("tcp://gone:1", None, "dask: no scheduler answers at 'tcp://gone:1': Timed out after 3 s"),
        (None, None, "dask: give the scheduler's address, such as tcp://host:8786"),
    ],
)
def test_the_scheduler_of_dask(
    monkeypatch: pytest.MonkeyPatch, target: str | None, configured: str | None, place: Any
) -> None:
    config = SimpleNamespace(get=lambda name, default: configured)
    module(monkeypatch, "dask", config=config)
    module(monkeypatch, "distributed", Client=FakeScheduler)
    module(monkeypatch, "distributed.comm", get_address_host_port=quiet)

    try:
        reached: object = dask.ask(target, pressure=None, timeout=3, progress=quiet)
    except InputError as error:
        reached = str(error)

    assert reached == (place if isinstance(place, str) else [place])


@pytest.mark.parametrize(
    ("target", "variable", "found"),
    [
        ("proj", None, "app of proj"),
        (None, "other", "app of other"),
        (None, None, "celery: give the module of the app, as for celery -A"),
        ("broken", None, "celery: there is no app 'broken': ZeroDivisionError: division by zero"),
    ],
)
def test_the_app_of_celery(
    monkeypatch: pytest.MonkeyPatch, target: str | None, variable: str | None, found: str
) -> None:
    def find_app(name: str) -> str:
        assert sys.path[0] == os.getcwd()
        monkeypatch.chdir("/")  # as a user's module may do
        return f"app of {name}" if name != "broken" else str(1 / 0)

    for name in ("celery", "celery.app"):
        module(monkeypatch, name)
    module(monkeypatch, "celery.app.utils", find_app=find_app)
    monkeypatch.delenv("CELERY_APP", raising=False)
    if variable is not None:
        monkeypatch.setenv("CELERY_APP", variable)
    before = list(sys.path)

    try:
        app = celery._app(target)
    except InputError as error:
        app = str(error)

    assert app == found
    assert sys.path == before


def test_without_workers_none_is_asked() -> None:
    assert celery._broadcast(None, "kumo", 1.0, []) == []


class FakeRayOfOthers(FakeRay):
    """Ray that is not connected yet, to clusters of which one answers."""

    is_connected = False

    def is_initialized(self) -> bool:
        return False

    def init(self, address: str, log_to_driver: bool, logging_level: str) -> None:
        if address == "ray://gone":
            raise RuntimeError("Could not\nconnect")
        self.is_connected = True

    def shutdown(self) -> None:
        self.is_connected = False


def test_a_connection_to_ray_ends_with_its_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", fake := FakeRayOfOthers())

    with ray._Cluster(None) as cluster:
        assert cluster is fake
        assert fake.is_connected
    assert not fake.is_connected
    with pytest.raises(InputError, match=r"^ray: no cluster at ray://gone: Could not connect"):
        ray._Cluster("ray://gone")
