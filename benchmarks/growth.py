"""How do kumo's call and its survey grow with the machine? Times both at growing sizes.

    python benchmarks/growth.py

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
  pinned": every thread on the same one CPU, so that every one is asked, in vain. If the CPUs of
  the caller reach what the other limits allow, a call reads no list of threads.
- CPUs beyond the machine's own are those of machine files, of which there is a survey and no
  cheap call; reading and splitting the file is in the figure. "one range" is the mask `0-4095`,
  "every other" is `0,2,4,…`, as long as a list of so many CPUs gets.
- The figure of a round is the median of 12 batches of a millisecond or more (one call, if a
  call takes longer). Wall time on one machine, with one kernel, at the highest priority if that
  is allowed. If other programs run meanwhile (see the load average), the figures are higher.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import shutil
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import _groups
import harness

_PROBE = [sys.executable, "-B", str(Path(__file__).resolve().parent / "_probe.py")]
_DEPTHS = (1, 2, 4, 8, 16, 32)
_MOUNTS = ("0", "10", "100", "1000", "10000")
_THREADS = ("1", "10", "100", "1000")
_CPUS = (1, 4, 16, 64, 256, 1024, 4096)
_SHOWN = harness.SPREAD[:3]


class Series(NamedTuple):
    """One thing that grows: a command that visits its sizes, or why it cannot."""

    name: str
    size: str
    command: list[str]
    missing: str = ""


def main() -> int:
    parser = harness.parser(
        __doc__,
        takes="1 minute on a quiet machine",
        needs="root, a writable cgroup v1 hierarchy and util-linux's unshare; without them it "
        "measures what it can",
        rounds=5,
    )
    options = parser.parse_args()
    run = harness.begin("growth", options, unit="ns, a pair of call and survey a round")
    with contextlib.ExitStack() as stack:
        series = [*_depths(stack), _mounts(stack), *_threads(), *_cpus(stack)]
        arms = {one.name: partial(_times, one.command) for one in series if not one.missing}
        rounds = harness.take_turns(arms, options.rounds)
    results = {
        one.name: {"size": one.size}
        | ({"missing": one.missing} if one.missing else {"rounds": rounds[one.name]})
        for one in series
    }
    return run.end(_as_markdown, series=results)


def _times(command: list[str]) -> dict[str, list[float | None]]:
    """By size: of the call, if it is timed, and of the survey."""
    lines = map(str.split, harness.output(command).splitlines())
    return {
        size: [None if math.isnan(float(call)) else float(call), float(survey)]
        for size, call, survey in lines
    }


def _depths(stack: contextlib.ExitStack) -> list[Series]:
    """Chains of groups; *stack* removes them."""
    reason, rows = _groups.why_not() or "", []
    for limited, which in (("each", "each"), ("outermost", "the outermost alone")):
        words = []
        if not reason:
            leaf = stack.enter_context(_groups.nested(limited, max(_DEPTHS), 2, limited))
            levels = _groups.chain(leaf)[::-1]
            words = [f"{depth}={levels[depth]}" for depth in _DEPTHS]
        name = f"cgroup levels, a quota on {which}"
        rows.append(Series(name, "cgroup levels", [*_PROBE, "depth", *words], reason))
    return rows


def _mounts(stack: contextlib.ExitStack) -> Series:
    """Mounts in a namespace that ends with the probe."""
    can = shutil.which("unshare") and not os.geteuid()
    directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="kumo-growth-"))
    command = ["unshare", "--mount", *_PROBE, "mounts", directory, *_MOUNTS]
    return Series(
        "mounts", "more mounts", command, "" if can else "no unshare, or no right to mount"
    )


def _threads() -> list[Series]:
    return [
        Series(f"threads, {name} pinned", "threads", [*_PROBE, "threads", way, *_THREADS])
        for way, name in (("none", "none"), ("caller", "the caller"), ("all", "all"))
    ]


def _cpus(stack: contextlib.ExitStack) -> list[Series]:
    """Machine files with masks of many CPUs."""
    rows = []
    for name, every in (("one range", 1), ("every other", 2)):
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="kumo-growth-"))
        for count in _CPUS:
            mask = f"0-{count - 1}" if every == 1 else ",".join(map(str, range(0, 2 * count, 2)))
            Path(directory, f"{count}.txt").write_text(_MACHINE.format(mask=mask))
        command = [*_PROBE, "cpus", directory, *map(str, _CPUS)]
        rows.append(Series(f"CPUs in the mask, {name}", "CPUs", command))
    return rows


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


def _as_markdown(results: dict[str, Any]) -> str:
    parts = []
    for name, one in results["series"].items():
        title = f"{name[:1].upper()}{name[1:]}"
        if "missing" in one:
            parts.append(f"{title}: skipped, {one['missing']}.")
            continue
        header = [f"{what}: {text}" for what in ("call", "survey") for text in _SHOWN]
        rows = []
        for size in one["rounds"][0]:
            calls, surveys = zip(*(times[size] for times in one["rounds"]), strict=True)
            samples = [list(times) for times in (calls, surveys) if times[0] is not None]
            cells = [harness.cells(times, 1000)[:3] for times in samples]
            empty = ["-"] * 3 * (2 - len(cells))
            rows.append(harness.marked([size, *empty, *itertools.chain(*cells)], *samples))
        parts += [f"{title}, µs:", harness.table([one["size"], *header], rows, 0)]
    python = f"Python {results['host']['python']}. "
    return "\n\n".join([*parts, python + harness.signature(results)])


if __name__ == "__main__":
    sys.exit(main())
