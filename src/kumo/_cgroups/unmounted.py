"""The meaning of a missing cgroup file system, by the system that has none.

Containers of OpenVZ, zones of illumos and WSL1 imitate Linux without its cgroups: nobody inside
can mount any. They are known by their kernel's version, which is the fact ``sandbox``, or
by the file system of their root directory:

- OpenVZ: ``simfs``, https://wiki.openvz.org/Simfs; its cap is ``cpulimit`` of vzctl(8)
- LX zones: ZFS of the pool ``zones``, https://docs.smartos.org/lx-branded-zones/; the cap is
  ``zone.cpu-cap``, resource_controls(7)
- WSL1: ``wslfs`` or ``lxfs``, https://learn.microsoft.com/windows/wsl/compare-versions
"""

from __future__ import annotations

from kumo._notes import MOUNT, note

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kumo._records import Errs, Note
    from kumo._system.live import System

GVISOR = "gVisor"
# By the fact: what is missing there, in which direction that errs, and what to do instead.
WITHOUT: dict[str, tuple[str, Errs, str]] = {
    "OpenVZ": (
        "This is an OpenVZ container, which does not show its CPU limit",
        "over",
        "Look at `vzctl` or `prlctl` on its host for the cpulimit, or run `kumo measure`, "
        "and set KUMO_AVAILABLE_PARALLELISM.",
    ),
    "LX zone": (
        "This is an LX zone, which does not show its cpu-cap to Linux programs",
        "over",
        "Look at the zone's cpu_cap with `vmadm get` on its host, or run `kumo measure`, "
        "and set KUMO_AVAILABLE_PARALLELISM.",
    ),
    "WSL1": (
        "This is WSL1, which has no cgroups and shows one processor group of Windows",
        "either",
        "Use WSL2 for the other CPUs, or look at the job's CPU rate on Windows, "
        "and set KUMO_AVAILABLE_PARALLELISM.",
    ),
}


def root_of(line: str) -> str | None:
    """Return the key of `WITHOUT` that a mountinfo line of the root directory has."""
    left, _, right = line.partition(" - ")
    fields, source = left.split(), right.split()
    if len(fields) < 6 or fields[4] != "/" or len(source) < 2:
        return None
    if source[0] in ("wslfs", "lxfs"):
        return "WSL1"
    if source[0] == "simfs":
        return "OpenVZ"
    is_zone = source[0] == "zfs" and (source[1] + "/").startswith("zones/")
    return "LX zone" if is_zone else None


def not_mounted(system: System, what: str, missing: str) -> Iterator[Note]:
    """Yield the note that no quota can be read, since *what*; none for gVisor, which has its own.

    The step is one that can be followed on that system: to mount what is *missing*, if nothing
    else is known.
    """
    name = system.fact("sandbox")
    if name == GVISOR:
        return
    if name not in WITHOUT:
        try:
            lines = (system.read("/proc/self/mountinfo") or "").split("\n")
        except OSError:
            lines = []
        name = next(filter(None, map(root_of, lines)), None)
    if name in WITHOUT:
        what, errs, step = WITHOUT[name]
    else:
        errs, step = "over", MOUNT.format(missing)
    yield note("cgroup-not-mounted", errs, what=what, step=step)
