"""The sources of the grants at a survey, and whether they are still the same.

A grant follows from variables, from the files that they name, from the host's name, the
process's cgroup, which `Kept` looks at, and for Nomad's cores from the thread's mask.

Its guarantees, with what each rests on:

- A grant never outlives what it follows from: `changed` asks again for everything that the survey
  was answered, at every call. If something cannot be asked for cheaply, `keep` refuses.
- Variables cost no call. `os.environ`'s dictionary is compared; if somebody has put another
  mapping in its place, everything counts as changed.
- It needs no lock: a `Grants` is filled before it is published, and then only read.
- It keeps no descriptor. Files that variables name are opened, read with bounds and closed each
  time (`read_named`), since another process may replace them.
"""

from __future__ import annotations

import os
from os.path import dirname

from kumo._records import inf
from kumo._system.calls import FACTS
from kumo._system.live import read_named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kumo._records import Estimate, Limit
    from kumo._system.live import System

COMPARED_WITH_MASK = "$NOMAD_CPU_CORES"


class Grants:
    """The grants of one survey."""

    def __init__(self) -> None:
        self.least = inf  # the tightest, in CPUs
        self.unset: frozenset[bytes] = frozenset()
        self.set: tuple[tuple[bytes, bytes], ...] = ()
        self.files: tuple[tuple[str, str | None], ...] = ()
        self.hostname: str | None = None
        self.mask: str | None = None

    def keep(self, estimate: Estimate, system: System) -> bool:
        """Keep the answers that a survey got; whether all of them can be asked for again."""
        rates = [limit.where for limit in estimate.limits if limit.kind == "rate"]
        ours = {dirname(where) for where in rates}
        for name, answer in system.asked.items():
            if name in system.named or name[0] == "$":
                if isinstance(answer, OSError):
                    return False
            elif not name.startswith(("!", "/proc/", "/sys/")) and dirname(name) not in ours:
                return False
        texts = {n: a for n, a in system.asked.items() if not isinstance(a, OSError)}
        variables = {os.fsencode(n[1:]): text for n, text in texts.items() if n[0] == "$"}
        self.unset = frozenset(name for name, text in variables.items() if text is None)
        self.set = tuple(
            (name, os.fsencode(text)) for name, text in variables.items() if text is not None
        )
        self.files = tuple((path, texts[path]) for path in system.named)
        self.hostname = texts.get("!hostname")
        self.mask = texts.get("!affinity") if texts.get(COMPARED_WITH_MASK) else None
        self.least = min((limit.cpus for limit in estimate.limits if granted(limit)), default=inf)
        return True

    def changed(self) -> bool:
        """Whether a variable, a file, the host's name or a mask that decided is another now.

        Raise `OSError` if it cannot be asked for.
        """
        try:
            # No public attribute: `_override` in count.py says why.
            variables: dict[bytes, bytes] = os.environ._data  # type: ignore[attr-defined]
        except AttributeError:
            return True  # somebody has put another mapping in its place
        if not variables.keys().isdisjoint(self.unset):
            return True
        for name, value in self.set:
            if variables.get(name) != value:
                return True
        for path, text in self.files:
            if read_named(path) != text:
                return True
        if self.mask is not None and FACTS["affinity"](None) != self.mask:
            return True
        return self.hostname is not None and FACTS["hostname"](None) != self.hostname


def granted(limit: Limit) -> bool:
    """Whether a variable or its file says it; AWS Lambda's says a rate."""
    return limit.kind == "allocation" or (limit.kind == "rate" and limit.where[:1] == "$")
