"""The scoreboard as Markdown, from its results."""

from __future__ import annotations

from typing import Any

_PARTS = (
    ("machines of public reports", "origin", "report"),
    ("documented set-ups", "origin", "setup"),
    ("machines made for a clause of kumo's rule", "origin", "rule"),
    ("machines on which a batch scheduler's grant decides", "decided_by", "grant"),
)
_ROUNDING = {
    "floor": "down",
    "ceil": "up",
    "half-up": "to nearest, half up",
    "half-even": "to nearest, half to even",
    "go": "up, at least 2",
    "whole": "none to do",
}


def as_markdown(results: dict[str, Any]) -> str:
    machines = {name: row for name, row in results["machines"].items() if "answers" in row}
    parts = []
    for title, key, value in _PARTS:
        part = {name: row for name, row in machines.items() if _part(row, key) == value}
        if part:
            parts += [f"{len(part)} {title}:", _table(results, part)]
    parts += [_versions(results), _missing(results), _errors(results, machines), _left_out(results)]
    return "\n\n".join(part for part in parts if part)


def _part(row: dict[str, Any], key: str) -> str:
    if key == "origin" and row["decided_by"] != "kernel":
        return ""
    return str(row[key])


def _cells(machines: dict[str, Any], peer: str) -> dict[str, dict[str, Any]]:
    cells = {
        name: row["answers"].get(peer, {"not_comparable": ""}) for name, row in machines.items()
    }
    return {name: cell for name, cell in cells.items() if "not_comparable" not in cell}


def _table(results: dict[str, Any], machines: dict[str, Any]) -> str:
    lines = [
        "| peer | reads | rounds | exact | right by its own rounding | of |",
        "| --- | --- | --- | --: | --: | --: |",
    ]
    for peer, about in results["peers"].items():
        cells = _cells(machines, peer).values()
        if "missing" not in about:
            counts = (sum(cell[key] for cell in cells) for key in ("exact", "own_rounding"))
            row = (peer, about["reads"], _ROUNDING[about["rounding"]], *counts, len(cells))
            lines.append(f"| {' | '.join(map(str, row))} |")
    return "\n".join(lines)


def _errors(results: dict[str, Any], machines: dict[str, Any]) -> str:
    lines = ["Who errs where, by its own rounding (its answer, for what would be right):", ""]
    for peer in results["peers"]:
        wrong = {
            name: cell for name, cell in _cells(machines, peer).items() if not cell["own_rounding"]
        }
        texts = (
            f"{name} {said(cell)} for {cell['right_by_own_rounding']}"
            for name, cell in wrong.items()
        )
        if wrong:
            lines.append(f"- **{peer}**: {', '.join(texts)}")
    return "\n".join(lines)


def said(cell: dict[str, Any]) -> str:
    return "no answer" if cell["answer"] is None else str(cell["answer"])


def _versions(results: dict[str, Any]) -> str:
    versions = dict.fromkeys(
        about["version"] for about in results["peers"].values() if about.get("version")
    )
    host = results["host"]
    return f"{'; '.join(versions)}. {host['date']}, Linux {host['kernel']}, {host['cpu']}."


def _missing(results: dict[str, Any]) -> str:
    rows = [
        f"- {peer}: {about['missing']}"
        for peer, about in results["peers"].items()
        if "missing" in about
    ]
    return "\n".join(["Skipped:", "", *rows]) if rows else ""


def _left_out(results: dict[str, Any]) -> str:
    lines = [
        f"- {name}: {row['not_comparable']}"
        for name, row in results["machines"].items()
        if "not_comparable" in row
    ]
    for name, row in results["machines"].items():
        reasons = {
            peer: cell["not_comparable"]
            for peer, cell in row.get("answers", {}).items()
            if "not_comparable" in cell
        }
        for reason in dict.fromkeys(reasons.values()):
            whom = ", ".join(peer for peer, why in reasons.items() if why == reason)
            lines.append(f"- {name}, for {whom}: {reason}")
    return "\n".join(["Not comparable:", "", *lines]) if lines else ""
