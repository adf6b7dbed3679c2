"""The results of follow.py as tables and as a plot."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import harness

NAMES = {
    "default": "library's default",
    "os.cpu_count": "`os.cpu_count`",
    "loky.cpu_count": "`loky.cpu_count`",
    "kumo": "**kumo**",
}
ARM_NAMES = NAMES | {"unmarked": "kumo, waits unmarked"}
PHASES = ("2 CPUs", "then 1.0", "then 2 again")
COLOURS = {
    "default": "#b3412b", "os.cpu_count": "#d98c3f", "loky.cpu_count": "#8a8a8a",
    "kumo": "#1f5fa8", "1": "#7fb3a6",
}  # fmt: skip


def per_second(phase: dict[str, Any]) -> float:
    return float(phase["done"] / phase["seconds"])


def cost(phase: dict[str, Any]) -> float:
    """ms of CPU for a unit."""
    return float(1000 * phase["cpu"] / max(1, phase["done"]))


def throttled(phase: dict[str, Any]) -> float:
    return float(phase["throttled"] / phase["seconds"])


def late(percent: int) -> Any:
    """The lateness at a percentile, in ms, of a phase."""

    def at(phase: dict[str, Any]) -> float:
        ordered = sorted(phase["late"])
        return float(ordered[min(len(ordered) - 1, len(ordered) * percent // 100)])

    return at


def of(runs: list[dict[str, Any]], what: Any, phase: int = 0) -> list[float]:
    """One figure a round."""
    return [what(run["phases"][phase]) for run in runs]


def median(runs: list[dict[str, Any]], what: Any, phase: int = 0) -> float:
    return statistics.median(of(runs, what, phase))


def shown(values: list[float]) -> str:
    """The median, and the quartiles."""
    by = {name: harness.number(value) for name, value in harness.spread(values).items()}
    return f"{by['median']} ({by['q1']} to {by['q3']})"


def best_fixed(arms: dict[str, Any]) -> str:
    """Of those within 5 % of the most work the least late; the smaller at a tie."""
    fixed = {a: runs for a, runs in arms.items() if a not in ("kumo", "unmarked", "loky.cpu_count")}
    whole = {arm: [{"phases": [_whole(run)]} for run in runs] for arm, runs in fixed.items()}
    most = max(median(runs, per_second) for runs in whole.values())
    near = [arm for arm, runs in whole.items() if median(runs, per_second) >= 0.95 * most]
    return min(near, key=lambda arm: (median(whole[arm], late(99)), fixed[arm][0]["workers"]))


def _whole(run: dict[str, Any]) -> dict[str, Any]:
    """All phases as one."""
    phases = run["phases"]
    late_ones = [late_by for phase in phases for late_by in phase["late"]]
    return {k: sum(phase[k] for phase in phases) for k in ("seconds", "done")} | {"late": late_ones}


def as_markdown(results: dict[str, Any]) -> str:
    cells = results["cells"]
    parts = ["In short, medians:", _summary(cells)]
    for title, names, unit in (
        ("A beat beside batch work in a thread pool", ("batch at 1.0", "batch at 0.5"), "tasks"),
        ("numpy: `svd` of 200 x 200", ("svd at 1.0", "svd at 0.5"), "calls"),
        ("numpy: `matmul` of 600 x 600", ("matmul at 1.0", "matmul at 0.5"), "calls"),
        ("Tasks that wait 10 ms, marked for kumo", ("waits at 1.0",), "tasks"),
    ):
        rows = [row for name in names for row in _rows(name, cells[name])]
        header = (
            "quota", "sized by", "workers", f"{unit}/s", "CPU ms each",
            "late p50, ms", "late p99, ms", "throttled s/s",
        )  # fmt: skip
        parts += [f"{title}:", harness.table(header, rows, 2)]
    parts += ["One change, 2 CPUs to 1.0 and back:", _change(cells["change"])]
    host = results["host"]
    versions = ", ".join(f"{name} {host[name]}" for name in ("loky", "numpy", "threadpoolctl"))
    parts.append(f"Python {host['python']}, {versions}. {harness.signature(results)}")
    if "earlier" in results:
        now = ", ".join(results["cells now"])
        parts.append(f"Only this was measured then: {now}. The rest: {results['earlier']}")
    parts.append("Medians over the rounds, with quartiles. Raw figures: follow.json.")
    return "\n\n".join(parts)


SUMMARY = (
    ("batch work: tasks/s", "batch at 1.0", per_second, 0),
    ("a beat beside it: late at p99, ms", "batch at 1.0", late(99), 0),
    ("batch work: tasks/s", "batch at 0.5", per_second, 0),
    ("a beat beside it: late at p99, ms", "batch at 0.5", late(99), 0),
    ("numpy svd: calls/s", "svd at 1.0", per_second, 0),
    ("numpy svd: CPU ms a call", "svd at 1.0", cost, 0),
    ("numpy svd: calls/s", "svd at 0.5", per_second, 0),
    ("numpy matmul: calls/s", "matmul at 1.0", per_second, 0),
    ("numpy matmul: calls/s", "matmul at 0.5", per_second, 0),
    ("one change: tasks/s with 2 CPUs", "change", per_second, 0),
    ("one change: tasks/s at 1.0", "change", per_second, 1),
    ("one change: late at p99 at 1.0, ms", "change", late(99), 1),
    ("one change: tasks/s with 2 CPUs again", "change", per_second, 2),
    ("tasks that wait, marked for kumo: tasks/s", "waits at 1.0", per_second, 0),
)


def _summary(cells: dict[str, Any]) -> str:
    header = ("what", "quota", *NAMES.values(), "best fixed size")
    rows = []
    for what, cell, figure, phase in SUMMARY:
        best = best_fixed(cells[cell])
        figures = [harness.number(median(cells[cell][a], figure, phase)) for a in (*NAMES, best)]
        figures[-1] += f" ({cells[cell][best][0]['workers']})"
        rows.append([what, cell.rpartition(" at ")[2].replace("change", "2, 1.0, 2"), *figures])
    return harness.table(header, rows, 2)


def _rows(cell: str, arms: dict[str, Any]) -> list[list[str]]:
    best = best_fixed(arms)
    rows = []
    for arm, runs in arms.items():
        if arm.isdecimal() and arm != best and not cell.startswith("waits"):
            continue
        name = ARM_NAMES.get(arm, f"fixed: {arm}") + (", best fixed" if arm == best else "")
        figures = [per_second, cost, late(50), late(99), throttled]
        rows.append([
            cell.rpartition(" ")[2], name, str(runs[0]["workers"]),
            *(shown(of(runs, what)) for what in figures),
        ])  # fmt: skip
    return rows


def _change(arms: dict[str, Any]) -> str:
    header = (
        "sized by", "workers at first", *(f"tasks/s: {phase}" for phase in PHASES),
        *(f"late p99, ms: {phase}" for phase in PHASES), "throttled s/s at 1.0",
    )  # fmt: skip
    rows = [
        [
            NAMES.get(arm, f"fixed: {arm}"), str(runs[0]["workers"]),
            *(shown(of(runs, per_second, phase)) for phase in range(3)),
            *(shown(of(runs, late(99), phase)) for phase in range(3)),
            shown(of(runs, throttled, 1)),
        ]
        for arm, runs in arms.items()
    ]  # fmt: skip
    return harness.table(header, rows)


def plot(results: dict[str, Any], seconds: float, path: Path) -> None:
    """Draw lateness, numpy's rate and the change of *seconds* a phase, each arm in its colour."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "kumo"
    import matplotlib.pyplot as plt

    cells = results["cells"]
    figure, axes = plt.subplots(2, 2, figsize=(9, 6.5))
    (beat, svd), (change, lateness) = axes
    batches = [(f"quota {q}", cells[f"batch at {q}"], 0) for q in ("1.0", "0.5")]
    _bars(beat, batches, late(99), "a beat beside batch work: late at p99, ms")
    svds = [(f"quota {q}", cells[f"svd at {q}"], 0) for q in ("1.0", "0.5")]
    _bars(svd, svds, per_second, "numpy svd: calls per second")
    _lines(change, cells["change"], seconds)
    phases = [(name, cells["change"], number) for number, name in enumerate(PHASES)]
    _bars(lateness, phases, late(99), "the beat beside that: late at p99, ms")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def _bars(axes: Any, groups: list[tuple[str, Any, int]], figure: Any, title: str) -> None:
    """A bar for each arm's median, with the quartiles, in groups of a name, arms and a phase."""
    for place, (arm, colour) in enumerate(COLOURS.items()):
        spreads = [harness.spread(of(arms[arm], figure, phase)) for _, arms, phase in groups]
        medians = [by["median"] for by in spreads]
        below = [by["median"] - by["q1"] for by in spreads]
        above = [by["q3"] - by["median"] for by in spreads]
        at = [group + (place - 2) * 0.16 for group in range(len(groups))]
        axes.bar(
            at, medians, 0.15, yerr=[below, above], ecolor="#444444", color=colour, label=_said(arm)
        )
    axes.set_xticks(range(len(groups)), [name for name, *_ in groups])
    axes.set_title(title, fontsize=9)
    axes.legend(fontsize=7, frameon=False)


def _lines(axes: Any, arms: dict[str, Any], seconds: float) -> None:
    """Work per second in each tenth, the median over the rounds."""
    for arm in ("default", "kumo", "1"):
        tables = [dict(run["tenths"]) for run in arms[arm]]
        tenths = range(round(30 * seconds))
        rates = [statistics.median(10 * table.get(t, 0) for table in tables) for t in tenths]
        axes.plot([t / 10 for t in tenths], rates, color=COLOURS[arm], label=_said(arm), lw=1.3)
    axes.axvspan(seconds, 2 * seconds, color="#eeeeee")
    axes.set_ylim(0)
    axes.set_title("2 CPUs, then 1.0, then 2: tasks per second, by seconds", fontsize=9)
    axes.legend(fontsize=7, frameon=False, loc="lower right")


def _said(arm: str) -> str:
    return {"1": "fixed: 1", "default": "library's default"}.get(arm, arm)
