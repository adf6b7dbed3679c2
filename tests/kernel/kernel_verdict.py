"""Compares what kumo and Rust answered with what the kernel says."""

import math
from typing import Any

import kernel_rust

Facts = dict[str, Any]


def _close(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=0, abs_tol=1e-9)


def _scope_differences(expected: Facts, got: Facts) -> list[str]:
    wrong = []
    for name in ("parallelism", "cpus", "quota"):
        if not _close(expected[name], got[name]):
            wrong.append(f"{name}: expected {expected[name]}, got {got[name]}")
    if "count" in got and got["count"] != expected["parallelism"]:
        wrong.append(
            f"available_parallelism(): expected {expected['parallelism']}, got {got['count']}"
        )
    if not _close(got["binding"]["cpus"], expected["cpus"]):
        wrong.append(f"binding: expected {expected['cpus']}, got {got['binding']}")
    if (
        expected["quota"] == expected["cpus"] < expected["mask"]
        and got["binding"]["source"] != "quota"
    ):
        wrong.append(f"binding: expected a quota, got {got['binding']}")
    levels, listed = (dict(map(tuple, facts["levels"])) for facts in (expected, got))
    if levels.keys() != listed.keys() or not all(_close(levels[i], listed[i]) for i in levels):
        wrong.append(f"quotas by the group's inode: expected {levels}, got {listed}")
    return wrong


def _note_differences(check: Facts, got: Facts) -> list[str]:
    missing = [
        f"note {code} is missing, got {got['notes']}"
        for code in check["notes"]
        if code not in got["notes"]
    ]
    wrong = [f"note {code} is wrong here" for code in check["absent"] if code in got["notes"]]
    return missing + wrong


def differences(check: Facts) -> list[str]:
    """Say where kumo differs from the truth in one comparison."""
    lines = []
    for scope, expected in check["expected"].items():
        got = check["got"][scope]
        wrong = _scope_differences(expected, got) + _note_differences(check, got)
        lines += [f"{check['step']} [{scope}] {text}" for text in wrong]
    if lines:
        lines += [
            f"    {line}"
            for text in check["got"]["evidence"].values()
            for line in text.splitlines()
        ]
    return lines


def rust_error(check: Facts) -> str | None:
    """Name the known error behind Rust's answer; None where Rust is right or was not asked.

    Raises ValueError where Rust is wrong for no known reason.
    """
    if "rust" not in check:
        return None
    truth, answer = check["rust_truth"], check["rust"]
    if answer == truth["parallelism"]:
        return None
    reason = kernel_rust.explain(answer, check["situation"], truth["mask"])
    if reason is None:
        raise ValueError(
            f"{check['step']}: Rust says {answer}, the kernel {truth}, in {check['situation']}\n"
            f"{check['got']['evidence']}"
        )
    return reason
