"""macOS: the CPUs that are active, and the levels of performance among them.

sysctl(3), https://developer.apple.com/documentation/kernel/1387446-sysctlbyname; the names are
those of bsd/kern/kern_mib.c in apple-oss-distributions/xnu.
"""

from __future__ import annotations

from kumo._system.native import sysctl, sysctl_count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def _levels(pid: int | None) -> str | None:
    lines = []
    for level in range(int(sysctl_count("hw.nperflevels") or 0)):
        name = (sysctl(f"hw.perflevel{level}.name") or b"").rstrip(b"\0").decode("ascii", "replace")
        lines.append(f"{name or level} {sysctl_count(f'hw.perflevel{level}.logicalcpu') or 0}")
    return "\n".join(lines) or None


FACTS: dict[str, Callable[[int | None], str | None]] = {
    "hw.activecpu": lambda pid: sysctl_count("hw.activecpu"),
    "hw.perflevel": _levels,
}
