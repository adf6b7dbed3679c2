"""CPU lists, the kernel's way to write a set of CPUs: ``0-3,8,10-11``.

Format: "List format", https://man7.org/linux/man-pages/man7/cpuset.7.html
A set is an integer with bit N set for CPU N.
"""

from __future__ import annotations

from kumo._text import whole_number

# The largest CONFIG_NR_CPUS of any architecture is 8192; a number far beyond is
# not a CPU but a broken file.
CEILING = 1 << 16
# The file of the CPUs that are online, in this format.
ONLINE = "/sys/devices/system/cpu/online"


def parse_cpulist(text: str) -> int:
    """Return the CPUs that *text* lists. An empty list is the empty set.

    Raise `ValueError` if *text* is not in list format.
    """
    ranges = []
    for item in text.strip().split(",") if text.strip() else ():
        first, dash, last = item.partition("-")
        low = _cpu_number(first)
        high = _cpu_number(last) if dash else low
        if high < low:
            raise ValueError(f"not a CPU list: {text!r}")
        ranges.append((low, high))
    return _union(ranges)


def _union(ranges: list[tuple[int, int]]) -> int:
    """Return the CPUs of all *ranges*.

    They are merged first: setting one bit of a long integer copies all of it.
    """
    mask, begin, end = 0, 0, -1
    for low, high in sorted(ranges):
        if low > end + 1:
            mask |= ((1 << (end - begin + 1)) - 1) << begin
            begin = low
        end = max(end, high)
    return mask | ((1 << (end - begin + 1)) - 1) << begin


def _cpu_number(text: str) -> int:
    number = whole_number(text)
    if number is None or number >= CEILING:
        raise ValueError(f"not a CPU number: {text!r}")
    return number


def format_cpulist(mask: int) -> str:
    """Return *mask* in list format."""
    ranges = []
    bits = f"{mask:b}"[::-1] + "0"  # the bit of CPU 0 first
    low = bits.find("1")
    while low >= 0:
        after = bits.index("0", low)
        ranges.append(str(low) if low == after - 1 else f"{low}-{after - 1}")
        low = bits.find("1", after)
    return ",".join(ranges)
