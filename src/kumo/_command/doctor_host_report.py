"""The report of `kumo doctor --all`: a block of lines a row, the worst first."""

from __future__ import annotations

from math import inf

from kumo._command.output import paragraph
from kumo._text import plural, quoted, show_rate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from kumo._doctor.host import Host, Row

SCHEMA = 1
MAX_ROWS = 20
HEADER = f"{'count':>5}  {'threads':>7}  {'runnable':>8}  {'throttled':>9}  busiest process"


class HostReport:
    """All processes, as text and as JSON."""

    def __init__(self, host: Host) -> None:
        self.host = host

    @property
    def oversubscribed(self) -> bool:
        """Whether something runs more threads than its count, or is always throttled."""
        return any(row.verdict != "within" for row in self.host.rows)

    def text(self) -> str:
        """Return the report for people, without a final newline."""
        host = self.host
        busy = [row for row in host.rows if row.verdict != "within" or row.runnable >= 0.5]
        shown = busy[:MAX_ROWS]
        lines = [f"{plural(host.processes, 'process')}, watched for {host.window:.1f} s", ""]
        if shown:
            lines += [HEADER, *(line for row in shown for line in _lines(row)), ""]
        if hidden := len(host.rows) - len(shown):
            left = sum(row.verdict != "within" for row in busy[MAX_ROWS:])
            but = f"{left} of them oversubscribed: see --json" if left else "none oversubscribed"
            more = f"{plural(hidden, 'more group')} or {'process' if hidden == 1 else 'processes'}"
            lines += [*paragraph(f"{more} not shown, {but}"), ""]
        lines += [line for remark in host.remarks for line in (*paragraph(remark), "")]
        bad = sum(row.verdict != "within" for row in host.rows)
        all_rows = "groups and processes" if len(host.rows) != 1 else "group or process"
        lines.append(
            f"oversubscribed: {bad} of {len(host.rows)} {all_rows}"
            if bad
            else "not oversubscribed: no group or process"
        )
        return "\n".join(lines)

    def data(self) -> dict[str, Any]:
        """Return what ``--json`` prints."""
        host = self.host
        return {
            "schema": SCHEMA,
            "oversubscribed": self.oversubscribed,
            "processes": host.processes,
            "window": round(host.window, 3),
            "looks": host.looks,
            "groups": [_data(row) for row in host.rows],
            "remarks": host.remarks,
        }


def _lines(row: Row) -> list[str]:
    effect = row.throttling
    throttled = "-" if effect is None else f"{effect.throttled}/{effect.periods}"
    name = f"{quoted(row.busiest.name, 40)} ({row.busiest.pid})"
    more = f" of {row.processes}" if row.processes > 1 else ""
    library = f": {row.library}" if row.library else ""
    what = f"{name}{more}{library}"
    numbers = f"{row.parallelism:>5}  {row.threads:>7}  {row.runnable:>8.1f}  {throttled:>9}  "
    quota = "" if row.quota == inf else f", quota {show_rate(row.quota)}"
    lines = [numbers + what, *paragraph(f"in {quoted(row.where, 400)}{quota}", 7)]
    if row.where == f"process {row.busiest.pid}":
        lines = lines[:1]
    return lines + (paragraph(f"fix: {row.fix}", 7) if row.fix else [])


def _data(row: Row) -> dict[str, Any]:
    return {
        "where": row.where,
        "verdict": row.verdict,
        "pid": row.busiest.pid,
        "name": row.busiest.name,
        "processes": row.processes,
        "count": row.parallelism,
        "quota": None if row.quota == inf else row.quota,
        "threads": row.threads,
        "runnable": round(row.runnable, 2),
        "throttling": None if row.throttling is None else row.throttling._asdict(),
        "library": row.library or None,
        "fix": row.fix or None,
    }
