"""From the text that a node sends to a `Node`. The text may be anything: it is never trusted."""

from __future__ import annotations

import json
from math import isfinite

from kumo._explain import SCHEMA as EXPLAIN_SCHEMA
from kumo._fleet.node import SCHEMA
from kumo._fleet.records import Node
from kumo._text import repr_short, whole_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeGuard

MAX_REPORT = 2**20  # characters; the longest real one has some thousands
MAX_LIMITS = 10_000
MAX_CPUS = 2**20
# The first that is set says how many threads a task starts inside.
INSIDE = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "BLIS_NUM_THREADS")


class ReportError(ValueError):
    """The text is not a usable report; the message is the reason that is shown."""


def read_node(
    text: str | bytes,
    *,
    engine: str,
    slots: float | None = None,
    host: str = "",
    workers: tuple[str, ...] = (),
) -> Node:
    """Return the node that *text* is about: what `report_node` returned there.

    The output of ``kumo explain --json`` is understood too. *slots* are what the engine
    believes; without them the report's own ``slots`` count. *host* is the engine's name for the
    host, for a report without one. Never raise: what cannot be used is a node with a reason.
    """
    try:
        return node_of(parse_report(text), engine=engine, slots=slots, host=host, workers=workers)
    except ReportError as error:
        return Node(host or "?", engine, slots, reason=str(error), workers=workers)


def silent(
    host: str,
    reason: str,
    *,
    engine: str,
    slots: float | None = None,
    workers: tuple[str, ...] = (),
) -> Node:
    """Return a node that gave no answer."""
    return Node(host, engine, slots, reason=" ".join(reason.split())[:300], workers=workers)


def parse_report(text: str | bytes) -> dict[str, Any]:
    """Return the object in *text*. Raise `ReportError`."""
    if len(text) > MAX_REPORT:
        raise ReportError(f"its answer has more than {MAX_REPORT} characters")
    try:
        report = json.loads(text)
    except (ValueError, RecursionError):
        shown = text if isinstance(text, str) else text[:200].decode("utf-8", "replace")
        raise ReportError(f"its answer is not JSON: {repr_short(shown)}") from None
    if not isinstance(report, dict):
        raise ReportError("its answer is not a JSON object")
    if "explain" not in report and "limits" in report:
        report = {"schema": SCHEMA, "explain": report}
    if report.get("schema") != SCHEMA:
        raise ReportError(_other_schema("report", report.get("schema"), SCHEMA))
    return report


def node_of(
    report: dict[str, Any],
    *,
    engine: str,
    slots: float | None = None,
    host: str = "",
    workers: tuple[str, ...] = (),
) -> Node:
    """Return the node of a report that is an object. Raise `ReportError`."""
    environment = _strings(report.get("environment"))
    if slots is None:
        slots = _slots(report.get("slots"))
    name = report.get("host")
    machine = report.get("boot")
    explained = report.get("explain")
    reason = report.get("reason")
    if reason is not None or explained is None:
        explained, reason = None, str(reason or "its answer has no estimate")[:300]
    else:
        check_explained(explained)
    return Node(
        name if isinstance(name, str) and name else host or "?",
        engine,
        slots,
        inside_of(environment),
        explained,
        environment,
        _pressure(report.get("pressure")),
        reason,
        workers,
        machine if isinstance(machine, str) else None,
        _strings(report.get("cgroups")),
    )


def check_explained(answer: Any) -> None:
    """Raise `ReportError` if *answer* is not what ``kumo explain --json`` of this schema prints."""
    if not isinstance(answer, dict):
        raise ReportError("its estimate is not a JSON object")
    if answer.get("schema") != EXPLAIN_SCHEMA:
        raise ReportError(_other_schema("explain --json", answer.get("schema"), EXPLAIN_SCHEMA))
    limits = answer.get("limits")
    if not isinstance(limits, list) or not 0 < len(limits) <= MAX_LIMITS:
        raise ReportError("its estimate has no limits")
    for limit in [answer.get("binding"), *limits]:
        if not isinstance(limit, dict):
            raise ReportError("its estimate has a limit that is not a JSON object")
        words = [limit.get(key) for key in ("source", "kind", "where", "text")]
        if not all(isinstance(word, str) for word in words):
            raise ReportError("its estimate has a limit without a source")
        if limit.get("cpus") is not None and not _is_number(limit["cpus"]):
            raise ReportError("its estimate has a limit that is not a number")
    if not _is_number(answer.get("cpus")) or answer["cpus"] > MAX_CPUS:
        raise ReportError("its estimate has no number of CPUs")


def inside_of(environment: dict[str, str]) -> int | None:
    """Return how many threads a task starts inside by its environment, `None` if that is open."""
    for name in INSIDE:
        count = whole_number(environment.get(name, "").partition(",")[0].strip(), 6)
        if count:
            return count
    return None


def _other_schema(what: str, schema: object, known: int) -> str:
    if not isinstance(schema, int):
        return f"its {what} has no schema number"
    side = "newer" if schema > known else "older"
    return f"its kumo is {side}: schema {schema} of {what}, and this one knows {known}"


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and value >= 0 and isfinite(value)


def _slots(value: object) -> float | None:
    return value if _is_number(value) and not isinstance(value, bool) else None


def _strings(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    return {key: text for key, text in value.items() if isinstance(text, str)}


def _pressure(value: object) -> dict[str, Any] | None:
    """Return the pressure if its levels are of the known form."""
    levels = value.get("levels") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(levels, list):
        return None
    for level in levels:
        if not isinstance(level, dict) or not isinstance(level.get("where"), str):
            return None
        if not _is_number(level.get("periods")) or not _is_number(level.get("throttled")):
            return None
    return value
