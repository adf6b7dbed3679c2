"""Fuzz the parsers and machine files, and say what was reached.

    cd tests && python -m fuzz --files 1000000 --seed 1      # from a seed
    cd tests && python -m fuzz --guided 100000               # by coverage; needs atheris

Prints the inputs, the executions, how many reached a detector, the longest that one took, and
which lines of the parsers and detectors were run. Ends with the first input that breaks
something, which it writes as hexadecimal digits.
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import time
from pathlib import Path
from types import CodeType
from typing import Any

HERE = Path(__file__).parent
SOURCE = HERE.parents[1] / "src" / "kumo"
# Where the parsers and the detectors are.
ROOMS = (
    "_cgroups/",
    "_detectors/",
    "_system/machine_file.py",
    "_pressure/parsers.py",
    "_doctor/process.py",
    "_runtimes/runtimes.py",
)
LENGTH = 96  # bytes of an input
monitoring: Any = getattr(sys, "monitoring", None)  # since Python 3.12


class Coverage:
    """The lines of the parsers and detectors that were run, at no cost after the first time."""

    def __init__(self) -> None:
        self.run: dict[str, set[int]] = {}
        tool = monitoring.COVERAGE_ID
        monitoring.use_tool_id(tool, "kumo-fuzz")
        monitoring.register_callback(tool, monitoring.events.LINE, self._line)
        monitoring.set_events(tool, monitoring.events.LINE)

    def _line(self, code: CodeType, line: int) -> object:
        if code.co_filename.startswith(str(SOURCE)):
            self.run.setdefault(code.co_filename, set()).add(line)
        return monitoring.DISABLE

    def report(self) -> str:
        reached, there, rows = 0, 0, []
        for path in sorted(SOURCE.rglob("*.py")):
            name = path.relative_to(SOURCE).as_posix()
            if name.startswith(ROOMS):
                lines = _lines(compile(path.read_text(), str(path), "exec"))
                run = self.run.get(str(path), set()) & lines
                reached, there = reached + len(run), there + len(lines)
                rows.append(f"{len(run):5} of {len(lines):4}  {name}")
        return "\n".join([*rows, f"{reached:5} of {there:4}  lines, {reached / there:.1%}"])


def _lines(code: CodeType) -> set[int]:
    lines = {line for _, _, line in code.co_lines() if line}
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            lines |= _lines(constant)
    return lines


class Campaign:
    """Counts what is tried."""

    def __init__(self, thorough: int) -> None:
        from fuzz import targets

        self.targets = targets
        self.thorough = thorough
        self.files = self.parsed = self.pages = self.reached = 0
        self.longest = 0.0

    def one(self, data: bytes) -> None:
        before = time.process_time()
        try:
            if data[:1] and data[0] % 16 == 7:
                self.targets.try_page(data[1:])
                self.pages += 1
            elif data[:1] and data[0] % 4 == 3:
                self.targets.try_parser(data[1:])
                self.parsed += 1
            else:
                self.file(data[1:])
        except BaseException:
            print(f"input {data.hex()}", flush=True)
            raise
        self.longest = max(self.longest, time.process_time() - before)

    def file(self, data: bytes) -> None:
        self.files += 1
        self.reached += self.targets.try_machine(data, self.files % self.thorough == 0)

    def report(self) -> str:
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return (
            f"{self.files} machine files, of which {self.reached} ({self.reached / self.files:.1%})"
            f" reached a detector; {self.parsed} texts for parsers; {self.pages} reports; "
            f"the longest took {self.longest:.2f} s of CPU time, memory {memory:.0f} MB"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description="Fuzz the parsers and machine files.")
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--thorough", type=int, default=10, help="of so many files, one wholly")
    parser.add_argument("--guided", type=int, help="run atheris so many times instead")
    parser.add_argument("--corpus", type=Path, default=HERE / "corpus")
    parser.add_argument("input", nargs="*", help="hexadecimal digits that are tried alone")
    options = parser.parse_args()
    if options.guided is not None:
        return _guided(options)
    coverage = Coverage()
    campaign = Campaign(options.thorough)
    for text in options.input:
        campaign.one(bytes.fromhex(text))
    if options.input:
        return 0
    for path in sorted(options.corpus.iterdir()):
        campaign.one(path.read_bytes())
    chance = random.Random(options.seed)
    for done in range(options.files):
        campaign.one(chance.randbytes(LENGTH))
        if done % 50_000 == 49_999:
            print(campaign.report(), flush=True)
    print(coverage.report())
    print(campaign.report())
    return 0


def _guided(options: argparse.Namespace) -> int:
    import atheris

    with atheris.instrument_imports(include=["kumo"]):
        campaign = Campaign(options.thorough)

    def one(data: bytes) -> None:
        campaign.one(data)
        if (campaign.files + campaign.parsed + campaign.pages) % 10_000 == 0:
            print(campaign.report(), flush=True)

    arguments = [
        f"-runs={options.guided}",
        f"-seed={options.seed}",
        "-max_len=256",
        "-rss_limit_mb=1024",
    ]
    atheris.Setup([sys.argv[0], *arguments, str(options.corpus)], one)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
