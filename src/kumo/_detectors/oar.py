"""OAR: the job's resources on this host, if the process is not in a cpuset of OAR's.

https://oar.readthedocs.io/en/2.5/user/commands/oarsub.html
The file that ``OAR_NODEFILE`` names lies on the job's own hosts and lists them, one line a
resource, usually a core. If OAR puts jobs in cpusets, the cpuset is the grant, with
the hardware threads that lines do not count, and the kernel has it in the affinity.
"""

from __future__ import annotations

from kumo._detectors._grants import left_out, read_membership, read_named, same_host
from kumo._records import Limit, inf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kumo._records import Note
    from kumo._system.live import System

SOURCE = "OAR"
ANNOUNCED = ("OAR_NODEFILE",)
SCHEDULERS = {"OAR": SOURCE}
VARIABLE = "OAR_NODEFILE"


def in_cpuset(membership: str) -> bool:
    """Whether the process is in a cgroup of OAR's.

    Format: ``4:cpuset:/oar/anna_4242`` or ``0::/oar.slice/…``, lines of ``/proc/self/cgroup``.
    The directory is ``CPUSET_PATH`` of ``oar.conf``, ``/oar`` unless a site changes it.
    """
    return any(":/oar" in line for line in membership.split("\n"))


def detect(system: System) -> Iterator[Limit | Note]:
    path, host = system.env(VARIABLE) or "", system.fact("hostname") or "(unknown)"
    if in_cpuset(read_membership(system)):
        granted = f"{path} (OAR: the job's cpuset is the affinity)"
        yield Limit("oar", "allocation", inf, f"${VARIABLE}", granted)
        return
    notes: list[Note] = []
    text = read_named(system, VARIABLE, notes)
    own = sum(same_host(line, host) for line in (text or "").split("\n"))
    if own:
        granted = f"{own} (OAR: the job's resources on {host})"
        yield Limit("oar", "allocation", own, path, granted)
    elif text is None:
        yield from notes or [left_out(system, VARIABLE, "that file does not exist here")]
    else:
        yield left_out(system, VARIABLE, f"that file does not list this host, {host}")
