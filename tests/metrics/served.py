"""The application that gunicorn's workers serve: its metrics, and whose they are."""

import os
import threading

from prometheus_client import CollectorRegistry, Counter, generate_latest, multiprocess

import kumo
import kumo.prometheus

REQUESTS = Counter("requests", "Requests to all workers.")
end = threading.Event()
pool = kumo.ThreadPool("web", threads=4)


def application(environment, start_response):  # type: ignore[no-untyped-def]  # as most applications are
    REQUESTS.inc()
    if environment["PATH_INFO"] == "/busy":
        pool.submit(end.wait)
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # of prometheus_client
    kumo.prometheus.register(registry)
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Worker", str(os.getpid()))])
    return [generate_latest(registry)]
