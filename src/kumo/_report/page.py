"""The page: the template, filled, with the machine file inside, and less than `MAX_BYTES` long.

The machine file is readable if it is short, else compressed. It is read again by
`kumo._system.machine_file`, as ``--machine`` of any verb does.
"""

from __future__ import annotations

import zlib
from base64 import encodebytes

from kumo._report.drawing import style_sheet
from kumo._report.view import BOUNDS, view
from kumo._system.machine_file import COMPRESSED, INSIDE, MAX_EXPANDED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kumo._report.facts import Facts
    from kumo._report.view import Bounds

MAX_BYTES = 100_000
MAX_READABLE = 24_000  # bytes of a machine file that is not compressed
LEFT_OUT = "The machine file is too long for this page. kumo snapshot prints it."

TEMPLATE = "page.html"


def page(facts: Facts) -> str:
    """Return the report as one page, less than `MAX_BYTES` long in UTF-8.

    Raise `ImportError` if jinja2 is not installed.
    """
    for bounds in BOUNDS:
        for machine, is_compressed in (*_machines(facts), ("", False)):
            text = _filled(facts, bounds, machine, is_compressed)
            if _size(text) < MAX_BYTES:
                return text
            if _size(text) - _size(machine) >= MAX_BYTES:
                break  # a shorter machine file does not help
    raise AssertionError("the least page has a bound")


def _filled(facts: Facts, bounds: Bounds, machine: str, is_compressed: bool) -> str:
    import jinja2
    from markupsafe import Markup

    from kumo import __version__

    environment = jinja2.Environment(
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    shown = view(facts, bounds)
    # The drawing code and this module write HTML. All else is text.
    pictures = {
        "nested": [Markup(each) for each in shown["nested"]],
        "topology": [Markup(each) for each in shown["topology"]],
        "timelines": [{**each, "picture": Markup(each["picture"])} for each in shown["timelines"]],
    }
    given = {
        **shown,
        **pictures,
        "styles": Markup(style_sheet()),
        "machine": Markup(machine),
        "compressed": is_compressed,
        "left_out": LEFT_OUT,
        "version": __version__,
    }
    return environment.from_string(_template()).render(given)


def _template() -> str:
    from importlib.resources import files

    return files(__package__).joinpath(TEMPLATE).read_text("utf-8")


def _machines(facts: Facts) -> Iterator[tuple[str, bool]]:
    """Yield the ways to have the machine file inside, from the best."""
    if len(facts.machine) <= MAX_READABLE:
        text = facts.machine.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        yield f"{INSIDE}>\n{text}</pre>", False
    for text in (facts.machine, facts.small):
        plain = text.encode("utf-8", "surrogateescape")
        if len(plain) > MAX_EXPANDED:
            continue
        packed = zlib.compress(plain, 9)
        yield f"{INSIDE}{COMPRESSED}>\n{encodebytes(packed).decode()}</pre>", True


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogateescape"))
