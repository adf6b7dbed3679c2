"""The site in a real browser: navigation, search, small screens, colours, and axe's rules."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from website.conftest import Visit

pytestmark = pytest.mark.site

SMALL = 360  # pixels
SCHEMES = pytest.mark.parametrize("visit", ["light", "dark"], indirect=True)


def every_page(built: Path) -> list[str]:
    """The pages of the site by their names; redirects and the page for errors are none."""
    names = sorted(path.relative_to(built).as_posix() for path in built.rglob("*.html"))
    assert len(names) > 20
    return [name for name in names if name != "404.html"]


def see_ground(page: Page, *, dark: bool) -> None:
    """Wait until the page's ground is of dark colour, or of light. The limit fails the test."""
    page.wait_for_function(
        """dark => {
            const numbers = getComputedStyle(document.body).backgroundColor.match(/[0-9.]+/g)
            const brightness = numbers.slice(0, 3).reduce((sum, each) => sum + Number(each), 0) / 3
            return dark ? brightness < 80 : brightness > 200
        }""",
        arg=dark,
    )


def violations(page: Page, whole: bool) -> Iterator[object]:
    """What axe finds on the page, or in its text alone, by day and by night."""
    from axe_playwright_python.sync_playwright import Axe

    context = None if whole else "article"
    # The colours are all that differs in the dark, which is what its button does.
    for scheme, options in (("default", {}), ("slate", {"runOnly": ["color-contrast"]})):
        page.evaluate(
            """scheme => {
                document.body.dataset.mdColorSwitching = ""
                document.body.dataset.mdColorScheme = scheme
            }""",
            scheme,
        )
        response = Axe().run(page, context=context, options=options).response
        for violation in response["violations"]:
            nodes = [node["html"][:160] for node in violation["nodes"][:3]]
            yield scheme, violation["id"], len(violation["nodes"]), nodes


def others(page: Page) -> Iterator[object]:
    """Whether it has one title and a language, describes its pictures, and fits a small screen."""
    for selector in ("h1", "html[lang]"):
        if page.locator(selector).count() != 1:
            yield selector, page.locator(selector).count()
    for image in page.locator("article img").all():
        if not image.get_attribute("alt"):
            yield "no description", image.get_attribute("src")
    page.set_viewport_size({"width": SMALL, "height": 800})
    width = page.evaluate("document.documentElement.scrollWidth")
    letters = page.evaluate(
        "parseFloat(getComputedStyle(document.querySelector('article')).fontSize)"
    )
    if width > SMALL or letters < 14:
        yield "wider than a small screen, or of small letters", width, letters
    page.set_viewport_size({"width": 1280, "height": 800})


def test_every_page(visit: Visit, built: Path) -> None:
    """Each is opened once. Header, navigation and footer are those of every page of its kind."""
    problems, kinds = [], set()
    for name in every_page(built):
        page = visit.open(name)
        kind = name.rpartition("/")[0]
        problems += [(name, each) for each in violations(page, whole=kind not in kinds)]
        problems += [(name, each) for each in others(page)]
        kinds.add(kind)
    assert problems == []


def test_navigation_leads_to_a_page_and_on(visit: Visit) -> None:
    page = visit.open("index.html")
    page.locator(".md-nav--primary").get_by_role("link", name="My container is throttled").click()
    page.wait_for_url("**/guides/throttled.html")
    assert page.locator("h1").inner_text().startswith("My container is throttled")
    page.get_by_role("link", name="Next: ").click()
    page.wait_for_url("**/guides/web-service.html")


@pytest.mark.width(SMALL)
def test_navigation_on_a_small_screen(visit: Visit) -> None:
    page = visit.open("index.html")
    page.locator("label.md-header__button[for='__drawer']").click()
    page.locator("label.md-nav__link", has_text="Reference").first.click()
    page.locator(".md-nav--primary").get_by_role("link", name="The command", exact=True).click()
    page.wait_for_url("**/reference/command.html")
    assert page.locator("h1").inner_text().startswith("The command")


@pytest.mark.parametrize(
    ("words", "address"),
    [
        ("throttled", "guides/throttled.html"),
        ("KUMO_AVAILABLE_PARALLELISM", "understand/how-kumo-decides.html"),
        ("ancestors-hidden", "reference/notes.html"),
    ],
)
def test_search_finds_the_page(visit: Visit, words: str, address: str) -> None:
    page = visit.open("index.html")
    page.keyboard.press("/")
    page.locator("input.md-search__input").fill(words)
    page.locator(f".md-search-result__link[href*='{address}']").first.click()
    page.wait_for_url(f"**/{address}*")


@SCHEMES
def test_the_colours_are_the_system_s(visit: Visit, request: pytest.FixtureRequest) -> None:
    page = visit.open("index.html")
    dark = request.node.callspec.params["visit"] == "dark"
    see_ground(page, dark=dark)
    shown = [image for image in page.locator("article img").all() if image.is_visible()]
    assert ["dark" in (image.get_attribute("src") or "") for image in shown] == [dark]


def test_the_colours_can_be_changed_and_stay(visit: Visit) -> None:
    page = visit.open("index.html")
    page.get_by_title("Switch to dark mode").click()
    see_ground(page, dark=True)
    visit.open("reference/command.html")
    see_ground(page, dark=True)
    page.get_by_title("Switch to light mode").click()
    see_ground(page, dark=False)


def test_the_keyboard_alone_skips_to_the_text(visit: Visit) -> None:
    page = visit.open("guides/containers.html")
    page.keyboard.press("Tab")
    page.locator("a.md-skip:focus").wait_for(state="attached")
    page.keyboard.press("Enter")
    page.wait_for_url("**/guides/containers.html#docker-and-kubernetes")
