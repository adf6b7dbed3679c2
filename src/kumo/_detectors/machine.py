"""The CPUs that are online.

https://www.kernel.org/doc/html/latest/admin-guide/cputopology.html
"""

from __future__ import annotations

from kumo._cgroups.cpulist import ONLINE, parse_cpulist
from kumo._notes import malformed, unreadable
from kumo._records import Limit
from kumo._system.calls import VIEW
from kumo._text import whole_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kumo._records import Note
    from kumo._system.live import System

# A view of files replaces `online`, and leaves these two as they are.
PRESENT, OFFLINE = "/sys/devices/system/cpu/present", "/sys/devices/system/cpu/offline"
# The call of each system; os.cpu_count comes last, since Python's options change it.
CALLS = {
    "GetActiveProcessorCount": "GetActiveProcessorCount",
    "hw.activecpu": "hw.activecpu",
    "hw.ncpuonline": "hw.ncpuonline",
    "hw.ncpu": "hw.ncpu",
    "SC_NPROCESSORS_ONLN": "sysconf(_SC_NPROCESSORS_ONLN)",
    "cpus": "os.cpu_count",
}


def detect(system: System) -> Iterator[Limit | Note]:
    if _has_files_of_a_view(system):
        behind = _behind_the_view(system)
        if behind is not None:
            yield behind
            return
    try:
        text = system.read(ONLINE)
    except OSError as error:
        yield unreadable(ONLINE, error)
        text = None
    if text is not None:
        try:
            online = parse_cpulist(text).bit_count()
        except ValueError:
            online = 0
        if online:
            yield Limit("online", "set", online, ONLINE, text.strip())
            return
        yield malformed(ONLINE, text, "a list of CPUs such as 0-3")
    for fact, where in CALLS.items():
        count = system.fact(fact) or ""
        number = whole_number(count)
        if number:
            yield Limit("online", "set", number, where, count)
            return


def _has_files_of_a_view(system: System) -> bool:
    try:
        if not system.env(VIEW):
            return False
        from kumo._system.view import FILES

        return bool(system.env(FILES))
    except OSError:
        return False  # another's environment: the override's detector reports it


def _behind_the_view(system: System) -> Limit | None:
    """Return the limit that the true list of CPUs online would give."""
    try:
        present, offline = system.read(PRESENT) or "", system.read(OFFLINE) or ""
        cpus = parse_cpulist(present) & ~(parse_cpulist(offline) if offline.strip() else 0)
    except (OSError, ValueError):
        return None
    if not cpus:
        return None
    return Limit("online", "set", cpus.bit_count(), PRESENT, present.strip())
