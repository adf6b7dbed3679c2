"""The site, built and served once, and a page of a real browser that lets nothing out."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest
from conftest import skip_real

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Route

ROOT = Path(__file__).resolve().parents[2]


class QuietHandler(SimpleHTTPRequestHandler):
    """Serve files without a line on stderr for each."""

    def log_message(self, *args: object) -> None:
        """Log nothing."""


class Visit:
    """A page of the browser, and everything that should not have happened in it."""

    def __init__(self, context: BrowserContext, site: str) -> None:
        self.site = site
        self.wrong: list[str] = []
        context.route("**/*", self._let_nothing_out)
        self.page: Page = context.new_page()
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))

    def _let_nothing_out(self, route: Route) -> None:
        if route.request.url.startswith((self.site, "data:", "blob:")):
            route.continue_()
        else:
            self.wrong.append(f"request: {route.request.url}")
            route.abort()

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.wrong.append(f"console: {message.text}")

    def open(self, name: str) -> Page:
        """Open a page of the site, and wait until all of it is there."""
        answer = self.page.goto(f"{self.site}/{name}", wait_until="load")
        assert answer is not None
        assert answer.ok, f"{name}: {answer.status}"
        return self.page


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for package in ("mkdocs", "material", "mkdocstrings"):
        if find_spec(package) is None:
            skip_real(f"{package} is not installed: pip install '.[site]'")
    folder = tmp_path_factory.mktemp("site")
    subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        check=True,
    )
    return folder


@pytest.fixture(scope="session")
def site(built: Path) -> Iterator[str]:
    """The address at which the site is served."""
    handler = functools.partial(QuietHandler, directory=str(built))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")  # while it is open, the thread has an event loop
def browser() -> Iterator[Browser]:
    for package in ("playwright", "axe_playwright_python"):
        if find_spec(package) is None:
            skip_real(f"{package} is not installed: pip install '.[site]'")
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    if chromium is None:
        skip_real("chromium is not installed: sh tests/website/install.sh")
    with sync_playwright() as playwright:
        # Chromium refuses its own sandbox to root.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Browser, site: str, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """A page as wide as the mark ``width`` says, in the colours that ``scheme`` says."""
    width = request.node.get_closest_marker("width")
    scheme: Literal["light", "dark"] = getattr(request, "param", "light")
    context = browser.new_context(
        viewport={"width": width.args[0] if width else 1280, "height": 800}, color_scheme=scheme
    )
    context.set_default_timeout(60_000)  # a loaded machine is no failure
    visit = Visit(context, site)
    yield visit
    context.close()
    assert visit.wrong == []
