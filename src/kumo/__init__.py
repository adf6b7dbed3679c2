"""How much parallelism this program really has, and why.

General layout: `_system` is the door to the machine and `_machine` a stand-in for it;
`_detectors` turn what it answers into limits and notes (`_records`, `_notes`);
`_survey` makes the estimate; `_explain`, `_snapshot` and `_cli` show it.

Nothing is read at import, and names load when they are asked for.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from kumo._live import available_parallelism as available_parallelism
    from kumo._machine import MachineError as MachineError
    from kumo._records import Estimate as Estimate
    from kumo._records import Limit as Limit
    from kumo._records import Note as Note
    from kumo._records import OverrideError as OverrideError
    from kumo._records import round_cpus as round_cpus
    from kumo._survey import estimate as estimate

__version__ = "0.1.0"

_HOMES = {
    "available_parallelism": "kumo._live",
    "estimate": "kumo._survey",
    "Estimate": "kumo._records",
    "Limit": "kumo._records",
    "Note": "kumo._records",
    "OverrideError": "kumo._records",
    "MachineError": "kumo._machine",
    "round_cpus": "kumo._records",
}

__all__ = [
    "Estimate",
    "Limit",
    "MachineError",
    "Note",
    "OverrideError",
    "available_parallelism",
    "estimate",
    "round_cpus",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = globals()[name] = getattr(__import__(_HOMES[name], fromlist=(name,)), name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
