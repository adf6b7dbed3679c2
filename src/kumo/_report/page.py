"""The page: the template, filled, with the machine file inside, and less than `MAX_BYTES` long.

The machine file is readable if it is short, else compressed. It is read again by
`kumo._system.machine_file`, as ``--machine`` of any verb does.
"""

from __future__ import annotations

import zlib
from base64 import encodebytes

from kumo._report.drawing import style_sheet
from kumo._report.view import BOUNDS, view
from kumo._system.machine_file import COMPRESSED, INSIDE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kumo._report.facts import Facts
    from kumo._report.view import Bounds

MAX_BYTES = 100_000
MAX_READABLE = 24_000  # bytes of a machine file that is not compressed
LEFT_OUT = "The machine file is too long for this page. kumo snapshot prints it."

TEMPLATE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:,">
<title>CPU limits of {{ subject }}</title>
<style>
:root{color-scheme:light dark;--text:#1f2328;--quiet:#59636e;--line:#d1d9e0;--hot:#bc4c00;--warm:#fff1e5;--ground:#fff}
@media(prefers-color-scheme:dark){:root{--text:#f0f6fc;--quiet:#9da7b3;--line:#3d444d;--hot:#ffa657;--warm:#3d2608;--ground:#0d1117}}
body{background:var(--ground);color:var(--text);font:16px/1.5 system-ui,sans-serif;margin:0;overflow-wrap:anywhere}
main{max-width:46rem;margin:0 auto;padding:1rem}
h1{font-size:1.5rem;line-height:1.25}h2{font-size:1.2rem;margin:2rem 0 .5rem;border-top:1px solid var(--line);padding-top:1rem}
.answer{font-size:1.15rem}.verdict{background:var(--warm);border-left:4px solid var(--hot);padding:.5rem .75rem}
.quiet,figcaption{color:var(--quiet)}figure{margin:1rem 0}
svg.k{display:block;max-width:100%;height:auto}svg.k-time{width:100%;height:48px}
.narrow{display:none}@media(max-width:47rem){.narrow{display:block}.wide{display:none}}
.scroll{overflow-x:auto}table{border-collapse:collapse;margin:0 0 1rem;font-size:.9rem}
th,td{text-align:left;vertical-align:top;padding:.2rem .9rem .2rem 0;border-bottom:1px solid var(--line);overflow-wrap:normal}
.n{text-align:right;font-variant-numeric:tabular-nums}.binds{color:var(--hot);font-weight:600}
code,pre{font-family:ui-monospace,monospace;font-size:.85em}pre{overflow-x:auto;unicode-bidi:isolate;border:1px solid var(--line);padding:.5rem}
summary{cursor:pointer}dt{font-weight:600;margin-top:.75rem}dd{margin:0}
@media print{:root{color-scheme:light}body{font-size:11px}figure,tr{break-inside:avoid}.scroll,pre{overflow:visible;white-space:pre-wrap}}
{{ styles }}
</style>
</head>
<body>
<main>
<h1>CPU limits of {{ subject }}</h1>
<p class="answer">{{ answer }}</p>
{% if verdict %}
<p class="verdict"><strong>{{ verdict.code }}</strong>: {{ verdict.evidence }}. {{ verdict.advice }}</p>
{% endif %}
<p class="quiet">Watched for {{ seconds }} s from {{ when }} UTC, by kumo {{ version }}.</p>

<h2>Limits</h2>
{% for picture in nested %}
<figure class="{{ ['wide', 'narrow'][loop.index0] }}">{{ picture }}</figure>
{% endfor %}
<details>
<summary>The limits as a table</summary>
<div class="scroll" tabindex="0" role="region" aria-label="Limits">
<table>
<thead><tr><th scope="col">limit</th><th scope="col" class="n">CPUs</th><th scope="col">from</th><th scope="col">text</th></tr></thead>
<tbody>
{% for limit in limits %}
<tr{% if limit.binds %} class="binds"{% endif %}><td>{{ limit.source }}{% if limit.binds %}, binds{% endif %}</td><td class="n">{{ limit.cpus }}</td><td><code>{{ limit.where }}</code></td><td><code>{{ limit.text }}</code></td></tr>
{% endfor %}
</tbody>
</table>
</div>
{% if limits_left %}<p>{{ limits_left }} more are in the machine file.</p>{% endif %}
</details>

<h2>Throttling</h2>
{% if timelines %}
<p>Each bar is {{ window }} s: the share of the quota's periods in which the cgroup was stopped, up to 100 %.</p>
{% for line in timelines %}
<figure>
<figcaption><code>{{ line.where }}</code>: quota {{ line.quota }}, {{ line.words }}, {{ line.seconds }} s summed over CPUs
{% for change in line.changes %}<br>The quota changed from {{ change }}, at a dashed line.{% endfor %}</figcaption>
{{ line.picture }}
</figure>
{% endfor %}
{% if timelines_left %}<p>{{ timelines_left }} other levels with a quota were throttled less.</p>{% endif %}
{% if numbers %}
<details>
<summary>The bars as a table</summary>
<div class="scroll" tabindex="0" role="region" aria-label="Throttling">
<table>
<thead><tr><th scope="col" class="n">from s</th>{% for head in numbers.heads %}<th scope="col" class="n"><code>{{ head }}</code></th>{% endfor %}</tr></thead>
<tbody>
{% for at, cells in numbers.rows %}
<tr><th scope="row" class="n">{{ at }}</th>{% for cell in cells %}<td class="n">{{ cell }}</td>{% endfor %}</tr>
{% endfor %}
</tbody>
</table>
</div>
</details>
{% endif %}
{% else %}
<p>No cgroup that can be seen has a quota.</p>
{% endif %}

<h2>CPUs</h2>
<p>{{ counts }}.</p>
{% for picture in topology %}
<figure class="{% if topology | length > 1 %}{{ ['wide', 'narrow'][loop.index0] }}{% endif %}">{{ picture }}</figure>
{% endfor %}

{% if threads or settings or judged or remarks %}
<h2>Threads and variables</h2>
{% if judged %}<p>{{ judged }}.</p>{% endif %}
{% if threads %}
<div class="scroll" tabindex="0" role="region" aria-label="Threads">
<table>
<thead><tr><th scope="col">threads</th><th scope="col" class="n">number</th><th scope="col" class="n">runnable</th><th scope="col">library</th></tr></thead>
<tbody>
{% for name, number, runnable, owner in threads %}
<tr><td>{{ name }}</td><td class="n">{{ number }}</td><td class="n">{{ runnable }}</td><td>{{ owner }}</td></tr>
{% endfor %}
</tbody>
</table>
</div>
{% endif %}
{% if settings %}
<div class="scroll" tabindex="0" role="region" aria-label="Variables">
<table>
<thead><tr><th scope="col">variable</th><th scope="col">value</th><th scope="col">verdict</th><th scope="col">fix</th></tr></thead>
<tbody>
{% for name, value, verdict, fix in settings %}
<tr><td><code>{{ name }}</code></td><td>{{ value }}</td><td>{{ verdict }}</td><td>{{ fix }}</td></tr>
{% endfor %}
</tbody>
</table>
</div>
{% endif %}
{% for remark in remarks %}
<p>{{ remark }}.</p>
{% endfor %}
{% endif %}

<h2>Notes</h2>
{% if notes %}
<dl>
{% for code, text in notes %}
<dt><code>{{ code }}</code></dt><dd>{{ text }}</dd>
{% endfor %}
</dl>
{% if notes_left %}<p>{{ notes_left }} more: kumo explain shows them.</p>{% endif %}
{% else %}
<p>There are no notes: all limits could be read.</p>
{% endif %}

<h2>Machine file</h2>
{% if machine %}
<p>This page is a machine file as well. On any machine this command gives the same answer from it:</p>
<pre tabindex="0">kumo explain --machine FILE.html</pre>
<details>
<summary>The machine file{% if compressed %}, compressed{% endif %}</summary>
{{ machine }}
</details>
{% else %}
<p>{{ left_out }}</p>
{% endif %}
<p class="quiet">The page has what kumo read about this process and its cgroups, and nothing of other processes. Look through the names before you publish it.</p>
</main>
</body>
</html>
"""  # noqa: E501


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
    # What the drawing code and this module have written is HTML; all else is text.
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
    return environment.from_string(TEMPLATE).render(given)


def _machines(facts: Facts) -> Iterator[tuple[str, bool]]:
    """Yield the ways to have the machine file inside, from the best."""
    if len(facts.machine) <= MAX_READABLE:
        text = facts.machine.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        yield f"{INSIDE}>\n{text}</pre>", False
    for text in (facts.machine, facts.small):
        packed = zlib.compress(text.encode("utf-8", "surrogateescape"), 9)
        yield f"{INSIDE}{COMPRESSED}>\n{encodebytes(packed).decode()}</pre>", True


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogateescape"))
