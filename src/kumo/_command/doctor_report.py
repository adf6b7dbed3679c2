"""The output of `kumo doctor`, for people and for programs: docs/reference/doctor.md."""

from __future__ import annotations

import os
from math import inf
from typing import Protocol

from kumo._command.output import paragraph, table
from kumo._doctor.judge import judge, limit_in_words
from kumo._doctor.process import family_rows
from kumo._explain import as_dict, show_notes
from kumo._text import quoted, show_rate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from kumo._doctor.ask import Answer
    from kumo._doctor.checkup import Checkup, QuotaLevel
    from kumo._doctor.judge import Finding
    from kumo._doctor.process import Setting
    from kumo._records import Estimate

SCHEMA = 1
RUNTIMES = f"{'believes':>8}  {'verdict':<10}  asked"
INDENT = 22
THREADS = ("threads", "number", "runnable", "library")
SETTINGS = ("variable", "value", "count", "verdict", "fix by")
EMPTY_ENTRY = (
    "PATH has an empty entry, which means the current directory. It was skipped: "
    "whatever lies there is not run."
)
LEVELS = ("cgroup", "quota", "periods", "throttled", "throttled for")


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    return [line for lines in table(header, rows) for line in lines]


class Report(Protocol):
    """A report that can be printed either way, and decides the exit code."""

    @property
    def oversubscribed(self) -> bool:
        """Whether the exit code is 1."""

    def text(self) -> str:
        """Return the report for people, without a final newline."""

    def data(self) -> dict[str, Any]:
        """Return what ``--json`` prints."""


class RuntimesReport:
    """The beliefs of the runtimes, against *estimate*. *missing* were not found."""

    def __init__(
        self,
        estimate: Estimate,
        answers: Sequence[Answer],
        missing: Sequence[str],
        environment: Mapping[str, str],
    ) -> None:
        self.estimate = estimate
        self.missing = missing
        self.answers = answers
        path = environment.get("PATH")
        self.empty_entries = 0 if path is None else path.split(os.pathsep).count("")
        self.silent = [answer for answer in answers if answer.failure]
        self.findings = [
            (answer, judge(belief, estimate, environment))
            for answer in answers
            for belief in answer.beliefs
        ]

    @property
    def oversubscribed(self) -> bool:
        """Whether a runtime believes in more than the count."""
        return any(finding.verdict == "over" for _, finding in self.findings)

    def rest(self) -> str:
        """Return what follows the rows, without a final newline."""
        lines = []
        if self.silent:
            failures = [paragraph(f"no answer from {_name(a)}: {a.failure}") for a in self.silent]
            lines += ["", *(line for lines in failures for line in lines)]
        if self.missing:
            names = dict.fromkeys(name.partition(",")[0] for name in self.missing)
            lines += ["", *paragraph(f"not found: {', '.join(names)}")]
        lines += ["", "These files were run:", *(f"  {_file(a)}" for a in self.answers)]
        if self.empty_entries:
            lines += ["", *paragraph(EMPTY_ENTRY)]
        lines += ["", *_notes(self.estimate)]
        over = len({id(a) for a, finding in self.findings if finding.verdict == "over"})
        judged = f"oversubscribed: {over}" if over else "not oversubscribed: none"
        lines.append(f"{judged} of those asked would use more than {self.estimate.parallelism}")
        return "\n".join(lines)

    def data(self) -> dict[str, Any]:
        """Return what ``--json`` prints."""
        return {
            **_heading(self.estimate),
            "oversubscribed": self.oversubscribed,
            "runtimes": [_finding(answer, finding) for answer, finding in self.findings],
            "unanswered": [
                {
                    "runtime": answer.question.runtime.name,
                    "program": answer.question.program,
                    "why": answer.failure,
                }
                for answer in self.silent
            ],
            "missing": list(self.missing),
            "empty_path_entries": self.empty_entries,
        }


class ProcessReport:
    """The report on one process."""

    def __init__(self, checkup: Checkup) -> None:
        self.checkup = checkup

    @property
    def oversubscribed(self) -> bool:
        """Whether it asks for more than the count, or a quota throttles it all the time."""
        return self.checkup.oversubscribed or self.checkup.throttled

    def text(self) -> str:
        """Return the report for people, without a final newline."""
        seen = self.checkup
        below = f" and {seen.descendants} below it" if seen.descendants else ""
        name = f"process {seen.pid} ({quoted(seen.name, 60)}){below}"
        lines = [*paragraph(f"{name}: {_headline(seen.estimate)}"), ""]
        lines += _table(THREADS, family_rows(seen.threads))
        if seen.settings:
            count = seen.estimate.parallelism
            rows = [_setting_cells(setting, count) for setting in seen.settings]
            lines += ["", *_table(SETTINGS, rows)]
        if seen.levels:
            lines += ["", *_table(LEVELS, [_level_cells(level) for level in seen.levels])]
        if seen.remarks:
            lines += ["", *(line for remark in seen.remarks for line in paragraph(remark))]
        lines += ["", *_notes(seen.estimate), f"{seen.judged}, as seen for {seen.window:.1f} s"]
        return "\n".join(lines)

    def data(self) -> dict[str, Any]:
        """Return what ``--json`` prints."""
        seen = self.checkup
        return {
            **_heading(seen.estimate),
            "pid": seen.pid,
            "name": seen.name,
            "oversubscribed": seen.oversubscribed,
            "throttled": seen.throttled,
            "descendants": seen.descendants,
            "window": round(seen.window, 3),
            "threads": [
                {**f._asdict(), "runnable": round(f.runnable, 2), "owner": f.owner or None}
                for f in seen.threads
            ],
            "settings": [{**s._asdict(), "mend": s.mend or None} for s in seen.settings],
            "levels": [_level(level) for level in seen.levels],
            "remarks": seen.remarks,
        }


def _headline(estimate: Estimate) -> str:
    binding = estimate.binding
    return f"{estimate.parallelism}  ({limit_in_words(binding)} at {quoted(binding.where, 200)})"


def _heading(estimate: Estimate) -> dict[str, Any]:
    whole = as_dict(estimate)
    return {
        "schema": SCHEMA,
        **{name: whole[name] for name in ("parallelism", "cpus", "binding", "notes")},
    }


def _notes(estimate: Estimate) -> list[str]:
    return [line for note in show_notes(estimate) for line in (*paragraph(note), "")]


def _verdict(verdict: str, by: int | None) -> str:
    if by is None:
        return f"{verdict}, no bound"
    return f"{verdict} by {abs(by)}" if verdict in ("over", "under") else verdict


def _name(answer: Answer) -> str:
    return f"{answer.question.runtime.name} ({quoted(answer.question.program, 200)})"


def _file(answer: Answer) -> str:
    return f"{answer.question.runtime.name}: {quoted(answer.question.program, 200)}"


def head(estimate: Estimate) -> str:
    """Return what precedes the rows, without a final newline."""
    return "\n".join([*paragraph(_headline(estimate)), "", RUNTIMES])


def _lines(answer: Answer, finding: Finding) -> list[str]:
    """Return the row of one belief: what was answered, how to fix it, and why it is so."""
    name, program = answer.question.runtime.name, quoted(answer.question.program, 200)
    version = f"{name} {quoted(finding.belief.version, 40)}"
    # There may be several Pythons.
    asked = f"{quoted(finding.belief.call, 60)} ({version}{f', {program}' * (name == 'Python')})"
    first, *others = paragraph(asked, INDENT)
    verdict = _verdict(finding.verdict, finding.by)
    lines = [f"{finding.belief.cpus:>8}  {verdict:<10}  {first[INDENT:]}", *others]
    lines += paragraph(f"fix: {finding.mend}", INDENT) if finding.mend else []
    return lines + (paragraph(f"why: {quoted(finding.why, 200)}", INDENT) if finding.why else [])


def lines_of(answer: Answer, estimate: Estimate, environment: Mapping[str, str]) -> list[str]:
    """Return the rows of an answer."""
    findings = [judge(belief, estimate, environment) for belief in answer.beliefs]
    return [line for finding in findings for line in _lines(answer, finding)]


def _finding(answer: Answer, finding: Finding) -> dict[str, Any]:
    return {
        "runtime": answer.question.runtime.name,
        "program": answer.question.program,
        "version": finding.belief.version,
        "asked": finding.belief.call,
        "believes": finding.belief.cpus,
        "verdict": finding.verdict,
        "by": finding.by,
        "why": finding.why or None,
        "mend": finding.mend or None,
    }


def _setting_cells(setting: Setting, count: int) -> tuple[str, ...]:
    verdict = _verdict(setting.verdict, setting.by)
    return setting.name, quoted(setting.value, 40), str(count), verdict, setting.mend


def _level_cells(level: QuotaLevel) -> tuple[str, ...]:
    quota = "-" if level.quota == inf else show_rate(level.quota)
    where = quoted(level.where, 200)
    if level.throttling is None:
        return where, quota, "-", "-", "not reported"
    counts = map(str, level.throttling[:2])
    return where, quota, *counts, f"{level.throttling.seconds:.3f} s"


def _level(level: QuotaLevel) -> dict[str, Any]:
    quota = None if level.quota == inf else level.quota
    throttling = None if level.throttling is None else level.throttling._asdict()
    return {"where": level.where, "quota": quota, "throttling": throttling}
