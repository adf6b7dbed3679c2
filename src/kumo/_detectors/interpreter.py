"""The number of CPUs that Python was set to: ``-X cpu_count``, else ``PYTHON_CPU_COUNT``.

https://docs.python.org/3/using/cmdline.html#cmdoption-X
From Python 3.13 on, `os.cpu_count()` and the default pools follow them. ``default`` stands
for the system's own number, and an empty variable is the same as none.
"""

from __future__ import annotations

from kumo._detectors._grants import COUNT_FORM, parse_count
from kumo._notes import malformed
from kumo._records import Limit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kumo._records import Note
    from kumo._system.live import System

SOURCE = "Python"
ANNOUNCED = (
    "!x_cpu_count",
    "PYTHON_CPU_COUNT",
)
VARIABLE = "PYTHON_CPU_COUNT"


def detect(system: System) -> Iterator[Limit | Note]:
    where, text = "-X cpu_count", system.fact("x_cpu_count")
    if text is None:
        where, text = f"${VARIABLE}", system.env(VARIABLE)
    if not text or text == "default":
        return
    try:
        cpus = parse_count(text)
    except ValueError:
        yield malformed(where, text, f"{COUNT_FORM} or default")
        return
    yield Limit("python", "allocation", cpus, where, f"{text} (Python: the CPUs that it counts)")
