"""What the speed benchmarks share: the machine described, spreads, tables, files of results."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import platform
import signal
import statistics
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

RESULTS = Path(__file__).resolve().parent / "results"


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
        "niceness": os.getpriority(os.PRIO_PROCESS, 0),
        "load before": load(),
    }


def go_first() -> None:
    """Where it is allowed, take the highest priority for this process and its children."""
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, -20)
    group = Path("/proc/self/autogroup")  # a session competes as one: sched(7)
    with contextlib.suppress(OSError):
        before = group.read_text().rpartition(" ")[2]
        group.write_text("-20")
        atexit.register(group.write_text, before)


def load() -> list[float]:
    """The load average of the last minute, 5 and 15 minutes."""
    return [round(value, 2) for value in os.getloadavg()]


def spread(values: list[float]) -> dict[str, float]:
    first, median, third = (
        statistics.quantiles(values, n=4, method="inclusive") if values[1:] else values * 3
    )
    return {
        "min": min(values),
        "q1": first,
        "median": median,
        "q3": third,
        "max": max(values),
    }


def ratios(ours: list[float], theirs: list[float]) -> list[float]:
    """Theirs over ours, round by round."""
    return [their / our for our, their in zip(ours, theirs, strict=True)]


def number(value: float) -> str:
    """With three digits that mean something."""
    return (
        f"{value:.0f}"
        if abs(value) >= 100
        else f"{value:.1f}"
        if abs(value) >= 10
        else f"{value:.2f}"
    )


def cells(values: list[float], scale: float = 1.0) -> list[str]:
    """Median, min, quartiles, max: four cells of a table."""
    by = {name: number(value / scale) for name, value in spread(values).items()}
    return [by["median"], by["min"], f"{by['q1']} to {by['q3']}", by["max"]]


SPREAD = ("median", "min", "quartiles", "max")


def table(header: tuple[str, ...], rows: list[list[str]], words: int = 1) -> str:
    """A Markdown table; columns from *words* on are numbers."""
    lines = [header, ["---"] * words + ["--:"] * (len(header) - words), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def signature(results: dict[str, Any]) -> str:
    """The machine in one paragraph."""
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


def finish(results: dict[str, Any], started: float) -> None:
    results["seconds"] = round(time.monotonic() - started)
    results["host"]["load after"] = load()


def write(folder: Path, name: str, results: dict[str, Any], text: str) -> None:
    print(text)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(results, ensure_ascii=False) + "\n", "utf-8")
    (folder / f"{name}.md").write_text(text + "\n", "utf-8")


def progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def end_cleanly() -> None:
    """Have an interrupt or a termination unwind the stack once, so that all is cleaned up."""

    def stop(signum: int, _frame: object) -> NoReturn:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)
        sys.exit(128 + signum)

    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, stop)
