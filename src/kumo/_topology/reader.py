"""Reads the files of a topology: what cannot be read becomes a note, and reading goes on."""

from __future__ import annotations

from kumo._cgroups.cpulist import CEILING, format_cpulist, parse_cpulist
from kumo._detectors import performance_levels
from kumo._notes import note
from kumo._records import Limit, Note
from kumo._text import error_name, quoted, repr_short, whole_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kumo._survey import Detector
    from kumo._system.live import System

CPU = "/sys/devices/system/cpu"


class Reader:
    """Reads lists and numbers; what is unreadable or malformed becomes a note.

    Files with the same fault share a note, which names the first of them: a machine has
    thousands of files, and a closed directory closes them all.
    """

    def __init__(self, system: System) -> None:
        self.system = system
        self.remarks: list[Note | tuple[str, str]] = []
        self.faults: dict[tuple[str, str], dict[str, str]] = {}
        self.files: dict[tuple[str, str], dict[str, None]] = {}

    def limits(self, detect: Detector) -> Iterator[Limit]:
        for record in detect(self.system):
            if isinstance(record, Limit):
                yield record
            else:
                self.remarks.append(record)

    def text(self, path: str) -> str:
        try:
            return self.system.read(path) or ""
        except OSError as error:
            self._fault("topology-unreadable", path, error=error_name(error))
            return ""

    def cpus(self, *paths: str) -> int:
        """The mask in the first of the files that there is, 0 without one."""
        for path in paths:
            text = self.text(path)
            if text and (text := text.strip()) and text != "(null)":
                try:
                    return parse_cpulist(text)
                except ValueError:
                    self.malformed(path, text, "a list of CPUs such as 0-3")
        return 0

    def number(self, path: str) -> int | None:
        return whole_number(self.text(path).strip(), 9)

    def names(self, path: str) -> Iterable[str]:
        """The directories in a directory."""
        try:
            return self.system.list(path) or ()
        except OSError:
            return ()

    def levels(self) -> list[tuple[str, int]]:
        """A Mac's levels of performance."""
        text = self.system.fact(performance_levels.FACT)
        try:
            levels = performance_levels.parse_levels(text) if text else []
            if sum(count for _, count in levels) <= CEILING:
                return levels
        except ValueError:
            pass
        self.malformed(performance_levels.FACT, text or "", "lines such as Performance 8")
        return []

    def malformed(self, where: str, text: str, form: str) -> None:
        self._fault("topology-malformed", where, form=form, text=repr_short(text.strip()))

    def note_of_cpus(self, code: str, cpus: int, **detail: str) -> None:
        self.remarks.append(note(code, cpus=quoted(format_cpulist(cpus), 200), **detail))

    def notes(self) -> Iterator[Note]:
        """The notes in the order in which they were found."""
        for each in self.remarks:
            yield each if isinstance(each, Note) else self._of_files(each)

    def _fault(self, code: str, where: str, **detail: str) -> None:
        key = code, next(iter(detail.values()))
        if key not in self.faults:
            self.remarks.append(key)
            self.faults[key], self.files[key] = detail, {}
        self.files[key][where] = None

    def _of_files(self, key: tuple[str, str]) -> Note:
        first, *more = self.files[key]
        where = quoted(first, 200) + (f" (and {len(more)} more such files)" if more else "")
        return note(key[0], where=where, **self.faults[key])
