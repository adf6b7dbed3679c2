"""Limits by a hypervisor: capped partitions of PowerVM, and limited ones of IBM Z.

PowerVM: ``/proc/powerpc/lparcfg``, arch/powerpc/platforms/pseries/lparcfg.c of the kernel and
https://www.ibm.com/docs/en/linux-on-systems?topic=commands-lparstat. A capped shared
partition gets its entitlement and no more. That is in processors, each of which runs as many
logical CPUs at once as it has threads; the count is in logical CPUs, by the rule for AIX.

s390: ``/proc/sysinfo``, arch/s390/kernel/sysinfo.c and
https://www.ibm.com/docs/en/linux-on-systems?topic=monitoring-proc-sysinfo. It says that an LPAR
is ``Limited``, and not to how many CPUs, so that there is a note and no limit.
"""

from __future__ import annotations

from kumo._cgroups.cpuset import online_cpus, text_of
from kumo._notes import malformed, note
from kumo._records import Limit, inf
from kumo._text import whole_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kumo._records import Note
    from kumo._system.live import System

ANNOUNCING_FILES = LPARCFG, SYSINFO = "/proc/powerpc/lparcfg", "/proc/sysinfo"
MODE, CAPPED = "shared_processor_mode", "capped"
ENTITLED, ACTIVE = "partition_entitled_capacity", "partition_active_processors"
FORM = f"{ENTITLED} and {ACTIVE} with their numbers"


def parse_lparcfg(text: str) -> tuple[float, str]:
    """Return the entitlement in virtual processors' worth of time, and the words that say so.

    That is `inf` unless the partition is shared and capped. Raise `ValueError` for a text
    without the numbers that a capped one needs.

    Format: ``capped=1`` and the like, one a line; the entitlement is in hundredths of a processor.
    """
    values = dict(line.strip().partition("=")[::2] for line in text.split("\n"))
    names = (MODE, CAPPED, ENTITLED, ACTIVE)
    shown = " ".join(f"{name}={values[name]}" for name in names if name in values)
    if values.get(MODE) != "1" or values.get(CAPPED) != "1":
        return inf, shown
    return _positive(values.get(ENTITLED, "")) / 100 / _positive(values.get(ACTIVE, "")), shown


def _positive(text: str) -> int:
    number = whole_number(text)
    if not number:
        raise ValueError(text)
    return number


def is_limited(text: str) -> bool:
    """Whether ``LPAR Characteristics: Shared Limited`` and the like says that an LPAR is capped."""
    for line in text.split("\n"):
        name, _, value = line.partition(":")
        if name.strip() == "LPAR Characteristics" and "Limited" in value.split():
            return True
    return False


def detect(system: System) -> Iterator[Limit | Note]:
    # Everybody may read both. If /proc is closed, the detector of quotas reports it.
    yield from _partition(system, text_of(system, LPARCFG))
    if is_limited(text_of(system, SYSINFO) or ""):
        yield note(
            "platform-hides",
            platform="a capped LPAR of IBM Z",
            what="the cap",
            place="the LPAR's capping on the Hardware Management Console",
            differs="is less",
        )


def _partition(system: System, text: str | None) -> Iterator[Limit | Note]:
    if text is None:
        return
    try:
        entitled, shown = parse_lparcfg(text)
    except ValueError:
        yield malformed(LPARCFG, text, FORM)
        return
    if not shown:  # no partition of PowerVM, as under KVM
        return
    online = online_cpus(system).bit_count()
    cpus = entitled * online if online else inf
    yield Limit("entitlement", "rate", cpus, LPARCFG, shown)
