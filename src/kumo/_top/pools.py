"""kumo's pools of another process, from the metrics that it exports for Prometheus."""

from __future__ import annotations

import re
from typing import NamedTuple

TIMEOUT = 1.0  # seconds
MAX_BYTES = 2**22
MAX_POOLS = 100
_SAMPLE = re.compile(
    r'^kumo_pool_([a-z]+)\{(?:[^"}]*"(?:[^"\\]|\\.)*",)*pool="((?:[^"\\]|\\.)*)"[^}]*\} '
    r"([0-9][0-9.e+]{0,30})(?: [0-9]+)?$",
    re.MULTILINE,
)
_ESCAPES = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}


class Answer(NamedTuple):
    """The numbers of each pool by name, and what went wrong, else an empty text."""

    pools: dict[str, dict[str, float]]
    problem: str


def parse_pools(text: str) -> dict[str, dict[str, float]]:
    r"""Return the numbers of each pool: ``{"web": {"size": 4.0, "busy": 1.0}}``.

    Format: ``kumo_pool_size{pool="web"} 4.0``, a line each; in the name ``\\``, ``\"`` and ``\n``
    are escapes. https://prometheus.io/docs/instrumenting/exposition_formats/
    """
    pools: dict[str, dict[str, float]] = {}
    for what, escaped, number in _SAMPLE.findall(text):
        name = re.sub(r"\\.", lambda match: _ESCAPES.get(match[0], match[0]), escaped)
        if name in pools or len(pools) < MAX_POOLS:
            try:
                pools.setdefault(name, {})[what] = float(number)
            except ValueError:
                continue  # such as 1.2.3
    return pools


def fetch_pools(url: str) -> Answer:
    """Return the pools that *url* exports now."""
    from http.client import HTTPException
    from urllib.request import urlopen

    try:
        with urlopen(url, timeout=TIMEOUT) as answer:
            text = answer.read(MAX_BYTES).decode("utf-8", "replace")
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        return Answer({}, f"--metrics: {reason}")
    return Answer(parse_pools(text), "")


def is_address(url: str) -> bool:
    """Return whether *url* is one that `fetch_pools` opens: not a file, for instance."""
    return re.fullmatch(r"https?://[^\s/]+(/\S*)?", url) is not None
