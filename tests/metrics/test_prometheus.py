"""A real Prometheus scrapes a throttled process: the alerts fire, and every panel has data."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
from conftest import skip_real
from real.conftest import MakeGroup, make_group
from real.host import environment, in_groups

from kumo._metrics.families import FORMS

__all__ = ["make_group"]  # fixture

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
DASHBOARD = json.loads((EXAMPLES / "grafana.json").read_text("utf-8"))
EXPRESSIONS = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
ALERTS = (EXAMPLES / "alerts.yaml").read_text("utf-8")
LIMIT = 120  # seconds

# Serves its own metrics, with a pool of which every worker is busy, until its stdin is closed.
SERVER = """
import sys, threading
from prometheus_client import CollectorRegistry, start_http_server
import kumo, kumo.prometheus
registry = CollectorRegistry()
kumo.prometheus.register(registry)
pid = int(sys.argv[2])
if pid:
    registry = CollectorRegistry()
    registry.register(kumo.prometheus.KumoCollector(pid))
start_http_server(int(sys.argv[1]), "127.0.0.1", registry)
end = threading.Event()
with kumo.ThreadPool("web", threads=9) as pool:
    tasks = [pool.submit(end.wait) for _ in range(9)]
    print("ready", flush=True)
    sys.stdin.read()
    end.set()
"""


def names_in(expression: str) -> set[str]:
    return set(re.findall(r"\bkumo_[a-z_]+", expression))


def test_every_expression_names_metrics_that_are_exported() -> None:
    exported = {
        f"{name}_total" if kind == "counter" else name for name, (_, kind, *_) in FORMS.items()
    }

    assert EXPRESSIONS
    for expression in EXPRESSIONS:
        assert names_in(expression)
        assert names_in(expression) <= exported
    assert names_in(ALERTS) <= exported


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(what: Callable[[], Any], why: str) -> Any:
    until = time.monotonic() + LIMIT
    while True:
        try:
            answer = what()
        except OSError:
            answer = None
        if answer:
            return answer
        assert time.monotonic() < until, why
        time.sleep(0.2)


class Prometheus:
    """A Prometheus on this machine, asked through its HTTP interface."""

    def __init__(self, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}/api/v1"

    def get(self, path: str, **parameters: str) -> Any:
        with urlopen(f"{self.address}/{path}?{urlencode(parameters)}", timeout=LIMIT) as answer:
            return json.load(answer)["data"]

    def query(self, expression: str) -> list[Any]:
        result: list[Any] = self.get("query", query=expression)["result"]
        return result

    def firing(self) -> set[str]:
        alerts = self.get("alerts")["alerts"]
        return {a["labels"]["alertname"] for a in alerts if a["state"] == "firing"}


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()


@pytest.mark.real
def test_alerts_fire_and_every_panel_has_data(
    make_group: MakeGroup, processes: list[subprocess.Popen[str]], tmp_path: Path
) -> None:
    program = shutil.which("prometheus")
    if program is None:
        skip_real("no prometheus: Debian's package of that name brings it")
    throttled, serving = make_group(cpus=0.02), make_group(cpus=1.0)

    def start(command: list[str]) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        processes.append(process)
        return process

    spin = start(in_groups([throttled], ["sh", "-c", "while :; do :; done"]))
    ports = [free_port(), free_port()]
    for port, pid in zip(ports, (spin.pid, 0), strict=True):
        server = start(in_groups([serving], [sys.executable, "-c", SERVER, str(port), str(pid)]))
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
    (tmp_path / "alerts.yaml").write_text(
        re.sub(r"for: \w+", "for: 0s", ALERTS).replace("[5m]", "[1m]"), "utf-8"
    )
    (tmp_path / "prometheus.yaml").write_text(
        json.dumps(
            {
                "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                "rule_files": ["alerts.yaml"],
                "scrape_configs": [
                    {
                        "job_name": "kumo",
                        "static_configs": [{"targets": [f"127.0.0.1:{p}" for p in ports]}],
                    }
                ],
            }
        ),
        "utf-8",
    )
    port = free_port()
    start(
        [
            program,
            f"--config.file={tmp_path / 'prometheus.yaml'}",
            f"--storage.tsdb.path={tmp_path / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=error",
        ]
    )
    prometheus = Prometheus(port)
    wait_for(lambda: len(prometheus.query("kumo_cpus")) == 2, "both targets are scraped")

    serving.limit(2.0)  # the count changes
    wait_for(
        lambda: prometheus.firing() == {"KumoThrottled", "KumoOversubscribed", "KumoCountChanged"},
        "all three alerts fire",
    )
    # Of cgroup v2 alone, and of v1 where cpuacct shares the mount.
    absent = {"kumo_cgroup_stalled_some_seconds_total", "kumo_cgroup_stalled_full_seconds_total"}
    if not (throttled.path / "cpuacct.usage").exists():
        absent.add("kumo_cgroup_usage_seconds_total")
    for expression in EXPRESSIONS:
        shown = expression.replace("$__rate_interval", "1m")
        shown = shown.replace("$job", ".*").replace("$instance", ".*")
        if names_in(expression) & absent:
            assert prometheus.query(shown) == [], expression
        else:
            wait_for(partial(prometheus.query, shown), expression)
