"""The engines that can be asked, each through an adapter, one module each.

An adapter has:

- ``SLOTS``: in words, the engine's number of slots for a node.
- ``FIX``: the line that gives a node the right slots from its start on.
- ``ask(target, *, pressure, timeout, progress)``. It yields a `Node` for each node once, with a
  reason if it is silent. It raises `InputError` if the engine itself is not there.

*target* is the command's word behind the engine's name, or `None`.
*pressure* is seconds to watch on the node, or `None`.
*timeout* bounds the whole question, in seconds beyond *pressure*.
*progress* is called with a line of text now and then.

A module loads when its engine is asked, and imports the engine's package in its functions.
"""

from __future__ import annotations

from importlib import import_module

from kumo._errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ENGINES = ("files", "dask", "ray", "celery", "slurm", "mpi")


def load(engine: str) -> Any:
    """Return the adapter of *engine*. Raise `InputError` if there is no such engine."""
    if engine not in ENGINES:
        raise InputError(f"{engine[:60]!a} is not an engine: there are {', '.join(ENGINES)}")
    return import_module(f"kumo._fleet.{engine}")
