"""What the estimates of the machine files say, word by word: one machine for each form of it.

    cd tests; python -m detectors.evidence      write both files again; then read the difference

The parallelism of a machine says little about the place and the text of a limit that does not
bind, and a note's code says nothing about its details. evidence.txt has both, for the first
machine that has a record of that form: the same but for digits, and for the directory of a quota.
So it has the sources of the limits in their order. odd.txt has all that a machine of odd.py says
and the plain one does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from string import Formatter

from detectors.odd import ODD, PLAIN, Sections, text_of
from kumo._notes import DIRECTION, NOTES
from kumo._records import Estimate, Limit, Note
from kumo._survey import survey
from kumo._system.machine_file import Machine, read_machine

KEPT = Path(__file__).with_name("evidence.txt")
ODD_KEPT = Path(__file__).with_name("odd.txt")
MACHINES = Path(__file__).parents[1] / "machines"
HEAD = "# One machine for each form of a limit or note. Written by detectors/evidence.py\n"
ODD_HEAD = "# What the machines of odd.py say. Written by detectors/evidence.py\n"


def lines_of(estimate: Estimate) -> list[tuple[str, str]]:
    """A line for each record of an estimate, and its form."""
    return [_limit(limit) for limit in estimate.limits] + [_note(note) for note in estimate.notes]


def order_of(estimate: Estimate) -> str:
    return "  in order: " + " ".join(limit.source for limit in estimate.limits)


def lines_of_odd(sections: Sections) -> list[str]:
    plain = _lines(PLAIN)
    return [line for line in _lines(sections) if line not in plain]


def _lines(sections: Sections) -> list[str]:
    return [line for line, _ in lines_of(survey(Machine(text_of(sections))))]


def _limit(limit: Limit) -> tuple[str, str]:
    extra = f" burst {limit.burst:g}" if limit.burst else ""
    extra += f" period {limit.period:g}" if limit.period is not None else ""
    head, tail = f"  {limit.source} {limit.kind} {limit.cpus:g}", f" | {limit.text!a}{extra}"
    place = limit.where.rpartition("/")[2] if limit.source == "quota" else limit.where
    return f"{head} {limit.where!a}{tail}", _form(f"{head} {place}{tail}")


def _note(note: Note) -> tuple[str, str]:
    """The note's code and what fills the gaps of its sentences, not the sentences."""
    finding, _, step = NOTES[note.code]
    sentences = f"{finding}. {DIRECTION[note.errs]}. {step}" if step else f"{finding}."
    if note.text.endswith(f" {DIRECTION[note.errs]}."):
        sentences = f"{finding}. {DIRECTION[note.errs]}."
    pattern, names = "", set[str]()
    for text, name, *_ in Formatter().parse(sentences):
        pattern += re.escape(text)
        if name is not None:
            pattern += f"(?P={name})" if name in names else f"(?P<{name}>.*?)"
            names.add(name)
    filled = re.fullmatch(pattern, note.text, re.DOTALL)
    details = filled.groupdict() if filled else {"text": note.text}
    line = " ".join(
        [f"  note {note.code} {note.errs}", *(f"{k}={v!a}" for k, v in details.items())]
    )
    return line, _form(line)


def _form(line: str) -> str:
    return re.sub(r"[0-9]+", "#", line)


def read_kept(path: Path) -> dict[str, list[str]]:
    """The lines of each machine in evidence.txt or odd.txt."""
    kept: dict[str, list[str]] = {}
    name = ""
    for line in path.read_text("utf-8").splitlines()[1:]:
        if line.startswith(" "):
            kept[name].append(line)
        else:
            name = line
            kept[name] = []
    return kept


def _first_of_each_form() -> Iterator[tuple[str, str]]:
    forms = set()
    for path in sorted(MACHINES.glob("*.txt")):
        estimate = survey(read_machine(path))
        order = order_of(estimate)
        for line, form in (*lines_of(estimate), (order, order)):
            if form not in forms:
                forms.add(form)
                yield path.stem, line


def main() -> None:
    with KEPT.open("w", encoding="utf-8") as file:
        file.write(HEAD)
        for name, lines in groupby(_first_of_each_form(), key=lambda pair: pair[0]):
            file.writelines(f"{line}\n" for line in (name, *(line for _, line in lines)))
    with ODD_KEPT.open("w", encoding="utf-8") as file:
        file.write(ODD_HEAD)
        for name, sections in ODD.items():
            file.writelines(f"{line}\n" for line in (name, *lines_of_odd(sections)))


if __name__ == "__main__":
    main()
