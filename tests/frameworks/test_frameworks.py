"""gevent, eventlet, gunicorn, uvicorn, uWSGI, Celery and Jupyter, run for real.

What is not installed is skipped: `pip install gevent eventlet gunicorn uvicorn celery uwsgi
nbclient ipykernel`, as .ci/run does.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from conftest import skip_real

pytestmark = [
    pytest.mark.programs,
    pytest.mark.skipif(sys.platform != "linux", reason="servers fork as they do on Linux"),
]

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
MOMENT = 120


def needs(*modules: str) -> None:
    for module in modules:
        if importlib.util.find_spec(module) is None:
            skip_real(f"{module} is not installed")


def environment() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("KUMO", "PYTEST", "LOKY"))}
    return kept | {"PYTHONPATH": str(HERE), "PATH": f"{BIN}:{kept.get('PATH', os.defpath)}"}


Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a server in a session of its own, which is ended whatever happens."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(*command: str) -> subprocess.Popen[bytes]:
        with (tmp_path / "log").open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=tmp_path,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        started.append(process)
        return process

    yield begin
    for process in started:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def ask(port: int, server: subprocess.Popen[bytes], log: Path, page: str = "") -> dict[str, object]:
    end = time.monotonic() + MOMENT
    while True:
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{port}/{page}", timeout=MOMENT
            ) as answer:
                reply: dict[str, object] = json.load(answer)
                return reply
        except urllib.error.HTTPError:
            pytest.fail(log.read_text(errors="replace"))
        except (urllib.error.URLError, ConnectionError):
            text = log.read_text(errors="replace")
            assert server.poll() is None, text
            assert time.monotonic() < end, text
            assert not has_ours(text), text
            time.sleep(0.1)


def wait_until(look: Callable[[], object], wanted: object) -> None:
    end = time.monotonic() + MOMENT
    while look() != wanted:
        assert time.monotonic() < end, "it has not come about"
        time.sleep(0.02)


def end_well(server: subprocess.Popen[bytes], how: int, log: Path) -> None:
    """End the server as its users do; it has written no traceback of kumo's."""
    server.send_signal(how)
    server.wait(MOMENT)
    text = log.read_text(errors="replace")
    assert not has_ours(text), text


def has_ours(text: str) -> bool:
    """Whether there is a traceback through kumo: gevent has some of its own at a fork."""
    return "Traceback" in text and "/kumo/_" in text


# --- gevent and eventlet


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("library", ["gevent", "eventlet"])
def test_patched_before_and_after_the_import(library: str, when: str) -> None:
    needs(library)
    ran = subprocess.run(
        [sys.executable, str(HERE / "patched.py"), library, when],
        capture_output=True,
        text=True,
        timeout=MOMENT,
        check=False,
        env=environment(),
    )
    assert ran.returncode == 0, ran.stderr
    results = json.loads(ran.stdout)
    assert results.pop("count") >= 1
    assert results == {
        "switched by a call": 0,
        "switched by a size": 0,
        "switched by a wait": True,
        "iteration": [1],
        "budget": {"a": 1, "b": 1},
        "follow": "1",
        "process": 8,
        "child": 0,
    }


# --- servers


@pytest.mark.parametrize("preload", [False, True], ids=["each worker loads", "preload"])
@pytest.mark.parametrize("worker", ["sync", "gthread", "gevent", "eventlet"])
def test_gunicorn(start: Start, tmp_path: Path, worker: str, preload: bool) -> None:
    needs("gunicorn")
    if worker == "eventlet" and importlib.util.find_spec("gunicorn.workers.geventlet") is None:
        pytest.skip("gunicorn has no eventlet workers any more, from 26 on")
    if worker in ("gevent", "eventlet"):
        needs(worker)
    port = free_port()
    options = ["--preload"] if preload else []
    if worker == "gthread":
        options += ["--threads", "4"]
    server = start(
        *(sys.executable, "-m", "gunicorn", "--workers", "2", "--timeout", str(MOMENT)),
        *("--worker-class", worker, "--bind", f"127.0.0.1:{port}", *options, "probe:wsgi"),
    )
    for _ in range(4):
        assert ask(port, server, tmp_path / "log")["forked"] == preload
    end_well(server, signal.SIGTERM, tmp_path / "log")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_uvicorn(start: Start, tmp_path: Path, workers: str) -> None:
    needs("uvicorn")
    port = free_port()
    server = start(
        *(sys.executable, "-m", "uvicorn", "--workers", workers, "--port", str(port)),
        "probe:asgi",
    )
    for _ in range(2):
        assert ask(port, server, tmp_path / "log")["count"]
    end_well(server, signal.SIGTERM, tmp_path / "log")


@pytest.mark.parametrize(
    ("application", "loop"),
    [
        ("make_starlette", "asyncio"),
        ("make_starlette", "uvloop"),
        ("django_executor", "asyncio"),
        ("django_limiter", "asyncio"),
    ],
)
def test_threads_of_a_web_application_follow(
    start: Start, tmp_path: Path, application: str, loop: str
) -> None:
    """So many pages work at once as the parallelism allows, also after it has changed."""
    library = "starlette" if application == "make_starlette" else "django"
    needs("uvicorn", library, *(["uvloop"] if loop == "uvloop" else []))
    port = free_port()
    server = start(
        *(sys.executable, "-m", "uvicorn", "--port", str(port), "--loop", loop),
        *("--factory", f"limited:{application}"),
    )
    log = tmp_path / "log"
    get = partial(ask, port, server, log)
    get("state")
    for count in (2, 1, 3):
        get(f"count/{count}")
        wait_until(lambda: get("state")["may"], count)
        with ThreadPoolExecutor(5) as clients:
            pages = [clients.submit(get, "work") for _ in range(5)]
            wait_until(lambda: get("state")["active"], count)
            get("go")
            for page in pages:
                page.result()
        assert get("state") == {"active": 0, "most": count, "may": count}
    end_well(server, signal.SIGINT, log)


@pytest.mark.parametrize("options", [(), ("--lazy-apps",), ("--threads", "4")])
def test_uwsgi(start: Start, tmp_path: Path, options: tuple[str, ...]) -> None:
    program = shutil.which("uwsgi", path=str(BIN))
    if program is None:
        skip_real("uwsgi is not installed")
    port = free_port()
    server = start(
        *(program, "--http-socket", f"127.0.0.1:{port}", "--master", "--processes", "2"),
        *("--enable-threads", "--need-app", "--die-on-term", "--virtualenv", str(BIN.parent)),
        *("--pythonpath", str(HERE), "--module", "probe:wsgi", *options),
    )
    for _ in range(2):
        assert ask(port, server, tmp_path / "log")["forked"] == (options != ("--lazy-apps",))
    # The master forks in C: a thread of kumo's there might have the global lock at that moment.
    assert len(os.listdir(f"/proc/{server.pid}/task")) == 1
    end_well(server, signal.SIGTERM, tmp_path / "log")


# --- Celery

CELERY = """
import probe
from celery import Celery

app = Celery("app")
app.conf.update(
    broker_url="filesystem://",
    broker_transport_options={{
        "data_folder_in": "{folder}", "data_folder_out": "{folder}", "control_folder": "{folder}",
    }},
    result_backend="file://{results}",
)

@app.task(name="probe")
def task():
    return probe.probe()
"""


@pytest.mark.parametrize("pool", ["prefork", "threads", "gevent"])
def test_celery(start: Start, tmp_path: Path, pool: str) -> None:
    needs("celery", *(["gevent"] if pool == "gevent" else []))
    folder, results = tmp_path / "queue", tmp_path / "results"
    folder.mkdir()
    results.mkdir()
    (tmp_path / "app.py").write_text(CELERY.format(folder=folder, results=results))
    worker = start(
        *(sys.executable, "-m", "celery", "-A", "app", "worker", "--pool", pool),
        *("--concurrency", "2", "--without-gossip", "--without-mingle", "--without-heartbeat"),
    )
    asked = subprocess.run(
        [
            *(sys.executable, "-c"),
            f"import app; print(app.task.delay().get(timeout={MOMENT}))",
        ],
        cwd=tmp_path,
        env=environment() | {"PYTHONPATH": f"{HERE}:{tmp_path}"},
        capture_output=True,
        text=True,
        timeout=MOMENT + 30,
        check=False,
    )
    text = (tmp_path / "log").read_text(errors="replace")
    assert asked.returncode == 0, asked.stderr + text
    assert f"'forked': {pool == 'prefork'}" in asked.stdout
    end_well(worker, signal.SIGTERM, tmp_path / "log")


# --- Jupyter

NOTEBOOK = """
import nbformat, sys
from nbclient import NotebookClient
cells = [
    "import probe; probe.probe()['count']",
    "probe.probe()['count'] == __import__('kumo').available_parallelism()",
    '''
import asyncio, kumo
watch = kumo.watch(interval=0.02, settle=0)
async def see():
    import os
    os.environ["KUMO_AVAILABLE_PARALLELISM"] = "3"
    return (await anext(watch)).new.parallelism
await see()
''',
]
notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
print(*(cell.outputs[-1]["data"]["text/plain"] for cell in notebook.cells))
"""


def test_jupyter(tmp_path: Path) -> None:
    needs("nbclient", "ipykernel")
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", NOTEBOOK],
        cwd=tmp_path,
        env=environment() | {"PYDEVD_DISABLE_FILE_VALIDATION": "1"},
        capture_output=True,
        text=True,
        timeout=MOMENT,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split()[1:] == ["True", "3"]
