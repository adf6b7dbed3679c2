"""CPU lists, the kernel's way to write a set of CPUs: ``0-3,8,10-11``.

Format: "List format", https://man7.org/linux/man-pages/man7/cpuset.7.html
A set is held as an integer with bit N set for CPU N.
"""

from __future__ import annotations

# The largest CONFIG_NR_CPUS of any architecture is 8192; a number far beyond is
# not a CPU but a broken file.
CEILING = 1 << 16
# The file of the CPUs that are online, in this format.
ONLINE = "/sys/devices/system/cpu/online"


def parse_cpulist(text: str) -> int:
    """Return the CPUs that *text* lists. An empty list is the empty set.

    Raise `ValueError` where *text* is not in list format.
    """
    mask = 0
    for item in text.strip().split(",") if text.strip() else ():
        first, dash, last = item.partition("-")
        low = _number(first)
        high = _number(last) if dash else low
        if high < low:
            raise ValueError(f"not a CPU list: {text!r}")
        mask |= ((1 << (high - low + 1)) - 1) << low
    return mask


def _number(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 8 and int(text) < CEILING:
        return int(text)
    raise ValueError(f"not a CPU number: {text!r}")


def format_cpulist(mask: int) -> str:
    """Return *mask* in list format."""
    ranges = []
    cpu = 0
    while mask:
        skip = (mask & -mask).bit_length() - 1
        mask >>= skip
        length = (~mask & (mask + 1)).bit_length() - 1
        low, high = cpu + skip, cpu + skip + length - 1
        ranges.append(str(low) if low == high else f"{low}-{high}")
        mask >>= length
        cpu = high + 1
    return ",".join(ranges)
