"""The threads that libraries start inside a worker which another engine runs: OpenMP, BLAS."""

from __future__ import annotations

import os
from contextlib import suppress
from importlib import import_module

from kumo._runtimes.knobs import KNOBS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import MutableMapping

# Libraries read them when they load.
VARIABLES = [knob.name for knob in KNOBS.values() if knob.use == "inner"]


def limit_inner_threads(
    parallelism: int, slots: int, environ: MutableMapping[str, str] | None = None
) -> int:
    """Divide *parallelism* among *slots* tasks at a time, and return the threads of each.

    Variables that are set are kept: they are the user's, or the engine's. Libraries that are
    loaded read no variable any more; threadpoolctl limits them, if it is installed.
    """
    environ = os.environ if environ is None else environ
    threads = max(1, parallelism // max(1, slots))
    unset = [name for name in VARIABLES if name not in environ]
    environ.update(dict.fromkeys(unset, str(threads)))
    if "OMP_NUM_THREADS" in unset:
        with suppress(ImportError):
            import_module("threadpoolctl").threadpool_limits(threads)
    return threads
