"""What each framework's process is asked: does kumo work here, now?

Importing this module makes a pool and a watch, as an application does at its start: in a parent
that preloads it, and in each worker that forks from there.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from functools import partial

import kumo

VARIABLE = "KUMO_AVAILABLE_PARALLELISM"
MOMENT = 60
changes: list[str] = []
pool = kumo.ThreadPool("probe")
watch = kumo.watch(lambda change: changes.append(change.what), interval=0.02, settle=0)
first = os.getpid()


def wait_until(what: str, true: object) -> None:
    end = time.monotonic() + MOMENT
    while not true():  # type: ignore[operator]  # it is callable
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.01)


def is_followed(count: int) -> bool:
    return watch.estimate.parallelism == pool.size == count


def probe() -> dict[str, object]:
    """Change the parallelism of this process, and see that all of kumo follows."""
    counts = [kumo.available_parallelism(), kumo.estimate().parallelism]
    assert counts[0] == counts[1], counts
    known = len(changes)
    for count in (3, 1, 2):
        os.environ[VARIABLE] = str(count)
        wait_until(f"watch and pool to follow to {count}", partial(is_followed, count))
        assert kumo.available_parallelism() == count
    wait_until("the callback", lambda: len(changes) > known)
    assert sorted(pool.map(abs, range(-50, 0))) == list(range(1, 51))
    assert kumo.Budget(a=1, b=1).parts == {"a": 1, "b": 1}
    with kumo.follow("loky"):
        assert os.environ["LOKY_MAX_CPU_COUNT"] == "2"
    with kumo.ThreadPool(f"own-{threading.get_ident()}") as own:
        assert own.submit(pow, 2, 5).result(MOMENT) == 32
    # A fork in whichever thread serves this request.
    subprocess.run(["true"], preexec_fn=os.setsid, check=True)
    del os.environ[VARIABLE]
    wait_until("the first count", lambda: watch.estimate.parallelism == counts[0])
    return {"count": counts[0], "forked": os.getpid() != first, "pid": os.getpid()}


def wsgi(environ: object, start_response: object) -> list[bytes]:
    body = json.dumps(probe()).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])  # type: ignore[operator]  # it is callable
    return [body]


async def asgi(scope: dict[str, object], receive: object, send: object) -> None:
    import asyncio

    if scope["type"] != "http":
        return
    body = json.dumps(await asyncio.to_thread(probe)).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})  # type: ignore[operator]  # it is callable
    await send({"type": "http.response.body", "body": body})  # type: ignore[operator]  # it is callable
