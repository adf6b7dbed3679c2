"""Write docs/_assets/isolated-light.svg and isolated-dark.svg: busy threads on isolated CPUs.

The figures are those of benchmarks/results/isolated.json, which tests/kernel/test_isolated.py
measured. With ``--check`` write nothing, and exit 1 if a picture differs.
"""

from __future__ import annotations

import functools
import json
import sys

import _page
from generate_picture import ASSETS, COLORS

RESULTS = ASSETS.parents[1] / "benchmarks" / "results" / "isolated.json"
# By the name of a situation in the results: what the chart calls it.
NAMES = {
    "balanced": "mask 4-6, balanced",
    "isolcpus": "mask 1-3, isolcpus=1-3",
    "isolcpus and one more": "mask 0-3, isolcpus=1-3",
    "isolated partition": "isolated partition 5-7",
}
LEFT, WIDTH, MOST, STEP, TOP = 220, 360, 3.0, 62, 64


def picture(theme: str) -> str:
    """Return the chart in the colours of *theme*."""
    colors = COLORS[theme]
    rows = json.loads(RESULTS.read_text("utf-8"))["situations"]
    bottom = TOP + STEP * len(rows)
    described = "; ".join(
        f"{NAMES[row['name']]}: {row['unpinned']['cpus']:.2f} CPUs unpinned, "
        f"{row['pinned']['cpus']:.2f} pinned, kumo counts {row['estimate']}"
        for row in rows
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 680 {bottom + 40}" role="img"'
        ' font-family="system-ui, sans-serif" font-size="15">',
        "<title>CPUs that three busy threads get</title>",
        f"<desc>{described}.</desc>",
        f'<text x="10" y="24" fill="{colors["text"]}" font-weight="600">'
        "CPUs that three busy threads get</text>",
        f'<rect x="{LEFT}" y="36" width="16" height="10" fill="{colors["hot"]}"/>',
        f'<text x="{LEFT + 22}" y="46" fill="{colors["quiet"]}">unpinned</text>',
        f'<rect x="{LEFT + 110}" y="36" width="16" height="10" fill="{colors["line"]}"/>',
        f'<text x="{LEFT + 132}" y="46" fill="{colors["quiet"]}">pinned one by one</text>',
        f'<path d="M{LEFT + 300} 34v14" stroke="{colors["text"]}" stroke-width="3"/>',
        f'<text x="{LEFT + 310}" y="46" fill="{colors["quiet"]}">kumo\'s count</text>',
    ]
    for place, row in enumerate(rows):
        parts += _row(TOP + place * STEP, row, colors)
    for cpus in range(4):
        x = LEFT + WIDTH * cpus / MOST
        parts.append(f'<text x="{x - 4}" y="{bottom + 20}" fill="{colors["quiet"]}">{cpus}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _row(y: int, row: dict[str, object], colors: dict[str, str]) -> list[str]:
    """Return one situation: its name, two bars with their figures, and the count."""
    name, count = NAMES[str(row["name"])], int(str(row["estimate"]))
    parts = [f'<text x="10" y="{y + 26}" fill="{colors["text"]}">{name}</text>']
    for offset, key, color in ((6, "unpinned", "hot"), (24, "pinned", "line")):
        measured = row[key]
        assert isinstance(measured, dict)
        cpus = float(measured["cpus"])
        width = WIDTH * cpus / MOST
        after = LEFT + max(width, WIDTH * count / MOST) + 8  # clear of the mark of the count
        parts += [
            f'<rect x="{LEFT}" y="{y + offset}" width="{width:.1f}" height="14"'
            f' fill="{colors[color]}"/>',
            f'<text x="{after:.1f}" y="{y + offset + 12}"'
            f' fill="{colors["quiet"]}" font-size="13">{cpus:.2f}</text>',
        ]
    x = LEFT + WIDTH * count / MOST
    parts.append(f'<path d="M{x:.1f} {y}v44" stroke="{colors["text"]}" stroke-width="3"/>')
    return parts


def main() -> int:
    """Write or check both pictures; return the exit code."""
    codes = []
    for theme in COLORS:
        page = ASSETS / f"isolated-{theme}.svg"
        codes.append(_page.main(__file__, __doc__, page, functools.partial(picture, theme)))
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
