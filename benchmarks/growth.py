"""How do kumo's call and its survey grow with the machine? Times both at growing sizes.

    python benchmarks/growth.py

on Linux, as root and with a writable cgroup v1 hierarchy, and util-linux's `unshare`.

Caveats first:

- The call is kumo.available_parallelism() from the second one on, with nothing changed since the
  last one. A call after a change, and the first, is a survey. The survey is kumo.estimate(), all
  of it: every level, every thread, every note.
- Levels of cgroup v1, with the quota on each level or on the outermost alone. The call stops at
  the nearest level with a quota, for v1 refuses a wider one below a tighter; on v2 it cannot.
- The mounts are bind mounts of one directory in another, on one file system. A mount with long
  options costs more. They are added to those of the machine.
- Threads wait and do nothing, and no quota is set. "the caller pinned": the calling thread
  on one CPU, the others anywhere, so that the list of threads is read and one of them asked. "all
  pinned": every thread on the same one CPU, so that every one is asked, in vain. Where the CPUs
  of the caller reach what the other limits allow, a call reads no list of threads.
- CPUs beyond the machine's own are those of machine files, of which there is a survey and no
  cheap call; reading and splitting the file is in the figure. "one range" is the mask `0-4095`,
  "every other" is `0,2,4,…`, as long as a list of so many CPUs gets.
- The figure of a round is the median of 12 batches of a millisecond or more (one call, where a
  call takes longer). Wall time on one machine, with one kernel, at the highest priority where that
  is allowed. Where other programs run meanwhile (see the load average), the figures are higher.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import _groups
import _report

_PROBE = [sys.executable, "-B", str(Path(__file__).resolve().parent / "_probe.py")]
_DEPTHS = (1, 2, 4, 8, 16, 32)
_MOUNTS = ("0", "10", "100", "1000", "10000")
_THREADS = ("1", "10", "100", "1000")
_CPUS = (1, 4, 16, 64, 256, 1024, 4096)


_SHOWN = _report.SPREAD[:3]


@dataclass
class Series:
    """One thing that grows: a command that visits its sizes, and the times that it printed."""

    name: str
    size: str
    command: list[str] = field(default_factory=list)
    missing: str | None = None
    calls: dict[str, list[float]] = field(default_factory=dict)
    surveys: dict[str, list[float]] = field(default_factory=dict)

    def take_round(self) -> None:
        ran = subprocess.run(self.command, capture_output=True, text=True, check=False)
        if ran.returncode:
            sys.exit(f"{self.name} failed: {ran.stderr}")
        for line in ran.stdout.splitlines():
            size, call, survey = line.split()
            if not math.isnan(float(call)):
                self.calls.setdefault(size, []).append(float(call))
            self.surveys.setdefault(size, []).append(float(survey))


def main() -> int:
    options = _options()
    _report.end_cleanly()
    _report.go_first()
    started = time.monotonic()
    about = _report.host()
    with contextlib.ExitStack() as stack:
        series = [*_depths(stack), _mounts(stack), *_threads(), *_cpus(stack)]
        there = [one for one in series if not one.missing]
        for round_number in range(options.rounds):
            for one in there:
                one.take_round()
            _report.progress(f"[{round_number + 1}/{options.rounds}] {_largest(there)}")
    results = {
        "question": "How do kumo's call and its survey grow with the machine?",
        "host": about | {"python": sys.version.split()[0]},
        "rounds": options.rounds,
        "unit": "ns, one figure a round",
        "series": {one.name: _raw(one) for one in series},
    }
    _report.finish(results, started)
    _report.write(options.results, "growth", results, _as_markdown(results))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Time kumo at growing sizes.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--results", type=Path, default=_report.RESULTS)
    return parser.parse_args()


def _depths(stack: contextlib.ExitStack) -> list[Series]:
    """Chains of groups; *stack* removes them."""
    size = "cgroup levels"
    names = {
        "each": "cgroup levels, a quota on each",
        "outermost": "cgroup levels, a quota on the outermost alone",
    }
    if reason := _groups.why_not():
        return [Series(name, size, missing=reason) for name in names.values()]
    found = []
    for limited, name in names.items():
        leaf = stack.enter_context(_groups.nested(limited, max(_DEPTHS), 2, limited))
        levels = _groups.chain(leaf)[::-1]
        words = [f"{depth}={levels[depth]}" for depth in _DEPTHS]
        found.append(Series(name, size, [*_PROBE, "depth", *words]))
    return found


def _mounts(stack: contextlib.ExitStack) -> Series:
    """Mounts in a namespace that ends with the probe."""
    unshare = shutil.which("unshare")
    if not unshare or os.geteuid():
        return Series("mounts", "more mounts", missing="no unshare, or no right to mount")
    directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="kumo-growth-"))
    command = [unshare, "--mount", *_PROBE, "mounts", directory, *_MOUNTS]
    return Series("mounts", "more mounts", command)


def _threads() -> list[Series]:
    ways = {"none": "none pinned", "caller": "the caller pinned", "all": "all pinned"}
    return [
        Series(f"threads, {name}", "threads", [*_PROBE, "threads", way, *_THREADS])
        for way, name in ways.items()
    ]


def _cpus(stack: contextlib.ExitStack) -> list[Series]:
    """Machine files with masks of many CPUs."""
    found = []
    for name, every in (("one range", 1), ("every other", 2)):
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="kumo-growth-"))
        for count in _CPUS:
            mask = f"0-{count - 1}" if every == 1 else ",".join(map(str, range(0, 2 * count, 2)))
            Path(directory, f"{count}.txt").write_text(_MACHINE.format(mask=mask))
        command = [*_PROBE, "cpus", directory, *map(str, _CPUS)]
        found.append(Series(f"CPUs in the mask, {name}", "CPUs", command))
    return found


_MACHINE = """\
-- !platform --
linux
-- !affinity --
{mask}
-- /proc/self/cgroup --
0::/
-- /proc/self/mountinfo --
1071 1070 0:26 / /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw,nsdelegate
-- /sys/devices/system/cpu/online --
{mask}
-- /sys/fs/cgroup/cpu.max --
max 100000
"""


def _largest(series: list[Series]) -> str:
    times = ((one, *list(one.surveys.items())[-1]) for one in series)
    return "; ".join(f"{one.name} {size}: {last[-1] / 1000:.0f} µs" for one, size, last in times)


def _raw(one: Series) -> dict[str, Any]:
    if one.missing:
        return {"size": one.size, "missing": one.missing}
    return {"size": one.size, "call": one.calls, "survey": one.surveys}


def _as_markdown(results: dict[str, Any]) -> str:
    parts = []
    for name, one in results["series"].items():
        title = f"{name[:1].upper()}{name[1:]}"
        if "missing" in one:
            parts.append(f"{title}: skipped, {one['missing']}.")
            continue
        header = (
            one["size"],
            *(f"{what}: {text}" for what in ("call", "survey") for text in _SHOWN),
        )
        rows = [
            [size, *_cells(one["call"].get(size)), *_cells(times)]
            for size, times in one["survey"].items()
        ]
        parts += [f"{title}, µs:", _report.table(header, rows, 0)]
    python = f"Python {results['host']['python']}. "
    return "\n\n".join([*parts, python + _report.signature(results)])


def _cells(times: list[float] | None) -> list[str]:
    return _report.cells(times, 1000)[:3] if times else ["-"] * 3


if __name__ == "__main__":
    sys.exit(main())
