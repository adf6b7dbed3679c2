"""How many CPUs this program can really use, and why.

    import kumo

    kumo.available_parallelism()  # how many CPU-bound workers to start
    print(kumo.estimate())        # the limit that decides, all others, and what cannot be known

`kumo.watch` and `kumo.follow` keep up with changes, `kumo.ThreadPool` is a pool that does, and
`kumo.topology`, `kumo.pressure` and `kumo.measure` say which CPUs, what slows a process down, and
how much is really delivered. `help(kumo.estimate)` and so on have the details.

Importing reads nothing, and each name loads when it is first used.
PYTEST_DONT_REWRITE: pytest has nothing to rewrite here.
"""

from __future__ import annotations

# The rooms, from the ground up. Each imports only from those before it (tests/test_layers.py).
# docs/generate_architecture.py draws these lines.
#
# - `_text`, `_errors`, `_records`, `_override`: what everything is made of
# - `_notes`: the table of notes
# - `_cgroups`: levels, quotas, cpusets and counters, from text
# - `_system`: the only door to the machine, live or a machine file
# - `_detectors`: one source each, from answers to limits and notes
# - `_survey`, `_explain`: the estimate, as a record, text and JSON
# - `_hot`: `available_parallelism()` on kept descriptors
# - `_runtimes`: what is known about other programs, as data
# - `_topology`, `_sizes`, `_snapshot`: which CPUs, how many workers, a machine file
# - `_pressure`, `_measure`: what slows a process down, what is delivered
# - `_launch`, `_watch`, `_pools`, `_doctor`: what acts on the count
# - `_fleet`, `_metrics`, `_report`, `_top`: many nodes, exporters, pages, a screen
# - `fleet`, `dask`, `celery`, `lua`, `_pytest`: for other programs to load
# - `prometheus`, `opentelemetry`: for others to collect
# - `_command`, `__main__`: the command, one module a verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from kumo._hot.count import available_cpus as available_cpus
    from kumo._hot.count import available_parallelism as available_parallelism
    from kumo._measure.measure import measure as measure
    from kumo._measure.verdict import Measurement as Measurement
    from kumo._override import OverrideError as OverrideError
    from kumo._pools.budget import Budget as Budget
    from kumo._pools.budget import Part as Part
    from kumo._pools.follow import Follow as Follow
    from kumo._pools.follow import follow as follow
    from kumo._pools.pool import Pool as Pool
    from kumo._pools.pool import pools as pools
    from kumo._pools.processes import ProcessPool as ProcessPool
    from kumo._pools.threads import ThreadPool as ThreadPool
    from kumo._pressure.counters import Counters as Counters
    from kumo._pressure.counters import counters as counters
    from kumo._pressure.pressure import headroom as headroom
    from kumo._pressure.pressure import pressure as pressure
    from kumo._pressure.records import Pressure as Pressure
    from kumo._records import Estimate as Estimate
    from kumo._records import Limit as Limit
    from kumo._records import Note as Note
    from kumo._records import round_cpus as round_cpus
    from kumo._survey import estimate as estimate
    from kumo._system.machine_file import MachineError as MachineError
    from kumo._topology.read import topology as topology
    from kumo._topology.records import Topology as Topology
    from kumo._watch.change import Change as Change
    from kumo._watch.watch import Watch as Watch
    from kumo._watch.watch import watch as watch

__version__ = "0.2.0"

_HOMES = {
    "available_parallelism": "kumo._hot.count",
    "available_cpus": "kumo._hot.count",
    "estimate": "kumo._survey",
    "Estimate": "kumo._records",
    "Limit": "kumo._records",
    "Note": "kumo._records",
    "OverrideError": "kumo._override",
    "MachineError": "kumo._system.machine_file",
    "Measurement": "kumo._measure.verdict",
    "measure": "kumo._measure.measure",
    "round_cpus": "kumo._records",
    "Topology": "kumo._topology.records",
    "topology": "kumo._topology.read",
    "counters": "kumo._pressure.counters",
    "Counters": "kumo._pressure.counters",
    "headroom": "kumo._pressure.pressure",
    "pressure": "kumo._pressure.pressure",
    "Pressure": "kumo._pressure.records",
    "watch": "kumo._watch.watch",
    "Change": "kumo._watch.change",
    "Watch": "kumo._watch.watch",
    "follow": "kumo._pools.follow",
    "Follow": "kumo._pools.follow",
    "ThreadPool": "kumo._pools.threads",
    "ProcessPool": "kumo._pools.processes",
    "pools": "kumo._pools.pool",
    "Pool": "kumo._pools.pool",
    "Budget": "kumo._pools.budget",
    "Part": "kumo._pools.budget",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = globals()[name] = getattr(__import__(_HOMES[name], fromlist=(name,)), name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
