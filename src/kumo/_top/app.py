"""The screen of ``kumo top``: a Textual app over a `Model`.

Colours only repeat what the text says: the level that binds has a mark, and every number is there.
They are an orange and a blue that differ for people with any kind of colour blindness.
"""

from __future__ import annotations

import asyncio
import signal
import time

from rich.cells import set_cell_size
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, VerticalScroll
from textual.geometry import Region, Size
from textual.screen import ModalScreen
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Footer, Input, Static

from kumo._text import show_decimal, show_rate, show_share
from kumo._top.model import (
    SORTS,
    Model,
    Row,
    bar,
    head_lines,
    next_interval,
    ordered,
    pool_lines,
    sparkline,
    status_line,
    thread_lines,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import ClassVar

    from textual.events import Click, Resize

    from kumo._top.model import Sample

INTERRUPTED = 130
ORANGE = Style.parse("#E69F00")
BLUE = Style.parse("bold #56B4E9")
PLAIN = Style.null()
CURSOR = Style(reverse=True)
DIM = Style(dim=True)
HEADING = Style(bold=True, underline=True)
BAR = 8
WIDE = 100  # columns from which on there is room for the stall time
TITLES = {
    "level": "cgroup",
    "quota": "quota",
    "used": "used",
    "share": "of quota",
    "throttled": "thrott",
}
MARK = "▶"
KEYS = (
    ("↑ ↓ PgUp PgDn Home End", "move, as the mouse does"),
    ("F3 /", "search for a name, Enter: the next one"),
    ("F4 \\", "only paths that contain a text, Esc: all"),
    ("F5 t", "tree, or sorted list"),
    ("F6 > <", "sort by another column, as a click on it does"),
    ("P T I", "sort by use, by throttling, the other way round"),
    ("p", "whole paths"),
    ("Z", "pause, and go on"),
    ("r", "read now"),
    ("l", "more of the log"),
    ("F1 ? h", "this help, and any key leaves it"),
    ("F10 q", "quit, as Ctrl-C does"),
)
LEGEND = (
    f"{MARK}  the level whose quota binds",
    "thrott  how many of the last periods were throttled",
    "last 2 min  the same over time, the lowest block: none",
    "-  the kernel does not say",
)
HELP = "\n".join([*(f"{keys:<24} {what}" for keys, what in KEYS), "", *LEGEND])
# The style of the screen, by selector.
CSS = {
    "#head": ("height: 1", "text-style: bold"),
    "#machine, Columns, #status": ("height: 1",),
    "#status": ("text-style: dim",),
    "#levels": ("height: 1fr", "min-height: 3", "scrollbar-size-vertical: 1"),
    "#below": ("height: 5",),
    "#threads": ("width: 1fr",),
    "#pools": ("width: 34",),
    "#log": ("height: 3", "scrollbar-size-vertical: 1"),
    "#log.more": ("height: 1fr",),
    "#ask": ("height: 1", "border: none", "display: none"),
    "#ask.on": ("display: block",),
    "Help": ("align: center middle",),
    "Help Static": ("width: auto", "height: auto", "padding: 0 2", "background: $surface"),
}


class Columns(Widget):
    """The headings of the table. A click sorts by a column."""

    def render_line(self, y: int) -> Strip:
        """Return the headings."""
        app = self.app
        assert isinstance(app, Top)
        return Strip(app.headings(self.size.width), self.size.width)

    def on_click(self, event: Click) -> None:
        """Sort by the column that was clicked."""
        app = self.app
        assert isinstance(app, Top)
        at = 0
        for name, width in zip(SORTS, app.widths(self.size.width), strict=False):
            at += width + 1
            if event.x < at:
                app.sort_by(name)
                return


class Levels(ScrollView, can_focus=True):
    """The cgroups, a line each; one of them is under the cursor."""

    BINDINGS: ClassVar = [
        Binding("up", "move(-1)", show=False),
        Binding("down", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home", "move(-1000000)", show=False),
        Binding("end", "move(1000000)", show=False),
    ]

    def __init__(self) -> None:
        super().__init__(id="levels")
        self.rows: list[Row] = []
        self.cursor = 0
        self.selected = ""  # the path under the cursor once it was moved: rows change places
        self._drawn: dict[int, Strip] = {}  # the line that is on the screen, by its number
        # Of the whole table: to ask for it at each line takes longer than to draw the line.
        self._style: Style | None = None

    def show(self, rows: list[Row]) -> None:
        """Show these rows. Only lines that look different are drawn."""
        more = len(rows) != len(self.rows)
        self.rows = rows
        if self.selected:
            places = (at for at, row in enumerate(rows) if row.where == self.selected)
            at = next(places, min(self.cursor, len(rows) - 1))  # another's if it has gone
            self.cursor, self.selected = max(0, at), rows[at].where if rows else ""
        if more:
            self.virtual_size = Size(0, len(rows))
            self.redraw()
            return
        self._style = self.rich_style
        first = self.scroll_offset.y
        changed = []
        for at in range(first, min(first + self.size.height, len(rows))):
            before = self._drawn.pop(at, None)
            if self._line(at) != before:
                changed.append(at)
        for start, end in _runs(changed):
            self.refresh_lines(start, end - start)

    def redraw(self) -> None:
        """Draw every line again."""
        self._style = self.rich_style
        self._drawn.clear()
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Return the line *y* of what can be seen."""
        at = y + self.scroll_offset.y
        if at >= len(self.rows):
            return Strip.blank(self.size.width, self.rich_style)
        return self._line(at)

    def _line(self, at: int) -> Strip:
        if at not in self._drawn:
            app = self.app
            assert isinstance(app, Top)
            row, width = self.rows[at], self.size.width
            segments = app.cells(row, width)
            if at == self.cursor:
                segments = [Segment(segment.text, CURSOR) for segment in segments]
            self._drawn[at] = Strip(segments, width).apply_style(self._style or self.rich_style)
        return self._drawn[at]

    def action_move(self, by: int) -> None:
        """Move the cursor."""
        self.go_to(self.cursor + by)

    def action_page(self, by: int) -> None:
        """Move the cursor by as much as can be seen."""
        self.go_to(self.cursor + by * max(1, self.size.height - 1))

    def go_to(self, at: int) -> None:
        """Put the cursor on a line, and scroll so that it can be seen."""
        if self.rows:
            at = max(0, min(at, len(self.rows) - 1))
            for line in (self.cursor, at):
                self._drawn.pop(line, None)
                self.refresh_lines(line)
            self.cursor, self.selected = at, self.rows[at].where
            self.scroll_to_region(Region(0, at, 1, 1), animate=False)

    def on_click(self, event: Click) -> None:
        """Select the line that was clicked."""
        self.go_to(event.y + self.scroll_offset.y)


def _runs(numbers: list[int]) -> Iterator[tuple[int, int]]:
    """Yield the first of each run of neighbours, and the one behind its last."""
    start = 0
    for at, number in enumerate(numbers, 1):
        if at == len(numbers) or numbers[at] != number + 1:
            yield numbers[start], number + 1
            start = at


class Help(ModalScreen[None]):
    """The help, which any key leaves."""

    def compose(self) -> ComposeResult:
        """Yield the text."""
        yield Static(Text(HELP))

    def on_key(self) -> None:
        """Leave."""
        self.dismiss()

    def on_click(self) -> None:
        """Leave."""
        self.dismiss()


class Top(App[int]):
    """Shows what *source* reads, every *every* seconds; *clock* is the time in the log.

    The app's return value is the exit code.
    """

    ENABLE_COMMAND_PALETTE = False
    CSS = "\n".join(f"{name} {{{';'.join(lines)}}}" for name, lines in CSS.items())
    BINDINGS: ClassVar = [
        Binding("f1", "help", "Help"),
        Binding("question_mark,h", "help", show=False),
        Binding("f3", "ask('search')", "Search"),
        Binding("slash", "ask('search')", show=False),
        Binding("f4", "ask('filter')", "Filter"),
        Binding("backslash", "ask('filter')", show=False),
        Binding("f5", "tree", "Tree"),
        Binding("t", "tree", show=False),
        Binding("f6", "sort(1)", "Sort"),
        Binding("greater_than_sign,full_stop", "sort(1)", show=False),
        Binding("less_than_sign,comma", "sort(-1)", show=False),
        Binding("P", "sort_used", show=False),
        Binding("T", "sort_throttled", show=False),
        Binding("I", "reverse", show=False),
        Binding("p", "paths", show=False),
        Binding("Z", "pause", "Pause"),
        Binding("r", "read", show=False),
        Binding("l", "log", show=False),
        Binding("escape", "leave", show=False),
        Binding("f10", "quit", "Quit"),
        Binding("q", "quit", show=False),
        Binding("ctrl+c", "interrupt", show=False, priority=True),
    ]

    def __init__(
        self,
        source: Callable[[], Sample],
        *,
        every: float = 1.0,
        host: bool = False,
        clock: Callable[[], str] = lambda: time.strftime("%H:%M:%S"),
    ) -> None:
        super().__init__()
        self.model = Model()
        self.source, self.wanted, self.every, self.clock = source, every, every, clock
        self.host = host
        self.as_tree, self.sort, self.reverse = not host, "throttled", False
        self.whole_paths = host
        self.paused = self.has_some = False
        self.only = self.sought = self.asking = self.ended = ""
        self.due = asyncio.Event()
        self.taking = asyncio.Lock()
        self.killed_by = 0
        self._shown: dict[str, str] = {}

    def compose(self) -> ComposeResult:
        """Yield the parts of the screen, from the top."""
        yield Static(id="head")
        yield Static(id="machine")
        yield Columns()
        yield Levels()
        if not self.host:
            with Horizontal(id="below"):
                with VerticalScroll(id="threads", can_focus=False):
                    yield Static(id="threads-text")
                with VerticalScroll(id="pools", can_focus=False):
                    yield Static(id="pools-text")
        with VerticalScroll(id="log", can_focus=False):
            yield Static(id="log-text")
        yield Static(id="status")
        yield Input(id="ask")
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """Begin to read."""
        self.query_one(Levels).focus()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
            try:
                loop.add_signal_handler(number, self._killed, number)
            except (NotImplementedError, RuntimeError, ValueError):
                break  # on Windows, or in a test outside the main thread
        self.run_worker(self._read_on(), exclusive=True)

    def _killed(self, number: int) -> None:
        """Leave the terminal as it was; the command then dies of the signal."""
        self.killed_by = number
        self.exit(0)

    async def _read_on(self) -> None:
        while not self.ended:
            if not self.paused:
                await self.take()
            self.due.clear()
            try:
                await asyncio.wait_for(self.due.wait(), self.every)
            except asyncio.TimeoutError:  # another than TimeoutError until Python 3.11
                continue

    async def take(self) -> None:
        """Read once, and show it."""
        async with self.taking:
            try:
                sample = await asyncio.to_thread(self.source)
            except ProcessLookupError as error:
                self.ended = f"{error.strerror}: q quits"
            else:
                self.model.add(sample, self.clock())
                self.every = next_interval(sample.cost, self.wanted)
            self.show()

    # --- what is shown

    def show(self) -> None:
        """Show the model as it is now."""
        model = self.model
        rows = model.rows()
        head, machine = head_lines(model, rows)
        has_some = any(row.some is not None for row in rows)
        if has_some != self.has_some:
            self.has_some = has_some
            self.query_one(Columns).refresh()
            self.query_one(Levels).redraw()
        self._text("head", head)
        self._text("machine", machine)
        levels = self.query_one(Levels)
        levels.show(
            ordered(rows, self.sort, tree=self.as_tree, reverse=self.reverse, only=self.only)
        )
        if not self.host:
            self._text("threads-text", "\n".join(thread_lines(model)), grows=True)
            self._text("pools-text", "\n".join(pool_lines(model.now)), grows=True)
        log = list(model.log) or ["no change so far"]
        self._text("log-text", "\n".join(reversed(log)), grows=True)
        status = status_line(model.now, self.every, self.wanted, paused=self.paused)
        parts = [self.ended, f"only {self.only!a}" if self.only else "", status]
        self._text("status", "; ".join(part for part in parts if part))

    def _text(self, name: str, text: str, *, grows: bool = False) -> None:
        before = self._shown.get(name)
        if before != text:
            self._shown[name] = text
            resized = grows and (before is None or before.count("\n") != text.count("\n"))
            self.query_one(f"#{name}", Static).update(Text(text, no_wrap=True), layout=resized)

    def widths(self, width: int) -> list[int]:
        """Return the widths of the columns: those of `SORTS`, the history, the stall time."""
        some = 5 if self.has_some and width >= WIDE else 0
        fixed = 2 + 6 + 6 + BAR + 5 + 6 + some
        left = max(20, width - fixed - 6)
        history = max(8, min(60, left // 2))
        return [2 + left - history, 6, 6, BAR + 5, 6, history, *([some] if some else [])]

    def headings(self, width: int) -> list[Segment]:
        """Return the headings; the one that is sorted by has an arrow."""
        names = [*TITLES.values(), "last 2 min", "some"]
        at = 0 if self.as_tree else SORTS.index(self.sort)
        segments = []
        for column, (name, cells) in enumerate(zip(names, self.widths(width), strict=False)):
            shown = name
            if column == at:
                up = self.reverse if column else not self.reverse
                shown = f"{name}{'↑' if up else '↓'}" if not self.as_tree else name
            text = shown.rjust(cells) if column in (1, 2, 4) else shown.ljust(cells)
            segments.append(Segment(text[:cells] + " ", HEADING))
        return segments

    def cells(self, row: Row, width: int) -> list[Segment]:
        """Return the line of a cgroup."""
        widths = self.widths(width)
        mark = f"{MARK} " if row.binds else "  "
        name = row.name
        if self.whole_paths:
            name = row.where
        elif self.as_tree and row.depth:
            name = "  " * (row.depth - 1) + "└ " + name
        room = widths[0] - 2
        if len(name) > room and self.whole_paths:
            name = "…" + name[-room + 1 :]
        throttled = row.throttled
        hurt = ORANGE if throttled else PLAIN
        now = self.model.now
        history = sparkline(row.history, now.at if now else 0.0, widths[5])
        segments = [
            Segment(mark + set_cell_size(name, room) + " ", BLUE if row.binds else PLAIN),
            Segment(f"{_cpus(row.quota):>6} {show_decimal(row.used):>6} "),
            Segment(
                f"{bar(row.share, BAR)}{show_share(row.share):>5} ", DIM if not row.share else PLAIN
            ),
            Segment(f"{show_share(throttled):>6} ", hurt),
            Segment(history, hurt if any(part for *_, part in row.history) else DIM),
        ]
        if len(widths) > 6:
            segments.append(Segment(f" {show_share(row.some):>{widths[6]}}"))
        length = sum(segment.cell_length for segment in segments)
        return [*segments, Segment(" " * max(0, width - length))]

    def on_resize(self, _: Resize) -> None:
        """Draw all columns for the new width."""
        self.query_one(Columns).refresh()
        self.query_one(Levels).redraw()

    # --- keys

    def action_help(self) -> None:
        """Show what the keys do."""
        self.push_screen(Help())

    def action_tree(self) -> None:
        """Show a tree, or a sorted list."""
        self.as_tree = not self.as_tree
        self._reorder()

    def action_sort(self, by: int) -> None:
        """Sort by the next column, or the one before."""
        at = SORTS.index(self.sort) + (0 if self.as_tree else by)
        self.sort_by(SORTS[at % len(SORTS)])

    def action_sort_used(self) -> None:
        """Sort by the CPUs used."""
        self.sort_by("used")

    def action_sort_throttled(self) -> None:
        """Sort by throttling."""
        self.sort_by("throttled")

    def sort_by(self, name: str) -> None:
        """Sort by a column of `SORTS`; if it is that already, the other way round."""
        self.reverse = not self.reverse if name == self.sort and not self.as_tree else False
        self.as_tree, self.sort = False, name
        self._reorder()

    def action_reverse(self) -> None:
        """Sort the other way round."""
        self.reverse, self.as_tree = not self.reverse, False
        self._reorder()

    def action_paths(self) -> None:
        """Show whole paths, or names."""
        self.whole_paths = not self.whole_paths
        self._reorder()

    def _reorder(self) -> None:
        self.query_one(Columns).refresh()
        self.show()

    def action_pause(self) -> None:
        """Read no more, or go on."""
        self.paused = not self.paused
        self.show()
        if not self.paused:
            self.due.set()

    async def action_read(self) -> None:
        """Read now."""
        if not self.ended:
            await self.take()

    def action_log(self) -> None:
        """Show more of the log, or less."""
        self.query_one("#log").toggle_class("more")

    def action_ask(self, what: str) -> None:
        """Ask for a text to search for or to filter by."""
        self.asking = what
        ask = self.query_one("#ask", Input)
        ask.value = self.only if what == "filter" else self.sought
        ask.placeholder = {"search": "search", "filter": "show only"}[what]
        ask.add_class("on")
        ask.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while the text is written."""
        if self.asking == "filter":
            self.only = event.value
            self.show()
        elif self.asking == "search":
            self.sought = event.value
            self._seek(0)

    def on_input_submitted(self) -> None:
        """Go to the next that was sought, or leave the filter as it is."""
        if self.asking == "search":
            self._seek(1)
        else:
            self._close()

    def _seek(self, after: int) -> None:
        levels = self.query_one(Levels)
        rows, sought = levels.rows, self.sought.lower()
        start = levels.cursor + after
        for step in range(len(rows) if sought else 0):
            at = (start + step) % len(rows)
            if sought in rows[at].where.lower():
                levels.go_to(at)
                return

    def action_leave(self) -> None:
        """Close the question; a filter ends."""
        if self.asking == "filter" or not self.asking:
            self.only = ""
        self._close()
        self.show()

    def _close(self) -> None:
        self.asking = ""
        self.query_one("#ask").remove_class("on")
        self.query_one(Levels).focus()

    async def action_quit(self) -> None:
        """Leave."""
        self.exit(0)

    def action_interrupt(self) -> None:
        """Leave as after an interrupt."""
        self.exit(INTERRUPTED)


def _cpus(value: float | None) -> str:
    return "-" if value is None else show_rate(value)
