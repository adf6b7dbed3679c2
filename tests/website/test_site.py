"""The site in a real browser: navigation, search, small screens, colours, and axe's rules."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from website.conftest import Visit

pytestmark = pytest.mark.site

SCHEMES = pytest.mark.parametrize("visit", ["light", "dark"], indirect=True)


def every_page(built: Path) -> list[str]:
    """The pages of the site by their names; redirects and the page for errors are none."""
    names = sorted(path.relative_to(built).as_posix() for path in built.rglob("*.html"))
    assert len(names) > 20
    return [name for name in names if name != "404.html"]


def brightness(visit: Visit) -> float:
    """How bright the page's ground is, from 0 to 255."""
    color = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
    red, green, blue = (float(part) for part in color[color.index("(") + 1 : -1].split(",")[:3])
    return (red + green + blue) / 3


@SCHEMES
def test_axe_finds_nothing(visit: Visit, built: Path, request: pytest.FixtureRequest) -> None:
    from axe_playwright_python.sync_playwright import Axe

    axe, found = Axe(), []
    # The colours are all that differs in the dark.
    dark = request.node.callspec.params["visit"] == "dark"
    options = {"runOnly": ["color-contrast"]} if dark else {}
    for name in every_page(built):
        page = visit.open(name)
        for violation in axe.run(page, options=options).response["violations"]:
            nodes = [node["html"][:160] for node in violation["nodes"][:3]]
            found.append((name, violation["id"], len(violation["nodes"]), nodes))
    assert found == []


@pytest.mark.width(360)
def test_nothing_is_wider_than_a_small_screen(visit: Visit, built: Path) -> None:
    wide = []
    for name in every_page(built):
        page = visit.open(name)
        width = page.evaluate("document.documentElement.scrollWidth")
        letters = page.evaluate(
            "parseFloat(getComputedStyle(document.querySelector('article')).fontSize)"
        )
        if width > 360 or letters < 14:
            wide.append((name, width, letters))
    assert wide == []


def test_each_page_has_one_title_and_describes_its_pictures(visit: Visit, built: Path) -> None:
    for name in every_page(built):
        page = visit.open(name)
        assert page.locator("h1").count() == 1, name
        assert page.locator("html[lang]").count() == 1, name
        for image in page.locator("article img").all():
            assert image.get_attribute("alt"), name


def test_navigation_leads_to_a_page_and_on(visit: Visit) -> None:
    page = visit.open("index.html")
    page.locator(".md-nav--primary").get_by_role("link", name="My container is throttled").click()
    page.wait_for_url("**/guides/throttled.html")
    assert page.locator("h1").inner_text().startswith("My container is throttled")
    page.get_by_role("link", name="Next: ").click()
    page.wait_for_url("**/guides/web-service.html")


@pytest.mark.width(360)
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
    page.locator(".md-search-result__link").first.wait_for()
    found = [
        link.get_attribute("href") or "" for link in page.locator(".md-search-result__link").all()
    ]
    assert any(address in link for link in found), found
    page.locator(f".md-search-result__link[href*='{address}']").first.click()
    page.wait_for_url(f"**/{address}*")


@SCHEMES
def test_the_colours_are_the_system_s(visit: Visit, request: pytest.FixtureRequest) -> None:
    visit.open("index.html")
    dark = request.node.callspec.params["visit"] == "dark"
    assert (brightness(visit) < 80) == dark
    shown = [image for image in visit.page.locator("article img").all() if image.is_visible()]
    assert ["dark" in (image.get_attribute("src") or "") for image in shown] == [dark]


def test_the_colours_can_be_changed_and_stay(visit: Visit) -> None:
    page = visit.open("index.html")
    page.get_by_title("Switch to dark mode").click()
    page.wait_for_function("document.body.dataset.mdColorScheme === 'slate'")
    visit.open("reference/command.html")
    assert brightness(visit) < 80
    page.get_by_title("Switch to light mode").click()
    page.wait_for_function("document.body.dataset.mdColorScheme === 'default'")
    assert brightness(visit) > 200


def test_the_keyboard_alone_skips_to_the_text(visit: Visit) -> None:
    page = visit.open("guides/containers.html")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.url.endswith("#docker-and-kubernetes")
