"""The examples of docs/guides, read from there and run with the programs themselves."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from conftest import skip_real
from real.conftest import MakeGroup
from real.host import JOIN, Group, needs_two_cpus

import kumo
from programs.programs import CACHE, SOURCES, TIMEOUT, environment, most_at_once

pytestmark = pytest.mark.programs

DOCS = Path(__file__).resolve().parents[2] / "docs"
EXAMPLES = DOCS / "examples"
APP = "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'']\n"


def examples(title: str, language: str) -> list[str]:
    """The fenced blocks of *language* below the heading *title*."""
    pages = "\n".join(page.read_text("utf-8") for page in sorted((DOCS / "guides").glob("*.md")))
    part = re.split(r"\n##? ", pages.partition(f"\n## {title}\n")[2], maxsplit=1)[0]
    blocks = re.findall(rf"```{language}\n(.*?)```", part, re.DOTALL)
    assert blocks, f"no page of docs/guides has {language} below {title}"
    return blocks


def surroundings() -> dict[str, str]:
    """The environment of the programs, in which kumo can be called and imported."""
    env = environment()
    binaries = os.pathsep.join((str(CACHE / "venv" / "bin"), str(Path(sys.executable).parent)))
    return env | {
        "PATH": f"{binaries}{os.pathsep}{env['PATH']}",
        "PYTHONPATH": str(Path(kumo.__file__).parents[1]),
    }


def run(command: Sequence[str], work: Path, group: Group | None = None) -> str:
    """Run *command* in *work*, and in *group*; return its output."""
    prefix = ["sh", "-c", JOIN, "sh", str(group.path), "--"] if group else []
    done = subprocess.run(
        [*prefix, *command],
        cwd=work,
        env=surroundings(),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def needs_program(name: str) -> None:
    if shutil.which(name, path=surroundings()["PATH"]) is None:
        skip_real(f"{name} is not installed: tests/programs/install.sh brings it")


def has_package(name: str, python: str = "python") -> bool:
    command = [python, "-c", f"import {name}"]
    return not subprocess.run(
        command, env=surroundings(), capture_output=True, check=False
    ).returncode


def needs_package(name: str) -> None:
    if not has_package(name):
        skip_real(f"{name} is not installed: tests/programs/install.sh brings it")


@contextlib.contextmanager
def started(
    command: Sequence[str], work: Path, env: Mapping[str, str]
) -> Iterator[subprocess.Popen[str]]:
    """Start a server in a process group of its own, which is ended in the end."""
    with subprocess.Popen(
        command, cwd=work, env=env, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as server:
        try:
            yield server
        finally:
            os.killpg(server.pid, signal.SIGTERM)


# --- pytest-xdist; tests/test_pytest_plugin.py has the rest


def test_pytest_xdist(make_group: MakeGroup, tmp_path: Path) -> None:
    command = examples("pytest-xdist", "sh")[-1].split()
    assert command[0] == "pytest"
    (tmp_path / "test_one.py").write_text("def test_one(): pass\n")
    python = [sys.executable, "-m"]  # kumo's own: the programs' has no kumo installed

    inside = run([*python, *command], tmp_path, make_group(cpus=1.0))

    assert "created: 1/1 worker" in inside
    assert f"created: {len(needs_two_cpus())}/" in run([*python, *command], tmp_path)


# --- gunicorn


def test_gunicorn_config(make_group: MakeGroup, tmp_path: Path) -> None:
    needs_program("gunicorn")
    (tmp_path / "gunicorn.conf.py").write_text(examples("gunicorn", "python")[0])
    (tmp_path / "app.py").write_text(APP)

    shown = run(["gunicorn", "--print-config", "app:app"], tmp_path, make_group(cpus=1.0))

    assert re.search(r"^workers += 1$", shown, re.MULTILINE)


def test_gunicorn_starts_as_many_workers(tmp_path: Path) -> None:
    needs_program("gunicorn")
    cpus = len(needs_two_cpus())
    (tmp_path / "gunicorn.conf.py").write_text(examples("gunicorn", "python")[0])
    (tmp_path / "app.py").write_text(APP)
    command = ["gunicorn", "--bind", "127.0.0.1:0", "app:app"]

    with started(command, tmp_path, surroundings()) as server:
        assert server.stderr is not None
        booted = 0
        for line in server.stderr:
            booted += "Booting worker" in line
            if booted == cpus:
                break
        os.kill(server.pid, signal.SIGTERM)
        booted += sum("Booting worker" in line for line in server.stderr)

    assert booted == cpus


# --- joblib and loky


def test_joblib(make_group: MakeGroup, tmp_path: Path) -> None:
    needs_package("joblib")
    ask = "import joblib; print(joblib.cpu_count(), joblib.effective_n_jobs(-1))"
    told = examples("joblib and loky", "python")[0] + ask
    group = make_group(cpus=1.0)
    cpus = len(needs_two_cpus())

    assert run(["python", "-c", ask], tmp_path, group).split() == [str(cpus)] * 2
    assert run(["python", "-c", told], tmp_path, group).split() == ["1", "1"]


# --- dask


def test_dask_worker(make_group: MakeGroup, tmp_path: Path) -> None:
    needs_package("distributed")
    lines = "".join(examples("Dask", "sh")).splitlines()
    (line,) = [line for line in lines if "--nworkers" in line]
    where = tmp_path / "scheduler.json"
    line = line.strip().replace("tcp://127.0.0.1:8786", f"--scheduler-file {where}")
    ask = (
        "import json, sys\n"
        "from distributed import Client\n"
        f"with Client(scheduler_file={str(where)!r}) as client:\n"
        "    client.wait_for_workers(1)\n"
        "    threads = client.nthreads()\n"
        "    client.shutdown()\n"
        "print(json.dumps(list(threads.values())))\n"
    )
    script = (
        f"dask scheduler --port 0 --no-dashboard --host 127.0.0.1 --scheduler-file {where} &\n"
        f"until [ -s {where} ]; do sleep 0.1; done\n"
        f"timeout {TIMEOUT} {line} & python ask.py; wait"
    )
    (tmp_path / "ask.py").write_text(ask)

    told = run(["sh", "-c", script], tmp_path, make_group(cpus=1.0))

    assert json.loads(told.splitlines()[-1]) == [1]


@pytest.mark.parametrize("limited", [True, False], ids=["limited", "free"])
def test_dask_cluster(make_group: MakeGroup, tmp_path: Path, limited: bool) -> None:
    needs_package("distributed")
    (tmp_path / "cluster.py").write_text(examples("Dask", "python")[0])
    group = make_group(cpus=1.0) if limited else None

    workers = int(run(["python", "cluster.py"], tmp_path, group))

    assert workers == (1 if limited else len(needs_two_cpus()))


# --- PyTorch


def test_pytorch(make_group: MakeGroup, tmp_path: Path) -> None:
    if not has_package("torch", "/usr/bin/python3"):
        pytest.skip("PyTorch takes too much to bring for a test; the benchmark brings it")
    code = examples("PyTorch", "python")[0]
    code += "print(torch.get_num_threads(), loader.num_workers, sum(map(len, loader)))\n"
    cpus = len(needs_two_cpus())

    free = run(["/usr/bin/python3", "-c", code], tmp_path)
    limited = run(["/usr/bin/python3", "-c", code], tmp_path, make_group(cpus=1.0))

    assert free.split() == [str(cpus - cpus // 2), str(cpus // 2), "100"]
    assert limited.split() == ["1", "0", "100"]


# --- GNU make and ninja


def write_makefile(work: Path) -> None:
    jobs = "1 2 3 4"
    (work / "Makefile").write_text(f"all: {jobs}\n{jobs}:\n\t@python3 {SOURCES / 'job.py'}\n")


@pytest.mark.parametrize("place", [0, 2], ids=["make", "make below kumo run"])
def test_make(make_group: MakeGroup, tmp_path: Path, place: int) -> None:
    needs_program("make")
    write_makefile(tmp_path)
    line = examples("GNU make and ninja", "sh")[place]
    cpus = len(needs_two_cpus())

    assert most_at_once(run(["sh", "-c", line], tmp_path, make_group(cpus=1.0))) == 1
    assert most_at_once(run(["sh", "-c", line], tmp_path)) == min(cpus, 4)


def test_ninja(make_group: MakeGroup, tmp_path: Path) -> None:
    needs_program("ninja")
    for name in ("build.ninja", "job.py"):
        shutil.copy(SOURCES / name, tmp_path)
    line = examples("GNU make and ninja", "sh")[1]
    group = make_group(cpus=1.0)

    assert most_at_once(run(["ninja"], tmp_path, group)) == 2
    assert most_at_once(run(["sh", "-c", line], tmp_path, group)) == 1


# --- Docker and Kubernetes


def instructions() -> dict[str, list[str]]:
    """The Dockerfile's last ENTRYPOINT and CMD, which are JSON arrays."""
    code = (
        "import json, sys; from dockerfile_parse import DockerfileParser\n"
        "print(json.dumps(DockerfileParser(fileobj=open(sys.argv[1], 'rb')).structure))"
    )
    told = run(["python", "-c", code, str(EXAMPLES / "Dockerfile")], EXAMPLES)
    return {
        each["instruction"]: json.loads(each["value"])
        for each in json.loads(told)
        if each["instruction"] in ("ENTRYPOINT", "CMD")
    }


def test_dockerfile(make_group: MakeGroup) -> None:
    needs_package("dockerfile_parse")
    shown, *_ = examples("Docker", "dockerfile")
    steps = instructions()

    counted = run([*steps["ENTRYPOINT"], *steps["CMD"]], EXAMPLES, make_group(cpus=1.0))

    assert shown in (EXAMPLES / "Dockerfile").read_text()
    assert counted == "1\n"


def test_kubernetes_manifest(make_group: MakeGroup) -> None:
    needs_program("kubernetes-validate")
    (shown,) = examples("Kubernetes", "yaml")
    manifest = EXAMPLES / "deployment.yaml"
    code = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))"

    run(["kubernetes-validate", "--strict", str(manifest)], EXAMPLES)
    documents = json.loads(run(["python", "-c", code, str(manifest)], EXAMPLES))
    (container,) = documents["spec"]["template"]["spec"]["containers"]
    command = [*container["command"], *container["args"]]

    assert all(line in manifest.read_text() for line in shown.splitlines())
    assert run(command, EXAMPLES, make_group(cpus=1.0)) == "1\n"


def test_sidecar_manifest() -> None:
    needs_program("kubernetes-validate")
    run(["kubernetes-validate", "--strict", str(EXAMPLES / "sidecar.yaml")], EXAMPLES)


# A pod with shareProcessNamespace: its containers have their own mounts and cgroups and the same
# processes, and end with its first one. $1 and $2 are the containers' cgroups, $3 the folder with
# app-server, $4 the sidecar's script.
POD = """
container() {
    echo 0 > "$1/cgroup.procs"
    exec unshare -C -m sh -c 'umount -l "$0" && mount -t cgroup -o cpu none "$0" &&
        shift && exec "$@"' "${1%/*}" "$@"
}
(container "$1" "$3/app-server") &
(container "$2" /bin/sh -c "$4")
"""
APP_SERVER = f"""#!{sys.executable}
import signal
signal.signal(signal.SIGHUP, lambda *_: print("resized", flush=True))
print("ready", flush=True)
while True:
    signal.pause()
"""


@pytest.mark.real
def test_sidecar_in_a_pod(make_group: MakeGroup, tmp_path: Path) -> None:
    """The sidecar's command, word by word, beside an application in another container."""
    manifest = (EXAMPLES / "sidecar.yaml").read_text()
    _, _, args = manifest.partition("args:\n        - |\n")
    script = args.partition("      resources:")[0]
    server = tmp_path / "app-server"
    server.write_text(APP_SERVER)
    server.chmod(0o755)
    app, sidecar = make_group(cpus=1.5), make_group()
    command = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", POD, "sh"]
    pod = subprocess.Popen(
        [*command, str(app.path), str(sidecar.path), str(tmp_path), script],
        env=surroundings(),
        stdout=subprocess.PIPE,
        text=True,
    )
    limit = threading.Timer(TIMEOUT, pod.kill)  # then no line comes any more
    limit.start()
    with pod:
        try:
            assert pod.stdout is not None
            lines = [pod.stdout.readline(), pod.stdout.readline()]
            assert lines[0] == "ready\n"
            assert lines[1].startswith("1  quota 1.50 "), lines
            app.limit(0.5)
            assert "resized\n" in (pod.stdout.readline(), pod.stdout.readline())
        finally:
            limit.cancel()
            pod.kill()


SYSTEMCTL = """#!/bin/sh
case "$1" in
show) echo "$MAIN_PID" ;;
reload) echo "reload $2" ;;
esac
"""


def test_command_of_the_systemd_unit(tmp_path: Path) -> None:
    """With a stand-in for systemctl: it reloads the service whose limits change."""
    cpus = needs_two_cpus()
    unit = (EXAMPLES / "kumo-notify@.service").read_text()
    (command,) = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
    systemctl = tmp_path / "systemctl"
    systemctl.write_text(SYSTEMCTL)
    systemctl.chmod(0o755)
    env = surroundings()
    with subprocess.Popen(["sleep", "600"]) as service:
        env |= {"PATH": f"{tmp_path}{os.pathsep}{env['PATH']}", "MAIN_PID": str(service.pid)}
        with subprocess.Popen(
            shlex.split(command.replace("%i", "app")), env=env, stdout=subprocess.PIPE, text=True
        ) as watching:
            limit = threading.Timer(TIMEOUT, watching.kill)  # then no line comes any more
            limit.start()
            try:
                assert watching.stdout is not None
                watching.stdout.readline()  # it watches
                os.sched_setaffinity(service.pid, cpus[:1])
                lines = [watching.stdout.readline(), watching.stdout.readline()]
                assert "reload app.service\n" in lines
            finally:
                limit.cancel()
                service.kill()
                service.wait()
            assert watching.wait(TIMEOUT) == 0  # systemd starts it again for the next process


def test_systemd_unit(tmp_path: Path) -> None:
    """The unit is accepted beside the service that it is for."""
    needs_program("systemd-analyze")
    (tmp_path / "app.service").write_text("[Service]\nExecStart=/bin/sleep 10\n")
    unit = shutil.copy(EXAMPLES / "kumo-notify@.service", tmp_path / "kumo-notify@app.service")
    ran = subprocess.run(
        ["systemd-analyze", "verify", str(unit)],
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
