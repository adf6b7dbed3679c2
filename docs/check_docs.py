"""Check the documentation: links lead somewhere, and examples print what they show.

    python docs/check_docs.py [FILE ...]            exit 1 if something is wrong
    python docs/check_docs.py --update [FILE ...]   write into the pages what the commands print

- Each relative link of each Markdown file leads to a file, and its ``#part`` to a heading.
- The fenced ``pycon`` blocks of README.md and docs/ pass doctest, those of a file together.
- Each command in a fenced ``console`` block prints what is shown below it, stdout and stderr
  together. A shell runs it from the repository's root, with the kumo that is installed for
  this Python. Its output must not depend on this machine: it is a ``kumo … --machine FILE``,
  a ``--help``, or sets the override. A comment such as <!-- machine: tests/machines/NAME.txt -->
  right above the block adds that file to each kumo of the block, so that readers see plain
  commands.
- Each fenced ``sh`` and ``python`` block, which may depend on the machine, is free of syntax
  errors, and the options after a verb of ``kumo`` in it are in the help of that verb.
- Each public name of the package is in the API page.
"""

from __future__ import annotations

import ast
import doctest
import functools
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from _prose import blocks, unfenced

import kumo

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
API = ROOT / "docs" / "reference" / "api.md"
MACHINE = re.compile(r"<!-- machine: (\S+) -->")
KUMO = re.compile(r"\bkumo( explain| topology| snapshot)?(?= |$|\))")
LINK = re.compile(
    r"\]\(\s*<?([^)\s>]+)|^\[[^\]]+\]:\s+<?([^\s>]+)|\b(?:src|srcset)=\"([^\"]+)", re.MULTILINE
)
COMMAND = re.compile(
    r"\bkumo\b.* --machine[ =]|^KUMO_AVAILABLE_PARALLELISM=\w+ kumo(;|$)|^kumo( \w+)? --help$"
)


def anchors(text: str) -> set[str]:
    """Return what a ``#part`` may name in a page: its headings, as GitHub names them, and ids."""
    text = unfenced(text)
    headings = re.findall(r"^#+ +(.+)$", text, re.MULTILINE)
    slugs = {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in headings}
    return slugs | set(re.findall(r'<a id="([^"]+)">', text))


def wrong_links(path: Path) -> Iterator[str]:
    text = unfenced(path.read_text("utf-8"))
    for match in LINK.finditer(re.sub(r"`[^`\n]*`", "", text)):
        link = match[1] or match[2] or match[3]
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
    name = shown(path)
    test = doctest.DocTestParser().get_doctest("\n".join(lines), {}, name, name, 0)
    report: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.REPORT_ONLY_FIRST_FAILURE).run(
        test, out=report.append
    )
    if report:
        yield "".join(report).strip()


def wrong_outputs(path: Path) -> Iterator[str]:
    """Yield each command of a console block that prints something else, or may do so elsewhere."""
    for line, command, run, expected in console(path.read_text("utf-8")):
        if not COMMAND.search(run):
            yield f"line {line}: {command}\nmay print something else elsewhere: use a sh block"
        elif (printed := output(run)) != expected:
            yield f"line {line}: {command}\nprints\n{printed}"


def console(text: str) -> Iterator[tuple[int, str, str, str]]:
    """Yield each command of the console blocks: its line, as shown, as run, the output below."""
    every = text.split("\n")
    for language, start, body in blocks(text):
        if language == "console":
            machine = MACHINE.match(every[start - 3]) if start > 2 else None
            starts = [place for place, line in enumerate(body) if line.startswith("$ ")]
            for place, after in zip(starts, [*starts[1:], len(body)], strict=True):
                shown = "".join(line + "\n" for line in body[place + 1 : after])
                command = body[place][2:]
                run = command
                if machine:
                    run = re.sub(KUMO, rf"\g<0> --machine {machine[1]}", command)
                yield start + place, command, run, shown


def updated(text: str) -> str:
    """Return a page with the outputs in its console blocks as they are now."""
    lines = text.split("\n")
    for line, _, run, shown in reversed(list(console(text))):
        if COMMAND.search(run):
            lines[line : line + shown.count("\n")] = output(run).split("\n")[:-1]
    return "\n".join(lines)


def wrong_code(path: Path) -> Iterator[str]:
    """Yield each syntax error, and each option of kumo that its help does not have."""
    for language, start, body in blocks(path.read_text("utf-8")):
        text = "\n".join(body) + "\n"
        if language == "python":
            try:
                compile(text, str(path), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            except SyntaxError as error:
                yield f"line {start + (error.lineno or 1) - 1}: {error.msg}"
        if language == "sh":
            ran = subprocess.run(
                ["bash", "-n"], input=text, capture_output=True, text=True, check=False
            )
            if ran.returncode:
                yield f"line {start}: {ran.stderr.strip()}"
        if language in ("sh", "console", "dockerfile"):
            for place, line in enumerate(body):
                yield from (f"line {start + place}: {wrong}" for wrong in wrong_options(line))


def wrong_options(line: str) -> Iterator[str]:
    """Yield each option after a verb of kumo that the verb's help does not name."""
    for match in re.finditer(r"(?:^|[\s(`])kumo ([a-z]+)((?: (?:-- .*|[^|;&)#\s]+))*)", line):
        verb, rest = match[1], f" {match[2]} ".split(" -- ")[0]
        rest = rest.split(" --exec ")[0].split("$(")[0]
        for option in re.findall(r" (--[a-z][a-z-]*)", rest):
            if option not in help_of(verb):
                yield f"kumo {verb} has no {option}"


@functools.cache
def help_of(verb: str) -> str:
    """Return the help of a verb."""
    return output(f"kumo {verb} --help")


def missing_names() -> Iterator[str]:
    """Yield each public name that the API page does not have."""
    text = API.read_text("utf-8")
    for name in kumo.__all__:
        if not re.search(rf"^::: kumo\.{name}$", text, re.MULTILINE):
            yield f"kumo.{name} is not in the page"


def output(command: str) -> str:
    """Return what *command* prints, run by a shell from the repository's root."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    kept = {name: value for name, value in os.environ.items() if name != "COLUMNS"}  # whole lines
    ran = subprocess.run(
        command,
        shell=True,
        cwd=ROOT,
        env={**kept, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        text=True,
    )
    return ran.stdout


def update(path: Path) -> None:
    """Write what the commands print now into a page."""
    text = path.read_text("utf-8")
    new = updated(text)
    if new != text:
        path.write_text(new, "utf-8")
        print(shown(path))


def shown(path: Path) -> str:
    """Return the name of a file as it is reported."""
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


def problems(path: Path) -> Iterator[str]:
    """Yield what is wrong with one Markdown file."""
    yield from wrong_links(path)
    if path.is_relative_to(ROOT / "tests") or path.is_relative_to(ROOT / "benchmarks"):
        return
    yield from wrong_examples(path)
    yield from wrong_outputs(path)
    yield from wrong_code(path)
    if path == API:
        yield from missing_names()


def every_page() -> Iterator[Path]:
    """Yield each Markdown file of the repository."""
    for path in sorted(ROOT.rglob("*.md")):
        parts = path.relative_to(ROOT).parts
        if not any(part.startswith(".") or part in ("build", "dist") for part in parts):
            yield path


def main(arguments: list[str]) -> int:
    """Return the exit code."""
    updating = arguments[:1] == ["--update"]
    named = [Path(name).resolve() for name in arguments[updating:]]
    os.chdir(ROOT)
    os.environ.pop("KUMO_AVAILABLE_PARALLELISM", None)
    failures = 0
    for path in named or every_page():
        if updating:
            update(path)
        for problem in problems(path):
            print(f"{shown(path)}: {problem}", file=sys.stderr)
            failures += 1
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
