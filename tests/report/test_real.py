"""The report of a process that a real quota throttles, and how a browser shows it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from real.conftest import MakeGroup, make_group  # noqa: F401 - a fixture
from real.host import TIMEOUT, environment, in_groups, kumo
from website.conftest import browser  # noqa: F401 - a fixture

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.real

SECRET = "s3cret"
BURN = f"""
import sys, threading
def burn():
    while not stop: pass
stop = []
threads = [threading.Thread(target=burn) for _ in range(3)]
for thread in threads: thread.start()
print("{SECRET}", flush=True)
sys.stdin.read()
stop.append(1)
"""


@pytest.fixture
def report(make_group: MakeGroup, tmp_path: Path) -> Iterator[tuple[Path, dict[str, object]]]:  # noqa: F811
    """The report of a process under a quota, and what ``kumo --json`` says of it."""
    pod = make_group(name="<b>&pod")
    app = make_group(pod, name="app")
    beside = make_group(pod, name=SECRET)
    variables = {"OMP_NUM_THREADS": "16", "MAKEFLAGS": f"-j8 {SECRET}", SECRET: SECRET}
    burn = [sys.executable, "-c", BURN]
    file = tmp_path / "report.html"
    with (
        subprocess.Popen(
            in_groups([app], burn), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env={**environment(), **variables},
        ) as process,
        subprocess.Popen(
            in_groups([beside], ["sleep", "1000"]), stdin=subprocess.PIPE
        ) as other,
    ):  # fmt: skip
        assert process.stdout is not None
        process.stdout.readline()
        pod.limit(0.01)  # so low that it throttles on a loaded machine as well
        try:
            pid = str(process.pid)
            for words in (["report", "--pid", pid, "--seconds", "2", "-o", str(file)],
                          ["--json", "--pid", pid]):  # fmt: skip
                ran = subprocess.run(
                    kumo(*words), capture_output=True, timeout=TIMEOUT, check=True, text=True
                )
            yield file, json.loads(ran.stdout)
        finally:
            pod.limit(None)
            other.kill()
            process.communicate()


def test_the_report_of_a_throttled_process(report: tuple[Path, dict[str, object]]) -> None:
    file, answer = report
    text = file.read_text("utf-8")

    assert file.stat().st_size < 100_000
    assert "can use 1 CPU: the quota in " in text
    assert " is 0.01, and the count is at least 1, and it throttled the process in " in text
    assert "throttled the process in 0% of the periods" not in text
    assert "over by 15" in text
    assert "sets 8" in text
    assert "&lt;b&gt;&amp;pod" in text
    assert "<b>" not in text
    assert SECRET not in text
    assert str(os.getpid()) not in text.split()
    again = subprocess.run(
        kumo("--json", "--machine", str(file)), capture_output=True, check=True, text=True
    )
    assert json.loads(again.stdout) == answer


def opened(chromium: Browser, file: Path, **options: Any) -> tuple[Page, list[str]]:
    """Open the page, and return it with its requests and all that its console says."""
    context = chromium.new_context(**options)
    context.set_default_timeout(60_000)  # a loaded machine is no failure
    page = context.new_page()
    seen: list[str] = []
    page.on("request", lambda request: seen.append(request.url))
    page.on("console", lambda message: seen.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: seen.append(f"error: {error}"))
    page.goto(file.as_uri(), wait_until="load")
    return page, seen


@pytest.mark.site
def test_the_report_in_a_browser(report: tuple[Path, dict[str, object]], browser: Browser) -> None:  # noqa: F811
    from axe_playwright_python.sync_playwright import Axe

    file, _ = report
    page, seen = opened(browser, file, java_script_enabled=False)
    assert page.locator("h1").inner_text().startswith("CPU limits of process ")
    assert page.locator("svg").first.is_visible()
    assert not page.locator("table").first.is_visible()
    page.get_by_text("The limits as a table").click()
    page.locator("table").first.wait_for()
    assert seen == [file.as_uri()]

    for scheme, width in (("light", 1280), ("dark", 1280), ("light", 360)):
        page, seen = opened(
            browser, file, color_scheme=scheme, bypass_csp=True,
            viewport={"width": width, "height": 800},
        )  # fmt: skip
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator("figure.wide").first.is_visible() == (width > 360)
        page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        violations = Axe().run(page).response["violations"]
        assert [(each["id"], each["nodes"][0]["html"][:160]) for each in violations] == []
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (ground == "rgb(13, 17, 23)") == (scheme == "dark")
        assert seen == [file.as_uri()]

    page, _ = opened(browser, file, color_scheme="dark")
    page.emulate_media(media="print")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(255, 255, 255)"
    page.locator("table").first.wait_for()
