"""Check the documentation: links lead somewhere, and examples print what they show.

    python docs/check_docs.py

- Each relative link of each Markdown file leads to a file, and its ``#part`` to a heading.
- The fenced ``pycon`` blocks of README.md and docs/*.md pass doctest, those of a file together.
- Each command in a fenced ``console`` block whose output does not depend on this machine,
  which is one with ``kumo … --machine FILE`` or with an override for the plain ``kumo``,
  prints what stands below it, stdout and stderr together. It is run by a shell from the
  repository's root, with the kumo that is installed for this Python.
"""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from _prose import blocks, unfenced

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"\]\(\s*<?([^)\s>]+)|^\[[^\]]+\]:\s+<?([^\s>]+)", re.MULTILINE)
COMMAND = re.compile(r"\bkumo\b.* --machine[ =]|^KUMO_AVAILABLE_PARALLELISM=\w+ kumo(;|$)")


def anchors(text: str) -> set[str]:
    """Return what a ``#part`` may name in a page: its headings, as GitHub names them, and ids."""
    text = unfenced(text)
    headings = re.findall(r"^#+ +(.+)$", text, re.MULTILINE)
    slugs = {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in headings}
    return slugs | set(re.findall(r'<a id="([^"]+)">', text))


def wrong_links(path: Path) -> Iterator[str]:
    text = unfenced(path.read_text("utf-8"))
    for match in LINK.finditer(re.sub(r"`[^`\n]*`", "", text)):
        link = match[1] or match[2]
        if re.match(r"[a-z][a-z0-9+.-]*:", link):
            continue
        file, _, part = link.partition("#")
        target = path.parent / file if file else path
        if not target.exists():
            yield f"{link} leads to no file"
        elif part and target.suffix == ".md" and part not in anchors(target.read_text("utf-8")):
            yield f"{link} leads to no heading"


def wrong_examples(path: Path) -> Iterator[str]:
    text = path.read_text("utf-8")
    lines = [""] * (text.count("\n") + 1)  # so that doctest's line numbers are the page's
    for language, start, body in blocks(text):
        if language == "pycon":
            lines[start - 1 : start - 1 + len(body)] = body
    name = str(path.relative_to(ROOT))
    test = doctest.DocTestParser().get_doctest("\n".join(lines), {}, name, name, 0)
    report: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.REPORT_ONLY_FIRST_FAILURE).run(
        test, out=report.append
    )
    if report:
        yield "".join(report).strip()


def wrong_outputs(path: Path) -> Iterator[str]:
    for language, start, body in blocks(path.read_text("utf-8")):
        if language != "console":
            continue
        starts = [place for place, line in enumerate(body) if line.startswith("$ ")]
        for place, after in zip(starts, [*starts[1:], len(body)], strict=True):
            command = body[place][2:]
            expected = "".join(line + "\n" for line in body[place + 1 : after])
            if COMMAND.search(command) and (printed := output(command)) != expected:
                yield f"line {start + place}: {command}\nprints\n{printed}"


def output(command: str) -> str:
    """Return what *command* prints, run by a shell from the repository's root."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ran = subprocess.run(
        command,
        shell=True,
        cwd=ROOT,
        env={**os.environ, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        text=True,
    )
    return ran.stdout


def main() -> int:
    os.chdir(ROOT)
    os.environ.pop("KUMO_AVAILABLE_PARALLELISM", None)
    failures = 0
    for path in sorted(ROOT.rglob("*.md")):
        name = path.relative_to(ROOT)
        if any(part.startswith(".") or part in ("build", "dist") for part in name.parts):
            continue
        problems = list(wrong_links(path))
        if path == ROOT / "README.md" or name.parts[0] == "docs":
            problems += [*wrong_examples(path), *wrong_outputs(path)]
        for problem in problems:
            print(f"{name}: {problem}", file=sys.stderr)
        failures += len(problems)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
