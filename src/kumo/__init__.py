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
    from kumo._measure import measure as measure
    from kumo._measure.verdict import Measurement as Measurement
    from kumo._pools.budget import Budget as Budget
    from kumo._pools.pool import pools as pools
    from kumo._pools.processes import ProcessPool as ProcessPool
    from kumo._pools.threads import ThreadPool as ThreadPool
    from kumo._pressure import headroom as headroom
    from kumo._pressure import pressure as pressure
    from kumo._pressure.records import Pressure as Pressure
    from kumo._records import Estimate as Estimate
    from kumo._records import Limit as Limit
    from kumo._records import Note as Note
    from kumo._records import OverrideError as OverrideError
    from kumo._records import round_cpus as round_cpus
    from kumo._survey import estimate as estimate
    from kumo._topology.places import Topology as Topology
    from kumo._topology.read import topology as topology
    from kumo._watch.changes import Change as Change
    from kumo._watch.follow import Follow as Follow
    from kumo._watch.follow import follow as follow
    from kumo._watch.watch import Watch as Watch
    from kumo._watch.watch import watch as watch

__version__ = "0.1.0"

_HOMES = {
    "available_parallelism": "kumo._live",
    "estimate": "kumo._survey",
    "Estimate": "kumo._records",
    "Limit": "kumo._records",
    "Note": "kumo._records",
    "OverrideError": "kumo._records",
    "MachineError": "kumo._machine",
    "Measurement": "kumo._measure.verdict",
    "measure": "kumo._measure",
    "round_cpus": "kumo._records",
    "Topology": "kumo._topology.places",
    "topology": "kumo._topology.read",
    "headroom": "kumo._pressure",
    "pressure": "kumo._pressure",
    "Pressure": "kumo._pressure.records",
    "watch": "kumo._watch.watch",
    "Change": "kumo._watch.changes",
    "Watch": "kumo._watch.watch",
    "follow": "kumo._watch.follow",
    "Follow": "kumo._watch.follow",
    "ThreadPool": "kumo._pools.threads",
    "ProcessPool": "kumo._pools.processes",
    "pools": "kumo._pools.pool",
    "Budget": "kumo._pools.budget",
}

__all__ = [
    "Budget",
    "Change",
    "Estimate",
    "Follow",
    "Limit",
    "MachineError",
    "Measurement",
    "Note",
    "OverrideError",
    "Pressure",
    "ProcessPool",
    "ThreadPool",
    "Topology",
    "Watch",
    "available_parallelism",
    "estimate",
    "follow",
    "headroom",
    "measure",
    "pools",
    "pressure",
    "round_cpus",
    "topology",
    "watch",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = globals()[name] = getattr(__import__(_HOMES[name], fromlist=(name,)), name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
