"""Whether this process sees a view of the CPUs, as `kumo run --view` shows one, and what is true.

The library of the view answers `sched_getaffinity`, so that kumo itself has to ask elsewhere:
``/proc/PID/status`` is the kernel's own.
Format: ``Cpus_allowed_list:\t0-63``, https://man7.org/linux/man-pages/man5/proc_pid_status.5.html
"""

from __future__ import annotations

import os
from errno import ENODATA

from kumo._cgroups.cpulist import parse_cpulist
from kumo._system.calls import VIEW
from kumo._text import whole_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

FILES = "KUMO_VIEW_FILES"  # set if the CPU files are replaced as well
FIELD = "Cpus_allowed_list:"


def shown_cpus(environ: Mapping[str, str] = os.environ) -> int | None:
    """Return how many CPUs the view shows that this process is in, `None` without one."""
    text = environ.get(VIEW)
    if not text:
        return None
    return whole_number(text, 7) or None


def kernel_mask(thread: int) -> int:
    """Return the CPUs that a thread may use, 0 being the caller, by the kernel's own text.

    Raise `OSError` as `os.sched_getaffinity`, and `ValueError` if the text is not a list of CPUs.
    """
    path = f"/proc/{thread or 'thread-self'}/status"
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.readlines()
    except FileNotFoundError:
        raise ProcessLookupError(3, "no such process", str(thread)) from None
    for line in lines:
        if line.startswith(FIELD):
            return parse_cpulist(line[len(FIELD) :])
    raise OSError(ENODATA, f"no {FIELD[:-1]}", path)
