"""Web applications whose plain functions run in threads, as many as kumo allows.

Each has the same pages: /work works in a thread until /go, /count/3 changes the parallelism, and
/state has how many may work, do, and have done so at once.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import anyio.to_thread

import kumo

MOMENT = 60
VARIABLE = "KUMO_AVAILABLE_PARALLELISM"
active = most = 0
lock = threading.Lock()
go = threading.Event()
may: Callable[[], float]  # how many the library allows now


def work() -> dict[str, float]:
    """Work in a thread until /go."""
    global active, most
    with lock:
        active += 1
        most = max(most, active)
    go.wait(MOMENT)
    with lock:
        active -= 1
    return state()


def state() -> dict[str, float]:
    return {"active": active, "most": most, "may": may()}


def set_count(count: int) -> None:
    global most
    os.environ[VARIABLE] = str(count)
    with lock:
        most = active
    go.clear()


# --- Starlette runs plain functions in the threads of anyio


def make_starlette() -> Any:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route

    def a_page(request: Request) -> Response:
        return JSONResponse(work())

    async def control(request: Request) -> Response:
        if request.url.path == "/go":
            go.set()
        elif "count" in request.path_params:
            set_count(request.path_params["count"])
        return JSONResponse(state())

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        global may
        limiter = anyio.to_thread.current_default_thread_limiter()
        may = lambda: limiter.total_tokens  # noqa: E731
        with kumo.follow("anyio"):
            yield

    return Starlette(
        routes=[
            Route("/work", a_page),
            *(Route(path, control) for path in ("/go", "/state", "/count/{count:int}")),
        ],
        lifespan=lifespan,
    )


# --- Django has a thread for each request, and one more pool: the loop's default executor


def make_django(view: Callable[..., Any]) -> Any:
    import django
    from django.conf import settings
    from django.core.asgi import get_asgi_application
    from django.http import JsonResponse
    from django.urls import path

    async def control(request: Any, count: int | None = None) -> Any:
        if request.path == "/go":
            go.set()
        elif count is not None:
            set_count(count)
        return JsonResponse(state())

    class Urls:
        urlpatterns = (
            path("work", view),
            path("go", control),
            path("state", control),
            path("count/<int:count>", control),
        )

    settings.configure(ROOT_URLCONF=Urls, ALLOWED_HOSTS=["*"], SECRET_KEY="a test", DEBUG=True)
    django.setup()
    return get_asgi_application()


Asgi = Callable[[Any, Any, Any], Awaitable[None]]


def with_lifespan(
    app: Asgi, begin: Callable[[], contextlib.AbstractContextManager[object]]
) -> Asgi:
    """Django has no start of its own in the event loop."""
    stack = contextlib.ExitStack()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await app(scope, receive, send)
            return
        await receive()
        stack.enter_context(begin())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        stack.close()
        await send({"type": "lifespan.shutdown.complete"})

    return application


def django_executor() -> Any:
    """``sync_to_async(thread_sensitive=False)`` takes the loop's default executor."""
    from asgiref.sync import sync_to_async
    from django.http import JsonResponse

    async def view(request: Any) -> Any:
        return JsonResponse(await sync_to_async(work, thread_sensitive=False)())

    def begin() -> kumo.Follow:
        global may
        following = kumo.follow("asyncio")
        may = lambda: kumo.pools()["asyncio"].size  # noqa: E731
        return following

    return with_lifespan(make_django(view), begin)


def django_limiter() -> Any:
    """A plain view has a thread of its own for each request, so the requests are limited."""
    from django.http import JsonResponse

    global may
    app = make_django(lambda request: JsonResponse(work()))
    limiter = anyio.CapacityLimiter(1)
    may = lambda: limiter.total_tokens  # noqa: E731

    async def limited(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] != "/work":
            await app(scope, receive, send)
            return
        async with limiter:
            await app(scope, receive, send)

    return with_lifespan(limited, lambda: kumo.follow(limiter))
