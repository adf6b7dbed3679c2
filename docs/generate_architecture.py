"""Write docs/_assets/layers-light.svg and layers-dark.svg: the rooms of the package in layers.

The lines are those of the comment in src/kumo/__init__.py, the ground at the bottom.
With ``--check`` write nothing, and exit 1 if a picture differs from what would be written.
"""

from __future__ import annotations

import functools
import re
import sys
from html import escape
from pathlib import Path

import _page
from generate_picture import ASSETS, COLORS

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "kumo" / "__init__.py"
# The way of one count, from the machine to the estimate.
ESTIMATE = {"_cgroups", "_system", "_detectors", "_survey"}
ROW, GAP, LEFT, WIDTH, TOP = 34, 6, 60, 790, 16
WORDS = 430  # the place at which the descriptions begin


def layers() -> list[tuple[list[str], str]]:
    """Return the rooms of each line and what it says about them, the top first."""
    lines = re.findall(r"^# - (.+?): (.+)$", PACKAGE.read_text("utf-8"), re.MULTILINE)
    rooms = [([name.strip("`") for name in names.split(", ")], words) for names, words in lines]
    return rooms[::-1]


def picture(theme: str) -> str:
    """Return the picture in the colours of *theme*."""
    colors = COLORS[theme]
    rows = layers()
    height = TOP + len(rows) * (ROW + GAP) + 10
    described = "; ".join(f"{', '.join(names)}: {words}" for names, words in rows)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 10} {height}"'
        ' role="img" font-family="system-ui, sans-serif" font-size="15">',
        "<title>The rooms of the package, in layers</title>",
        f"<desc>From the top to the ground. {escape(described.replace('`', ''))}.</desc>",
        *_arrow(height, colors),
    ]
    for place, (names, words) in enumerate(rows):
        parts += _row(TOP + place * (ROW + GAP), names, words, colors)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _arrow(height: int, colors: dict[str, str]) -> list[str]:
    """Return the arrow beside the layers: the direction of the imports."""
    end = height - 18
    return [
        f'<path d="M42 {TOP}V{end}m-6 -9l6 9l6 -9" fill="none" stroke="{colors["quiet"]}"'
        ' stroke-width="2"/>',
        f'<text transform="translate(26 {height // 2}) rotate(-90)" text-anchor="middle"'
        f' fill="{colors["quiet"]}">imports only from below</text>',
    ]


def _row(y: int, names: list[str], words: str, colors: dict[str, str]) -> list[str]:
    """Return one layer: its rooms, and what they are for."""
    own = bool(ESTIMATE & {*names})
    fill, stroke = ("hot_box", "hot") if own else ("box", "line")
    return [
        f'<rect x="{LEFT}" y="{y}" width="{WIDTH}" height="{ROW}" rx="6"'
        f' fill="{colors[fill]}" stroke="{colors[stroke]}"/>',
        f'<text x="{LEFT + 12}" y="{y + 22}" fill="{colors["hot" if own else "text"]}"'
        f' font-family="ui-monospace, monospace" font-weight="600">{"  ".join(names)}</text>',
        f'<text x="{WORDS}" y="{y + 22}" fill="{colors["text"]}">'
        f"{escape(words.replace('`', ''))}</text>",
    ]


def main() -> int:
    """Write or check both pictures; return the exit code."""
    codes = []
    for theme in COLORS:
        page = ASSETS / f"layers-{theme}.svg"
        codes.append(_page.main(__file__, __doc__, page, functools.partial(picture, theme)))
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
