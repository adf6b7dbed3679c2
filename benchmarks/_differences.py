"""What other projects' test cases expect beside what kumo says, judged and as Markdown.

A difference is no fault as such: a table in the script has a reason for each that is known, after
what the kernel documents. Whatever is in no table is unexplained.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import harness

import kumo


@dataclass
class Difference:
    what: str
    theirs: str
    ours: str
    reason: str = ""


@dataclass
class Case:
    suite: str
    name: str
    differences: list[Difference] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """The codes of kumo's notes."""
    not_compared: str = ""
    """Why there is nothing to compare, if there is not."""

    @property
    def verdict(self) -> str:
        if self.not_compared:
            return "not compared"
        if not self.differences:
            return "same"
        return "explained" if all(each.reason for each in self.differences) else "unexplained"


# Suite, case and what differs, as patterns; and the reason.
Reasons = Sequence[tuple[str, str, str, str]]


def explain(cases: Iterable[Case], reasons: Reasons) -> None:
    """Enter the first reason that fits into each difference."""
    for case in cases:
        for difference in case.differences:
            keys = (case.suite, case.name, difference.what)
            difference.reason = next(
                (reason for *patterns, reason in reasons if all(map(fnmatchcase, keys, patterns))),
                "",
            )


def unused(cases: Iterable[Case], reasons: Reasons) -> list[str]:
    """The reasons that explain nothing (any more)."""
    used = {each.reason for case in cases for each in case.differences}
    suites = {case.suite for case in cases}
    return [reason for suite, _, _, reason in reasons if suite in suites and reason not in used]


def as_dicts(cases: Iterable[Case]) -> list[dict[str, Any]]:
    return [asdict(case) | {"verdict": case.verdict} for case in cases]


def version_of(checkout: Path) -> str:
    """The commit, or what a file VERSION says of what is not a repository."""
    if (checkout / "VERSION").is_file():
        return (checkout / "VERSION").read_text("utf-8").split("\n")[0]
    ran = subprocess.run(
        ["git", "-C", str(checkout), "rev-parse", "--short=8", "HEAD"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return ran.stdout.strip() or "unknown"


def end(
    run: harness.Run,
    cases: list[Case],
    versions: dict[str, str],
    reasons: Reasons,
    more: str = "",
    **results: object,
) -> int:
    """Explain, print and keep the results; return the exit code: 1 if a difference is unexplained.

    *more* stands below the summary.
    """
    explain(cases, reasons)

    def as_markdown(results: dict[str, Any]) -> str:
        idle = unused(cases, reasons)
        parts = [summary(cases, versions), more, differences(cases), left_out(cases)]
        parts += ["Reasons that explain nothing:", *idle] if idle else []
        parts.append(f"{results['host']['date']}, kumo {kumo.__version__}.")
        return "\n\n".join(part for part in parts if part)

    run.end(as_markdown, versions=versions, cases=as_dicts(cases), **results)
    return 1 if any(case.verdict == "unexplained" for case in cases) else 0


VERDICTS = ("same", "explained", "unexplained", "not compared")


def summary(cases: Sequence[Case], versions: dict[str, str]) -> str:
    """A row for each suite."""
    lines = [
        "| suite | version | cases | same | explained | unexplained | not compared |",
        "| --- | --- | --: | --: | --: | --: | --: |",
    ]
    for suite in [*dict.fromkeys(case.suite for case in cases)]:
        verdicts = [case.verdict for case in cases if case.suite == suite]
        counts = [len(verdicts), *(verdicts.count(verdict) for verdict in VERDICTS)]
        lines.append(f"| {suite} | {versions[suite]} | {' | '.join(map(str, counts))} |")
    verdicts = [case.verdict for case in cases]
    counts = [len(verdicts), *(verdicts.count(verdict) for verdict in VERDICTS)]
    lines.append(f"| all | | {' | '.join(map(str, counts))} |")
    return "\n".join(lines)


def differences(cases: Sequence[Case]) -> str:
    """A row for each difference, the unexplained first."""
    rows = [(case, each) for case in cases for each in case.differences]
    if not rows:
        return "No differences."
    lines = [
        "| suite | case | what | theirs | kumo | why |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for case, each in sorted(rows, key=lambda row: bool(row[1].reason)):
        cells = (case.suite, case.name, each.what, _short(each.theirs), _short(each.ours),
                 each.reason or "**unexplained**")  # fmt: skip
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines)


def left_out(cases: Sequence[Case]) -> str:
    """What was not compared, by reason."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for case in cases:
        if case.not_compared:
            reasons.setdefault((case.suite, case.not_compared), []).append(case.name)
    lines = [
        f"- {suite}, {reason}: {', '.join(names)}" for (suite, reason), names in reasons.items()
    ]
    return "\n".join(["Not compared:", "", *lines]) if lines else ""


def _short(text: str, most: int = 60) -> str:
    return text if len(text) <= most else f"{text[:most]}…"
