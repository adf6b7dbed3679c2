"""Limits, topology, throttling and pools as SVG. Pure: records in, text out.

What the functions here guarantee:

- Every name is cut to the room that it has, and escaped for XML; no character that controls
  anything is left in it.
- The size has a bound, whatever the machine is like: many limits are folded into one row, and
  many CPUs become one bar for each place.
- A picture needs no script, no font and no file. Without its style sheet, as in a notebook that
  is not trusted, its text and lines have the colour of the text around it.
- Nothing is shown by its colour alone.
"""

from __future__ import annotations

import os
from html import escape
from math import inf
from typing import NamedTuple

from kumo._explain import show_cpus
from kumo._text import plural, quoted, show_rate
from kumo._topology.picture import headline
from kumo._topology.records import Core
from kumo._topology.split import slowness

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from kumo._pressure.records import Level
    from kumo._records import Estimate, Limit
    from kumo._topology.records import Topology

WIDE, NARROW = 720, 328  # pixels
MAX_LIMITS = 12  # rows; the others share one
MAX_NUMBERED = 256  # CPUs; of more, the cells have no numbers
MAX_CELLS = 2048  # CPUs; more are one bar for each place
MAX_GROUPS = 128  # places with cells
MAX_BARS = 48
MAX_NAME = 200  # characters, before a name is cut to its room
LETTER, WIDE_LETTER = 7.2, 13.0  # pixels, of the letters here and of Chinese ones
ROW, STEP, PAD = 46, 9, 10  # of limits: a row's height, each box's margin, what is before a text

# Of https://primer.style, whose pairs of text and ground have a contrast of 4.5 and more.
LIGHT = {"ground": "#ffffff", "text": "#1f2328", "quiet": "#59636e", "line": "#818b98",
         "box": "#f6f8fa", "hot": "#bc4c00", "warm": "#fff1e5", "own": "#0969da",
         "on_own": "#ffffff"}  # fmt: skip
DARK = {"ground": "#0d1117", "text": "#f0f6fc", "quiet": "#9da7b3", "line": "#818b98",
        "box": "#151b23", "hot": "#ffa657", "warm": "#3d2608", "own": "#58a6ff",
        "on_own": "#0d1117"}  # fmt: skip
# Of a group of shapes: its class, what the class sets, and what counts without a style sheet.
RULES = {
    "ground": ("fill:{ground}", 'fill="none"'),
    "text": ("fill:{text}", 'fill="currentColor"'),
    "quiet": ("fill:{quiet}", 'fill="currentColor"'),
    "strong": ("fill:{hot};font-weight:600", 'fill="#c2570c"'),
    "box": ("fill:{box};stroke:{line}", 'fill="none" stroke="currentColor"'),
    "warm": ("fill:{warm};stroke:{hot}", 'fill="none" stroke="#c2570c" stroke-width="2"'),
    "bar": ("fill:{line}", 'fill="currentColor" fill-opacity=".45"'),
    "hot": ("fill:{hot}", 'fill="#c2570c"'),
    "empty": ("stroke:{line}", 'fill="none" stroke="currentColor" stroke-opacity=".5"'),
    "mark": ("stroke:{text}", 'fill="none" stroke="currentColor" stroke-dasharray="4 3"'),
    "core": ("stroke:{line}", 'fill="none" stroke="currentColor"'),
    "own": ("fill:{own}", 'fill="#2f7fdb"'),
    "isolated": ("fill:{own};stroke:{text}",
                 'fill="#2f7fdb" fill-opacity=".55" stroke="currentColor" stroke-dasharray="2 2"'),
    "on-own": ("fill:{on_own}", 'fill="#ffffff"'),
}  # fmt: skip


def style_sheet() -> str:
    """Return the rules for a page or a picture by itself, in light and in dark colours."""
    return f"{_rules(LIGHT)}@media screen and (prefers-color-scheme:dark){{{_rules(DARK)}}}"


def _rules(colors: Mapping[str, str]) -> str:
    return "".join(f".k-{name}{{{rule.format(**colors)}}}" for name, (rule, _) in RULES.items())


# --- limits


class Row(NamedTuple):
    """A limit, or several that share a row. *cpus* is `inf` for no limit."""

    label: str
    value: str
    cpus: float
    binds: bool


def limits(estimate: Estimate, width: int = WIDE, *, alone: bool = False) -> str:
    """Return the limits as boxes within each other, from the machine to the process.

    The one that binds is marked. With *alone* the picture is a file, else part of a page.
    """
    rows = limit_rows(estimate)
    most = max((row.cpus for row in rows if row.cpus < inf), default=1.0)
    height = len(rows) * ROW + (len(rows) - 1) * STEP + 2
    start = (len(rows) - 1) * STEP + PAD
    room = width - 2 * start
    shapes = _Shapes()
    for place, row in enumerate(rows):
        left, top = place * STEP + 1, place * ROW + 1
        tall = height - top - place * STEP - 1
        box = f'<rect x="{left}" y="{top}" width="{width - 2 * left}" height="{tall}" rx="6"/>'
        shapes.add("warm" if row.binds else "box", box)
    for place, row in enumerate(rows):
        left, top = place * STEP + 1, place * ROW + 1
        wide = width - 2 * left
        value = f"{row.value}, binds" if row.binds else row.value
        value_room = len(value) * (LETTER + row.binds)
        text = "strong" if row.binds else "text"
        shapes.text(text, left + PAD, top + 19, cut(row.label, wide - 3 * PAD - value_room))
        shapes.text(text, left + wide - PAD, top + 19, value, end=True)
        long = room * min(1.0, row.cpus / most) if most else 0.0
        kind = "hot" if row.binds else "bar" if row.cpus < inf else "empty"
        shapes.add(kind, _rect(start, top + 27, max(2.0, long), 8))
    title = "Limits within each other, from the widest to the narrowest"
    return _svg(shapes, width, height, f"{title}: {_in_words(rows)}", alone)


def limit_rows(estimate: Estimate) -> list[Row]:
    """Return the limits from the widest to the narrowest, at most `MAX_LIMITS` rows."""
    binding = estimate.binding
    quotas = [limit for limit in estimate.limits if limit.source == "quota"]
    rows = [
        Row(_label(limit, quotas), _value(limit), limit.cpus, limit is binding)
        for limit in reversed(estimate.limits)
    ]
    rows = list(_folded(rows))
    if len(rows) <= MAX_LIMITS:
        return rows
    ranked = sorted(range(len(rows)), key=lambda at: (not rows[at].binds, rows[at].cpus))
    kept = sorted(ranked[: MAX_LIMITS - 1])
    cpus = min(rows[at].cpus for at in ranked[MAX_LIMITS - 1 :])
    least = f"at least {show_rate(cpus)}" if cpus < inf else "no limit"
    others = Row(f"{len(rows) - len(kept)} other limits", least, cpus, False)
    return [*(rows[at] for at in kept[:-1]), others, rows[kept[-1]]]


def _folded(rows: Iterable[Row]) -> Iterator[Row]:
    """Let consecutive rows without a limit share one."""
    empty: list[Row] = []
    for row in rows:
        if row.cpus == inf:
            empty.append(row)
            continue
        yield from _together(empty)
        empty = []
        yield row
    yield from _together(empty)


def _together(empty: Sequence[Row]) -> Iterator[Row]:
    if len(empty) > 1:
        yield Row(f"{len(empty)} levels", "no limit", inf, False)
    else:
        yield from empty


def _label(limit: Limit, quotas: Sequence[Limit]) -> str:
    if limit.source == "quota" and "/" in limit.where:
        directory = os.path.dirname(limit.where)
        is_top = limit is quotas[-1]
        return f"cgroup {directory if is_top else os.path.basename(directory)}"
    return {"online": "machine", "override": "override"}.get(limit.source, limit.source)


def _value(limit: Limit) -> str:
    if limit.cpus == inf:
        return "no quota" if limit.source == "quota" else "no limit"
    return plural(show_cpus(limit), "CPU")


def _in_words(rows: Sequence[Row]) -> str:
    return ", ".join(
        f"{quoted(row.label, 60)}: {row.value}{' (binds)' if row.binds else ''}" for row in rows
    )


# --- throttling


def timeline(shares: Sequence[float | None], changes: Iterable[int] = (), title: str = "") -> str:
    """Return a bar for each window: the share of the periods that were throttled.

    `None` is a window in which nothing wanted to run. *changes* are the windows before which the
    quota changed. It has no text, so that a page may stretch it.
    """
    shapes = _Shapes()
    number = max(len(shares), 1)
    path = "".join(
        f"M{at} 40v-{max(1, round(40 * share))}h.9V40z" for at, share in enumerate(shares) if share
    )
    shapes.add("empty", f'<path d="M0 40H{number}" vector-effect="non-scaling-stroke"/>')
    if path:
        shapes.add("hot", f'<path d="{path}"/>')
    marks = "".join(f"M{at} 0V40" for at in changes)
    if marks:
        shapes.add("mark", f'<path d="{marks}" vector-effect="non-scaling-stroke"/>')
    return (
        f'<svg class="k k-time" viewBox="0 0 {number} 41" preserveAspectRatio="none" role="img">'
        f"<title>{escape(title)}</title>{shapes}</svg>"
    )


def levels(seen: Sequence[Level], width: int = WIDE) -> str:
    """Return a bar for each level of a pressure: what it used of its quota, and the throttling."""
    rows = []
    for level in seen[:MAX_BARS]:
        did = level.throttling
        throttled = did.throttled if did is not None else 0
        words = ["no quota" if level.quota == inf else f"quota {show_rate(level.quota)}"]
        if level.used is not None:
            words.insert(0, f"used {level.used:.2f}")
        if did is not None and level.quota < inf:
            words.append(f"throttled in {did.throttled} of {plural(did.periods, 'period')}")
        share = None
        if level.used is not None and level.quota < inf:
            share = level.used / level.quota
        elif did is not None and did.periods:
            share = did.throttled / did.periods
        rows.append((f"cgroup {level.where}", ", ".join(words), share, throttled > 0))
    if len(seen) > MAX_BARS:
        rows.append((plural(len(seen) - MAX_BARS, "other level"), "", None, False))
    return _bars(rows, width, "CPU time of each cgroup, as a part of its quota", alone=False)


def workers(name: str, size: int, busy: int, queued: int, width: int = NARROW) -> str:
    """Return a pool as one bar: how many of its workers are busy, and how many tasks wait."""
    words = f"{busy} of {size} busy, {queued} queued"
    share = busy / size if size else 0.0
    return _bars([(name, words, share, queued > 0)], width, f"Pool {quoted(name, 60)}: {words}")


def _bars(
    rows: Sequence[tuple[str, str, float | None, bool]], width: int, title: str, alone: bool = False
) -> str:
    """Return rows of a label, a value, a share or none, and whether it is the one to look at."""
    shapes = _Shapes()
    for place, (label, value, share, hot) in enumerate(rows):
        top = place * ROW
        text = "strong" if hot else "text"
        room = width - 2 * PAD - len(value) * (LETTER + hot)
        shapes.text(text, 1, top + 19, cut(label, room))
        shapes.text(text, width - 1, top + 19, value, end=True)
        shapes.add("empty", _rect(1, top + 27, width - 2, 8))
        if share:
            shapes.add("hot" if hot else "bar", _rect(1, top + 27, (width - 2) * min(1, share), 8))
    return _svg(shapes, width, max(1, len(rows)) * ROW, title, alone)


# --- topology


class _Group(NamedTuple):
    name: str
    cores: list[Core]


def topology(
    record: Topology, cores: Sequence[Core] = (), width: int = WIDE, *, alone: bool = False
) -> str:
    """Return *cores*, those of the whole machine, with the CPUs of *record* filled.

    Without *cores* the machine's other CPUs are cores by themselves. With *alone* the picture is
    a file, else part of a page.
    """
    whole = list(cores) or _with_others(record)
    groups = _grouped(whole)
    words = list(headline(record, whole, 10_000))
    number = sum(len(core.siblings) for core in whole)
    if number > MAX_CELLS or len(groups) > MAX_GROUPS:
        return _places(groups, frozenset(record.cpus), width, words[0], alone)
    return _Cells(record, number <= MAX_NUMBERED, width).draw(groups, ". ".join(words), alone)


def _with_others(record: Topology) -> list[Core]:
    known = {cpu for core in record.cores for cpu in core.siblings}
    others = [Core((cpu,), (cpu,)) for cpu in record.online if cpu not in known]
    return [*record.cores, *others]


def _grouped(cores: Sequence[Core]) -> list[_Group]:
    """Return the cores of each place, and of each kind in it, the fastest first."""
    names = [
        name
        for name in ("node", "package", "die", "kind")
        if len({getattr(core, name) for core in cores}) > 1
    ]
    slow = slowness(cores)
    groups: dict[tuple[object, ...], list[Core]] = {}
    for core in sorted(cores, key=lambda core: (*_place(core), slow(core), core.siblings)):
        groups.setdefault(tuple(getattr(core, name) for name in names), []).append(core)
    return [_Group(_name(names, key), some) for key, some in groups.items()]


def _place(core: Core) -> tuple[float, ...]:
    numbers = (core.node, core.package, core.die)
    return tuple(inf if number is None else number for number in numbers)


def _name(names: Sequence[str], key: Sequence[object]) -> str:
    if all(value is None for value in key):
        return "elsewhere" if names else ""
    parts = [
        f"{value} cores" if name == "kind" else f"{name} {'?' if value is None else value}"
        for name, value in zip(names, key, strict=True)
    ]
    return ", ".join(parts)


def _places(
    groups: Sequence[_Group], own: frozenset[int], width: int, title: str, alone: bool
) -> str:
    parts = [(group.name or "machine", group.cores) for group in groups[:MAX_BARS]]
    if rest := groups[MAX_BARS:]:
        parts.append((f"{len(rest)} more", [core for group in rest for core in group.cores]))
    rows = []
    for name, cores in parts:
        cpus = [cpu for core in cores for cpu in core.siblings]
        mine = len(own.intersection(cpus))
        value = f"{mine} of {plural(len(cpus), 'CPU')} may be used"
        rows.append((name, value, mine / len(cpus), False))
    return _bars(rows, width, title, alone)


class _Cells:
    """Draws each CPU as a cell: the cells of a core touch, and a gap is between two caches."""

    def __init__(self, record: Topology, numbered: bool, width: int) -> None:
        self.own, self.isolated = frozenset(record.cpus), frozenset(record.isolated)
        self.numbered, self.width = numbered, width
        self.wide, self.tall = (25, 18) if numbered else (8, 8)
        self.space, self.gap = (6, 12) if numbered else (3, 8)
        self.shapes = _Shapes()
        self.paths: dict[str, list[str]] = {}

    def draw(self, groups: Sequence[_Group], title: str, alone: bool) -> str:
        left, top, low = 1.0, 0.0, 0.0
        for group in groups:
            wide, tall = self._size(group)
            if left > 1 and left + wide > self.width:
                left, top = 1.0, low
            self._group(group, left, top)
            left += wide + 24
            low = max(low, top + tall + 10)
        for name, path in self.paths.items():
            self.shapes.add(name, f'<path d="{"".join(path)}"/>')
        height = self._legend(low + 4)
        return _svg(self.shapes, self.width, int(height), title, alone)

    def _steps(self, group: _Group) -> Iterator[tuple[Core, float, float]]:
        """Yield each core with its place in the group."""
        left = top = 0.0
        before = group.cores[0].cache
        for core in group.cores:
            if core.cache != before and left:
                left += self.gap - self.space
            before = core.cache
            wide = len(core.siblings) * self.wide
            if left and left + wide > self.width - 2:
                left, top = 0.0, top + self.tall + self.space
            yield core, left, top
            left += wide + self.space

    def _size(self, group: _Group) -> tuple[float, float]:
        wide, tall = 0.0, 0.0
        for core, left, top in self._steps(group):
            wide = max(wide, left + len(core.siblings) * self.wide)
            tall = max(tall, top + self.tall)
        name = min(self.width - 2.0, len(group.name) * LETTER)
        return max(wide, name), tall + self._head(group)

    def _head(self, group: _Group) -> int:
        return 24 if group.name else 2

    def _group(self, group: _Group, left: float, top: float) -> None:
        if group.name:
            self.shapes.text("text", left, top + 16, cut(group.name, self.width - left))
        for core, x, y in self._steps(group):
            self._core(core, left + x, top + y + self._head(group))

    def _core(self, core: Core, left: float, top: float) -> None:
        for place, cpu in enumerate(core.siblings[: self.width // self.wide]):
            x = left + place * self.wide
            mine = cpu in self.own
            kind = "isolated" if mine and cpu in self.isolated else "own" if mine else "empty"
            inside = f"M{x + 1:g} {top + 1:g}h{self.wide - 2}v{self.tall - 2}h-{self.wide - 2}z"
            self.paths.setdefault(kind, []).append(inside)
            if self.numbered:
                text = "on-own" if kind == "own" else "text"
                self.shapes.number(text, x + self.wide / 2, top + self.tall - 5, cpu)
        if len(core.siblings) > 1:
            across = len(core.siblings) * self.wide
            outline = f"M{left:g} {top:g}h{across}v{self.tall}h-{across}z"
            self.paths.setdefault("core", []).append(outline)

    def _legend(self, top: float) -> float:
        """Draw a cell of each kind that there is, with its name, and return the end."""
        names = {
            "own": "may be used",
            "isolated": "may be used, isolated",
            "empty": "may not be used",
        }
        left = 1.0
        for kind, name in names.items():
            if kind in self.paths:
                wide = 22 + len(name) * LETTER
                if left > 1 and left + wide > self.width:
                    left, top = 1.0, top + 22
                self.shapes.add(kind, _rect(left + 1, top + 3, 12, 12))
                self.shapes.text("quiet", left + 18, top + 14, name)
                left += wide + 16
        return top + 22


# --- shapes


class _Shapes:
    """Shapes in the order in which they came, those of a kind together; texts come last."""

    def __init__(self) -> None:
        self.runs: list[tuple[str, list[str]]] = []
        self.texts: dict[str, list[str]] = {}
        self.numbers: dict[str, list[str]] = {}

    def add(self, kind: str, shape: str) -> None:
        if not self.runs or self.runs[-1][0] != kind:
            self.runs.append((kind, []))
        self.runs[-1][1].append(shape)

    def text(self, kind: str, x: float, y: float, text: str, *, end: bool = False) -> None:
        anchor = ' text-anchor="end"' if end else ""
        self.texts.setdefault(kind, []).append(
            f'<text x="{x:g}" y="{y:g}"{anchor}>{escape(text)}</text>'
        )

    def number(self, kind: str, x: float, y: float, number: int) -> None:
        self.numbers.setdefault(kind, []).append(f'<text x="{x:g}" y="{y:g}">{number}</text>')

    def __str__(self) -> str:
        groups = [_layer(kind, shapes) for kind, shapes in (*self.runs, *self.texts.items())]
        small = ' font-size="10.5" text-anchor="middle"'
        groups += [_layer(kind, shapes, small) for kind, shapes in self.numbers.items()]
        return "".join(groups)


def _layer(kind: str, shapes: Sequence[str], more: str = "") -> str:
    return f'<g class="k-{kind}" {RULES[kind][1]}{more}>{"".join(shapes)}</g>'


def _rect(x: float, y: float, width: float, height: float) -> str:
    return f'<rect x="{x:g}" y="{y:g}" width="{width:.1f}" height="{height:g}"/>'


def _svg(shapes: _Shapes, width: int, height: int, title: str, alone: bool) -> str:
    begin = end = ground = ""
    if alone:
        begin = 'xmlns="http://www.w3.org/2000/svg" '
        whole = _rect(-8, -8, width + 16, height + 16)
        ground = f"<style>{style_sheet()}</style>{_layer('ground', [whole])}"
        end = "\n"
    box = f"-8 -8 {width + 16} {height + 16}" if alone else f"0 0 {width} {height}"
    size = f'width="{width + 16 * alone}" height="{height + 16 * alone}"'
    return (
        f'<svg {begin}class="k" viewBox="{box}" {size} role="img"'
        f' font-family="system-ui, sans-serif" font-size="13">'
        f"<title>{escape(quoted(title, 2000))}</title>{ground}{shapes}</svg>{end}"
    )


def cut(text: str, room: float) -> str:
    """Return *text* without what controls anything, its middle left out if it is too long."""
    shown = quoted(text, MAX_NAME)
    if _length(shown) <= room:
        return shown
    letters = max(2, int(room / LETTER))
    while letters > 2 and _length(_middle_out(shown, letters)) > room:
        letters -= 1
    return _middle_out(shown, letters)


def _middle_out(text: str, letters: int) -> str:
    tail = (letters - 1) // 2
    return f"{text[: letters - 1 - tail]}…{text[len(text) - tail :]}"


def _length(text: str) -> float:
    if text.isascii():
        return len(text) * LETTER
    from unicodedata import east_asian_width

    return sum(WIDE_LETTER if east_asian_width(each) in "WF" else LETTER for each in text)
