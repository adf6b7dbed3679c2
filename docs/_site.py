"""What the site has beyond docs/: pages from the repository's root and from the benchmarks.

A hook of mkdocs.yml. A link that leads out of docs/ leads to such a page, if there is one, and
else becomes the path in the repository, as plain code, since the site does not have that file.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File, InclusionLevel

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
RESULTS = "benchmarks/results"
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s#]+)(#[^)\s]*)?\)")


def extra_pages() -> dict[str, str]:
    """Return the pages from elsewhere: the path in the repository, and the path in the site."""
    names = {name: name for name in ("CHANGELOG.md", "CONTRIBUTING.md")}
    for path in sorted((ROOT / RESULTS).rglob("*")):
        if path.suffix in (".md", ".svg"):
            name = path.relative_to(ROOT).as_posix()
            names[name] = name
    return names


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from elsewhere."""
    for source, target in extra_pages().items():
        level = (
            InclusionLevel.NOT_IN_NAV if source.startswith(RESULTS) else InclusionLevel.UNDEFINED
        )
        file = File.generated(config, target, abs_src_path=str(ROOT / source), inclusion=level)
        files.append(file)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Return the page with the links that lead out of the site replaced."""
    extra = extra_pages()
    source = page.file.src_uri
    folder = os.path.dirname(source) if source in extra else os.path.dirname(f"docs/{source}")

    def replaced(match: re.Match[str]) -> str:
        mark, text, link, part = match.groups(default="")
        if re.match(r"[a-z][a-z0-9+.-]*:|mailto:", link):
            return match[0]
        target = os.path.normpath(f"{folder}/{link}")
        if target in extra:
            inside = extra[target]
        elif target.startswith("docs/"):
            inside = target.removeprefix("docs/")
        else:
            return text if text in (f"`{target}`", target) else f"{text} (`{target}`)"
        return f"{mark}[{text}]({os.path.relpath(inside, os.path.dirname(source) or '.')}{part})"

    return LINK.sub(replaced, markdown)
