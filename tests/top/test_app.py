"""The screen over recorded readings: every key, the mouse, sizes, and what it looks like."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from textual.binding import Binding
from textual.pilot import Pilot
from textual.widgets import Input, Static

from kumo._top.app import INTERRUPTED, KEYS, Columns, Help, Levels, Top
from kumo._top.model import Sample
from top.recorded import APP, host, reading

Steps = Callable[[Top, Pilot[int]], Awaitable[None]]


def run(
    samples: Iterator[Sample], steps: Steps, *, of_host: bool = False, size: Any = (80, 24)
) -> Top:
    """Run the app over *samples*, of which two are taken at the beginning."""

    def source() -> Sample:
        sample = next(samples, None)
        if sample is None:
            raise ProcessLookupError(3, "the process has ended")
        return sample

    app = Top(source, host=of_host, every=3600, clock=lambda: "17:02:11")

    async def main() -> None:
        async with app.run_test(size=size) as pilot:
            while app.model.now is None:  # the first one is taken by itself
                await pilot.pause()
            await app.take()
            await pilot.pause()
            await steps(app, pilot)

    asyncio.run(main())
    return app


def screen(app: Top) -> list[str]:
    """What is on the screen, as text."""
    lines = app.screen._compositor.render_strips(app.size)
    return ["".join(segment.text for segment in line).rstrip() for line in lines]


def names(app: Top) -> list[str]:
    return [row.name for row in app.query_one(Levels).rows]


def keys_of(bindings: Any) -> set[str]:
    keys = set()
    for binding in bindings:
        assert isinstance(binding, Binding)
        keys |= set(binding.key.split(","))
    return keys


@pytest.mark.slow
def test_every_key() -> None:  # noqa: PLR0915 - one app, which takes a while to begin
    pressed: set[str] = set()

    async def steps(app: Top, pilot: Pilot[int]) -> None:  # noqa: PLR0915
        levels = app.query_one(Levels)

        async def press(*keys: str) -> None:
            pressed.update(keys)
            await pilot.press(*keys)

        assert names(app)[0] == "job0039"  # the most throttled first
        await press("down", "down")
        assert levels.cursor == 2
        await press("up")
        assert levels.cursor == 1
        await press("end")
        assert (levels.cursor, levels.scroll_offset.y > 0) == (39, True)
        await press("home")
        assert (levels.cursor, levels.scroll_offset.y) == (0, 0)
        await press("pagedown")
        assert levels.cursor == levels.size.height - 1
        await press("pageup")
        assert levels.cursor == 0

        await press("T")
        assert names(app)[0] == "job0000"  # a second time turns it round
        await press("I")
        assert names(app)[0] == "job0039"
        await press("P")
        assert (app.sort, app.reverse) == ("used", False)
        for key, sort in (
            ("f6", "share"),
            ("greater_than_sign", "throttled"),
            ("full_stop", "level"),
            ("less_than_sign", "throttled"),
            ("comma", "share"),
        ):
            await press(key)
            assert app.sort == sort
        for key, as_tree in (("f5", True), ("t", False)):
            await press(key)
            assert app.as_tree is as_tree
        assert app.whole_paths
        await press("p")
        assert not app.whole_paths

        for key in ("f3", "slash"):
            await press("home", key, *"0021", "enter", "escape")
            assert levels.rows[levels.cursor].name == "job0021"
        for key in ("f4", "backslash"):
            await press(key, *"job003", "enter")
            assert {name[:6] for name in names(app)} == {"job003"}
            await press("escape")
            assert len(names(app)) == 40
        for key in ("f1", "question_mark", "h"):
            await press(key)
            assert isinstance(app.screen, Help)
            await pilot.press("x")
            assert not isinstance(app.screen, Help)

        await press("Z")
        assert app.paused
        assert "paused: Z goes on" in "\n".join(screen(app))
        before = app.model.now
        await press("r")
        assert app.model.now is not before
        await press("Z")
        assert not app.paused
        await press("l")
        assert app.query_one("#log").has_class("more")
        await press("l")
        assert not app.query_one("#log").has_class("more")
        await press("f10")

    app = run((host(second) for second in range(1, 99)), steps, of_host=True)

    assert app.return_value == 0
    assert pressed - set("job0123") - {"enter"} == (
        keys_of(Top.BINDINGS) | keys_of(Levels.BINDINGS)
    ) - {"q", "ctrl+c"}
    assert {keys for keys, _ in KEYS} >= {
        "F1 ? h",
        "F3 /",
        "F4 \\",
        "F5 t",
        "F6 > <",
        "P T I",
        "p",
        "Z",
        "r",
        "l",
    }


@pytest.mark.parametrize(("key", "code"), [("q", 0), ("ctrl+c", INTERRUPTED)])
def test_it_is_left(key: str, code: int) -> None:
    async def steps(app: Top, pilot: Pilot[int]) -> None:
        await pilot.press("f3", key if key != "q" else "escape")  # also while a text is asked for
        await pilot.press(key)

    assert run(iter([reading(1), reading(2)]), steps).return_value == code


def test_everything_is_on_a_screen_of_80_by_24_and_the_mouse_works() -> None:
    async def steps(app: Top, pilot: Pilot[int]) -> None:
        await app.take()
        await pilot.pause()
        text = "\n".join(screen(app))
        for part in (
            "web (4242)  2.00 CPUs → 2  quota at app.scope binds, throttled 0%",
            "affinity 0-15 (16)",
            "online 16   steal 2%",
            "4 tokio-rt-worker* Tokio",
            "web                1    1     37",
            "17:02:11  count 1 → 2",
            "17:02:11  quota 1.50 → 3.00 at",
            "f10 Quit",
        ):
            assert part in text
        await pilot.pause()
        assert all(len(line) <= 80 for line in screen(app))
        # The level that binds is marked by a sign, not by its colour alone.
        marked = [line for line in screen(app) if line.startswith("▶")]
        assert [line.split()[2] for line in marked] == ["app.scope"]
        assert re.search(r"└ pod7.slice .*3\.00 +1\.35 ████░░░░ +45% +40%", text)

        levels = app.query_one(Levels)
        await pilot.click(Levels, offset=(5, 2))
        assert levels.selected == APP
        await pilot.click(Columns, offset=(2, 0))
        assert (app.sort, app.as_tree) == ("level", False)
        for width, height in ((200, 60), (80, 24), (50, 15)):
            await pilot.resize_terminal(width, height)
            await pilot.pause()
            assert any("pod7.slice" in line for line in screen(app))
        await pilot.press("q")

    samples = [reading(1), reading(2), reading(3, pod=3.0)]
    run(iter(samples), steps)


def test_the_process_ends() -> None:
    async def steps(app: Top, pilot: Pilot[int]) -> None:
        await app.take()
        await pilot.pause()
        assert "the process has ended: q quits" in "\n".join(screen(app))
        assert "pod7.slice" in "\n".join(screen(app))  # what was seen stays
        await pilot.press("r")
        await pilot.press("q")

    assert run(iter([reading(1), reading(2)]), steps).return_value == 0


def test_it_asks_for_text_in_one_line() -> None:
    async def steps(app: Top, pilot: Pilot[int]) -> None:
        await pilot.press("f4", *"app")
        assert app.query_one("#ask", Input).display
        assert names(app) == ["app.scope"]
        assert "only 'app'" in str(app.query_one("#status", Static).render())
        await pilot.press("escape", "q")

    run(iter([reading(1), reading(2)]), steps)
