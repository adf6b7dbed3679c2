"""Nodes as an engine would give them, made up."""

from __future__ import annotations

from typing import Any

from kumo._fleet.records import Node

DIRECTORY = "/sys/fs/cgroup/jobs/a"


def limit(cpus: float | None, source: str, where: str, text: str, kind: str) -> dict[str, Any]:
    return {"source": source, "kind": kind, "cpus": cpus, "where": where, "text": text}


def quota(cpus: float | None, directory: str = DIRECTORY) -> dict[str, Any]:
    text = "max 100000" if cpus is None else f"{cpus * 100_000:.0f} 100000"
    return limit(cpus, "quota", f"{directory}/cpu.max", text, "rate")


def cpus(listed: str, count: int, source: str = "affinity") -> dict[str, Any]:
    return limit(count, source, "somewhere", listed, "set")


def online(count: int) -> dict[str, Any]:
    return cpus(f"0-{count - 1}" if count > 1 else "0", count, "online")


def explained(*limits: dict[str, Any]) -> dict[str, Any]:
    """The object of ``kumo explain --json``."""
    known = [each for each in limits if each["cpus"] is not None]
    binding = min(reversed(known), key=lambda each: each["cpus"])
    return {
        "schema": 1,
        "parallelism": max(1, int(binding["cpus"])),
        "cpus": float(binding["cpus"]),
        "quota": None,
        "binding": binding,
        "limits": list(limits),
        "notes": [],
    }


def node(
    slots: float | None,
    *limits: dict[str, Any],
    host: str = "a",
    engine: str = "dask",
    **others: Any,
) -> Node:
    return Node(host, engine, slots, estimate=explained(*limits), **others)
