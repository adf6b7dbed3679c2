"""How a benchmark runs: its options, rounds that take turns, medians, the machine, the results.

A benchmark asks one question. It makes a parser with `parser`, calls `begin`, takes its rounds
with `take_turns`, and ends with `Run.end`:

    options = harness.parser(__doc__, takes="2 minutes", rounds=15).parse_args()
    run = harness.begin("topology", options, unit="ms, one figure a round")
    times = harness.take_turns({"kumo": once, "lscpu": other}, options.rounds)
    return run.end(as_markdown, times=times)

Two files are kept in the folder of --results: NAME.json has the figures of each round, and NAME.md
has the tables. In a table a row is marked whose rounds differ too much to rely on its median.
"""

from __future__ import annotations

import argparse
import atexit
import contextlib
import json
import os
import platform
import random
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

RESULTS = Path(__file__).resolve().parent / "results"
SPREAD = ("median", "min", "quartiles", "max")
MAX_SPREAD = 0.20  # of the median, between the quartiles
MARK = r" \*"
MARK_MEANS = (
    rf"\* The middle half of the rounds spans more than {MAX_SPREAD:.0%} of the median.".replace(
        "%", " %"
    )
)
Figure = TypeVar("Figure")
Name = TypeVar("Name", bound=Hashable)
Results = dict[str, Any]


def parser(
    doc: str | None, *, takes: str, needs: str = "", rounds: int | None = None, first: bool = True
) -> argparse.ArgumentParser:
    """Return a parser whose help has the question, what it needs and how long it takes.

    *doc* is the benchmark's docstring, whose first line is the question. Without *rounds* there
    is no option for them. The run has the highest priority, unless *first* is false.
    """
    question = (doc or "").partition("\n")[0]
    made = argparse.ArgumentParser(
        description=question,
        epilog=f"It takes {takes}.{f' It needs {needs}.' if needs else ''} "
        "Caveats: see the top of the file.",
    )
    if rounds is not None:
        made.add_argument("--rounds", type=count, default=rounds, help=f"default: {rounds}")
    made.add_argument(
        "--results", type=Path, default=RESULTS, metavar="DIR", help="where the results are kept"
    )
    if first:
        made.add_argument("--as-it-is", action="store_true", help="without the highest priority")
    made.set_defaults(question=question.rstrip('"'), as_it_is=not first)
    return made


def count(text: str) -> int:
    """Return the number of an option that takes 1 or more."""
    if not (text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of 1 or more")
    return int(text)


class Run:
    """One run of a benchmark: its options, and its results so far."""

    def __init__(self, name: str, options: argparse.Namespace, results: Results) -> None:
        self.name = name
        self.options = options
        self.results = results
        self.started = time.monotonic()

    def end(self, as_markdown: Callable[[Results], str], **results: Any) -> int:
        """Add *results*, print the tables, keep both files, and return the exit code 0.

        A run that takes long does so after each part.
        """
        self.results |= results
        self.results["seconds"] = round(time.monotonic() - self.started)
        self.results["host"]["load after"] = load()
        write(self.options.results, self.name, self.results, as_markdown(self.results))
        return 0


def begin(name: str, options: argparse.Namespace, **about: Any) -> Run:
    """Begin a run; *about* goes to the results."""
    end_cleanly()
    if not options.as_it_is:
        go_first()
    results: Results = {"question": options.question, "host": host()}
    if "rounds" in options:
        results["rounds"] = options.rounds
    return Run(name, options, results | about)


def kept(name: str, options: argparse.Namespace) -> Results:
    """Return the results of the last run; nothing if there are none."""
    file = options.results / f"{name}.json"
    results: Results = json.loads(file.read_text("utf-8")) if file.exists() else {}
    return results


def take_turns(
    arms: Mapping[Name, Callable[[], Figure]],
    rounds: int,
    *,
    warm: int = 0,
) -> dict[Name, list[Figure]]:
    """Call each arm once a round, in another order each time; return a list of figures an arm.

    The figures of *warm* rounds before the first are thrown away.
    """
    return take_group_turns({"": arms}, rounds, warm=warm)[""]


def take_group_turns(
    groups: Mapping[str, Mapping[Name, Callable[[], Figure]]],
    rounds: int,
    *,
    warm: int = 0,
) -> dict[str, dict[Name, list[Figure]]]:
    """As `take_turns`, with groups: what is compared has its turns one after the other."""
    chance = random.Random(1)
    taken: dict[str, dict[Name, list[Figure]]] = {
        group: {name: [] for name in arms} for group, arms in groups.items()
    }
    begun = time.monotonic()
    for number in range(-warm, rounds):
        for group in chance.sample(list(groups), len(groups)):
            for name in chance.sample(list(groups[group]), len(groups[group])):
                figure = groups[group][name]()
                if number >= 0:
                    taken[group][name].append(figure)
        done = number + 1
        if done > 0 and done % max(1, rounds // 20) == 0:
            left = (time.monotonic() - begun) / (done + warm) * (rounds - done)
            progress(f"[{done}/{rounds}] {left:.0f} s left")
    return taken


def output(command: Sequence[str | Path], **options: Any) -> str:
    """Return what a program prints. If it fails, the benchmark ends with what it says."""
    ran = subprocess.run(
        command, capture_output=True, text=True, check=False, **{"timeout": 300, **options}
    )
    if ran.returncode:
        said = f"{ran.stdout[-2000:]}{ran.stderr[-2000:]}"
        sys.exit(f"{' '.join(map(str, command))[:200]} failed: {said}")
    printed: str = ran.stdout
    return printed


def milliseconds(call: Callable[[], object]) -> float:
    """Return how long the call takes."""
    begun = time.perf_counter()
    call()
    return round((time.perf_counter() - begun) * 1000, 4)


def host() -> dict[str, Any]:
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "cpu": models[0] if models else platform.machine(),
        "cpus": os.cpu_count(),
        "kernel": platform.release(),
        "libc": " ".join(platform.libc_ver()),
        "date": time.strftime("%Y-%m-%d"),
        "python": platform.python_version(),
        "niceness": os.getpriority(os.PRIO_PROCESS, 0),
        "load before": load(),
    }


def load() -> list[float]:
    """The load average of the last minute, 5 and 15 minutes."""
    return [round(value, 2) for value in os.getloadavg()]


def go_first() -> None:
    """If it is allowed, take the highest priority for this process and its children."""
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, -20)
    group = Path("/proc/self/autogroup")  # a session competes as one: sched(7)
    with contextlib.suppress(OSError):
        before = group.read_text().rpartition(" ")[2]
        group.write_text("-20")
        atexit.register(group.write_text, before)


def end_cleanly() -> None:
    """Have an interrupt or a termination unwind the stack once, so that all is cleaned up."""

    def stop(signum: int, _frame: object) -> NoReturn:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)
        sys.exit(128 + signum)

    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, stop)


def spread(values: Sequence[float]) -> dict[str, float]:
    first, median, third = (
        statistics.quantiles(values, n=4, method="inclusive")
        if len(values) > 1
        else [values[0]] * 3
    )
    return {
        "min": min(values),
        "q1": first,
        "median": median,
        "q3": third,
        "max": max(values),
    }


def is_wide(values: Sequence[float]) -> bool:
    """Whether the rounds differ so much that their median says little."""
    by = spread(values)
    return by["q3"] - by["q1"] > MAX_SPREAD * abs(by["median"])


def marked(cells: Sequence[str], *samples: Sequence[float]) -> list[str]:
    """Return a row, its first cell marked if one of the *samples* that it shows is wide."""
    first, *rest = cells
    return [first + MARK if any(map(is_wide, samples)) else first, *rest]


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Theirs over ours, round by round."""
    return [their / our for our, their in zip(ours, theirs, strict=True)]


def differences(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Ours over theirs in absolute terms, round by round."""
    return [our - their for our, their in zip(ours, theirs, strict=True)]


def number(value: float) -> str:
    """With three digits that mean something."""
    return (
        f"{value:.0f}"
        if abs(value) >= 100
        else f"{value:.1f}"
        if abs(value) >= 10
        else f"{value:.2f}"
    )


def cells(values: Sequence[float], scale: float = 1.0) -> list[str]:
    """Median, min, quartiles, max: four cells of a table."""
    by = {name: number(value / scale) for name, value in spread(values).items()}
    return [by["median"], by["min"], f"{by['q1']} to {by['q3']}", by["max"]]


def table(header: Sequence[str], rows: Sequence[Sequence[str]], words: int = 1) -> str:
    """A Markdown table; columns from *words* on are numbers. It explains its mark."""
    lines = [header, ["---"] * words + ["--:"] * (len(header) - words), *rows]
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    is_marked = any(row[0].endswith(MARK) for row in rows)
    return f"{text}\n\n{MARK_MEANS}" if is_marked else text


def signature(results: Results) -> str:
    """The machine and the run in one paragraph."""
    about = results["host"]
    loads = " and ".join(
        " ".join(map(str, about[key])) for key in ("load before", "load after") if key in about
    )
    return (
        f"{about['date']}, Linux {about['kernel']}, {about['cpus']} CPUs: {about['cpu']}, "
        f"{about['libc']}. {results['rounds']} rounds, {results['seconds']} s, "
        f"niceness {about['niceness']}. "
        f"Load average before and after: {loads}."
    )


def write(folder: Path, name: str, results: Results, text: str) -> None:
    """Print the text, and keep it with the results."""
    print(text)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(results, ensure_ascii=False) + "\n", "utf-8")
    (folder / f"{name}.md").write_text(text + "\n", "utf-8")


def progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
