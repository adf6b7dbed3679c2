"""Write docs/_assets/limits-light.svg and limits-dark.svg: limits within each other.

The numbers are those of tests/machines/k8s-unlimited-container-in-limited-pod.txt.
With ``--check`` write nothing, and exit 1 if a picture differs from what would be written.
"""

from __future__ import annotations

import functools
import sys
from pathlib import Path

import _page

ASSETS = Path(__file__).resolve().parent / "_assets"
COLORS = {
    "light": {"text": "#1f2328", "quiet": "#59636e", "line": "#818b98", "box": "#f6f8fa",
              "hot": "#bc4c00", "hot_box": "#fff1e5"},
    "dark": {"text": "#f0f6fc", "quiet": "#9da7b3", "line": "#656c76", "box": "#151b23",
             "hot": "#ffa657", "hot_box": "#3d2608"},
}  # fmt: skip
MACHINE, TIGHTEST = 16.0, 2.5
# Each level: its name, its limit, the CPUs that it allows as a part of the machine's.
LEVELS = (
    ("machine", "16 CPUs online", MACHINE),
    ("pod", "quota 2.50 CPUs", TIGHTEST),
    ("container", "no quota", MACHINE),
    ("your program", "affinity: 16 CPUs", MACHINE),
)
BAR_X, BAR_WIDTH, STEP, TOP, HEIGHT = 400, 240, 58, 20, 250


def picture(theme: str) -> str:
    """Return the picture in the colours of *theme*."""
    colors = COLORS[theme]
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 680 330" role="img"'
        ' font-family="system-ui, sans-serif" font-size="16">',
        "<title>Limits within each other</title>",
        "<desc>The machine has 16 CPUs online. In it is a pod with a quota of 2.50 CPUs. In the pod"
        " is a container without a quota. In the container is your program, whose affinity is 16"
        " CPUs. The tightest limit is the pod's, so the count is 2.</desc>",
    ]
    for place, (name, limit, cpus) in enumerate(LEVELS):
        parts += _box(place, name, cpus, colors)
        parts += _bar(place, limit, cpus, colors)
    parts += [
        f'<text x="{BAR_X}" y="295" fill="{colors["text"]}">The tightest limit decides:</text>',
        f'<text x="{BAR_X}" y="318" fill="{colors["hot"]}" font-weight="600">'
        "2.50 CPUs, so 2 workers</text>",
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _box(place: int, name: str, cpus: float, colors: dict[str, str]) -> list[str]:
    """Return one of the boxes within each other."""
    x, y = 10 + place * 18, TOP + place * STEP
    width, height = 360 - 2 * place * 18, HEIGHT + 40 - place * (STEP + 14)
    tight = cpus < MACHINE
    fill, stroke = ("hot_box", "hot") if tight else ("box", "line")
    return [
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="10"'
        f' fill="{colors[fill]}" stroke="{colors[stroke]}" stroke-width="{2 if tight else 1}"/>',
        f'<text x="{x + 14}" y="{y + 31}" fill="{colors["hot" if tight else "text"]}"'
        f' font-weight="600">{name}</text>',
    ]


def _bar(place: int, limit: str, cpus: float, colors: dict[str, str]) -> list[str]:
    """Return the limit of a level and its bar."""
    y = TOP + place * STEP + 31
    x = BAR_X + BAR_WIDTH * TIGHTEST / MACHINE
    tight = cpus < MACHINE
    text, fill = ("hot", "hot") if tight else ("quiet", "line")
    if limit.startswith("no "):
        bar = f'fill="none" stroke="{colors[fill]}" stroke-dasharray="3 3"'
    else:
        bar = f'fill="{colors[fill]}"'
    return [
        f'<text x="{BAR_X}" y="{y - 5}" fill="{colors[text]}">{limit}</text>',
        f'<rect x="{BAR_X}" y="{y + 3}" width="{BAR_WIDTH * cpus / MACHINE}" height="9" {bar}/>',
        f'<path d="M{x} {y}v15" stroke="{colors["hot"]}" stroke-width="2"/>',
    ]


def main() -> int:
    """Write or check both pictures; return the exit code."""
    codes = []
    for theme in COLORS:
        page = ASSETS / f"limits-{theme}.svg"
        codes.append(_page.main(__file__, __doc__, page, functools.partial(picture, theme)))
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
