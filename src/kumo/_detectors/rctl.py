"""CPU time by FreeBSD's resource limits: ``pcpu``, in per cent of one CPU.

rctl(8), https://man.freebsd.org/cgi/man.cgi?query=rctl&sektion=8
The call gives every rule that applies to the process: its own, its user's, its login class's and
its jail's. Only the action ``deny`` limits the process.
"""

from __future__ import annotations

from kumo._notes import malformed, unreadable
from kumo._records import Limit
from kumo._text import whole_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kumo._records import Note
    from kumo._system.live import System

CALL = "rctl_get_limits"
FORM = "rules such as jail:www:pcpu:deny=250"


def parse_rule(rule: str) -> float | None:
    """Return the CPUs that *rule* allows, `None` if it is about something else.

    Format: ``subject:subject-id:resource:action=amount/per``; ``/per`` may be absent.
    Raise `ValueError` for anything else.
    """
    _, _, resource, action = rule.strip().split(":")
    name, _, amount = action.partition("=")
    if resource != "pcpu" or name != "deny":
        return None
    percent = whole_number(amount.partition("/")[0])
    if percent is None:
        raise ValueError(rule)
    return percent / 100


def detect(system: System) -> Iterator[Limit | Note]:
    try:
        text = system.fact(CALL)
    except OSError as error:
        yield unreadable(CALL, error)
        return
    bad: str | None = None
    for rule in (text or "").split(",") if text else ():
        try:
            cpus = parse_rule(rule)
        except ValueError:
            bad = rule if bad is None else bad
            continue
        if cpus is not None:
            yield Limit("rctl", "rate", cpus, CALL, rule)
    if bad is not None:  # the first stands for all of them
        yield malformed(CALL, bad, FORM)
